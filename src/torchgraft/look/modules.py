"""The libraries of a wheel or a folder, as far as linking with torch goes.

May not load one, and trusts nothing that is in it: what is broken is said, never raised.
"""

from __future__ import annotations

import itertools
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, cast

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from ..linkage import Format, Module, VersionNeed, is_of_torch
from .ends import Ends

_MAGIC = {
    b"\x7fELF": Format.ELF,
    b"\xfe\xed\xfa\xce": Format.MACH_O,
    b"\xfe\xed\xfa\xcf": Format.MACH_O,
    b"\xce\xfa\xed\xfe": Format.MACH_O,
    b"\xcf\xfa\xed\xfe": Format.MACH_O,
    b"\xca\xfe\xba\xbe": Format.MACH_O,
    b"MZ": Format.PE,
}
# What pyelftools raises for files that are damaged: it follows whatever they say.
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ConstructError,
    ELFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
_LARGEST_IN_MEMORY_BYTES = 1 << 30
_CHUNK_BYTES = 1 << 20
_LARGEST_TABLE_BYTES = 1 << 30
# The tags of the dynamic segment that are strings, by the attribute in which pyelftools has those.
_TEXTS = {"DT_NEEDED": "needed", "DT_SONAME": "soname", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}
# Elf_Verneed, Elf_Vernaux and Elf_Verdef (elf.h), the same for 32 and 64 bits.
_VERSION_NEED, _VERSION_NAME, _VERSION_DEFINED = "HHIII", "IHHII", "HHHHIII"
_MOST_SECTIONS = 10_000
_MOST_TAGS = 10_000
_WEAK = 2
_VERSION_IS_WEAK = 2
_LOCAL = 0
_DEFAULT, _PROTECTED = 0, 3


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
        return Module(file=file, format=Format.ELF, fault=f"it is damaged: {_said(error)}")


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
    elf = ELFFile(stream)
    if elf.num_sections() > _MOST_SECTIONS:
        raise ValueError("it has too many sections")
    tags = Dynamic(elf)
    undefined: set[str] = set()
    defined: set[str] = set()
    inits: set[str] = set()
    for name, symbol in Symbols(elf):
        text = name.decode("utf-8", errors="replace")
        if symbol.is_defined and text.startswith("PyInit_"):
            inits.add(text)
        elif is_of_torch(text):
            if symbol.is_defined:
                defined.add(text)
            elif not symbol.is_weak:
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
        version_needs=tuple(_version_needs(elf)),
        inits=tuple(sorted(inits)),
        compilers=tuple(_compilers(elf)),
    )


class Symbol:
    """One entry of a dynamic symbol table."""

    __slots__ = ("_info", "_other", "_section")

    def __init__(self, info: int, other: int, section: int) -> None:
        self._info, self._other, self._section = info, other, section

    @property
    def is_defined(self) -> bool:
        """Whether others can be linked with it."""
        return self._section != 0 and self._info >> 4 != _LOCAL and self._other & 3 in {_DEFAULT, _PROTECTED}

    @property
    def is_weak(self) -> bool:
        """Whether it may stay undefined."""
        return self._info >> 4 == _WEAK


class Symbols:
    """The dynamic symbol table of a library.

    Read as a whole, with struct: the largest library of torch has 74,000 symbols, which takes 60 ms, 2 s one by one
    through pyelftools. A thousand look-ups by its hash table would take 40 ms, and trust that table.
    """

    def __init__(self, elf: ELFFile) -> None:
        self._rows, self._strings = _tables(elf)
        order = "<" if elf.little_endian else ">"
        self._wide = elf.elfclass == 64
        self._entry = struct.Struct(order + ("IBBHQQ" if self._wide else "IIIBBH"))

    def __iter__(self) -> Iterator[tuple[bytes, Symbol]]:
        strings, find, wide = self._strings, self._strings.find, self._wide
        whole = len(self._rows) - len(self._rows) % self._entry.size
        for row in self._entry.iter_unpack(self._rows[:whole]):
            start = row[0]
            end = find(b"\0", start)
            if end > start:
                yield strings[start:end], Symbol(*(row[1:4] if wide else row[3:6]))

    def defined(self) -> Iterator[bytes]:
        """Yield the names of the symbols that others can be linked with."""
        for name, symbol in self:
            if symbol.is_defined:
                yield name


def _tables(elf: ELFFile) -> tuple[bytes, bytes]:
    """Return the dynamic symbol table and its strings; both empty where there are none."""
    for section in elf.iter_sections():
        if section["sh_type"] == "SHT_DYNSYM":
            strings = elf.get_section(section["sh_link"])
            return (
                _bytes(elf.stream, section["sh_offset"], section["sh_size"]),
                _bytes(elf.stream, strings["sh_offset"], strings["sh_size"]),
            )
    # Stripped of its section headers (sstrip, UPX): as the loader sees it, which needs no sections.
    for segment in (s for s in elf.iter_segments("PT_DYNAMIC") if isinstance(s, DynamicSegment)):
        size = next((tag["d_val"] for tag in segment.iter_tags("DT_STRSZ")), 0)
        _, symbols_at = segment.get_table_offset("DT_SYMTAB")
        _, strings_at = segment.get_table_offset("DT_STRTAB")
        if symbols_at is not None and strings_at is not None:
            entry = 24 if elf.elfclass == 64 else 16
            rows = _bytes(elf.stream, symbols_at, segment.num_symbols() * entry)
            return rows, _bytes(elf.stream, strings_at, size)
    return b"", b""


def _bytes(stream: IO[bytes], offset: int, size: int) -> bytes:
    if not 0 <= size <= _LARGEST_TABLE_BYTES:
        raise ValueError("a table of it is too large")
    stream.seek(offset)
    return stream.read(size)


class Dynamic:
    """What the dynamic segment of a library says: `soname`, `needed`, `run_path`, `old_run_path`, as in `Module`."""

    def __init__(self, elf: ELFFile) -> None:
        texts: dict[str, list[str]] = {kind: [] for kind in _TEXTS}
        for segment in (s for s in elf.iter_segments("PT_DYNAMIC") if isinstance(s, DynamicSegment)):
            for tag in itertools.islice(segment.iter_tags(), _MOST_TAGS):
                kind = str(tag.entry.d_tag)
                if kind in texts:
                    texts[kind].append(str(getattr(tag, _TEXTS[kind])))
        self.needed = tuple(texts["DT_NEEDED"])
        self.soname = next(iter(texts["DT_SONAME"]), "")
        # Where both are there, the loader goes by the new one alone (ld.so(8)).
        self.old_run_path = bool(texts["DT_RPATH"]) and not texts["DT_RUNPATH"]
        paths = texts["DT_RUNPATH"] or texts["DT_RPATH"]
        self.run_path = tuple(entry for path in paths for entry in path.split(":") if entry)


def _compilers(elf: ELFFile) -> list[str]:
    for section in elf.iter_sections():
        if section.name == ".comment":
            texts = _bytes(elf.stream, section["sh_offset"], min(section["sh_size"], _CHUNK_BYTES)).split(b"\0")
            return sorted({text.decode("utf-8", errors="replace") for text in texts if text})
    return []


def _version_needs(elf: ELFFile) -> Iterator[VersionNeed]:
    for rows, strings, order in _version_tables(elf, "SHT_GNU_verneed"):
        for _, _, library, first, start in _chain(rows, _VERSION_NEED, order, 0):
            names = {
                _text(strings, name)
                for _, flags, _, name, _ in _chain(rows, _VERSION_NAME, order, start + first)
                if not flags & _VERSION_IS_WEAK
            }
            yield VersionNeed(library=_text(strings, library), names=tuple(sorted(names)))


def defined_versions(elf: ELFFile) -> Iterator[str]:
    """Yield the symbol versions that a library defines."""
    for rows, strings, order in _version_tables(elf, "SHT_GNU_verdef"):
        for *_, first, start in _chain(rows, _VERSION_DEFINED, order, 0):
            # The first name of each is its own, the others are its predecessors.
            for name, _ in itertools.islice(_chain(rows, "II", order, start + first), 1):
                yield _text(strings, name)


def _version_tables(elf: ELFFile, kind: str) -> Iterator[tuple[bytes, bytes, str]]:
    for section in elf.iter_sections(kind):
        linked = elf.get_section(section["sh_link"])
        rows, strings = (_bytes(elf.stream, table["sh_offset"], table["sh_size"]) for table in (section, linked))
        yield rows, strings, "<" if elf.little_endian else ">"


def _chain(rows: bytes, row: str, order: str, start: int) -> Iterator[tuple[int, ...]]:
    """Yield the rows of a linked list, whose last field is the distance of the next one.

    In place of that field is where the row starts. pyelftools would follow a distance of 0 for ever.
    """
    entry = struct.Struct(order + row)
    while start + entry.size <= len(rows):
        *fields, distance = entry.unpack_from(rows, start)
        yield (*fields, start)
        if distance < entry.size:
            return
        start += distance


def _text(strings: bytes, start: int) -> str:
    return strings[start : strings.find(b"\0", start)].decode("utf-8", errors="replace")
