from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.toolkits import install_compiler, script
from torchgraft.compile.compilers import find_compilers
from torchgraft.model.hardware_values import HostCompiler

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake compilers are shell scripts")


def pair(folder: Path, suffix: str, version: str, *, family: str = "gcc") -> None:
    names = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++"), "cc": ("cc", "c++")}[family]
    for name in names:
        install_compiler(folder / (name + suffix), version)


def find(*folders: Path, **variables: str) -> tuple[HostCompiler, ...]:
    path = ":".join(map(str, folders))
    return find_compilers({"PATH": f"{path}:/usr/bin:/bin", **variables}, path)


def ran(folder: Path) -> int:
    return len((folder / "ran").read_text().splitlines()) if (folder / "ran").exists() else 0


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def test_the_default_first_then_the_highest(bin_folder: Path) -> None:
    for number in ("9", "13", "15"):
        pair(bin_folder, f"-{number}", f"{number}.1.0")
    pair(bin_folder, "-17", "17.0.6", family="clang")
    pair(bin_folder, "", "12.2.0")
    found = find(bin_folder)
    assert [(c.name, c.version) for c in found] == [
        ("gcc", "12.2.0"),
        ("clang", "17"),
        ("gcc", "15"),
        ("gcc", "13"),
        ("gcc", "9"),
    ]
    assert found[2] == HostCompiler(
        cc=str(bin_folder / "gcc-15"),
        cxx=str(bin_folder / "g++-15"),
        name="gcc",
        version="15",
        source="g++-15 on PATH",
    )
    # The versions in names are believed.
    assert ran(bin_folder) == 1


def test_debians_links_are_one_compiler(bin_folder: Path) -> None:
    for name in ("gcc", "g++"):
        install_compiler(bin_folder / f"x86_64-linux-gnu-{name}-12", "12.2.0")
        (bin_folder / f"{name}-12").symlink_to(f"x86_64-linux-gnu-{name}-12")
        (bin_folder / name).symlink_to(f"{name}-12")
        (bin_folder / name.replace("gcc", "cc").replace("g++", "c++")).symlink_to(name)
    assert [(c.cxx, c.version) for c in find(bin_folder, bin_folder)] == [(str(bin_folder / "c++"), "12.2.0")]
    assert ran(bin_folder) == 1


def test_a_default_that_is_clang(bin_folder: Path) -> None:
    pair(bin_folder, "-17", "17.0.6", family="clang")
    (bin_folder / "cc").symlink_to("clang-17")
    (bin_folder / "c++").symlink_to("clang++-17")
    assert [(c.name, c.version, c.source) for c in find(bin_folder)] == [("clang", "17.0.6", "c++ on PATH")]
    assert (bin_folder / "ran").read_text().endswith("c++ -dumpversion\n")


def test_only_complete_pairs(bin_folder: Path) -> None:
    install_compiler(bin_folder / "gcc", "12.2.0")
    install_compiler(bin_folder / "gcc-13", "13.1.0")
    install_compiler(bin_folder / "g++-14", "14.1.0")
    pair(bin_folder, "-11", "11.1.0")
    (bin_folder / "g++-11").chmod(0o644)
    assert find(bin_folder) == ()


@pytest.mark.parametrize(
    ("variables", "source"),
    [
        ({"CC": "gcc-11", "CXX": "g++-11"}, "CC and CXX"),
        ({"CC": "{bin}/gcc-11"}, "CC"),
        ({"CXX": "g++-11"}, "CXX"),
    ],
)
def test_the_users_own_comes_first(bin_folder: Path, variables: dict[str, str], source: str) -> None:
    pair(bin_folder, "-11", "11.4.0")
    pair(bin_folder, "", "12.2.0")
    found = find(bin_folder, **{name: value.format(bin=bin_folder) for name, value in variables.items()})
    expected = (str(bin_folder / "gcc-11"), str(bin_folder / "g++-11"), "gcc", "11.4.0", source)
    assert (found[0].cc, found[0].cxx, found[0].name, found[0].version, found[0].source) == expected
    assert [c.version for c in found[1:]] == ["12.2.0"]


def test_condas_compilers(bin_folder: Path) -> None:
    for name in ("cc", "c++", "gcc", "g++"):
        install_compiler(bin_folder / f"x86_64-conda-linux-gnu-{name}", "14.3.0")
    found = find(bin_folder, CC=str(bin_folder / "x86_64-conda-linux-gnu-gcc"))
    assert [(c.cxx, c.name, c.version) for c in found] == [
        (str(bin_folder / "x86_64-conda-linux-gnu-g++"), "gcc", "14.3.0")
    ]
    # cc is as good as gcc where it is nothing else.
    found = find(
        bin_folder,
        CC=str(bin_folder / "x86_64-conda-linux-gnu-cc"),
        CXX=str(bin_folder / "x86_64-conda-linux-gnu-c++"),
    )
    assert [(c.name, c.version) for c in found] == [("gcc", "14.3.0")]


@pytest.mark.parametrize(
    ("cc", "cxx", "version"),
    [
        ("ccache gcc", "ccache g++", "12.2.0"),
        ("gcc -m64", "g++ -m64", "12.2.0"),
        ("ccache gcc", "", "12.2.0"),
        ("/nowhere/gcc", "", ""),
        ("/nowhere/gcc", "/nowhere/g++", ""),
        ("nowhere gcc", "nowhere g++", ""),
        ("icx", "icpx", ""),
        ("icx", "", ""),
    ],
)
def test_what_nvcc_cannot_be_given_is_kept_and_flagged(bin_folder: Path, cc: str, cxx: str, version: str) -> None:
    pair(bin_folder, "", "12.2.0")
    install_compiler(bin_folder / "icx", "2025.0")
    script(bin_folder / "ccache", '#!/bin/sh\nexec "$@"\n')
    variables = {"PATH": f"{bin_folder}:/usr/bin:/bin", "CC": cc, "CXX": cxx}
    flagged, default = find_compilers(variables, str(bin_folder))
    assert (flagged.name, flagged.version, flagged.cc) == ("", version, cc)
    assert flagged.cxx == cxx or not cxx
    assert (default.name, default.version) == ("gcc", "12.2.0")


def test_a_compiler_that_does_not_answer(bin_folder: Path) -> None:
    for name in ("cc", "c++", "gcc-13", "g++-13"):
        script(bin_folder / name, "#!/bin/sh\necho error: no licence >&2\nexit 1\n")
    found = find(bin_folder, CC="cc", CXX="c++")
    assert [(c.name, c.version) for c in found] == [("", ""), ("gcc", "13")]
