"""Reading what others wrote: nothing raises, nothing is endless, nothing is waited for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier

from torchgraft.files import (
    UnreadableError,
    digest_of,
    find_text,
    is_file,
    is_folder,
    joined,
    names_in,
    read_start,
    read_text,
    read_whole,
    real,
    unique_folders,
    walk,
)
from torchgraft.untrusted import numbers_in, parse_requirement, parse_specifier, parse_version, split_address


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xef\xbb\xbfab\xffcd")
    assert read_start(file, 4) == b"\xef\xbb\xbfa"
    assert find_text(file) == "ab\N{REPLACEMENT CHARACTER}cd"
    assert read_text(file, 5) == "ab"


@pytest.mark.parametrize("name", ["missing", ".", "a\0b"])
def test_what_is_no_file_has_no_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert read_start(path, 10) is None
    assert find_text(path) is None
    assert read_text(path) == ""
    assert not is_file(path)
    assert names_in(path / "below") == ()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert find_text(tmp_path / "pipe") is None
    with pytest.raises(UnreadableError, match="is a pipe or a device"):
        read_whole(tmp_path / "pipe", 10)
    with pytest.raises(OSError, match="it is no regular file"):
        digest_of(tmp_path / "pipe")


def test_folders_in_each_other_are_walked_down_to_a_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1200):
        Path("d").mkdir()
        os.chdir("d")
    walked = len(list(walk(tmp_path)))
    for _ in range(1200):
        os.chdir("..")
        Path("d").rmdir()
    assert walked == 201


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a").symlink_to("b")
    assert names_in(tmp_path) == ("a", "b")
    assert is_folder(tmp_path / "a")
    assert not is_folder(tmp_path / "a\0b")
    assert real(tmp_path / "a") == real(tmp_path / "b")
    assert unique_folders([tmp_path / "none", tmp_path / "a", tmp_path / "b"]) == (tmp_path / "a",)
    assert joined(str(tmp_path), "a/../b") == tmp_path / "b"
    assert joined(str(tmp_path), "~no-such-user/b") == tmp_path / "~no-such-user" / "b"


@pytest.mark.parametrize(
    ("text", "is_version"), [("2.8.0+cu128", True), ("x", False), (None, False), ("9" * 5000, False)]
)
def test_what_is_no_version_is_none(text: str | None, *, is_version: bool) -> None:
    assert (parse_version(text) is not None) is is_version


def test_numbers() -> None:
    assert numbers_in("python3.11") == (3, 11)
    assert numbers_in("none") == ()


def test_more_bounds_than_a_person_writes_are_none() -> None:
    bounds = ",".join(f"!=2.{number}" for number in range(102))
    with pytest.raises(InvalidRequirement, match="too many bounds"):
        parse_requirement(f"torch{bounds}")
    with pytest.raises(InvalidSpecifier, match="too many bounds"):
        parse_specifier(bounds)
    assert parse_requirement("torch>=2,<3").specifier == parse_specifier(">=2,<3")


def test_half_an_address_of_ipv6_is_no_url() -> None:
    assert split_address("https://x.org/a?b").netloc == "x.org"
    assert split_address("https://[::1/a") == ("", "", "https://[::1/a", "", "")
