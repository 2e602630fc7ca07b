"""Whether a CUDA toolkit compiles with the C library of the machine: see `libc_clashes`.

May not choose a toolkit or a compiler.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import Evidence, Problem
from ..model.hardware_values import HostCompiler, Toolkit
from .libc_clashes import agrees, first_cuda, release


def takes(compiler: HostCompiler, *, highest_gcc: int | None, highest_libc: str = "") -> bool:
    """Return whether a toolkit with these limits takes a compiler as the one for the host."""
    return (
        compiler.name == "gcc"
        and (highest_gcc is None or release(compiler.version)[:1] <= (highest_gcc,))
        and agrees(compiler.libc, highest_libc)
    )


def clashing_compiler(toolkit: Toolkit, compilers: Iterable[HostCompiler]) -> HostCompiler | None:
    """Return a compiler whose C library a toolkit's headers clash with; None where they agree with that of another."""
    usable = [compiler for compiler in compilers if compiler.name]
    fitting = [c for c in usable if takes(c, highest_gcc=toolkit.highest_gcc)] or usable[:1]
    if not fitting or any(agrees(compiler.libc, toolkit.highest_libc) for compiler in fitting):
        return None
    return fitting[0]


def oldest_libc(compilers: Iterable[HostCompiler]) -> str:
    """Return the oldest glibc among those that compilers take; "" where one is not known."""
    known = [compiler.libc for compiler in compilers if compiler.name]
    return min(known, key=release) if known and all(known) else ""


def clash_text(toolkit: Toolkit, compiler: HostCompiler) -> str:
    """Return why a toolkit is not taken."""
    return (
        f"its headers agree with glibc up to {toolkit.highest_libc}, and {compiler.cxx} compiles with {compiler.libc}"
    )


def libc_problem(toolkit: Toolkit, compiler: HostCompiler, *, torch: str) -> Problem:
    """Return what is wrong where no release of a CUDA's major version agrees with the machine's glibc."""
    clash = first_cuda(compiler.libc)
    function = clash.function if clash else "some functions"
    return Problem(
        code="libc-too-new",
        headline=f"CUDA {toolkit.version} cannot compile with glibc {compiler.libc}",
        evidence=(
            Evidence(label="torch", text=torch),
            Evidence(label="nvcc", text=f"{toolkit.version} at {toolkit.nvcc} ({toolkit.source})"),
            Evidence(label="glibc", text=f"{compiler.libc}, of which {compiler.cxx} takes the headers"),
            Evidence(label="limit", text=f"glibc {toolkit.highest_libc}, from the toolkit's crt/math_functions.h"),
        ),
        why=f"glibc declares {function} in another way since, and nothing that includes math.h compiles",
        fixes=(
            "conda install -c conda-forge gxx   (in an active environment: it has headers of an older glibc)",
            "install a torch for CUDA 13: the toolkit for it is then taken from PyPI",
            f"build in a container whose glibc is {toolkit.highest_libc} or older",
        ),
    )
