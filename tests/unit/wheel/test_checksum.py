from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from torchgraft.wheel.contents import combined_crc32, crc32_of

DATA = bytes(range(256)) * 41


@pytest.mark.parametrize("smallest_part", [1, 100, 5_000, len(DATA), len(DATA) + 1])
def test_however_many_threads_read_a_file_it_has_one_checksum(tmp_path: Path, smallest_part: int) -> None:
    (tmp_path / "file").write_bytes(DATA)
    assert crc32_of(tmp_path / "file", smallest_part=smallest_part) == zlib.crc32(DATA)


def test_an_empty_file_has_a_checksum(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert crc32_of(tmp_path / "file") == zlib.crc32(b"")


def test_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        crc32_of(tmp_path / "file")


@pytest.mark.parametrize("place", [0, 1, 1_000, len(DATA) - 1, len(DATA)])
def test_the_checksums_of_two_parts_make_that_of_the_whole(place: int) -> None:
    first, second = DATA[:place], DATA[place:]
    assert combined_crc32(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(DATA)
