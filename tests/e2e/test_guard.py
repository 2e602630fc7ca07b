"""A stale wheel out of the caches of pip and uv: the guard and `torchgraft check` name it, and what they say cures it.

The two torches are real libraries with different C++ ABIs, and the package has a real extension module.
"""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.stub_libraries import make_torch

from .laboratory import CHECKOUT, Environment, Outcome, Workplace, hashes
from .stub_projects import PLAIN_REQUIRES, UV
from .stub_torch import DEFAULT, HERE_TAG, Stubs, make_sdist

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="the libraries are ELF files")]

NAME, MODULE = "stale-ext", "stale_ext._C"
NATIVE = "native"
OLD, NEW = "2.8.0+old", "2.9.0+new"

_SOURCE = """
#include <Python.h>
#include <string>
namespace c10 {
struct SourceLocation { const char* function; const char* file; unsigned line; };
class Error { public: Error(SourceLocation, std::string); std::string message() const; };
}
static PyObject* size(PyObject*, PyObject*) {
  return PyLong_FromSize_t(c10::Error({nullptr, nullptr, 0}, "x").message().size());
}
static PyMethodDef methods[] = {{"size", size, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "stale_ext._C", nullptr, -1, methods};
PyMODINIT_FUNC PyInit__C() { return PyModule_Create(&module); }
"""
_SETUP = """
from pathlib import Path

import torch
from setuptools import Extension, setup

lib = str(Path(torch.__file__).parent / "lib")
abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.__version__.endswith('new'))}"
c = Extension("stale_ext._C", ["c.cpp"], libraries=["c10"], library_dirs=[lib], extra_compile_args=[abi])
setup(ext_modules=[c])
"""


def write_package(folder: Path, *, guard: str = "guard = true") -> Path:
    (folder / "stale_ext").mkdir(parents=True)
    (folder / "stale_ext" / "__init__.py").write_text("def main():\n    pass\n", encoding="utf-8")
    (folder / "c.cpp").write_text(_SOURCE, encoding="utf-8")
    (folder / "setup.py").write_text(_SETUP, encoding="utf-8")
    lines = [
        "[build-system]",
        f"requires = {json.dumps(PLAIN_REQUIRES)}",
        'build-backend = "torchgraft.build_meta"',
        "[project]",
        f'name = "{NAME}"',
        'version = "1.0"',
        'dependencies = ["torch"]',
        "[project.scripts]",
        'stale-ext = "stale_ext:main"',
        "[tool.setuptools]",
        'packages = ["stale_ext"]',
        "[tool.torchgraft]",
        guard,
        "",
    ]
    (folder / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def index(stubs: Stubs, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Publish both torches, on an index of their own, and the package on the default one; return that index."""
    folder = stubs.indexes.folder / NATIVE
    if folder.exists():
        # Another file of tests has published them: front ends remember what they were.
        return stubs.indexes.url(NATIVE)
    folder.mkdir()
    for version, abi in ((OLD, False), (NEW, True)):
        site = tmp_path_factory.mktemp("torch")
        torch = make_torch(site, version, cxx11_abi=abi)
        info = site / f"torch-{version}.dist-info"
        (info / "INSTALLER").unlink()
        (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {HERE_TAG}\n")
        names = [path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()]
        (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
        with zipfile.ZipFile(folder / f"torch-{version}-{HERE_TAG}.whl", "w") as archive:
            for name in names:
                archive.write(torch.site / name, name)
    source = write_package(tmp_path_factory.mktemp("source") / NAME)
    make_sdist(source, stubs.indexes.folder / DEFAULT, "stale_ext", "1.0")
    return stubs.indexes.url(NATIVE)


@dataclass(frozen=True)
class Ground:
    place: Workplace
    consumer: Environment
    index: str

    @property
    def work(self) -> Path:
        return self.place.folder / "work"

    def run(self, *words: str | Path) -> Outcome:
        path = os.pathsep.join([str(self.consumer.prefix / "bin"), str(Path(UV).parent), self.place.path])
        return self.place.run(words, cwd=self.work, PATH=path)

    def pip(self, *words: str | Path) -> None:
        self.run(self.consumer.python, "-m", "pip", *words).succeeded()

    def uv(self, *words: str | Path) -> None:
        self.run(UV, "pip", words[0], "--python", self.consumer.python, *words[1:]).succeeded()

    def torch(self, version: str) -> None:
        self.uv("install", "--index", self.index, f"torch=={version}")

    def use(self, code: str = "") -> Outcome:
        lines = ["import torch", "from stale_ext import _C", "assert _C.size() == 7", code]
        return self.run(self.consumer.python, "-c", "\n".join(lines))

    def check(self) -> Outcome:
        command = [sys.executable, "-m", "torchgraft", "check", self.consumer.prefix]
        return self.place.run(command, cwd=self.work, PYTHONPATH=str(CHECKOUT / "src"))


@pytest.fixture
def ground(stubs: Stubs, index: str) -> Ground:
    place = stubs.workplace()
    (place.folder / "work").mkdir()
    consumer = Environment(place.folder / "consumer")
    place.run([UV, "venv", "--quiet", consumer.prefix]).succeeded()
    place.run([UV, "pip", "install", "--quiet", "--python", consumer.python, "pip"]).succeeded()
    made = Ground(place, consumer, index)
    made.torch(OLD)
    return made


def cures(said: str) -> list[list[str]]:
    """Return the commands that a message names."""
    lines = (line.strip() for line in said.splitlines())
    return [shlex.split(line.removeprefix("cure:")) for line in lines if line.startswith("cure:")]


def assert_stale(ground: Ground) -> list[list[str]]:
    """Assert that guard and check both name the package, and return the cure."""
    used, checked = ground.use(), ground.check()
    assert used.status == 1
    said = f"ImportError: {MODULE} was built for torch {OLD}, and does not link with torch {NEW}"
    assert said in used.said
    assert checked.status == 1, checked.said
    assert "it was compiled with the other C++ ABI" in checked.said
    assert cures(used.said) == cures(checked.said)
    return cures(used.said)


def assert_cured(ground: Ground, commands: list[list[str]]) -> None:
    for command in commands:
        ground.run(*command).succeeded()
    ground.use().succeeded()
    ground.check().succeeded()


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_stale_wheel_of_a_cache(tool: str, ground: Ground) -> None:
    install = getattr(ground, tool)
    install("install", NAME)
    ground.use("assert '.guarded.' in _C.__file__").succeeded()
    ground.check().succeeded()
    ground.torch(NEW)
    install("uninstall", *(["-y"] if tool == "pip" else []), NAME)
    install("install", NAME)

    commands = assert_stale(ground)

    assert [command[0] for command in commands] == [tool]
    assert_cured(ground, commands)


def test_a_wrong_guess_ends_in_one_sentence(ground: Ground) -> None:
    folder = write_package(ground.work / "guessed", guard="")
    install = ("install", "--index", ground.index, folder)
    ground.uv("uninstall", "torch")
    ground.uv(*install)
    ground.use("assert torch.__version__ == '2.9.0+new' and '.guarded.' in _C.__file__").succeeded()
    (record,) = ground.consumer.site_packages.glob("stale_ext-*/torchgraft.json")
    said = json.loads(record.read_text(encoding="utf-8"))
    assert (said["rung"], said["rule"], said["way"]) == ("declared", "R2", "present")
    assert "another may be installed" in said["guess"]

    ground.torch(OLD)

    used = ground.use()
    assert used.status == 1
    assert f"ImportError: {MODULE} was built for torch {NEW}, which was a guess, and meets torch {OLD}\n" in used.said
    for command in cures(used.said):
        ground.run(*command).succeeded()
    # Now it was no guess.
    ground.use("assert '.guarded.' not in _C.__file__").succeeded()
    assert json.loads(record.read_text(encoding="utf-8"))["guess"] is None


def test_a_wrong_guess_of_a_package_that_loads_its_library_itself(ground: Ground) -> None:
    folder = write_package(ground.work / "guessed", guard="")
    setup = folder / "setup.py"
    setup.write_text(setup.read_text().replace('"stale_ext._C"', '"stale_ext.libops"'), encoding="utf-8")
    ground.uv("uninstall", "torch")
    ground.uv("install", "--index", ground.index, folder)
    code = "import torch, stale_ext; print(torch.__version__)"
    assert NEW in ground.run(ground.consumer.python, "-c", code).succeeded().said
    # Nothing imports torch: it is looked for.
    ground.run(ground.consumer.python, "-c", "import stale_ext").succeeded()

    ground.torch(OLD)

    for code in ("import stale_ext", "import torch, stale_ext"):
        said = ground.run(ground.consumer.python, "-c", code).said
        assert f"ImportError: stale_ext was built for torch {NEW}, which was a guess, and meets torch {OLD}\n" in said


def test_a_download_for_nobody_is_told_beforehand(ground: Ground) -> None:
    """What uv and build show of a hook that succeeds, pip shows with -v alone."""
    folder = write_package(ground.work / "guessed", guard="")
    said = ground.run(UV, "build", "--wheel", "--index", ground.index, folder).succeeded().said
    assert "torchgraft:   uv build -C torchgraft.consumer=PATH" in said
    told = ("-C", f"torchgraft.consumer={ground.consumer.prefix}")
    said = ground.run(UV, "build", "--wheel", "--index", ground.index, *told, folder).succeeded().said
    assert "a guess" not in said
    pip = (ground.consumer.python, "-m", "pip", "-v", "wheel", "--no-deps", "--index-url", ground.index)
    extra = ("--extra-index-url", ground.place.variables["PIP_INDEX_URL"])
    ground.uv("uninstall", "torch")
    said = ground.run(*pip, *extra, folder).succeeded().said
    assert "torchgraft:   pip wheel -C torchgraft.torch=VERSION" in said


# How setuptools makes the sources importable: by a path or a finder of its own, by links to every file, by a path.
MODES = ("lenient", "strict", "compat")


@pytest.mark.parametrize(
    ("tool", "mode"),
    [
        pytest.param(*row, marks=[] if row == ("uv", "lenient") else pytest.mark.slow)
        for row in itertools.product(("pip", "uv"), MODES)
    ],
)
def test_an_editable_installation(tool: str, mode: str, ground: Ground) -> None:
    source = write_package(ground.work / "source")
    getattr(ground, tool)("install", "--config-settings", f"editable_mode={mode}", "-e", source)
    ground.use("assert '.guarded.' not in _C.__file__").succeeded()
    assert not [name for name in hashes(source) if "guard" in name]
    ground.torch(NEW)

    assert_cured(ground, assert_stale(ground))


def test_a_folder_that_setuptools_has_built_in_before(ground: Ground) -> None:
    source = write_package(ground.work / "source")
    ground.uv("install", source)
    ground.torch(NEW)

    commands = assert_stale(ground)

    # setuptools would take the library that it has compiled before; torchgraft knows for which torch that was.
    assert [command[0] for command in commands] == ["uv"]
    assert_cured(ground, commands)


def test_a_uv_project(ground: Ground) -> None:
    project = ground.work / "app"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
        f'dependencies = ["torch=={OLD}", "{NAME}"]\n'
        f'[[tool.uv.index]]\nname = "native"\nurl = "{ground.index}"\nexplicit = true\n'
        '[tool.uv.sources]\ntorch = { index = "native" }\n',
        encoding="utf-8",
    )
    ground.run(UV, "sync", "--project", project).succeeded()
    shutil.rmtree(ground.consumer.prefix)
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    (project / "pyproject.toml").write_text(text.replace(OLD, NEW), encoding="utf-8")
    ground.run(UV, "sync", "--project", project).succeeded()
    there = Ground(ground.place, Environment(project / ".venv"), ground.index)

    commands = assert_stale(there)

    assert [command[:2] for command in commands] == [["uv", "sync"]]
    assert_cured(there, commands)


@pytest.mark.slow
def test_a_uv_tool(ground: Ground) -> None:
    tools = ground.place.folder / "tools"
    ground.place.variables["UV_TOOL_DIR"] = str(tools)
    ground.place.variables["UV_TOOL_BIN_DIR"] = str(ground.place.folder / "bin")
    for version in (OLD, NEW):
        ground.run(UV, "tool", "install", "--index", ground.index, "--with", f"torch=={version}", NAME).succeeded()
    there = Ground(ground.place, Environment(tools / NAME), ground.index)

    commands = assert_stale(there)

    assert [command[:3] for command in commands] == [["uv", "tool", "upgrade"]]
    assert_cured(there, commands)
