"""Whether the modules of a wheel are what its tags promise: libraries, and for this interpreter.

May not load one, nor look into libraries: `modules` does.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Collection, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path, PurePosixPath

_SHARED_OBJECT = re.compile(r".+\.so(\.\d+)*")
# What stands between a module's name and its ending: the interpreter, and the platform (PEP 3149).
_TAGGED = re.compile(
    r"(?P<module>.+)"
    r"(?P<suffix>\.(?:abi3|(?:cpython-\d+[a-z]*|pypy\d+-pp\d+|cp\d+t?)(?:-(?P<platform>[\w-]+))?)\.(?:so|pyd))"
)
_START_BYTES = 4096
# A broken library may be what is tested with.
_OF_TESTS = frozenset({"test", "tests", "testing", "testdata", "test_data"})


def module_fault(
    wheel: Path, libraries: Collection[str], *, suffixes: Sequence[str] = EXTENSION_SUFFIXES, system: str = sys.platform
) -> str:
    """Return which file of a wheel cannot be what it is called, and why; "" if there is none.

    What is for other systems, or for other interpreters beside this one, is left alone.

    :param libraries: the files that are libraries of whatever system
    :param suffixes: those of the modules that the interpreter imports, its own first
    :raises zipfile.BadZipFile, OSError: if it is no archive, or cannot be read
    """
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if _OF_TESTS.isdisjoint(PurePosixPath(name).parts)]
        for name in sorted(set(names) - set(libraries)) if system == "linux" else ():
            if _SHARED_OBJECT.fullmatch(name):
                with archive.open(name) as member:
                    said = _no_library(member.read(_START_BYTES))
                if said:
                    return f"{name} {said}"
    return _for_another_python(names, suffixes)


def _no_library(start: bytes) -> str:
    """Return what a file is that should be a library; "" for a script of the linker, which stands for one."""
    if not start:
        return "is empty"
    if start.startswith(b"version https://git-lfs.github.com/"):
        return "is a pointer of Git LFS, not the library"
    # https://sourceware.org/binutils/docs/ld/Implicit-Linker-Scripts.html
    is_script = re.search(rb"\b(?:INPUT|GROUP)\s*\(", start) and b"\0" not in start
    return "" if is_script else "is no library"


def _for_another_python(names: Collection[str], suffixes: Sequence[str]) -> str:
    own = _TAGGED.fullmatch(f"x{suffixes[0]}")
    platform = own["platform"] if own else None
    tagged = [match for match in map(_TAGGED.fullmatch, sorted(names)) if match]
    importable = {match["module"] for match in tagged if match["suffix"] in suffixes}
    for match in tagged:
        module = match["module"]
        others = (f"{module}.py", f"{module}/__init__.py", f"{module}.so", f"{module}.pyd")
        if module not in importable and match["platform"] in {None, platform} and not any(o in names for o in others):
            return f"{match[0]} is for another Python, and there is none for this one"
    return ""
