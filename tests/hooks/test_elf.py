from __future__ import annotations

from pathlib import Path

import pytest

from support.stub_libraries import share
from torchgraft.link.elf import ElfFile, SymbolTable

SOURCE = """
#include <cstdio>
extern "C" { void elsewhere(); __attribute__((visibility("hidden"))) void hidden() { elsewhere(); } }
template <int n> void many() { if (n == 0) hidden(); else std::puts("more"); }
template void many<0>();
""" + "".join(f'extern "C" void function_{number}() {{ many<0>(); }}\n' for number in range(200))
ASKED = [
    b"function_0",
    b"function_199",
    b"function_200",
    b"unction_1",
    b"elsewhere",
    b"hidden",
    b"_Z4manyILi0EEvv",
    b"",
]


def table(path: Path) -> SymbolTable:
    with path.open("rb") as file:
        return SymbolTable(ElfFile(file))


@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_what_is_looked_up_is_what_is_there(tmp_path: Path, style: str) -> None:
    symbols = table(share(tmp_path / "libmany.so", SOURCE, f"-Wl,--hash-style={style}"))
    assert symbols.defined_among(ASKED) == {b"function_0", b"function_199", b"_Z4manyILi0EEvv"}
    assert symbols.defined_among({symbol.name for symbol in symbols}) == set(symbols.defined())


def test_a_damaged_hash_table_is_not_gone_by(tmp_path: Path) -> None:
    library = share(tmp_path / "libmany.so", SOURCE, "-Wl,--hash-style=gnu")
    with library.open("r+b") as file:
        place = next(ElfFile(file).iter_sections("SHT_GNU_HASH"))["sh_offset"]
        file.seek(place)
        # No buckets: the remainder of a division by that is none.
        file.write(bytes(4))
    assert table(library).defined_among(ASKED) == {b"function_0", b"function_199", b"_Z4manyILi0EEvv"}
