"""What the shared libraries of an installed torch say: its C++ ABI and the architectures it was built for.

May not load them. They are mapped, not read: one has a gigabyte.
"""

from __future__ import annotations

import contextlib
import mmap
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..files import is_file

# The constructor c10::Error(SourceLocation, std::string) in the two ABIs: the old one's std::string is mangled as Ss.
# The CMake files stopped to tell after 2.5.
_ERROR = re.compile(rb"_ZN3c105ErrorC[12]ENS_14SourceLocationE(?:(NSt7__cxx1112basic_string)|Ss)")
# What torch._C._cuda_getArchFlags() returns, to its end; before it may stand anything.
_FLAGS = (
    re.compile(rb"sm_\d+[a-z]?(?: (?:sm|compute)_\d+[a-z]?)*(?=\0)"),
    re.compile(rb"gfx[0-9a-f]{3,5}(?: gfx[0-9a-f]{3,5})*(?=\0)"),
)
# What torch.__config__.show() says of nvcc.
_NVCC_FLAGS = re.compile(rb"-gencode;arch=compute_\w+,code=[\w,\[\]]+(?:;-gencode;arch=compute_\w+,code=[\w,\[\]]+)*")
_NVCC_CODES = re.compile(rb"code=([^;]+)")


def read_cxx11_abi(folder: Path) -> bool | None:
    """Return whether a torch uses the new C++ ABI, None where there is no libc10.so to tell."""
    found = _search(folder / "lib" / "libc10.so", _ERROR)
    return None if found is None else b"NSt7__cxx11" in found


def read_architectures(folder: Path) -> tuple[str, ...]:
    """Return the architectures that a torch was built for, as sm_90, compute_120 or gfx90a, in its own order."""
    for library in ("libtorch_python.so", "torch_python.dll"):
        found = [flags for pattern in _FLAGS for flags in _find_all(folder / "lib" / library, pattern)]
        if found:
            # A name that is alone may be of something else.
            return _words(max(found, key=len).split())
    for library in ("libtorch_cuda.so", "torch_cuda.dll"):
        flags = _search(folder / "lib" / library, _NVCC_FLAGS)
        if flags is not None:
            # arch=compute_90,code=sm_90: what is generated is the code.
            return _words(name for codes in _NVCC_CODES.findall(flags) for name in codes.strip(b"[]").split(b","))
    return ()


def _words(names: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.decode("ascii") for name in names))


def _search(path: Path, pattern: re.Pattern[bytes]) -> bytes | None:
    with _mapped(path) as data:
        match = pattern.search(data) if data else None
        return match[0] if match else None


def _find_all(path: Path, pattern: re.Pattern[bytes]) -> list[bytes]:
    with _mapped(path) as data:
        return pattern.findall(data) if data else []


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | None]:
    """Yield the bytes of a library, None where they cannot be had."""
    if not is_file(path):
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            data = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):  # ValueError: it is empty
            data = None
        yield data
