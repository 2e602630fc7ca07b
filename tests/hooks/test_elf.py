from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from support.stub_libraries import share
from torchgraft.link.elf import ElfFile, SymbolTable
from torchgraft.link.libraries import readable_names

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
        place = next(ELFFile(file).iter_sections("SHT_GNU_HASH"))["sh_offset"]
        file.seek(place)
        # No buckets: the remainder of a division by that is none.
        file.write(bytes(4))
    assert table(library).defined_among(ASKED) == {b"function_0", b"function_199", b"_Z4manyILi0EEvv"}


ERROR = "_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"


def test_names_are_readable_where_they_have_such_a_name() -> None:
    names = readable_names([ERROR, "aoti_torch_old", "_Z", "_Zno\nname"])
    assert names == {ERROR: "c10::Error::Error(c10::SourceLocation, std::__cxx11::string)"}


@pytest.mark.parametrize("program", [None, "exit 1", "cat; echo; echo more", "printf '\\377'"])
def test_names_stay_as_they_are_where_nothing_makes_them_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}")
    if program is not None:
        (tmp_path / "c++filt").write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{program}\n")
        (tmp_path / "c++filt").chmod(0o755)
    assert readable_names([ERROR]) == {}
