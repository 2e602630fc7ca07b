"""Four extensions in one `uv sync` under a limit of memory: one budget for all, against none, and numbers by hand.

    python benchmarks/at_once.py WHEEL --torch ENVIRONMENT [--files N] [--limit BYTES] [--header H] [--ways WAYS]

As it stands it takes about ten minutes on two cores. ENVIRONMENT has a torch; a copy of it is the project's. Each
way gets a control group of its own (v1 or v2), with the limit: who may not make one, or has swap, gets no figures.
Kills are those that the kernel counts there. `2 x 1` is two builds at once (UV_CONCURRENT_BUILDS) with MAX_JOBS=1
each; where no number is said, uv builds all four. WAYS are names of ways with commas; `4 x 1` is made if it is named.
Run it on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from pathlib import Path

from isolated_install import copied_environment, wheelhouse
from measuring import BACKEND, Table, main, run, uv_program
from ten_files import path_without

PACKAGES = 4
SCRIPT = """
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

sources = [f"file_{{i}}.cpp" for i in range({files})]
setup(ext_modules=[CppExtension("{name}", sources)], cmdclass={{"build_ext": BuildExtension}})
"""
SOURCE = "#include <{header}>\nat::Tensor copy_{i}(const at::Tensor &one) {{ return one; }}\n"
MODULE = '#include <Python.h>\nextern "C" PyObject *PyInit_{name}() {{ return nullptr; }}\n'
OFF = {"TORCHGRAFT_JOBSERVER": "off"}
WAYS: dict[str, dict[str, str]] = {
    "one budget": {},
    "none": OFF,
    "4 x 1": {**OFF, "MAX_JOBS": "1"},
    "2 x 1": {**OFF, "MAX_JOBS": "1", "UV_CONCURRENT_BUILDS": "2"},
    "1 x 2": {**OFF, "MAX_JOBS": "2", "UV_CONCURRENT_BUILDS": "1"},
}
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def measure(wheels: list[Path], folder: Path, options: argparse.Namespace) -> Table:
    """Return the table: a row a way, with the time against the best number by hand that had no kills."""
    python = copied_environment(Path(options.torch).absolute() / "bin" / "python", folder / "app" / ".venv")
    house = wheelhouse(wheels[0], folder / "wheels")
    run(sys.executable, "-m", "pip", "download", "--quiet", "--dest", house, "ninja")
    write_application(folder, options)
    path = path_without("ninja", folder / "programs")  # that of the index asks jobservers
    found = {}
    for title in [way for way in WAYS if way in options.ways.split(",")]:
        found[title] = sync(folder, python, house, options, {"PATH": path, **WAYS[title]})
        print(title, found[title], file=sys.stderr, flush=True)
    by_hand = [took for title, (took, kills, _, _) in found.items() if " x " in title and not kills]
    table = Table(["seconds", "against the best by hand", "kills", "peak, GB", "ended well"])
    for title, (took, kills, peak, is_well) in found.items():
        ratio = f"{took / min(by_hand):.2f} x" if by_hand else "-"
        table.add(title, [f"{took:.0f}", ratio, kills, f"{peak / 1e9:.1f}", "yes" if is_well else "no"])
    return table


def write_application(folder: Path, options: argparse.Namespace) -> None:
    """Write four extensions, and a project that depends on them."""
    names = [f"ext{number}" for number in range(PACKAGES)]
    for name in names:
        place = folder / name
        place.mkdir()
        project = f'[project]\nname = "{name}"\nversion = "1"\n[tool.setuptools]\npy-modules = []\n'
        (place / "pyproject.toml").write_text(f"[build-system]\n{BACKEND}{project}", encoding="utf-8")
        (place / "setup.py").write_text(SCRIPT.format(files=options.files, name=name), encoding="utf-8")
        for i in range(options.files):
            text = SOURCE.format(i=i, header=options.header) + (MODULE.format(name=name) if i == 0 else "")
            (place / f"file_{i}.cpp").write_text(text, encoding="utf-8")
    sources = "".join(f'{name} = {{ path = "../{name}" }}\n' for name in names)
    project = f'[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = {names!r}\n'
    (folder / "app" / "pyproject.toml").write_text(f"{project}[tool.uv.sources]\n{sources}", encoding="utf-8")


def sync(
    folder: Path, python: Path, house: Path, options: argparse.Namespace, variables: dict[str, str]
) -> tuple[float, int, int, bool]:
    """Return how long it took, how many were killed, the peak in bytes, and whether it ended well."""
    from e2e.test_memory import control_group, in_group  # measuring has added tests/ to the search path

    for number in range(PACKAGES):
        shutil.rmtree(folder / f"ext{number}" / "build", ignore_errors=True)
    command = [uv_program(), "sync", "--inexact", "--reinstall", "--refresh", "--no-index", f"--find-links={house}"]
    more = {"TORCHGRAFT_CACHE_DIR": str(folder / "cache"), "TORCHGRAFT_COMPILER_CACHE": "off"}
    more |= {"TORCHGRAFT_MEMORY_PER_JOB": options.job} if options.job else {}
    with control_group(options.limit) as group:
        if group is None:
            raise SystemExit("no control group with a limit of memory can be made here")
        began, is_well = time.monotonic(), True
        try:
            words = in_group(group, [*command, "--python", python])
            run(*words, cwd=folder / "app", **{"UV_CONCURRENT_BUILDS": str(PACKAGES), **more, **variables})
        except RuntimeError as error:
            is_well = False
            print(str(error)[-2000:], file=sys.stderr)
        took = time.monotonic() - began
        kills, peak = 0, 0
        for name in ("memory.oom_control", "memory.events"):
            if (group / name).exists():
                kills = int((_KILLS.findall((group / name).read_text()) or ["0"])[0])
        for name in ("memory.max_usage_in_bytes", "memory.peak"):
            if (group / name).exists():
                peak = int((group / name).read_text())
    return took, kills, peak, is_well


if __name__ == "__main__":
    ways = ",".join(way for way in WAYS if way != "4 x 1")
    defaults = {"files": 2, "limit": 6_000_000_000, "header": "torch/extension.h", "job": "", "ways": ways}
    main(measure, str(__doc__), torch="", **defaults)
