"""The libraries of a wheel, a folder or a source tree, as far as linking with torch goes.

May not load one, nor judge whose it is, and trusts nothing that is in it: what is broken is said, never raised.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, cast

from ..consumer.environment import is_environment
from ..files import is_file, is_folder, open_file, real, walk
from ..values import dataclass
from .elf import BROKEN, Dynamic, ElfFile, SymbolTable, compilers, version_needs
from .linkage import Format, Module, is_of_torch

_MAGIC = {
    b"\x7fELF": Format.ELF,
    b"\xfe\xed\xfa\xce": Format.MACH_O,
    b"\xfe\xed\xfa\xcf": Format.MACH_O,
    b"\xce\xfa\xed\xfe": Format.MACH_O,
    b"\xcf\xfa\xed\xfe": Format.MACH_O,
    b"\xca\xfe\xba\xbe": Format.MACH_O,
    b"MZ": Format.PE,
}
_LARGEST_IN_MEMORY_BYTES = 1 << 30
_CHUNK_BYTES = 1 << 20
# What the loader needs of a library is at its start, and its section headers are at its end. Between them is code, for
# GPUs above all, of which there may be a gigabyte: unpacking it is a third of the time that it takes to keep it too.
_ENDS_BYTES = 16 << 20
_NO_PACKAGES = frozenset({".git", "__pycache__", "node_modules"})
# Folders of a source tree that nothing is imported from, unless they are packages.
_NOT_SOURCES = frozenset({"build", "dist", "site-packages", "dist-packages"})
# Sources of an editable installation may be anywhere, a home folder included.
_MOST_FILES = 50_000


def read_archive_modules(archive: zipfile.ZipFile, same: Mapping[str, Path] | None = None) -> tuple[Module, ...]:
    """Return the libraries of a wheel, sorted by name; those named in `same` are read from files on disk."""
    names = sorted(name for name in archive.namelist() if is_library_name(name))
    on_disk = read_file_modules({name: path for name, path in (same or {}).items() if name in names})
    packed = (_read_member(archive, name) for name in names if name not in (same or {}))
    found = [*on_disk, *(module for module in packed if module is not None)]
    return tuple(sorted(found, key=lambda module: module.file))


def read_file_modules(files: Mapping[str, Path]) -> tuple[Module, ...]:
    """Return the libraries among files, sorted by the names that they are given here."""
    found = []
    for name, path in sorted(files.items()):
        try:
            with open_file(path) as file:
                module = read_module(file, name)
        except OSError as error:
            module = Module(file=name, format=Format.ELF, fault=f"it cannot be read: {error.strerror or error}")
        if module is not None:
            found.append(module)
    return tuple(found)


def is_library_name(name: str) -> bool:
    """Return whether a file is a library, going by its name."""
    name = name.rpartition("/")[2]
    return name.endswith((".so", ".pyd", ".dylib", ".dll")) or ".so." in name


def read_module(stream: IO[bytes], file: str) -> Module | None:
    """Return what a file of a name is; None if it is no library."""
    start = stream.read(4)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if kind is not Format.ELF:
        return None if kind is None else Module(file=file, format=kind)
    try:
        return _read_elf(stream, file)
    except BROKEN as error:
        # Others say at which place of a table, which helps nobody.
        said = _said(error) if type(error) is ValueError else "it ends too early, or is overwritten"
        return Module(file=file, format=Format.ELF, fault=f"it is damaged: {said}")


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


def _read_member(archive: zipfile.ZipFile, name: str) -> Module | None:
    try:
        with contextlib.suppress(LetGoError), archive.open(name) as member:
            # As much of a file as is asked for.
            return read_module(cast("IO[bytes]", Ends(member)), name)
        with archive.open(name) as member, tempfile.SpooledTemporaryFile(max_size=_LARGEST_IN_MEMORY_BYTES) as copy:
            shutil.copyfileobj(member, copy, _CHUNK_BYTES)
            copy.seek(0)
            return read_module(copy, name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        return Module(file=name, format=Format.ELF, fault=f"it cannot be read: {_said(error)}")


def _read_elf(stream: IO[bytes], file: str) -> Module:
    elf = ElfFile(stream)
    tags = Dynamic(elf)
    undefined: set[str] = set()
    defined: set[str] = set()
    inits: set[str] = set()
    for symbol in SymbolTable(elf):
        text = symbol.name.decode("utf-8", errors="replace")
        if symbol.is_defined and text.startswith("PyInit_"):
            inits.add(text)
        elif is_of_torch(text):
            if symbol.is_defined:
                defined.add(text)
            elif symbol.is_needed:
                undefined.add(text)
    return Module(
        file=file,
        format=Format.ELF,
        machine=elf.machine,
        bits=elf.bits,
        soname=tags.soname,
        needed=tags.needed,
        run_path=tags.run_path,
        old_run_path=tags.old_run_path,
        undefined=tuple(sorted(undefined)),
        defines=tuple(sorted(defined)),
        version_needs=tuple(version_needs(elf)),
        inits=tuple(sorted(inits)),
        compilers=tuple(compilers(elf)),
    )


class LetGoError(Exception):
    """What is between both ends of a file is wanted."""


class Ends:
    """A file of which only both ends are there. Short ones are whole."""

    def __init__(self, stream: IO[bytes], *, start: int = _ENDS_BYTES, end: int = _ENDS_BYTES) -> None:
        self._start = b"".join(_chunks(stream, start))
        chunks: deque[bytes] = deque()
        kept = 0
        self._size = len(self._start)
        while chunk := stream.read(min(_CHUNK_BYTES, end)):
            chunks.append(chunk)
            kept += len(chunk)
            self._size += len(chunk)
            while kept - len(chunks[0]) >= end:
                kept -= len(chunks.popleft())
        self._end = b"".join(chunks)
        self._place = 0

    def seek(self, offset: int) -> None:
        """Set the place that is read next."""
        self._place = offset

    def read(self, size: int) -> bytes:
        """Return what is there, at most so many bytes; raise LetGoError if a part of it was let go."""
        first, last = self._place, min(self._place + size, self._size)
        gap = self._size - len(self._end)
        self._place = max(first, last)
        if last <= len(self._start):
            return self._start[first:last]
        if first >= gap:
            return self._end[first - gap : last - gap]
        if gap > len(self._start):
            raise LetGoError
        return self._start[first:] + self._end[: last - gap]


def _chunks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := stream.read(min(_CHUNK_BYTES, size))):
        size -= len(chunk)
        yield chunk


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The libraries below a folder, by their names relative to it. `fault` says why these may not be all."""

    libraries: Mapping[str, Path]
    fault: str = ""


def walk_tree(root: Path, *, is_package: bool, most_files: int = _MOST_FILES) -> Tree:
    """Return the libraries below a folder; those of environments in it are none of them.

    :param is_package: whether the folder itself is imported, so that all that is in it may be; of a source tree what
        is hidden is left out, and what was built elsewhere
    """
    libraries: dict[str, Path] = {}
    walked = {real(root)}
    ahead = [(root, is_package)]
    faults: list[str] = []
    count = 0
    while ahead:
        folder, inside = ahead.pop()
        # A link to a package is followed, one to data is not.
        for parent, folders, files in walk(folder, onerror=lambda error: faults.append(_unread(error, root))):
            here = Path(parent)
            kept = [name for name in sorted(folders) if _is_walked(here / name, is_package=inside)]
            links = [name for name in kept if os.path.islink(here / name)]  # noqa: PTH114 - of many folders
            for name in links:
                if is_file(here / name / "__init__.py") and real(here / name) not in walked:
                    walked.add(real(here / name))
                    ahead.append((here / name, True))
            folders[:] = [name for name in kept if name not in links]
            for name in sorted(files):
                if is_library_name(name):
                    libraries[(here / name).relative_to(root).as_posix()] = here / name
            count += len(files)
            if count > most_files:
                faults.append(f"only {count} of its files were looked at")
                return Tree(libraries=libraries, fault=faults[0])
    return Tree(libraries=libraries, fault=next(iter(faults), ""))


def _unread(error: OSError, root: Path) -> str:
    return f"{os.path.relpath(error.filename or root, root)} in it cannot be read: {error.strerror or error}"


def _is_walked(folder: Path, *, is_package: bool) -> bool:
    if folder.name in _NO_PACKAGES:
        return False
    is_left_out = not is_package and (folder.name.startswith(".") or folder.name in _NOT_SOURCES)
    if is_left_out and not is_file(folder / "__init__.py"):
        return False
    # Environments of conda and pixi have no pyvenv.cfg.
    if is_environment(folder) or is_folder(folder / "conda-meta"):
        return False
    return is_package or not is_file(folder / "CMakeCache.txt")
