from __future__ import annotations

import errno
import re
import tempfile
from pathlib import Path

import pytest

from torchgraft.disks import cure_of_full, disk_text, is_full, with_disks
from torchgraft.errors import Problem


def test_a_full_disk() -> None:
    assert is_full(OSError(errno.ENOSPC, "No space left on device"))
    assert is_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not is_full(PermissionError(errno.EACCES, "Permission denied"))


def test_the_file_system_of_a_path_that_is_not_there_yet(tmp_path: Path) -> None:
    said = disk_text(tmp_path / "a" / "b")
    assert re.fullmatch(r"/\S* has [\d.]+ [MG]B free of [\d.]+ [MG]B", said)
    assert said.partition(" has ")[0] in map(str, (tmp_path, *tmp_path.parents))


@pytest.mark.parametrize(
    ("place", "cure"),
    [
        ("cache/torchgraft/locks", "export TORCHGRAFT_CACHE_DIR=FOLDER"),
        ("tmp/pip-wheel-x", "export TMPDIR=FOLDER"),
        ("uv/sdists-v9/x", "export UV_CACHE_DIR=FOLDER"),
        ("source", "cp -r . FOLDER"),
        ("dist", "name another folder for wheels"),
    ],
)
def test_what_moves_exactly_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, cure: str) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "CACHEDIR.TAG").touch()
    cache, source = tmp_path / "cache" / "torchgraft", tmp_path / "source"
    assert cure in cure_of_full(tmp_path / place, source=source, cache_folder=cache)


def test_a_problem_says_which_disk_it_is(tmp_path: Path) -> None:
    problem = Problem(code="disk-full", headline="the disk is full", why="object files need gigabytes", fixes=("x",))
    found = with_disks(problem, source=tmp_path / "source", cache_folder=tmp_path / "cache")
    assert [evidence.label for evidence in found.evidence] == ["disk"]
    assert found.evidence[0].text.startswith(found.headline.removeprefix("a disk is full: "))
    assert found.fixes
    assert "x" not in found.fixes
