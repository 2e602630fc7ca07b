"""Releases of glibc that declare functions in another way than CUDA's headers: nothing with math.h compiles then.

May not know what is on a machine.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LibcClash:
    """What a release of glibc has declared `noexcept` since, and the first CUDA whose headers say so too.

    `function` is one that crt/math_functions.h declares for double, alone or with others. `before` is the release of
    glibc before that one.
    """

    glibc: str
    before: str
    function: str
    cuda: str
    source: str


# By glibc's release. The releases of CUDA: nvidia-cuda-nvcc-cu12 12.4 to 12.9, nvidia-cuda-crt 13.0 to 13.5, read.
CLASHES: tuple[LibcClash, ...] = (
    LibcClash(
        glibc="2.41",
        before="2.40",
        function="cospi",
        cuda="13.0",
        source="https://github.com/opencv/opencv/issues/27111",
    ),
    LibcClash(
        glibc="2.42",
        before="2.41",
        function="rsqrt",
        cuda="13.2",
        source="https://github.com/llvm/llvm-project/pull/185701",
    ),
)


def agrees(libc: str, highest: str) -> bool:
    """Return whether headers that agree with glibc up to `highest` agree with a release; "" is none that is known."""
    return not libc or not highest or release(libc) <= release(highest)


def first_cuda(libc: str) -> LibcClash | None:
    """Return the clash that a release of glibc has with older CUDAs than the one it names; None if it has none."""
    found = [clash for clash in CLASHES if libc and release(clash.glibc) <= release(libc)]
    return found[-1] if found else None


def release(version: str) -> tuple[int, ...]:
    """Return a version such as 2.42 to be compared."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())
