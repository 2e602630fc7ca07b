"""Every way to build an extension against a torch, side by side, and the page of them: docs/benchmarks.md.

    python benchmarks/suite.py WHEEL --torch ENVIRONMENT [--project NAME ...] [--only WAY ...] [--results FILE] [--page]

WHEEL is one of torchgraft, ENVIRONMENT has a torch, of which pip can find the wheel too. Run it on a machine with
nothing else to do. A line of JSON is written for each row as it is done, to docs/benchmarks.jsonl if no other file is
named, and what is there already is not measured again: `--project torchsort` measures that package's rows alone. --page
writes the table and the plot of what is there. No index is asked while the clock runs, and `ccache` and `sccache` are
not used.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from isolated_install import copied_environment
from measuring import CHECKOUT, run, uv_program
from ten_files import path_without

sys.path.insert(0, str(CHECKOUT / "tests"))

from support.environment import enter_environment

PAGE = CHECKOUT / "docs" / "benchmarks.md"
TORCH = "torch=={torch}"
SETUPTOOLS = '["setuptools>=77"]', "setuptools.build_meta", ""
RAPIDS = """[tool.rapids-build-backend]
build-backend = "setuptools.build_meta"
requires = []
disable-cuda = true
"""
# By what the page calls them: requires, backend, further tables; the front end; its further arguments.
WAYS: dict[str, tuple[tuple[str, str, str], str, tuple[str, ...]]] = {
    "torchgraft, pip": (('["torchgraft", "setuptools>=77"]', "torchgraft.build_meta", ""), "pip", ()),
    "torchgraft, uv": (('["torchgraft", "setuptools>=77"]', "torchgraft.build_meta", ""), "uv", ()),
    "pip --no-build-isolation": (SETUPTOOLS, "pip", ("--no-build-isolation",)),
    "uv --no-build-isolation": (SETUPTOOLS, "uv", ("--no-build-isolation",)),
    "pip, requires torch": ((f'["setuptools>=77", "{TORCH}"]', "setuptools.build_meta", ""), "pip", ()),
    "uv sync, match-runtime": (SETUPTOOLS, "sync", ()),
    "pip, rapids-build-backend": (
        (
            f'["rapids-build-backend>=0.4", "setuptools>=77", "{TORCH}"]',
            "rapids_build_backend.build",
            RAPIDS,
        ),
        "pip",
        (),
    ),
    "pip, scikit-build-core": ((f'["scikit-build-core>=0.10", "{TORCH}"]', "scikit_build_core.build", ""), "pip", ()),
}
DOWNLOADS = ("setuptools>=77", "rapids-build-backend>=0.4", "scikit-build-core>=0.10", "packaging", "tomli", "wheel")
CORPUS = "torchsort==0.1.10"
CORPUS_SHA256 = "416a7dd2ab88332b27e98318d7fb2e0243b9fb6f1fffcf77760d63103d70dd04"
EXPLAINED = """\
Compare rows of one project, and do not quote seconds. *Cold*: nothing of the build is kept. *Again*: the same sdist
into the same environment, without the wheels that the front end keeps. *Other environment*: the same into another one.
*No-op*: the same command, and it is installed. *One line changed*: an editable installation after a change of one
file. Ways with torch in `requires` take its wheel from a folder; from an index it would be downloaded first. Memory is
what all processes had at once; written is what they wrote, links not counted. `uv sync` puts torch into its
environment, too, when that is new. No compiler cache is used; torchgraft's wheel store is, which is why it builds
nothing again."""
STEPS = ("cold", "again", "other environment", "no-op", "one line changed")
_COUNT = 'import os\nwith open(os.environ["COUNTED"], "a") as file:\n    file.write("{}\\n")\n'
SCRIPT = (
    _COUNT.format("setup.py")
    + "import torch\n"
    + _COUNT.format("torch")
    + """
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

setup(ext_modules=[CppExtension("many._C", {sources})], cmdclass={{"build_ext": BuildExtension}}, packages=["many"])
"""
)
CMAKE = """cmake_minimum_required(VERSION 3.26)
project(many LANGUAGES CXX)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
execute_process(COMMAND ${{Python_EXECUTABLE}} count.py WORKING_DIRECTORY ${{CMAKE_CURRENT_SOURCE_DIR}}
  OUTPUT_VARIABLE paths OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
list(APPEND CMAKE_PREFIX_PATH ${{paths}})
find_package(Torch REQUIRED)
Python_add_library(_C MODULE {sources} WITH_SOABI)
target_link_libraries(_C PRIVATE torch)
set_property(TARGET _C PROPERTY CXX_STANDARD 20)
install(TARGETS _C LIBRARY DESTINATION many)
"""
MODULE = """
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C"};
extern "C" PyObject *PyInit__C() { return PyModule_Create(&module); }
"""


@dataclass(frozen=True)
class Place:
    """What all rows of one run share."""

    folder: Path
    house: Path
    index: str
    torch: Path
    version: str

    @property
    def counted(self) -> Path:
        """Where setup.py says that it runs."""
        return self.folder / "counted"


def measured(work: Callable[[], object], counted: Path) -> dict[str, float]:
    """Return what some work took. Bytes are those that all its processes wrote, and memory what they had at once."""
    counted.write_text("", encoding="utf-8")
    most, over = [0], threading.Event()
    watch = threading.Thread(target=_watch_memory, args=(most, over))
    watch.start()
    began, cpu, written = time.perf_counter(), _cpu_s(), _written_bytes()
    try:
        work()
    finally:
        wall = time.perf_counter() - began
        over.set()
        watch.join()
    said = counted.read_text(encoding="utf-8").split()
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(_cpu_s() - cpu, 2),
        "memory_mb": round(most[0] / 1e6),
        "written_mb": round((_written_bytes() - written) / 1e6),
        "setup_py": said.count("setup.py"),
        "torch_imported": said.count("torch"),
    }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _written_bytes() -> int:
    """Return what this process and all that it has waited for have written, to files and pipes."""
    return int(re.findall(r"^wchar: (\d+)", Path("/proc/self/io").read_text(encoding="ascii"), re.MULTILINE)[0])


def _watch_memory(most: list[int], over: threading.Event) -> None:
    import psutil

    before: int | None = None  # what the server of the index has
    while not over.wait(0.2):
        total = 0
        for process in psutil.Process().children(recursive=True):
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        before = total if before is None else before
        most[0] = max(most[0], total - before)


def write_project(folder: Path, way: str, files: int, version: str) -> Path:
    """Return a source tree of an extension of so many C++ files."""
    (requires, backend, tables), _, _ = WAYS[way]
    sources = [f"file_{number}.cpp" for number in range(files)]
    texts = {f"file_{n}.cpp": f"#include <{HEADER}>\nint f{n}() {{ return {n}; }}\n" for n in range(files)}
    texts["file_0.cpp"] = f"#include <Python.h>\n{texts['file_0.cpp']}{MODULE}"
    texts["many/__init__.py"] = ""
    if "scikit" in backend:
        texts["CMakeLists.txt"] = CMAKE.format(sources=" ".join(sources))
        path = "print(torch.utils.cmake_prefix_path)\n"
        texts["count.py"] = _COUNT.format("setup.py") + "import torch\n" + _COUNT.format("torch") + path
    else:
        texts["setup.py"] = SCRIPT.format(sources=sources)
        texts["MANIFEST.in"] = "include *.cpp\n"
    texts["pyproject.toml"] = (
        f'[build-system]\nrequires = {requires.format(torch=version)}\nbuild-backend = "{backend}"\n'
        f'[project]\nname = "many"\nversion = "1"\ndependencies = ["torch"]\n{tables}'
    )
    texts["PKG-INFO"] = "Metadata-Version: 2.4\nName: many\nVersion: 1\n"
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def write_corpus(folder: Path, way: str, place: Place) -> Path:
    """Return the source tree of a package of PyPI, with another [build-system]."""
    (requires, backend, tables), _, _ = WAYS[way]
    (sdist,) = place.house.glob("torchsort-*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    script = tree / "setup.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(_COUNT.format("setup.py") + "import torch\n" + _COUNT.format("torch") + text, encoding="utf-8")
    (tree / "pyproject.toml").write_text(
        f'[build-system]\nrequires = {requires.format(torch=place.version)}\nbuild-backend = "{backend}"\n{tables}',
        encoding="utf-8",
    )
    return tree


def packed(tree: Path) -> Path:
    """Return an sdist of a source tree."""
    name = f"{tree.name if '-' in tree.name else 'many-1'}"
    sdist = tree.with_name(f"{name}.tar.gz")
    with tarfile.open(sdist, "w:gz") as archive:
        archive.add(tree, name)
    return sdist


class Runner:
    """Installs an extension in one way, again and again."""

    def __init__(self, way: str, place: Place, folder: Path, name: str) -> None:
        _, self._front, self._more = WAYS[way]
        self._place, self._folder, self._name = place, folder, name
        self._variables = {
            "TORCHGRAFT_CACHE_DIR": str(folder / "cache"),
            "TORCHGRAFT_COMPILER_CACHE": "off",
            "TORCH_NO_COMPILER_WRAPPER": "1",
            "COUNTED": str(place.counted),
            "UV_CACHE_DIR": str(place.folder / "uv"),
            "PIP_CONSTRAINT": "",
        }

    def environment(self, name: str) -> Path:
        """Return a new environment with a torch; an application, whose environment uv makes, for `uv sync`."""
        if self._front != "sync":
            return copied_environment(self._place.torch / "bin" / "python", self._folder / name)
        return self._folder / name

    def forget(self) -> None:
        """Have uv forget the wheels that it has built of the extension; pip is told to keep none."""
        if self._front != "pip":
            run(uv_program(), "cache", "clean", "--quiet", self._name, **self._variables)

    def install(self, target: Path, environment: Path, *, anew: bool = False, editable: bool = False) -> object:
        """Install the extension. `anew`: it is built again, whatever is installed and whatever the front end keeps."""
        options = ["--no-index", f"--find-links={self._place.house}"]
        if self._front == "pip":
            command = [environment, "-m", "pip", "install", "--quiet", "--no-deps", "--no-cache-dir", *self._more]
            command += ["--force-reinstall"] if anew else []
        elif self._front == "uv":
            command = [uv_program(), "pip", "install", "--quiet", "--no-deps", "--python", environment, *self._more]
            command += ["--reinstall-package", self._name, "--refresh-package", self._name] if anew else []
        else:
            self._write_application(environment, target, editable=editable)
            command = [uv_program(), "sync", "--quiet", "--python", sys.executable]
            command += ["--reinstall-package", self._name, "--refresh-package", self._name] if anew else []
            return run(*command, cwd=environment, **self._variables)
        return run(*command, *options, *(["-e"] if editable else []), target, **self._variables)

    def _write_application(self, folder: Path, target: Path, *, editable: bool) -> None:
        folder.mkdir(exist_ok=True)
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        source = f'path = "{target}"{", editable = true" if editable else ""}'
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "app"\nversion = "1"\nrequires-python = "=={python}.*"\n'
            f'dependencies = ["torch=={self._place.version}", "{self._name}"]\n'
            f"[tool.uv.sources]\n{self._name} = {{ {source} }}\n[tool.uv.extra-build-dependencies]\n"
            f'{self._name} = [{{ requirement = "torch", match-runtime = true }}]\n'
            # uv looks for the torch of the build in the index of the other one; no folder of files is one.
            f'[[tool.uv.index]]\nname = "house"\nurl = "{self._place.index}"\ndefault = true\n',
            encoding="utf-8",
        )


def rows(project: str, way: str, place: Place, steps: Sequence[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield what each of these steps took, for one project in one way; the first is made in any case."""
    with tempfile.TemporaryDirectory(prefix="suite-", dir=place.folder) as scratch:
        folder = Path(scratch)
        if project == "torchsort":
            tree = write_corpus(folder / "source", way, place)
        else:
            tree = write_project(folder / "many", way, PROJECTS[project][0], place.version)
        sdist = packed(tree)
        runner = Runner(way, place, folder, "torchsort" if project == "torchsort" else "many")
        one = runner.environment("one")
        cold = measured(lambda: runner.install(sdist, one), place.counted)
        if "cold" in steps:
            yield "cold", cold
        if "again" in steps:
            runner.forget()
            yield "again", measured(lambda: runner.install(sdist, one, anew=True), place.counted)
        if "other environment" in steps:
            other = runner.environment("other")
            runner.forget()
            yield "other environment", measured(lambda: runner.install(sdist, other, anew=True), place.counted)
        if "no-op" in steps:
            yield "no-op", measured(lambda: runner.install(sdist, one), place.counted)
        if "one line changed" in steps:
            runner.install(tree, one, editable=True, anew=True)
            changed = tree / "file_0.cpp"
            changed.write_text(changed.read_text(encoding="utf-8") + "int more = 1;\n", encoding="utf-8")
            again = measured(lambda: runner.install(tree, one, editable=True, anew=True), place.counted)
            yield "one line changed", again


PROJECTS = {
    "one file": (1, STEPS),
    "ten files": (10, ("cold", "again", "one line changed")),
    "torchsort": (0, ("cold",)),
}
HEADER = "c10/core/ScalarType.h"


def ways_of(project: str) -> list[str]:
    """Return the ways in which a project is built: torchsort's sources are setuptools' alone, and large."""
    few = ("torchgraft, pip", "torchgraft, uv", "pip --no-build-isolation", "pip, requires torch")
    return [way for way in WAYS if project != "torchsort" or way in few]


def known_rows(file: Path) -> list[dict[str, object]]:
    """Return the rows that are measured already; of one that was measured twice, the last."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = {(row["project"], row["way"], row["step"]): row for row in map(json.loads, lines)}
    return list(found.values())


@contextlib.contextmanager
def served_index(house: Path, folder: Path) -> Iterator[str]:
    """Serve wheels as a simple index: pages of it are listings of folders. Yield its address."""
    for wheel in house.iterdir():
        name = re.sub(r"[-_.]+", "-", wheel.name.partition("-")[0]).lower()
        (folder / name).mkdir(parents=True, exist_ok=True)
        os.link(wheel, folder / name / wheel.name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), port]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()


def measure(options: argparse.Namespace) -> None:
    """Measure what is not there yet."""
    from packaging.requirements import Requirement  # of the environment of the tests

    from torchgraft.tools.adopt.package_index import download_sdist, find_indexes

    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        folder, torch = Path(scratch), options.torch.absolute()
        version = run(torch / "bin" / "python", "-c", "from torch.version import __version__ as v; print(v)").strip()
        house = folder / "house"
        download = ["-m", "pip", "download", "--quiet", "--dest", house]
        run(sys.executable, *download, options.wheel.resolve(), f"torch=={version}", "cmake>=3.26", "ninja", *DOWNLOADS)
        download_sdist(Requirement(CORPUS), find_indexes(os.environ), house, sha256=CORPUS_SHA256)
        # torchsort asks PATH for an nvcc, and not torch, which may be one for CPUs.
        os.environ["PATH"] = path_without("nvcc", folder / "programs")
        with served_index(house, folder / "simple") as index:
            measure_all(Place(folder, house, index, torch, version), options)


def measure_all(place: Place, options: argparse.Namespace) -> None:
    """Measure what is not there yet, in one place."""
    there = {(row["project"], row["way"], row["step"]) for row in known_rows(options.results)}
    left = {
        (project, way): [step for step in PROJECTS[project][1] if (project, way, step) not in there]
        for project in options.project or PROJECTS
        for way in ways_of(project)
        if not options.only or way in options.only
    }
    # Once before the clock runs: uv unpacks the wheels, files are read from the disk.
    for way in ("torchgraft, uv", "uv sync, match-runtime"):
        if any(steps and name == way for (_, name), steps in left.items()):
            next(rows("one file", way, place, ("cold",)))
    for (project, way), steps in left.items():
        try:
            for step, found in rows(project, way, place, steps) if steps else ():
                row = {"project": project, "way": way, "step": step, "torch": place.version, **found}
                row["measured"] = date_and_machine()
                with options.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)
        except RuntimeError as error:  # the others are measured all the same
            print(f"{project}, {way}: FAILED\n{error}", file=sys.stderr, flush=True)


def page_text(found: Sequence[dict[str, object]]) -> str:
    """Return the page."""
    lines = [
        "# Benchmarks",
        "",
        "<!-- Written by benchmarks/suite.py; do not edit. -->",
        "",
        "Measured with nothing else running, by",
        "",
        "```text",
        "python benchmarks/suite.py WHEEL --torch ENVIRONMENT --page",
        "```",
        "",
        *EXPLAINED.splitlines(),
        "",
        "![Seconds for an extension of ten files, by way and step](benchmarks.svg)",
        "",
    ]
    for project in PROJECTS:
        mine = [row for row in found if row["project"] == project]
        if not mine:
            continue
        lines += [f"## {project.capitalize()}", ""]
        at = dict.fromkeys(f"{row['measured']} with torch {row['torch']}" for row in mine)
        lines += [f"Measured on {', and on '.join(at)}.", ""]
        lines += ["| way | step | wall | CPU | memory | written | `setup.py` ran | torch imported |"]
        lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
        order = list(dict.fromkeys(row["way"] for row in mine))
        for row in sorted(mine, key=lambda row: (order.index(row["way"]), STEPS.index(str(row["step"])))):
            way = row["way"] if row["step"] == "cold" else ""
            values = [
                f"{row['wall_s']:.1f} s",
                f"{row['cpu_s']:.1f} s",
                f"{row['memory_mb']} MB",
                f"{row['written_mb']} MB",
            ]
            values += [str(row["setup_py"]), str(row["torch_imported"])]
            lines.append(f"| {way} | {row['step']} | {' | '.join(values)} |")
        lines.append("")
    return "\n".join(lines)


def date_and_machine() -> str:
    """Return when and on what it was measured."""
    cores = len(os.sched_getaffinity(0))
    return f"{time.strftime('%Y-%m-%d')} on {cores} cores of {platform.machine()}, Python {platform.python_version()},"


def plot_text(found: Sequence[dict[str, object]]) -> str:
    """Return a picture: a group of bars for each way, one for each step, of the ten files."""
    colours = dict(zip(STEPS, ("#3b6ea5", "#7aa6d1", "#b9d2ea", "#c9c9c9", "#e0a458"), strict=True))
    mine = [row for row in found if row["project"] == "ten files"]
    most = max(float(str(row["wall_s"])) for row in mine)
    parts, y, bar, left, width = [], 40, 11, 210, 480
    for number, step in enumerate(step for step in STEPS if any(row["step"] == step for row in mine)):
        x, colour = 10 + 140 * number, colours[step]
        parts.append(
            f'<rect x="{x}" y="10" width="12" height="12" fill="{colour}"/><text x="{x + 17}" y="21">{step}</text>'
        )
    for way in dict.fromkeys(row["way"] for row in mine):
        some = [row for row in mine if row["way"] == way]
        parts.append(f'<text x="{left - 8}" y="{y + bar * len(some) / 2 + 4}" text-anchor="end">{way}</text>')
        for row in some:
            value = float(str(row["wall_s"]))
            long = max(1.0, width * value / most)
            colour = colours[str(row["step"])]
            parts.append(f'<rect x="{left}" y="{y}" width="{long:.1f}" height="{bar - 1}" fill="{colour}"/>')
            parts.append(f'<text x="{left + long + 4:.1f}" y="{y + 9}" font-size="9">{value:.1f} s</text>')
            y += bar
        y += 9
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {y + 5}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])


def write_page(results: Path) -> None:
    """Write the page, its picture and its numbers, and name it in the index of the documentation."""
    found = known_rows(results)
    PAGE.write_text(page_text(found), encoding="utf-8")
    PAGE.with_suffix(".svg").write_text(plot_text(found), encoding="utf-8")
    kept = PAGE.with_suffix(".jsonl")
    if results.resolve() != kept:
        shutil.copy(results, kept)
    index = PAGE.with_name("index.md")
    text = index.read_text(encoding="utf-8")
    if "\nbenchmarks\n" not in text:
        index.write_text(text.replace("\nhouse\n", "\nhouse\nbenchmarks\n"), encoding="utf-8")


def main() -> None:
    """Measure, and write the page."""
    enter_environment()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheel", type=Path, metavar="WHEEL")
    parser.add_argument("--torch", type=Path, required=True, metavar="ENVIRONMENT")
    parser.add_argument("--results", type=Path, default=PAGE.with_suffix(".jsonl"), metavar="FILE")
    parser.add_argument("--project", nargs="+", choices=list(PROJECTS), metavar="NAME")
    parser.add_argument("--only", nargs="+", choices=list(WAYS), metavar="WAY")
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    measure(options)
    if options.page:
        write_page(options.results)


if __name__ == "__main__":
    main()
