"""Which host compiler nvcc and torch use.

May not start one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Evidence, Problem
from ..machine import HostCompiler
from ..model import Snapshot


@dataclass(frozen=True, kw_only=True)
class CompilerChoice:
    """A compiler to be set as CC and CXX, or why there is none; both empty where the default is right.

    `forced` says that the user's own CC cannot work.
    """

    compiler: HostCompiler | None = None
    reason: str = ""
    problem: Problem | None = None
    forced: bool = False


def plan_host_compiler(snapshot: Snapshot, *, highest_gcc: int | None, toolkit: str) -> CompilerChoice:
    """Return the newest gcc that the toolkit takes, where the default is too new for it.

    CC and CXX are set together or not at all: torch hands CC to nvcc as -ccbin and compiles .cpp with CXX.

    :param highest_gcc: from the toolkit's own host_config.h; None if it sets no limit
    """
    compilers = snapshot.hardware.compilers if snapshot.hardware else ()
    if highest_gcc is None or not compilers:
        return CompilerChoice()
    default = compilers[0]
    if not default.name:
        return _instead_of(default, compilers, highest_gcc)
    if default.name != "gcc" or _major(default) <= highest_gcc:
        return CompilerChoice()
    fitting = [c for c in compilers if c.name == "gcc" and _major(c) <= highest_gcc]
    if fitting:
        best = max(fitting, key=_key)
        reason = f"{default.cc} is gcc {default.version}, and CUDA {toolkit} takes gcc up to {highest_gcc}"
        return CompilerChoice(compiler=best, reason=reason)
    return CompilerChoice(
        problem=Problem(
            code="compiler-too-new",
            headline=f"gcc {default.version} is too new for CUDA {toolkit}",
            evidence=(
                Evidence(label="gcc", text=f"{default.version} at {default.cc} ({default.source}); no older one found"),
                Evidence(label="limit", text=f"gcc {highest_gcc}, from the toolkit's crt/host_config.h"),
            ),
            why="nvcc refuses it with '#error unsupported GNU version'",
            fixes=(
                f"apt-get install g++-{highest_gcc}   (it is then found by itself)",
                f"conda install -c conda-forge gxx={highest_gcc}",
            ),
        )
    )


def _instead_of(default: HostCompiler, compilers: tuple[HostCompiler, ...], highest_gcc: int) -> CompilerChoice:
    """Return a plain gcc where CC is a command with arguments or a launcher: torch writes it behind -ccbin."""
    fitting = [c for c in compilers if c.name == "gcc" and _major(c) <= highest_gcc]
    if not fitting:
        return CompilerChoice()
    reason = f"CC={default.cc} ({default.source}) is not used: nvcc takes one program, without arguments"
    return CompilerChoice(compiler=max(fitting, key=_key), reason=reason, forced=True)


def _major(compiler: HostCompiler) -> int:
    return _key(compiler)[0]


def _key(compiler: HostCompiler) -> tuple[int, ...]:
    return tuple(int(part) for part in compiler.version.split(".") if part.isdigit()) or (0,)
