"""The tables of an ELF file that linking goes by: dynamic segment, symbols, versions.

May not load a file, and trusts nothing that is in it: what is damaged raises one of `BROKEN`. All is read with struct:
a library of another program's would be one more that every build installs, and takes seconds for torch's own.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import struct
from collections.abc import Collection, Iterator
from typing import IO, NamedTuple

from .linkage import VersionNeed

# What is raised of files that are damaged.
BROKEN = (ArithmeticError, LookupError, MemoryError, OSError, ValueError, struct.error)
_LARGEST_TABLE_BYTES = 1 << 30
_LARGEST_CHAIN_BYTES = _LARGEST_COMMENT_BYTES = _LARGEST_VERSIONS_BYTES = 1 << 20
_MOST_ROWS = 10_000
# The header behind its first 16 bytes, with offsets of 64 and of 32 bits; machines by their number (elf.h).
_WIDE_HEADER, _NARROW_HEADER = "HHIQQQIHHHHHH", "HHIIIIIHHHHHH"
_MACHINES = {
    3: "EM_386",
    21: "EM_PPC64",
    22: "EM_S390",
    40: "EM_ARM",
    62: "EM_X86_64",
    183: "EM_AARCH64",
    243: "EM_RISCV",
    258: "EM_LOONGARCH",
}
# In place of a number that has no room in the header: it is in the first section.
_ELSEWHERE = 0xFFFF
# Tags of the dynamic segment, types of segments and of sections.
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 4, 5, 6, 10, 14, 15, 29
_GNU_HASH, _VERDEF, _VERNEED = 0x6FFFFEF5, 0x6FFFFFFC, 0x6FFFFFFE
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DYNSYM, _SHT_GNU_HASH, _SHT_VERDEF, _SHT_VERNEED = 11, 0x6FFFFFF6, 0x6FFFFFFD, 0x6FFFFFFE
_LOCAL, _WEAK = 0, 2
# STV_DEFAULT and STV_PROTECTED.
_VISIBLE = frozenset({0, 3})
# Elf_Verneed, Elf_Vernaux and Elf_Verdef, the same for 32 and 64 bits.
_VERSION_NEED, _VERSION_NAME, _VERSION_DEFINED = "HHIII", "IHHII", "HHHHIII"
_VERSION_IS_WEAK = 2


class Part(NamedTuple):
    """A section or a segment: its kind, where it is in the file, and where in memory. `link` is another section."""

    kind: int
    offset: int
    address: int
    size: int
    name: int = 0
    link: int = 0
    more: int = 0


class ElfFile:
    """A file whose tables of sections, segments and dynamic tags are each read at once, the latter as the loader does.

    `machine` and `bits` are as in `Module`, `order` is the order of bytes as struct writes it.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        start = self.content(0, 64)
        if start[:4] != b"\x7fELF" or start[4] not in {1, 2} or start[5] not in {1, 2}:
            raise ValueError("its header is none")
        self.bits = 64 if start[4] == 2 else 32
        self.order = "<" if start[5] == 1 else ">"
        header = self.row(_WIDE_HEADER if self.bits == 64 else _NARROW_HEADER).unpack_from(start, 16)
        self.machine = _MACHINES.get(header[1], str(header[1]))
        _, self._segments_at, self._sections_at = header[3:6]
        self._segment_size, self._segment_count, self._section_size, self._section_count, self._titles = header[8:]

    @functools.cached_property
    def sections(self) -> tuple[Part, ...]:
        """What the section headers say; nothing without them."""
        count = self._section_count or (self._sections(1)[0].size if self._sections_at else 0)
        return self._sections(count)

    def _sections(self, count: int) -> tuple[Part, ...]:
        name, kind, _, address, offset, size, link, info, *_ = range(10)
        rows = self._rows(self._sections_at, self._section_size, count, "IIQQQQIIQQ", "IIIIIIIIII")
        return tuple(Part(r[kind], r[offset], r[address], r[size], r[name], r[link], r[info]) for r in rows)

    @functools.cached_property
    def segments(self) -> tuple[Part, ...]:
        """What the program headers say."""
        count = self._sections(1)[0].more if self._segment_count == _ELSEWHERE else self._segment_count
        rows = self._rows(self._segments_at, self._segment_size, count, "IIQQQQQQ", "IIIIIIII")
        # The flags stand in another place in 32 bits.
        shift = int(self.bits == 64)
        return tuple(Part(row[0], row[1 + shift], row[2 + shift], row[4 + shift]) for row in rows)

    @functools.cached_property
    def titles(self) -> bytes:
        """The names of the sections."""
        section = self.sections[self.sections[0].link if self._titles == _ELSEWHERE else self._titles]
        return self.content(section.offset, section.size)

    @functools.cached_property
    def tags(self) -> tuple[tuple[int, int], ...]:
        """The tags of the dynamic segment with their values."""
        for segment in self.segments:
            if segment.kind == _PT_DYNAMIC:
                entry = 16 if self.bits == 64 else 8
                count = min(segment.size // entry, _MOST_ROWS)
                rows = self._rows(segment.offset, entry, count, "QQ", "II")
                return tuple((tag, value) for tag, value in itertools.takewhile(lambda row: row[0] != 0, rows))
        return ()

    def tag(self, kind: int) -> int | None:
        """Return the value of a tag, None where it is not there."""
        return next((value for tag, value in self.tags if tag == kind), None)

    def at(self, address: int) -> int:
        """Return where in the file an address is; raise ValueError if it is in no segment that is loaded."""
        for part in self.segments:
            if part.kind == _PT_LOAD and part.address <= address < part.address + part.size:
                return address - part.address + part.offset
        raise ValueError("an address of it is in no segment")

    @functools.cached_property
    def strings(self) -> bytes:
        """The strings of the dynamic segment."""
        address = self.tag(_STRTAB)
        return b"" if address is None else self.content(self.at(address), self.tag(_STRSZ) or 0)

    def content(self, offset: int, size: int) -> bytes:
        """Return a part of the file, less where it ends before; raise ValueError if it is larger than any table is."""
        if not 0 <= size <= _LARGEST_TABLE_BYTES:
            raise ValueError("a table of it is too large")
        self._stream.seek(offset)
        return self._stream.read(size)

    def row(self, fields: str) -> struct.Struct:
        """Return a row of a table, in the byte order of the file."""
        return struct.Struct(self.order + fields)

    def _rows(self, offset: int, size: int, count: int, wide: str, narrow: str) -> list[tuple[int, ...]]:
        row = self.row(wide if self.bits == 64 else narrow)
        if count > _MOST_ROWS:
            raise ValueError("a table of it has too many rows")
        data = self.content(offset, size * count)
        return [row.unpack_from(data, size * number) for number in range(count)]


class Symbol(NamedTuple):
    """A dynamic symbol: one that others can be linked with, or that has to be found there; hidden ones are neither."""

    name: bytes
    is_defined: bool
    is_needed: bool


class SymbolTable:
    """The dynamic symbols of a library: all that have a name, or those asked for.

    The largest library of torch has 74,000, which takes 80 ms. Looking up 100 takes 1 ms: by the GNU hash table, as the
    loader does; without a sound one, all are read.
    """

    def __init__(self, elf: ElfFile) -> None:
        self._rows, self._strings, self._hashes = _tables(elf)
        self._order = elf.order
        self._wide = elf.bits == 64
        self._row = struct.Struct(self._order + ("IBBH16x" if self._wide else "I8xBBH"))

    def __iter__(self) -> Iterator[Symbol]:
        strings, find = self._strings, self._strings.find
        for start, info, other, section in self._row.iter_unpack(
            self._rows[: len(self._rows) // self._row.size * self._row.size]
        ):
            end = find(b"\0", start)
            if end > start:
                is_seen = info >> 4 != _LOCAL and other & 3 in _VISIBLE
                is_needed = is_seen and section == 0 and info >> 4 != _WEAK
                yield Symbol(strings[start:end], is_seen and section != 0, is_needed)

    def defined(self) -> Iterator[bytes]:
        """Return the names of the symbols that others can be linked with."""
        return (symbol.name for symbol in self if symbol.is_defined)

    def defined_among(self, names: Collection[bytes]) -> frozenset[bytes]:
        """Return those names that others can be linked with."""
        with contextlib.suppress(ArithmeticError, struct.error):
            if self._hashes:
                return frozenset(name for name in names if any(self._defines(at, name) for at in self._places(name)))
        return frozenset(self.defined()).intersection(names)

    def _places(self, name: bytes) -> Iterator[int]:
        """Yield the indices of the symbols that may have a name (glibc, elf/dl-lookup.c, do_lookup_x)."""
        word = struct.Struct(self._order + "I")
        buckets, first, filters, _ = struct.unpack_from(self._order + "4I", self._hashes)
        buckets_at = 16 + filters * (8 if self._wide else 4)
        chains_at = buckets_at + buckets * word.size
        wanted = _hash_of(name)
        (place,) = word.unpack_from(self._hashes, buckets_at + wanted % buckets * word.size)
        while place >= first:
            (found,) = word.unpack_from(self._hashes, chains_at + (place - first) * word.size)
            if found | 1 == wanted | 1:
                yield place
            # The lowest bit says that it is the last one of its bucket.
            if found & 1:
                return
            place += 1

    def _defines(self, place: int, name: bytes) -> bool:
        start, info, other, section = self._row.unpack_from(self._rows, place * self._row.size)
        is_defined = section != 0 and info >> 4 != _LOCAL and other & 3 in _VISIBLE
        return is_defined and self._strings.startswith(name + b"\0", start)


@functools.lru_cache(maxsize=1 << 16)
def _hash_of(name: bytes) -> int:
    found = 5381
    for byte in name:
        found = (found * 33 + byte) & 0xFFFFFFFF
    return found


def _tables(elf: ElfFile) -> tuple[bytes, bytes, bytes]:
    """Return the dynamic symbol table, its strings, and its GNU hash table; empty where there are none."""
    rows = strings = hashes = b""
    for section in elf.sections:
        if section.kind == _DYNSYM:
            linked = elf.sections[section.link]
            rows, strings = elf.content(section.offset, section.size), elf.content(linked.offset, linked.size)
        elif section.kind == _SHT_GNU_HASH:
            hashes = elf.content(section.offset, section.size)
    if rows:
        return rows, strings, hashes
    # Stripped of its section headers (sstrip, UPX): as the loader sees it, which needs no sections.
    symbols = elf.tag(_SYMTAB)
    if symbols is None:
        return b"", b"", b""
    return elf.content(elf.at(symbols), _count_of_symbols(elf) * (24 if elf.bits == 64 else 16)), elf.strings, b""


def _count_of_symbols(elf: ElfFile) -> int:
    """Return how many dynamic symbols there are: only their hash tables tell it (System V gABI, "Hash Table")."""
    word = elf.row("I")
    old, new = elf.tag(_HASH), elf.tag(_GNU_HASH)
    if old is not None:
        return int(elf.row("II").unpack(elf.content(elf.at(old), 8))[1])
    if new is None:
        return 0
    start = elf.at(new)
    buckets, first, filters, _ = elf.row("4I").unpack(elf.content(start, 16))
    start += 16 + filters * (8 if elf.bits == 64 else 4)
    # Behind the last of a bucket, there may be more; behind the last of the last bucket, none.
    last = max((place for (place,) in word.iter_unpack(elf.content(start, buckets * word.size))), default=0)
    if last < first:
        return int(first)
    chain = elf.content(start + (buckets + last - first) * word.size, _LARGEST_CHAIN_BYTES)
    for number in range(len(chain) // word.size):
        if word.unpack_from(chain, number * word.size)[0] & 1:
            return int(last + number + 1)
    raise ValueError("its hash table has no end")


class Dynamic:
    """What the dynamic segment of a library says: `soname`, `needed`, `run_path`, `old_run_path`, as in `Module`."""

    def __init__(self, elf: ElfFile) -> None:
        texts: dict[int, list[str]] = {kind: [] for kind in (_NEEDED, _SONAME, _RPATH, _RUNPATH)}
        for kind, value in elf.tags:
            if kind in texts:
                texts[kind].append(text_at(elf.strings, value))
        self.needed = tuple(texts[_NEEDED])
        self.soname = next(iter(texts[_SONAME]), "")
        # Where both are there, the loader goes by the new one alone (ld.so(8)).
        self.old_run_path = bool(texts[_RPATH]) and not texts[_RUNPATH]
        paths = texts[_RUNPATH] or texts[_RPATH]
        self.run_path = tuple(entry for path in paths for entry in path.split(":") if entry)


def text_at(strings: bytes, start: int) -> str:
    """Return the text that starts at a place of a table of strings."""
    return strings[start : strings.find(b"\0", start)].decode("utf-8", errors="replace")


def compilers(elf: ElfFile) -> list[str]:
    """Return what the compilers of its parts call themselves."""
    for section in elf.sections:
        if elf.titles.startswith(b".comment\0", section.name):
            texts = elf.content(section.offset, min(section.size, _LARGEST_COMMENT_BYTES)).split(b"\0")
            return sorted({text.decode("utf-8", errors="replace") for text in texts if text})
    return []


def version_needs(elf: ElfFile) -> Iterator[VersionNeed]:
    """Yield the symbol versions that it needs of other libraries."""
    rows, strings = _version_table(elf, _SHT_VERNEED, _VERNEED)
    needs, names = elf.row(_VERSION_NEED), elf.row(_VERSION_NAME)
    for _, _, library, first, start in _chain(rows, needs, 0):
        found = {
            text_at(strings, name)
            for _, flags, _, name, _ in _chain(rows, names, start + first)
            if not flags & _VERSION_IS_WEAK
        }
        yield VersionNeed(library=text_at(strings, library), names=tuple(sorted(found)))


def defined_versions(elf: ElfFile) -> Iterator[str]:
    """Yield the symbol versions that a library defines."""
    rows, strings = _version_table(elf, _SHT_VERDEF, _VERDEF)
    for *_, first, start in _chain(rows, elf.row(_VERSION_DEFINED), 0):
        # The first name of each is its own, the others are its predecessors.
        for name, _ in itertools.islice(_chain(rows, elf.row("II"), start + first), 1):
            yield text_at(strings, name)


def _version_table(elf: ElfFile, section_kind: int, tag: int) -> tuple[bytes, bytes]:
    """Return a table of versions with its strings, by its section; without, as the loader finds it."""
    for section in elf.sections:
        if section.kind == section_kind:
            linked = elf.sections[section.link]
            return elf.content(section.offset, section.size), elf.content(linked.offset, linked.size)
    address = elf.tag(tag)
    if address is None:
        return b"", b""
    # Its end is told by its last row alone.
    return elf.content(elf.at(address), _LARGEST_VERSIONS_BYTES), elf.strings


def _chain(rows: bytes, row: struct.Struct, start: int) -> Iterator[tuple[int, ...]]:
    """Yield the rows of a linked list, whose last field is the distance of the next one.

    In place of that field is where the row starts. A distance of 0 would be followed for ever.
    """
    while start + row.size <= len(rows):
        *fields, distance = row.unpack_from(rows, start)
        yield (*fields, start)
        if distance < row.size:
            return
        start += distance
