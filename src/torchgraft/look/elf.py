"""The tables of an ELF file that linking goes by: dynamic segment, symbols, versions, compilers.

May not load a file, and trusts nothing that is in it: what is damaged raises one of `BROKEN`. pyelftools parses the
headers and the dynamic segment; tables of thousands of rows are read with struct.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import struct
from collections.abc import Collection, Iterator
from typing import IO, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.hash import GNUHashTable
from elftools.elf.sections import Section

from ..linkage import VersionNeed

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
_LARGEST_COMMENT_BYTES = 1 << 20
# The tags of the dynamic segment that are strings, by the attribute in which pyelftools has those.
_TEXTS = {"DT_NEEDED": "needed", "DT_SONAME": "soname", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}
# Elf_Verneed, Elf_Vernaux and Elf_Verdef (elf.h), the same for 32 and 64 bits.
_VERSION_NEED, _VERSION_NAME, _VERSION_DEFINED = "HHIII", "IHHII", "HHHHIII"
_HASH_TABLES = frozenset({"SHT_HASH", "SHT_GNU_HASH"})
_MOST_SECTIONS = 10_000
_MOST_TAGS = 10_000
_WEAK = 2
_VERSION_IS_WEAK = 2
_LOCAL = 0
# STV_DEFAULT and STV_PROTECTED.
_VISIBLE = frozenset({0, 3})


class ElfFile(ELFFile):
    """A file of which the sections are parsed once, and no hash tables: they are large, and are read with struct."""

    @functools.cached_property
    def _sections(self) -> tuple[Section, ...]:
        if self.num_sections() > _MOST_SECTIONS:
            raise ValueError("it has too many sections")
        return tuple(map(self._section, range(self.num_sections())))

    def _section(self, number: int) -> Section:
        place = self["e_shoff"] + number * self["e_shentsize"]
        header = struct_parse(self.structs.Elf_Shdr, self.stream, stream_pos=place)
        return Section(header, "", self) if header["sh_type"] in _HASH_TABLES else self.get_section(number)

    def iter_sections(self, type: str | None = None) -> Iterator[Section]:  # noqa: A002 - as pyelftools has it
        """Yield the sections, all or those of a type."""
        return (section for section in self._sections if type is None or section["sh_type"] == type)


class Symbol(NamedTuple):
    """One entry of a dynamic symbol table: whether others can be linked with it, and whether it may stay undefined."""

    name: bytes
    is_defined: bool
    is_weak: bool


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
                yield Symbol(strings[start:end], _is_defined(info, other, section), info >> 4 == _WEAK)

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
    for section in elf.iter_sections():
        if section["sh_type"] == "SHT_DYNSYM":
            rows, strings = _content(elf, section), _content(elf, elf.get_section(section["sh_link"]))
        elif section["sh_type"] == "SHT_GNU_HASH":
            hashes = _content(elf, section)
    if rows:
        return rows, strings, hashes
    # Stripped of its section headers (sstrip, UPX): as the loader sees it, which needs no sections.
    for segment in (s for s in elf.iter_segments("PT_DYNAMIC") if isinstance(s, DynamicSegment)):
        size = next((tag["d_val"] for tag in segment.iter_tags("DT_STRSZ")), 0)
        _, symbols_at = segment.get_table_offset("DT_SYMTAB")
        _, strings_at = segment.get_table_offset("DT_STRTAB")
        if symbols_at is not None and strings_at is not None:
            entry = 24 if elf.elfclass == 64 else 16
            rows = _bytes(elf.stream, symbols_at, segment.num_symbols() * entry)
            return rows, _bytes(elf.stream, strings_at, size), b""
    return b"", b"", b""


def _content(elf: ElfFile, section: Section) -> bytes:
    return _bytes(elf.stream, section["sh_offset"], section["sh_size"])


def _bytes(stream: IO[bytes], offset: int, size: int) -> bytes:
    if not 0 <= size <= _LARGEST_TABLE_BYTES:
        raise ValueError("a table of it is too large")
    stream.seek(offset)
    return stream.read(size)


class Dynamic:
    """What the dynamic segment of a library says: `soname`, `needed`, `run_path`, `old_run_path`, as in `Module`."""

    def __init__(self, elf: ElfFile) -> None:
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


def compilers(elf: ElfFile) -> list[str]:
    """Return what the compilers of its parts call themselves."""
    for section in elf.iter_sections():
        if section.name == ".comment":
            texts = _bytes(elf.stream, section["sh_offset"], min(section["sh_size"], _LARGEST_COMMENT_BYTES)).split(
                b"\0"
            )
            return sorted({text.decode("utf-8", errors="replace") for text in texts if text})
    return []


def version_needs(elf: ElfFile) -> Iterator[VersionNeed]:
    """Yield the symbol versions that it needs of other libraries."""
    for rows, strings, order in _version_tables(elf, "SHT_GNU_verneed"):
        for _, _, library, first, start in _chain(rows, _VERSION_NEED, order, 0):
            names = {
                _text(strings, name)
                for _, flags, _, name, _ in _chain(rows, _VERSION_NAME, order, start + first)
                if not flags & _VERSION_IS_WEAK
            }
            yield VersionNeed(library=_text(strings, library), names=tuple(sorted(names)))


def defined_versions(elf: ElfFile) -> Iterator[str]:
    """Yield the symbol versions that a library defines."""
    for rows, strings, order in _version_tables(elf, "SHT_GNU_verdef"):
        for *_, first, start in _chain(rows, _VERSION_DEFINED, order, 0):
            # The first name of each is its own, the others are its predecessors.
            for name, _ in itertools.islice(_chain(rows, "II", order, start + first), 1):
                yield _text(strings, name)


def _version_tables(elf: ElfFile, kind: str) -> Iterator[tuple[bytes, bytes, str]]:
    for section in elf.iter_sections(kind):
        linked = elf.get_section(section["sh_link"])
        yield _content(elf, section), _content(elf, linked), "<" if elf.little_endian else ">"


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
