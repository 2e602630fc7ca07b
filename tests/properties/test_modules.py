from __future__ import annotations

import io
from pathlib import Path
from types import MappingProxyType

import psutil
import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from torchgraft.link.elf import ElfFile, SymbolTable
from torchgraft.link.libraries import parse_since
from torchgraft.link.linkage import Format, Libraries, Module
from torchgraft.link.modules import read_module
from torchgraft.link.plan_link import plan_link

# A library that is always there: psutil is a requirement of ours.
LIBRARIES = sorted(Path(psutil.__file__).parent.glob("*.so"))
WHOLE = LIBRARIES[0].read_bytes() if LIBRARIES else b""
needs_elf = pytest.mark.skipif(not WHOLE.startswith(b"\x7fELF"), reason="there is no ELF file")


def read(data: bytes) -> Module | None:
    return read_module(io.BytesIO(data), "a.so")


@needs_elf
def test_the_whole_library_is_read() -> None:
    module = read(WHOLE)
    assert module is not None
    assert (module.fault, module.inits) == ("", (f"PyInit_{LIBRARIES[0].name.partition('.')[0]}",))
    assert "libc.so.6" in module.needed or "libc.musl-x86_64.so.1" in module.needed


@needs_elf
@given(length=st.integers(min_value=0, max_value=len(WHOLE)))
def test_a_truncated_library_raises_nothing(length: int) -> None:
    module = read(WHOLE[:length])
    assert module is None or module.format is Format.ELF
    # What Python says of a place in a buffer is for nobody.
    assert module is None or not {"unpack", "buffer", "index"} & set(module.fault.split())


# Headers, tables and strings, where one byte leads astray.
_places = st.one_of(
    st.integers(min_value=4, max_value=4_000),
    st.integers(min_value=max(4, len(WHOLE) - 4_000), max_value=max(4, len(WHOLE) - 1)),
    st.integers(min_value=4, max_value=max(4, len(WHOLE) - 1)),
)


@needs_elf
@given(changes=st.dictionaries(_places, st.integers(min_value=0, max_value=255), min_size=1, max_size=40))
@settings(max_examples=300)
def test_a_damaged_library_raises_nothing(changes: dict[int, int]) -> None:
    data = bytearray(WHOLE)
    for place, value in changes.items():
        data[place] = value
    module = read(bytes(data))
    assert module is not None
    assert plan_link([module], Libraries(fault="none")) is not None


@needs_elf
def test_a_list_of_versions_that_leads_back_to_its_start_ends() -> None:
    data = bytearray(WHOLE)
    (section,) = ELFFile(io.BytesIO(WHOLE)).iter_sections("SHT_GNU_verneed")
    start = section["sh_offset"]
    data[start : start + 2] = b"\1\0"
    data[start + 12 : start + 16] = bytes(4)  # vn_next
    module, whole = read(bytes(data)), read(WHOLE)
    assert module is not None
    assert whole is not None
    assert module.version_needs == whole.version_needs[:1]


@given(data=st.binary(max_size=300), magic=st.sampled_from([b"", b"\x7fELF", b"\x7fELF\x02\x01\x01", b"MZ"]))
def test_any_bytes_raise_nothing(data: bytes, magic: bytes) -> None:
    module = read(magic + data)
    assert module is None or module.file == "a.so"


@given(
    lines=st.lists(
        st.sampled_from(
            ["#if X", "#if TORCH_FEATURE_VERSION >= TORCH_VERSION_2_10_0", "#endif", "#else", "torch_a(", "x"]
        )
    )
)
def test_any_header_raises_nothing(lines: list[str]) -> None:
    assert dict(parse_since(lines)).keys() <= MappingProxyType({"torch_a": ""}).keys()


@needs_elf
@given(changes=st.dictionaries(st.integers(0, 200), st.integers(0, 255), max_size=20))
def test_a_damaged_hash_table_raises_nothing(changes: dict[int, int]) -> None:
    data = bytearray(WHOLE)
    place = next(ELFFile(io.BytesIO(WHOLE)).iter_sections("SHT_GNU_HASH"))["sh_offset"]
    for distance, value in changes.items():
        data[place + distance] = value
    symbols = SymbolTable(ElfFile(io.BytesIO(bytes(data))))
    assert symbols.defined_among({b"PyInit_any"}) == frozenset()
    assert symbols.defined_among(set(symbols.defined())) <= set(symbols.defined())


def without_sections(data: bytes) -> bytearray:
    stripped = bytearray(data)
    stripped[0x28:0x30] = bytes(8)  # e_shoff
    stripped[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    return stripped


@needs_elf
@given(changes=st.dictionaries(_places, st.integers(min_value=0, max_value=255), max_size=40))
@settings(max_examples=300)
def test_a_damaged_library_without_sections_raises_nothing(changes: dict[int, int]) -> None:
    data = without_sections(WHOLE)
    for place, value in changes.items():
        data[place] = value
    module = read(bytes(data))
    assert module is not None
    if not changes:
        assert (module.fault, module.version_needs) == ("", getattr(read(WHOLE), "version_needs", None))
