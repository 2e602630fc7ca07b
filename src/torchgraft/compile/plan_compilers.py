"""Which host compiler nvcc and torch use.

May not start one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Evidence, Problem
from ..model.hardware_values import HostCompiler
from ..model.observation import Snapshot
from .plan_libc import takes

# What look.compilers says of a compiler that variables name.
_USERS = frozenset({"CC", "CXX", "CC and CXX"})


@dataclass(frozen=True, kw_only=True)
class CompilerChoice:
    """A compiler to be set as CC and CXX, or why there is none; both empty where the default is right.

    `forced` says that the user's own CC cannot work.
    """

    compiler: HostCompiler | None = None
    reason: str = ""
    problem: Problem | None = None
    forced: bool = False


def plan_host_compiler(
    snapshot: Snapshot, *, highest_gcc: int | None, toolkit: str, highest_libc: str = ""
) -> CompilerChoice:
    """Return the newest gcc that the toolkit takes, where what would compile is none that it takes.

    CC and CXX are set together or not at all: torch hands CC to nvcc as -ccbin and compiles .cpp with CXX.

    :param highest_gcc: from the toolkit's own host_config.h; None if it sets no limit
    :param highest_libc: the newest glibc that its headers agree with, "" if there is no limit
    """
    if snapshot.hardware is None or snapshot.python.system == "win32":
        return CompilerChoice()  # cl is not looked for
    compilers = snapshot.hardware.compilers
    usable = [compiler for compiler in compilers if compiler.name]
    if not usable:
        return CompilerChoice(problem=_none(compilers))
    default, first = compilers[0], usable[0]
    fitting = [c for c in usable if takes(c, highest_gcc=highest_gcc, highest_libc=highest_libc)]
    if first.name == "gcc" and first not in fitting:
        if not fitting:
            return CompilerChoice(problem=_too_new(first, toolkit, highest_gcc))
        reason = f"{first.cc} is gcc {first.version}, and CUDA {toolkit} takes gcc up to {highest_gcc}"
        if takes(first, highest_gcc=highest_gcc):
            reason = (
                f"{first.cc} takes the headers of glibc {first.libc}, and CUDA {toolkit} those up to {highest_libc}"
            )
        return CompilerChoice(compiler=max(fitting, key=_key), reason=reason, forced=default.source in _USERS)
    if default is first:
        return CompilerChoice()
    # The one in `ccache gcc-11`, where there is such a one; else what would compile if nothing was set.
    same = next((c for c in fitting if c.version == default.version), first)
    return CompilerChoice(compiler=same, reason=_unusable(default), forced=True)


def _unusable(default: HostCompiler) -> str:
    """Return why what the user set cannot be used: torch writes CC behind -ccbin, and asks CXX for its version."""
    name, value = ("CXX", default.cxx) if default.source == "CXX" else ("CC", default.cc)
    why = "torch and nvcc take one program, without arguments" if " " in value else "no gcc or clang answers to it"
    return f"{name}={value} is not used: {why}"


def _none(compilers: tuple[HostCompiler, ...]) -> Problem:
    return Problem(
        code="no-compiler",
        headline="there is no C++ compiler",
        evidence=tuple(Evidence(label="set", text=_unusable(compiler)) for compiler in compilers),
        why="nvcc compiles for GPUs alone, and needs gcc or clang for the rest",
        fixes=("apt-get install g++", "conda install -c conda-forge gxx"),
    )


def _too_new(compiler: HostCompiler, toolkit: str, highest_gcc: int | None) -> Problem:
    found = f"{compiler.version} at {compiler.cc} ({compiler.source}); no older one found"
    return Problem(
        code="compiler-too-new",
        headline=f"gcc {compiler.version} is too new for CUDA {toolkit}",
        evidence=(
            Evidence(label="gcc", text=found),
            Evidence(label="limit", text=f"gcc {highest_gcc}, from the toolkit's crt/host_config.h"),
        ),
        why="nvcc refuses it with '#error unsupported GNU version'",
        fixes=(
            f"apt-get install g++-{highest_gcc}   (it is then found by itself)",
            f"conda install -c conda-forge gxx={highest_gcc}",
        ),
    )


def _key(compiler: HostCompiler) -> tuple[int, ...]:
    return tuple(int(part) for part in compiler.version.split(".") if part.isdigit()) or (0,)
