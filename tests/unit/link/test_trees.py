from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from torchgraft.link.modules import read_file_modules, walk_tree
from torchgraft.wheel.contents import read_in_place_modules

ELF = b"\x7fELF" + b"\0" * 60
SUFFIX = ".cpython-311-x86_64-linux-gnu.so"


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(ELF if name.endswith(".so") else b"")


def names(folder: Path, *, is_package: bool) -> list[str]:
    return sorted(walk_tree(folder, is_package=is_package).libraries)


@pytest.mark.parametrize(
    "marker",
    [
        ".venv/pyvenv.cfg",
        "env/pyvenv.cfg",
        "env/conda-meta/history",
        "env/bin/python",
        ".pixi/envs/default/x",
        "target/lib/python3.11/site-packages/x.py",
        "build/temp/x.o",
        "cmake-build-debug/CMakeCache.txt",
    ],
)
def test_what_is_beside_the_sources_is_none_of_them(tmp_path: Path, marker: str) -> None:
    top = marker.partition("/")[0]
    below = "lib/python3.11/site-packages/other" if top in {".venv", "env", "target", ".pixi"} else "other"
    write(tmp_path, marker, f"{top}/{below}/bad{SUFFIX}", f"src/pkg/_C{SUFFIX}")
    modules = read_in_place_modules(tmp_path, suffix=SUFFIX)
    assert [module.file for module in modules] == [f"src/pkg/_C{SUFFIX}"]
    assert names(tmp_path, is_package=False) == [f"src/pkg/_C{SUFFIX}"]


def test_in_a_package_everything_counts(tmp_path: Path) -> None:
    write(tmp_path, ".libs/a.so", "build/b.so", "__pycache__/c.so", "env/pyvenv.cfg", "env/d.so")
    assert names(tmp_path, is_package=True) == [".libs/a.so", "build/b.so"]
    # Of a source tree, only what is a package.
    write(tmp_path, "build/__init__.py")
    assert names(tmp_path, is_package=False) == ["build/b.so"]


def test_a_linked_package_is_followed_once_and_linked_data_never(tmp_path: Path) -> None:
    write(tmp_path, "real/pkg/__init__.py", "real/pkg/_C.so", "data/huge.so", "tree/x.py")
    (tmp_path / "tree" / "pkg").symlink_to(tmp_path / "real" / "pkg")
    (tmp_path / "tree" / "data").symlink_to(tmp_path / "data")
    (tmp_path / "real" / "pkg" / "again").symlink_to(tmp_path / "real" / "pkg")
    assert names(tmp_path / "tree", is_package=False) == ["pkg/_C.so"]


def test_what_was_not_looked_at_is_said(tmp_path: Path) -> None:
    write(tmp_path, *(f"d{number}/x.so" for number in range(5)))
    found = walk_tree(tmp_path, is_package=False, most_files=3)
    assert (len(found.libraries), found.fault) == (4, "only 4 of its files were looked at")
    assert walk_tree(tmp_path, is_package=False).fault == ""
    assert walk_tree(tmp_path / "nothing", is_package=True).fault == ". in it cannot be read: No such file or directory"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
def test_a_pipe_that_is_called_a_library_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.so")
    (module,) = read_file_modules({"a.so": tmp_path / "a.so"})
    assert module.fault == "it cannot be read: it is no regular file"
