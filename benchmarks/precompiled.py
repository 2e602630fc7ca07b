"""What a precompiled torch/extension.h saves: ten C++ files that begin with it, against --no-build-isolation.

    python benchmarks/precompiled.py WHEEL [WHEEL ...] --torch ENVIRONMENT [--files N] [--backend cmake]

ENVIRONMENT has a torch; builds use a copy of it. The extension is built by pip without isolation, by setuptools alone;
then isolated, with precompiled headers and an empty cache; then once more. What counts is the CPU time of compilers
(user), which a busy machine disturbs little. Objects are compared byte by byte: all three get the same paths. With
`--backend cmake` scikit-build-core builds it, isolated without the header, too.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from compiled_once import BACKENDS, BUILD_SYSTEM, BUILD_TOOLS
from isolated_install import copied_environment, wheelhouse
from measuring import SETUPTOOLS, Table, columns, main, run, site_packages

SOURCE = "#include <torch/extension.h>\nat::Tensor copy_{i}(const at::Tensor &one) {{ return one + {i}; }}\n"
MODULE = 'PYBIND11_MODULE(ten, module) { module.def("copy", &copy_0); }\n'
PROJECT = '[project]\nname = "ten"\nversion = "1"\ndependencies = ["torch"]\n[tool.setuptools]\npy-modules = []\n'


def measure(wheels: list[Path], folder: Path, options: argparse.Namespace) -> Table:
    """Return the table."""
    python = copied_environment(Path(options.torch).absolute() / "bin" / "python", folder / "consumer")
    run(python, "-m", "pip", "install", "--quiet", "ninja")
    source, site = folder / "ten", site_packages(python)
    maps = f"-ffile-prefix-map={source}=. -ffile-prefix-map={site}/torch=graft/torch"  # as SOURCE_DATE_EPOCH has it
    houses = [wheelhouse(wheel, folder / f"wheels-{i}", *BUILD_TOOLS) for i, wheel in enumerate(wheels)]
    requires, backend, *_ = BACKENDS[options.backend]
    isolated = BUILD_SYSTEM.format(requires=requires, backend=backend)
    ours = {"TORCHGRAFT_COMPILER_CACHE": "off", "SOURCE_DATE_EPOCH": "1700000000"}
    if options.backend == "cmake":
        plainly = (isolated, "--no-index", f"--find-links={houses[0]}", "-Cbuild-dir=build")
        plain, objects = build(python, source, options, *plainly, TORCHGRAFT_CACHE_DIR=str(folder / "cache"), **ours)
    else:
        plainly = (f"[build-system]\n{SETUPTOOLS}", "--no-build-isolation")
        plain, objects = build(python, source, options, *plainly, CFLAGS=maps, CXXFLAGS=maps)
    table = Table(columns(wheels))
    rows: dict[str, list[str]] = {}
    for i, house in enumerate(houses):
        for title in ("nothing is there yet", "again"):
            taken, made = build(
                python,
                source,
                options,
                isolated,
                "--no-index",
                f"--find-links={house}",
                *(["-Cbuild-dir=build"] if options.backend == "cmake" else []),
                TORCHGRAFT_CACHE_DIR=str(folder / f"cache-{i}"),
                TORCHGRAFT_PRECOMPILED_HEADERS="true",
                **ours,
            )
            same = sum(made.get(name) == text for name, text in objects.items())
            code = sum(without_debug(made[name]) == without_debug(objects[name]) for name in objects if name in made)
            said = f"{taken / plain:.2f} x ({taken:.0f} s CPU; {plain:.0f} s without), {same} of {len(objects)} objects"
            rows.setdefault(title, []).append(f"{said} the same, {code} but for debug information")
    for title, values in rows.items():
        table.add(title, values)
    return table


def build(
    python: Path, source: Path, options: argparse.Namespace, build_system: str, *more: str, **variables: str
) -> tuple[float, dict[str, bytes]]:
    """Return the CPU seconds of a build, and its objects by name."""
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    (source / "pyproject.toml").write_text(f"{build_system}{PROJECT}", encoding="utf-8")
    *_, script, text = BACKENDS[options.backend]
    (source / script).write_text(text, encoding="utf-8")
    for i in range(options.files):
        text = SOURCE.format(i=i) + (MODULE if i == 0 else "")
        (source / f"file_{i}.cpp").write_text(text, encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", *more, "-w", source / "out", source, **variables)
    taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return taken, {path.name: path.read_bytes() for path in source.rglob("*.o")}


def without_debug(data: bytes) -> bytes:
    """Return an object without what a debugger reads."""
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        file.write(data)
        file.flush()
        run("objcopy", "--strip-debug", file.name)
        return Path(file.name).read_bytes()


if __name__ == "__main__":
    main(measure, str(__doc__), torch=sys.prefix, files=10, backend="setuptools")
