"""The libraries of a wheel or a folder, as far as linking with torch goes.

May not load one, and trusts nothing that is in it: what is broken is said, never raised.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from elftools.common.exceptions import ELFError

from .elf import BROKEN, Dynamic, ElfFile, SymbolTable
from .elf_versions import compilers, version_needs
from .linkage import Format, Module, is_of_torch
from .stream_ends import Ends

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


def read_wheel_modules(wheel: Path) -> tuple[Module, ...]:
    """Return the libraries of a wheel, sorted by name.

    :raises zipfile.BadZipFile, OSError: if it is no archive, or cannot be read
    """
    with zipfile.ZipFile(wheel) as archive:
        return read_archive_modules(archive)


def read_archive_modules(archive: zipfile.ZipFile, same: Mapping[str, Path] | None = None) -> tuple[Module, ...]:
    """Return the libraries of a wheel that is open; see `read_wheel_modules`.

    :param same: files on disk that are the same as those of these names in the wheel
    """
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
            with path.open("rb") as file:
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
    """Return what a file is; None if it is no library.

    :param file: its name
    """
    start = stream.read(4)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if kind is not Format.ELF:
        return None if kind is None else Module(file=file, format=kind)
    try:
        return _read_elf(stream, file)
    except BROKEN as error:
        # Others say at which place of a table, which helps nobody.
        said = _said(error) if type(error) in {ELFError, ValueError} else "it ends too early, or is overwritten"
        return Module(file=file, format=Format.ELF, fault=f"it is damaged: {said}")


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


def _read_member(archive: zipfile.ZipFile, name: str) -> Module | None:
    try:
        with archive.open(name) as member:
            ends = Ends(member)
            # As much of a file as pyelftools asks for.
            module = read_module(cast("IO[bytes]", ends), name)
        return _read_whole_member(archive, name) if ends.missed else module
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        return Module(file=name, format=Format.ELF, fault=f"it cannot be read: {_said(error)}")


def _read_whole_member(archive: zipfile.ZipFile, name: str) -> Module | None:
    with archive.open(name) as member, tempfile.SpooledTemporaryFile(max_size=_LARGEST_IN_MEMORY_BYTES) as copy:
        shutil.copyfileobj(member, copy, _CHUNK_BYTES)
        copy.seek(0)
        return read_module(copy, name)


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
        machine=str(elf["e_machine"]),
        bits=elf.elfclass,
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
