"""The guard in every CPython of this machine: how a module is imported, and by what, makes no difference.

The extension modules are real, and so are the two sets of libraries that stand for torch. What is installed is laid out
as a wheel would be, by the code that alters wheels.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from torchgraft.act.guard import guard_files
from torchgraft.decide.guard import plan_guard
from torchgraft.planned import Guard

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="the libraries are ELF files")]

INFO = "ext-1.0.dist-info"
OLD, NEW = "2.8.0+old", "2.9.0+new"
OLDEST, NEWEST = 10, 15
# The name of the module has to be that of the file.
_MODULE = """
#include <Python.h>
int c10_old(void);
static PyObject *use(PyObject *self, PyObject *none) { return PyLong_FromLong(c10_old()); }
static PyMethodDef methods[] = {{"use", use, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
#ifdef SINGLE
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, NAME, NULL, -1, methods};
PyMODINIT_FUNC INIT(void) { return PyModule_Create(&module); }
#else
static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030c0000
  {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
  {0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, NAME, NULL, 0, methods, slots};
PyMODINIT_FUNC INIT(void) { return PyModuleDef_Init(&module); }
#endif
"""
_TORCH = """
import ctypes, os
from .version import __version__ as __version__
ctypes.CDLL(os.path.join(os.path.dirname(__file__), "lib", "libc10.so"))
"""
NAMES = ("ext._C", "ext.inner.deep", "ext.single", "ext_top")
# What is not guarded is the same library, for comparison.
PLAIN = "plain"


@dataclass(frozen=True)
class Interpreter:
    """A CPython with its headers, and a folder where a guarded package is installed for it."""

    program: str
    folder: Path

    def run(self, code: str, *flags: str, torch: str = OLD) -> subprocess.CompletedProcess[str]:
        paths = [str(self.folder / torch), str(self.folder / "site")]
        start = f"import sys; sys.path[:0] = {paths!r}\n"
        return subprocess.run(
            [self.program, *flags, "-c", start + code],
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def succeeds(self, code: str, *flags: str, torch: str = OLD) -> str:
        done = self.run(code, *flags, torch=torch)
        assert done.returncode == 0, done.stderr
        return done.stdout


def interpreters() -> dict[str, str]:
    """Return one CPython of each minor version: the present one, and those of pyenv and on PATH."""
    found = {f"3.{sys.version_info[1]}": sys.executable}
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for minor in range(OLDEST, NEWEST + 1):
        name = f"python3.{minor}"
        own = sorted(pyenv.glob(f"versions/3.{minor}.*/bin/{name}"))
        program = str(own[-1]) if own else shutil.which(name)
        # What is in pyenv's shims is no interpreter.
        if program and Path(program).parent != pyenv / "shims":
            found.setdefault(f"3.{minor}", program)
    return found


def said_by(program: str) -> dict[str, str] | None:
    """Return what an interpreter says of itself; None where nothing can be compiled for it."""
    code = """
import json, os, sysconfig
include = sysconfig.get_path("include")
suffix = sysconfig.get_config_var("EXT_SUFFIX")
print(json.dumps({"include": include, "suffix": suffix} if os.path.exists(include + "/Python.h") else None))
"""
    done = subprocess.run([program, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    found: dict[str, str] | None = json.loads(done.stdout) if done.returncode == 0 else None
    return found


def compile_library(path: Path, code: str, *flags: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["cc", "-shared", "-fPIC", "-O0", "-x", "c", "-", "-o", str(path), f"-Wl,-soname,{path.name}", *flags]
    subprocess.run(command, input=code, text=True, check=True, timeout=60)


def install(folder: Path, include: str, suffix: str) -> None:
    for version, function in ((OLD, "c10_old"), (NEW, "c10_new")):
        torch = folder / version / "torch"
        compile_library(torch / "lib" / "libc10.so", f"int {function}(void) {{ return 7; }}")
        (torch / "__init__.py").write_text(_TORCH)
        (torch / "version.py").write_text(f"__version__ = {version!r}\ncuda = None\nhip = None\n")
    site = folder / "site"
    for name in (*NAMES, f"{PLAIN}._C", f"{PLAIN}.single"):
        stem = name.rpartition(".")[2]
        flags = [f"-I{include}", f'-DNAME="{stem}"', f"-DINIT=PyInit_{stem}", *(["-DSINGLE"] * (stem == "single"))]
        file = site / f"{name.replace('.', '/')}{suffix}"
        compile_library(file, _MODULE, *flags, f"-L{folder / OLD / 'torch' / 'lib'}", "-lc10")
    for package in ("ext", "ext/inner", PLAIN):
        (site / package / "__init__.py").touch()
    (site / "ext" / "__main__.py").write_text("from ext import _C\nprint(_C.use())\n")
    libraries = {f"{name.replace('.', '/')}{suffix}": [f"PyInit_{name.rpartition('.')[2]}"] for name in NAMES}
    modules = plan_guard(libraries, libraries, (suffix, ".abi3.so", ".so")).modules
    assert len(modules) == len(NAMES)
    files = guard_files(Guard(modules=modules, tops=(PLAIN,)), info=INFO)
    for old, new in files.moved.items():
        (site / old).rename(site / new)
    (site / INFO).mkdir()
    for name, data in files.added.items():
        (site / name).write_bytes(data)
    record = {"torch": {"version": OLD, "cuda": None, "hip": None}}
    (site / INFO / "torchgraft.json").write_text(json.dumps(record))
    (site / INFO / "METADATA").write_text("Metadata-Version: 2.1\nName: ext\nVersion: 1.0\n")
    (site / INFO / "INSTALLER").write_text("pip\n")


@pytest.fixture(scope="module", params=sorted(interpreters()))
def interpreter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    program = interpreters()[request.param]
    said = said_by(program)
    if said is None:
        pytest.skip("this interpreter has no headers: nothing can be compiled for it")
    folder = tmp_path_factory.mktemp("guard")
    install(folder, said["include"], said["suffix"])
    return Interpreter(program, folder)


IMPORT_ALL = """
import importlib, torch
for name in NAMES:
    module = importlib.import_module(name)
    assert module is sys.modules[name]
    assert module.use() == 7
    assert module.__name__ == name and module.__package__ == name.rpartition(".")[0], vars(module)
    assert ".guarded." in module.__file__ == module.__spec__.origin
    assert importlib.reload(module) is module
    assert importlib.import_module(name).use() == 7
from ext import _C
from ext.inner import deep
import ext.inner.deep
""".replace("NAMES", repr(NAMES))


@pytest.mark.parametrize("flags", [(), ("-I", "-S", "-B"), ("-O",), ("-OO", "-X", "importtime")], ids=" ".join)
def test_what_fits_is_loaded(interpreter: Interpreter, flags: tuple[str, ...]) -> None:
    interpreter.succeeds(IMPORT_ALL, *flags)


EXPLAINED = """
import importlib, torch
for name in NAMES * 2:
    try:
        importlib.import_module(name)
    except ImportError as error:
        assert str(error).startswith(f"{name} was built for torch OLD, and does not link with torch NEW"), error
        assert "undefined symbol: c10_old" in str(error.__cause__)
        assert name not in sys.modules
    else:
        raise SystemExit(f"{name} links")
""".replace("OLD", OLD).replace("NEW", NEW)


@pytest.mark.parametrize("flags", [(), ("-I", "-S", "-OO", "-B")], ids=" ".join)
def test_what_does_not_is_explained_each_time(interpreter: Interpreter, flags: tuple[str, ...]) -> None:
    interpreter.succeeds(EXPLAINED.replace("NAMES", repr(NAMES)), *flags, torch=NEW)


def test_the_finder_of_an_editable_installation(interpreter: Interpreter) -> None:
    finder = "import __editable___ext_1_0_guard\n"
    plain = (f"{PLAIN}._C", f"{PLAIN}.single")
    same = "import importlib, torch\nfor name in NAMES:\n    assert importlib.import_module(name).use() == 7\n"
    for flags in ((), ("-S", "-OO")):
        interpreter.succeeds(finder + EXPLAINED.replace("NAMES", repr(plain)), *flags, torch=NEW)
        interpreter.succeeds(finder + same.replace("NAMES", repr(plain)), *flags)


def test_a_package_that_is_run(interpreter: Interpreter) -> None:
    assert interpreter.succeeds("import torch, runpy; runpy.run_module('ext', run_name='__main__')").strip() == "7"


def test_the_module_itself_is_no_program_with_a_guard_or_without(interpreter: Interpreter) -> None:
    for name in ("ext._C", f"{PLAIN}._C"):
        done = interpreter.run(f"import torch, runpy; runpy.run_module('{name}', run_name='__main__')")
        assert done.stderr.splitlines()[-1] == f"ImportError: No code object available for {name}"


SUBINTERPRETER = """
import torch
try:
    import _interpreters as api
    execute = api.exec
    made = api.create("KIND")
except ImportError:
    import _xxsubinterpreters as api
    execute = api.run_string
    made = api.create(isolated="KIND" == "isolated")
error = execute(made, '''
import importlib, sys
sys.path[:0] = PATHS
for name in NAMES:
    try:
        print(name, importlib.import_module(name).use())
    except ImportError as error:
        print(name, error.__cause__ or error)
'''.replace("PATHS", repr(sys.path[:2])))
assert error is None, error
"""


@pytest.mark.parametrize("kind", ["isolated", "legacy"])
@pytest.mark.parametrize("torch", [OLD, NEW])
def test_a_subinterpreter_gets_what_it_gets_without(interpreter: Interpreter, kind: str, torch: str) -> None:
    """Since 3.12, an isolated one refuses modules that are initialised in a single phase; the guard has no say."""
    said = []
    for package in ("ext", PLAIN):
        names = (f"{package}._C", f"{package}.single")
        code = SUBINTERPRETER.replace("KIND", kind).replace("NAMES", repr(names))
        text = interpreter.succeeds(code, torch=torch)
        said.append(text.replace(".guarded", "").replace(f"/{package}/", "/").replace(f"{package}.", ""))
    assert said[0] == said[1]
    assert ("undefined symbol: c10_old" in said[0]) == (torch == NEW)
    assert torch == NEW or said[0].startswith("_C 7\n")


@pytest.mark.parametrize("flags", [(), ("-B", "-X", "pycache_prefix=/nowhere")], ids=["compiled", "not compiled"])
def test_the_cost_is_less_than_a_millisecond(interpreter: Interpreter, flags: tuple[str, ...]) -> None:
    code = """
import importlib, time, torch
def seconds(name):
    sys.modules.pop(name, None)
    before = time.perf_counter()
    importlib.import_module(name)
    return time.perf_counter() - before
import ext, plain
least = {name: min(seconds(name + "._C") for _ in range(50)) for name in ("ext", "plain")}
print(least["ext"] - least["plain"])
"""
    assert float(interpreter.succeeds(code, *flags)) < 0.001
