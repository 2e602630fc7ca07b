"""What ninja is worth where PATH has none: ten C++ files, built by pip with each wheel of torchgraft.

    python benchmarks/ten_files.py WHEEL [WHEEL ...] --torch ENVIRONMENT [--times N] [--header ATen/ATen.h]

The wheels take turns; the first is what the others are compared with. Each file includes torch's own headers. With one
wheel alone, a build with `use_ninja=False` is what it is compared with. Run it on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from isolated_install import copied_environment, wheelhouse
from measuring import BACKEND, Table, columns, main, ratio, run, timed

FILES = 10
SCRIPT = """
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

sources = [f"file_{{i}}.cpp" for i in range({files})]
setup(ext_modules=[CppExtension("ten", sources)], cmdclass={{"build_ext": BuildExtension{options}}})
"""
SOURCE = "#include <{header}>\nat::Tensor copy_{i}(const at::Tensor &one) {{ return one; }}\n"
MODULE = '#include <Python.h>\nextern "C" PyObject *PyInit_ten() { return nullptr; }\n'
SERIAL = ".with_options(use_ninja=False)"


def measure(wheels: list[Path], folder: Path, options: argparse.Namespace) -> Table:
    """Return the table."""
    python = copied_environment(Path(options.torch).absolute() / "bin" / "python", folder / "consumer")
    path = path_without("ninja", folder / "programs")
    houses = [wheelhouse(wheel, folder / f"wheels-{i}") for i, wheel in enumerate(wheels)]
    for house in houses:
        run(sys.executable, "-m", "pip", "download", "--quiet", "--dest", house, "ninja")
    fast = write_ten_files(folder / "ten", options.header)
    pairs = [(house, fast) for house in houses]
    if len(wheels) == 1:
        pairs.insert(0, (houses[0], write_ten_files(folder / "serial", options.header, SERIAL)))

    def build(house: Path, source: Path) -> float:
        shutil.rmtree(source / "build", ignore_errors=True)
        command = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", f"--find-links={house}"]
        into = ["-w", folder / "wheels", source]
        return timed(*command, *into, PATH=path, TORCHGRAFT_CACHE_DIR=str(folder / "cache"))

    # In turns, and all rounds count: they are long.
    rounds = [[build(*pair) for pair in pairs] for _ in range(options.times)]
    first, *others = map(list, zip(*rounds, strict=True))
    table = Table(columns(wheels) if len(wheels) > 1 else ["one after the other", *columns(wheels)])
    table.add("ten files, no ninja on PATH", [ratio(first, first), *(ratio(found, first) for found in others)])
    return table


def write_ten_files(folder: Path, header: str, options: str = "") -> Path:
    """Return a source tree of an extension of ten files."""
    folder.mkdir()
    project = '[project]\nname = "ten"\nversion = "1"\ndependencies = ["torch"]\n[tool.setuptools]\npy-modules = []\n'
    (folder / "pyproject.toml").write_text(f"[build-system]\n{BACKEND}{project}", encoding="utf-8")
    (folder / "setup.py").write_text(SCRIPT.format(files=FILES, options=options), encoding="utf-8")
    for i in range(FILES):
        text = SOURCE.format(i=i, header=header) + (MODULE if i == 0 else "")
        (folder / f"file_{i}.cpp").write_text(text, encoding="utf-8")
    return folder


def path_without(name: str, folder: Path) -> str:
    """Return PATH as it is, but for a program: folders that have it are replaced by links to all else in them."""
    found = []
    for i, place in enumerate(dict.fromkeys(os.environ["PATH"].split(os.pathsep))):
        if not (Path(place) / name).exists():
            found.append(place)
            continue
        made = folder / str(i)
        made.mkdir(parents=True)
        for program in Path(place).iterdir():
            if program.name != name:
                (made / program.name).symlink_to(program)
        found.append(str(made))
    return os.pathsep.join(found)


if __name__ == "__main__":
    main(measure, str(__doc__), torch="", times=1, header="ATen/ATen.h")
