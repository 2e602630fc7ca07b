"""The tables of an ELF file that linking goes by: dynamic segment and symbols.

May not load a file, and trusts nothing that is in it: what is damaged raises one of `BROKEN`. pyelftools parses the
header, the tables are read with struct.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile
from elftools.elf.hash import GNUHashTable

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
_LARGEST_TABLE_BYTES = 1 << 30
# Tags of the dynamic segment, types of segments and of sections (elf.h).
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 4, 5, 6, 10, 14, 15, 29
_GNU_HASH = 0x6FFFFEF5
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DYNSYM, _SHT_GNU_HASH = 11, 0x6FFFFFF6
_LARGEST_CHAIN_BYTES = 1 << 20
_MOST_PARTS = 10_000
_MOST_TAGS = 10_000
_WEAK = 2
_LOCAL = 0
# STV_DEFAULT and STV_PROTECTED.
_VISIBLE = frozenset({0, 3})


class Part(NamedTuple):
    """A section or a segment: its kind, where it is in the file, and where in memory. `link` is another section."""

    kind: int
    offset: int
    address: int
    size: int
    name: int = 0
    link: int = 0


class ElfFile(ELFFile):
    """A file whose tables of sections, segments and dynamic tags are each read at once, the latter as the loader does.

    One by one through pyelftools, they take 3 ms of a small library.
    """

    @functools.cached_property
    def sections(self) -> tuple[Part, ...]:
        """What the section headers say; nothing without them."""
        if self.num_sections() > _MOST_PARTS:
            raise ValueError("it has too many sections")
        name, kind, _, address, offset, size, link, *_ = range(10)
        rows = self._rows(self["e_shoff"], self["e_shentsize"], self.num_sections(), "IIQQQQIIQQ", "IIIIIIIIII")
        return tuple(Part(row[kind], row[offset], row[address], row[size], row[name], row[link]) for row in rows)

    @functools.cached_property
    def segments(self) -> tuple[Part, ...]:
        """What the program headers say."""
        if self.num_segments() > _MOST_PARTS:
            raise ValueError("it has too many segments")
        rows = self._rows(self["e_phoff"], self["e_phentsize"], self.num_segments(), "IIQQQQQQ", "IIIIIIII")
        # The flags stand in another place in 32 bits.
        shift = int(self.elfclass == 64)
        return tuple(Part(row[0], row[1 + shift], row[2 + shift], row[4 + shift]) for row in rows)

    @functools.cached_property
    def tags(self) -> tuple[tuple[int, int], ...]:
        """The tags of the dynamic segment with their values."""
        for segment in self.segments:
            if segment.kind == _PT_DYNAMIC:
                entry = 16 if self.elfclass == 64 else 8
                count = min(segment.size // entry, _MOST_TAGS)
                rows = self._rows(segment.offset, entry, count, "QQ", "II")
                return tuple((tag, value) for tag, value in itertools.takewhile(lambda row: row[0] != 0, rows))
        return ()

    def tag(self, kind: int) -> int | None:
        """Return the value of a tag, None where it is not there."""
        return next((value for tag, value in self.tags if tag == kind), None)

    def at(self, address: int) -> int:
        """Return where in the file an address is.

        :raises ValueError: if it is in no segment that is loaded
        """
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
        """Return a part of the file, less where it ends before.

        :raises ValueError: if it is larger than any table is
        """
        if not 0 <= size <= _LARGEST_TABLE_BYTES:
            raise ValueError("a table of it is too large")
        self.stream.seek(offset)
        found: bytes = self.stream.read(size)
        return found

    def row(self, fields: str) -> struct.Struct:
        """Return a row of a table, in the byte order of the file."""
        return struct.Struct(("<" if self.little_endian else ">") + fields)

    def _rows(self, offset: int, size: int, count: int, wide: str, narrow: str) -> list[tuple[int, ...]]:
        row = self.row(wide if self.elfclass == 64 else narrow)
        data = self.content(offset, size * count)
        return [row.unpack_from(data, size * number) for number in range(count)]


class Symbol(NamedTuple):
    """One entry of a dynamic symbol table: whether others can be linked with it, and whether it has to be found there.

    Those that are the library's own, hidden or local, are neither.
    """

    name: bytes
    is_defined: bool
    is_needed: bool


class SymbolTable:
    """The dynamic symbols of a library: all that have a name, or those asked for.

    All are read with struct: the largest library of torch has 74,000, which takes 80 ms, 2 s one by one through
    pyelftools. Looking up 100 takes 1 ms: by the GNU hash table, as the loader does; without a sound one, all are read.
    """

    def __init__(self, elf: ElfFile) -> None:
        self._rows, self._strings, self._hashes = _tables(elf)
        self._order = "<" if elf.little_endian else ">"
        self._wide = elf.elfclass == 64
        self._row = struct.Struct(self._order + ("IBBH16x" if self._wide else "I8xBBH"))

    def __iter__(self) -> Iterator[Symbol]:
        strings, find = self._strings, self._strings.find
        for start, info, other, section in self._row.iter_unpack(self._rows[: self._count * self._row.size]):
            end = find(b"\0", start)
            if end > start:
                is_seen = info >> 4 != _LOCAL and other & 3 in _VISIBLE
                is_needed = is_seen and section == 0 and info >> 4 != _WEAK
                yield Symbol(strings[start:end], is_seen and section != 0, is_needed)

    @property
    def _count(self) -> int:
        return len(self._rows) // self._row.size

    def defined(self) -> Iterator[bytes]:
        """Yield the names of the symbols that others can be linked with."""
        for symbol in self:
            if symbol.is_defined:
                yield symbol.name

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
        return _is_defined(info, other, section) and self._strings.startswith(name + b"\0", start)


_hash_of = functools.lru_cache(maxsize=1 << 16)(GNUHashTable.gnu_hash)


def _is_defined(info: int, other: int, section: int) -> bool:
    return section != 0 and info >> 4 != _LOCAL and other & 3 in _VISIBLE


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
    return elf.content(elf.at(symbols), _count_of_symbols(elf) * (24 if elf.elfclass == 64 else 16)), elf.strings, b""


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
    start += 16 + filters * (8 if elf.elfclass == 64 else 4)
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
