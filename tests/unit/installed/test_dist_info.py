from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.installed.dist_info import ListedFile, find_installed, parse_file_list, read_files


def test_rows_of_a_record() -> None:
    text = b'a.py,sha256=x,1\r\n"b,c.py",sha256=y,2\nwin\\d.py,,\na-1.dist-info/RECORD,,\n'
    assert parse_file_list(text) == [
        ListedFile("a.py", "sha256=x", "1"),
        ListedFile("b,c.py", "sha256=y", "2"),
        ListedFile("win/d.py", "", ""),
        ListedFile("a-1.dist-info/RECORD", "", ""),
    ]


@pytest.mark.parametrize("data", [b"a.py,sha256=x\n", b"a,b,c,d\n", b"\n", b"\xff,,\n", b"x" * 200_000 + b",,\n"])
def test_what_is_no_record(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"RECORD|utf-8"):
        parse_file_list(data)


def test_what_an_environment_has_is_told_by_a_damaged_list_too(tmp_path: Path) -> None:
    info = tmp_path / "a-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_bytes(b'a.py,,\n\nb.py\n"c,d.py",x\n\xff.py,,\n')
    (installed,) = find_installed([str(tmp_path)])["a"]
    assert read_files(installed) == ("a.py", "b.py", "c", "\ufffd.py")
