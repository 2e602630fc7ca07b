from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import pytest

from support.wheels import write_wheel
from torchgraft.link.modules import read_archive_modules
from torchgraft.wheel.contents import crc32_of, find_built_files

NAME = "pkg/_C.so"
DATA = b"code" * 100


def found(tmp_path: Path, *, smallest: int = 100) -> list[str]:
    wheel = write_wheel(tmp_path / "x.whl", name="x", version="1", tags=("py3-none-any",), files={NAME: DATA})
    with zipfile.ZipFile(wheel) as archive:
        files = find_built_files(archive, tmp_path, smallest=smallest)
    return [f"{name} {path.relative_to(tmp_path)}" for name, path in files.items()]


def leave(tmp_path: Path, data: bytes, folder: str = "lib.linux-x86_64-cpython-311") -> Path:
    path = tmp_path / "build" / folder / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def test_the_file_that_setuptools_left_is_the_one_in_the_wheel(tmp_path: Path) -> None:
    leave(tmp_path, DATA)
    assert found(tmp_path) == [f"{NAME} build/lib.linux-x86_64-cpython-311/{NAME}"]


def test_of_several_build_folders_the_one_with_the_same_file_counts(tmp_path: Path) -> None:
    leave(tmp_path, DATA[::-1], "lib.linux-x86_64-cpython-310")
    leave(tmp_path, DATA, "lib.linux-x86_64-cpython-311")
    leave(tmp_path, DATA, "lib.linux-x86_64-cpython-312")
    assert found(tmp_path) == [f"{NAME} build/lib.linux-x86_64-cpython-311/{NAME}"]


@pytest.mark.parametrize("data", [DATA[::-1], DATA[1:], DATA + b"x", b""])
def test_another_file_of_that_name_is_not_taken(tmp_path: Path, data: bytes) -> None:
    leave(tmp_path, data)
    assert found(tmp_path) == []


def test_a_link_is_not_taken(tmp_path: Path) -> None:
    path = leave(tmp_path, DATA)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path) == []


def test_small_files_are_not_looked_for(tmp_path: Path) -> None:
    leave(tmp_path, DATA)
    assert found(tmp_path, smallest=len(DATA) + 1) == []


def test_there_need_be_no_build_folder(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_a_module_is_read_from_the_file_that_is_the_same(tmp_path: Path) -> None:
    files = {"b.so": b"\x7fELF", "a.so": b"\x7fELF packed", "c.py": b"\x7fELF"}
    wheel = write_wheel(tmp_path / "x.whl", name="x", version="1", tags=("py3-none-any",), files=files)
    (tmp_path / "library").write_bytes(b"MZ")
    with zipfile.ZipFile(wheel) as archive:
        modules = read_archive_modules(archive, {"b.so": tmp_path / "library", "c.py": tmp_path / "library"})
    assert [(module.file, module.format.value) for module in modules] == [("a.so", "ELF"), ("b.so", "PE")]


@pytest.mark.parametrize("data", [b"", DATA, bytes(3 << 20)])
def test_a_file_has_the_checksum_of_its_bytes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    assert crc32_of(tmp_path / "file") == zlib.crc32(data)


def test_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        crc32_of(tmp_path / "file")
