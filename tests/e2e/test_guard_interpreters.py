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

from torchgraft.wheel.guard import guard_files, module_text
from torchgraft.wheel.plan_finishing import Guard, plan_guard

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="the libraries are ELF files")]

INFO = "ext-1.0.dist-info"
OLD, NEW = "2.8.0+old", "2.9.0+new"
# Has what the old one has.
FITS = "2.8.1+old"
OLDEST, NEWEST = 10, 15
# The name of the module has to be that of the file.
_MODULE = """
#include <Python.h>
int torch_old(void);
static PyObject *use(PyObject *self, PyObject *none) { return PyLong_FromLong(torch_old()); }
#ifdef SLOW
#include <unistd.h>
static void wait(void) {
  PySys_SetObject("is_initialising", Py_True);
  Py_BEGIN_ALLOW_THREADS usleep(100000); Py_END_ALLOW_THREADS
}
#else
static void wait(void) {}
#endif
#ifdef THIRD
int third(void);
int (*third_function)(void) = third;
#endif
static PyMethodDef methods[] = {{"use", use, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
#ifdef SINGLE
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, NAME, NULL, -1, methods};
PyMODINIT_FUNC INIT(void) { wait(); return PyModule_Create(&module); }
#else
static PyModuleDef_Slot slots[] = {
#if PY_VERSION_HEX >= 0x030c0000
  {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
  {0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, NAME, NULL, 0, methods, slots};
PyMODINIT_FUNC INIT(void) { wait(); return PyModuleDef_Init(&module); }
#endif
"""
_TORCH = """
import ctypes, os
from .version import __version__ as __version__
ctypes.CDLL(os.path.join(os.path.dirname(__file__), "lib", "libc10.so"))
"""
NAMES = ("ext._C", "ext.inner.deep", "ext.single", "ext_top")
# Their initialisation takes a while, and lets other threads run.
SLOW = ("ext_slow", "ext.slow", "ext.inner.slow_single")
# They need of a third library what is not there: all of it, and a function.
THIRD = ("ext.third", "ext.third_function")
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
    for version, function in ((OLD, "torch_old"), (FITS, "torch_old"), (NEW, "torch_new")):
        torch = folder / version / "torch"
        compile_library(torch / "lib" / "libc10.so", f"int {function}(void) {{ return 7; }}")
        (torch / "__init__.py").write_text(_TORCH)
        (torch / "version.py").write_text(f"__version__ = {version!r}\ncuda = None\nhip = None\n")
    site = folder / "site"
    compile_library(folder / "third" / "libthird.so", "int third(void) { return 7; }")
    for name in (*NAMES, *SLOW, *THIRD, f"{PLAIN}._C", f"{PLAIN}.single"):
        stem = name.rpartition(".")[2]
        flags = [f"-I{include}", f'-DNAME="{stem}"', f"-DINIT=PyInit_{stem}", *(["-DSINGLE"] * stem.endswith("single"))]
        flags += ["-DSLOW"] * (name in SLOW) + ["-DTHIRD"] * (name in THIRD)
        flags += [f"-L{folder / 'third'}", "-lthird"] * (name == "ext.third")
        file = site / f"{name.replace('.', '/')}{suffix}"
        compile_library(file, _MODULE, *flags, f"-L{folder / OLD / 'torch' / 'lib'}", "-lc10")
    for package in ("ext", "ext/inner", PLAIN):
        (site / package / "__init__.py").touch()
    (site / "ext" / "__main__.py").write_text("from ext import _C\nprint(_C.use())\n")
    libraries = {
        f"{name.replace('.', '/')}{suffix}": [f"PyInit_{name.rpartition('.')[2]}"] for name in (*NAMES, *SLOW, *THIRD)
    }
    modules = plan_guard(libraries, libraries, (suffix, ".abi3.so", ".so")).modules
    assert len(modules) == len(NAMES + SLOW + THIRD)
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
        assert "undefined symbol: torch_old" in str(error.__cause__)
        assert name not in sys.modules
    else:
        raise SystemExit(f"{name} links")
""".replace("OLD", OLD).replace("NEW", NEW)


@pytest.mark.parametrize("flags", [(), ("-I", "-S", "-OO", "-B")], ids=" ".join)
def test_what_does_not_is_explained_each_time(interpreter: Interpreter, flags: tuple[str, ...]) -> None:
    interpreter.succeeds(EXPLAINED.replace("NAMES", repr(NAMES)), *flags, torch=NEW)


def test_the_fault_of_another_library_stays_as_it_is(interpreter: Interpreter) -> None:
    for name, said in zip(THIRD, ("libthird.so: cannot open shared object", "undefined symbol: third"), strict=True):
        done = interpreter.run(f"import torch, {name}", torch=FITS)
        last = done.stderr.splitlines()[-1]
        assert last.startswith("ImportError: ")
        assert said in last
        assert "built for" not in done.stderr


THREADS = """
import importlib, threading, time, torch
import ext.inner
from importlib.machinery import ExtensionFileLoader, SourceFileLoader
SETUP
seen, errors = [], []
def use(statements, first=False):
    # The first is on its way before the others start.
    while not first and not getattr(sys, "is_initialising", False):
        time.sleep(0.001)
    scope = {}
    try:
        exec(statements, scope)
        seen.append((scope["module"], scope["use"]()))
    except BaseException as error:
        errors.append(error)
for name in NAMES:
    sys.is_initialising = False
    ways = [
        f"import importlib; module = importlib.import_module({name!r}); use = module.use",
        f"from {name} import use; import {name} as module",
        f"import {name} as module; use = module.use",
        f"from {name} import *; import {name} as module",
    ]
    threads = [threading.Thread(target=use, args=(ways[0], True))]
    threads += [threading.Thread(target=use, args=(way,)) for way in ways]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    EXPECTED
"""
# A slow disk: while the guard's own file is read, it is in sys.modules already.
SLOW_DISK = """
def get_code(self, name, known=SourceFileLoader.get_code):
    if name in NAMES:
        sys.is_initialising = True
        time.sleep(0.05)
    return known(self, name)
SourceFileLoader.get_code = get_code
"""
# What does not link is never initialised.
SLOW_LOADER = """
def create_module(self, spec, known=ExtensionFileLoader.create_module):
    if spec.name in NAMES:
        sys.is_initialising = True
        time.sleep(0.05)
    return known(self, spec)
ExtensionFileLoader.create_module = create_module
"""
LINKS = """
    assert not errors, errors
    assert len(seen) == 5, seen
    module = sys.modules[name]
    for one, result in seen:
        assert result == 7
        assert IS_IT, one
        assert one.__file__ == module.__file__ and one.__spec__ is module.__spec__
        assert one.__loader__ is module.__loader__ and one.__package__ == name.rpartition(".")[0]
    seen.clear()
"""
LINKS_NOT = """
    assert not seen, seen
    assert name not in sys.modules
    said = f"{name} was built for torch OLD, and does not link with torch NEW"
    explained = [error for error in errors if isinstance(error, ImportError) and str(error).startswith(said)]
    assert len(errors) == len(explained) == 5, errors
    errors.clear()
""".replace("OLD", OLD).replace("NEW", NEW)


def threads(names: tuple[str, ...], setup: str, expected: str) -> str:
    """Return a program in which threads import modules that another one is importing."""
    code = THREADS.replace("SETUP", setup).replace("    EXPECTED", expected)
    return code.replace("NAMES", repr(names))


def test_a_thread_that_waits_gets_the_extension(interpreter: Interpreter) -> None:
    interpreter.succeeds(threads(SLOW, "", LINKS.replace("IS_IT", "one is module")))


def test_a_thread_that_had_the_guard_before_it_ran_sees_the_extension(interpreter: Interpreter) -> None:
    interpreter.succeeds(threads(NAMES, SLOW_DISK, LINKS.replace("IS_IT", "one.use is module.use")))


def test_every_thread_learns_that_it_does_not_link(interpreter: Interpreter) -> None:
    interpreter.succeeds(threads(NAMES, SLOW_LOADER, LINKS_NOT), torch=NEW)
    # Of one in a package that Python believes to be loaded, some are told that it is not there.
    interpreter.succeeds(threads(("ext_top",), SLOW_DISK, LINKS_NOT), torch=NEW)


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
    assert ("undefined symbol: torch_old" in said[0]) == (torch == NEW)
    assert torch == NEW or said[0].startswith("_C 7\n")


@pytest.mark.parametrize(
    ("flags", "most"),
    [((), 1), (("-B", "-X", "pycache_prefix=/nowhere"), 0.6)],
    ids=["compiled", "not compiled"],
)
def test_it_costs_less_than_a_module_of_the_standard_library(
    interpreter: Interpreter, flags: tuple[str, ...], most: float
) -> None:
    """So that it holds on a slower machine: that imports `textwrap` more slowly too."""
    code = """
import importlib, time, torch
def seconds(name):
    sys.modules.pop(name, None)
    before = time.process_time()
    importlib.import_module(name)
    return time.process_time() - before
import ext, plain
least = {name: min(seconds(name) for _ in range(50)) for name in ("ext._C", "plain._C", "textwrap")}
print((least["ext._C"] - least["plain._C"]) / least["textwrap"])
"""
    assert float(interpreter.succeeds(code, *flags)) < most


def test_a_type_checker_finds_no_fault(tmp_path: Path) -> None:
    """Of a package without stubs it reads the Python module that is in the extension's place."""
    pytest.importorskip("mypy")
    (tmp_path / "ext").mkdir()
    (tmp_path / "ext" / "__init__.py").touch()
    (tmp_path / "ext" / "_C.py").write_text(module_text("_C.guarded.so", info=INFO))
    (tmp_path / "use.py").write_text("from ext import _C\nfrom ext._C import size\n_C.size(size())\n")
    # As it does with what is installed.
    flags = ["--strict", "--follow-imports=silent", "--config-file=", "--cache-dir", os.devnull]
    command = [sys.executable, "-m", "mypy", *flags, "use.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
