"""Which glibc a compiler compiles with, and up to which one a CUDA toolkit's headers agree with it.

May not judge. Programs are asked only on machines whose glibc is new enough to clash with any toolkit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..files import read_start
from ..model.hardware_values import HostCompiler
from .libc_clashes import CLASHES, first_cuda
from .nvcc import include_folders
from .programs import ask_program

_LARGEST_BYTES = 1_000_000
_RELEASE = re.compile(r"glibc (\d+\.\d+)")
_MACROS = re.compile(r"^#define __GLIBC(|_MINOR)__ (\d+)$", re.MULTILINE)
_TIMEOUT_S = 5.0


def machine_libc() -> str:
    """Return the release of the C library of the machine, such as 2.42; "" where it is no glibc."""
    try:
        match = _RELEASE.fullmatch(os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (AttributeError, OSError, ValueError):  # not on Windows, macOS, musl
        return ""
    return match[1] if match else ""


def with_libc(
    compilers: tuple[HostCompiler, ...], variables: Mapping[str, str], *, machine: str
) -> tuple[HostCompiler, ...]:
    """Return compilers with the glibc whose headers they take: conda's have older ones of their own.

    :param machine: the release of the machine's; nobody is asked where it clashes with nothing
    """
    if first_cuda(machine) is None:
        return compilers
    return tuple(replace(c, libc=_libc_of(c.cxx, variables)) if c.name else c for c in compilers)


def read_highest_libc(home: Path) -> str:
    """Return the newest glibc that the headers of a toolkit agree with; "" where none is known that they do not.

    Headers that somebody has patched agree with more than their release does.
    """
    for folder in include_folders(home):
        text = (read_start(folder / "crt" / "math_functions.h", _LARGEST_BYTES) or b"").decode("utf-8", "replace")
        for clash in CLASHES if text else ():
            if re.search(rf"\bdouble\s+{clash.function}\(double x\)\s*;", text):
                return clash.before
        if text:
            break
    return ""


def _libc_of(compiler: str, variables: Mapping[str, str]) -> str:
    command = [compiler, "-E", "-dM", "-x", "c++", "-include", "features.h", os.devnull]
    said = dict(_MACROS.findall(ask_program(command, variables, timeout_s=_TIMEOUT_S) or ""))
    return f"{said['']}.{said['_MINOR']}" if len(said) == len(("major", "minor")) else ""
