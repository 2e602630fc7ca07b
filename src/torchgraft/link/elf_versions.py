"""What an ELF file says of the versions with which it was made: of symbols, its own and others', and of compilers.

May not load a file, and trusts nothing that is in it: what is damaged raises one of `elf.BROKEN`.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

from .elf import ElfFile, text_at
from .linkage import VersionNeed

_LARGEST_COMMENT_BYTES = 1 << 20
_LARGEST_VERSIONS_BYTES = 1 << 20
# Elf_Verneed, Elf_Vernaux and Elf_Verdef (elf.h), the same for 32 and 64 bits.
_VERSION_NEED, _VERSION_NAME, _VERSION_DEFINED = "HHIII", "IHHII", "HHHHIII"
_VERSION_IS_WEAK = 2
# Their tags in the dynamic segment, and the types of their sections.
_VERDEF, _VERNEED = 0x6FFFFFFC, 0x6FFFFFFE
_VERDEF_SECTION, _VERNEED_SECTION = 0x6FFFFFFD, 0x6FFFFFFE


def compilers(elf: ElfFile) -> list[str]:
    """Return what the compilers of its parts call themselves."""
    if not elf.sections:
        return []
    titles = elf.sections[elf.get_shstrndx()]
    names = elf.content(titles.offset, titles.size)
    for section in elf.sections:
        if names.startswith(b".comment\0", section.name):
            texts = elf.content(section.offset, min(section.size, _LARGEST_COMMENT_BYTES)).split(b"\0")
            return sorted({text.decode("utf-8", errors="replace") for text in texts if text})
    return []


def version_needs(elf: ElfFile) -> Iterator[VersionNeed]:
    """Yield the symbol versions that it needs of other libraries."""
    rows, strings = _version_table(elf, _VERNEED_SECTION, _VERNEED)
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
    rows, strings = _version_table(elf, _VERDEF_SECTION, _VERDEF)
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

    In place of that field is where the row starts. pyelftools would follow a distance of 0 for ever.
    """
    while start + row.size <= len(rows):
        *fields, distance = row.unpack_from(rows, start)
        yield (*fields, start)
        if distance < row.size:
            return
        start += distance
