from __future__ import annotations

import os
from pathlib import Path

import pytest

from torchgraft.file_lock import FileLock
from torchgraft.hook.source_lock import hold_source, note_path, source_of_lock


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def build(cache: Path, source: Path, *, keep_s: int = 0) -> Path:
    """Return the lock of a tree that was built just now."""
    source.mkdir(exist_ok=True)
    with hold_source(source, cache_folder=cache, keep_s=keep_s):
        note_path(cache, source).write_text("for a torch")
        note_path(cache, source, in_place=True).write_text("for a torch")
    return note_path(cache, source).with_suffix(".lock")


def test_what_was_kept_for_a_tree_that_is_gone_goes(cache: Path, tmp_path: Path) -> None:
    stays, gone = build(cache, tmp_path / "stays"), build(cache, tmp_path / "gone")
    assert source_of_lock(gone) == str(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    build(cache, tmp_path / "stays")
    assert {path.name.partition(".")[0] for path in (cache / "locks").iterdir()} == {stays.stem}


def test_a_tree_that_somebody_builds_stays(cache: Path, tmp_path: Path) -> None:
    held = FileLock(build(cache, tmp_path / "held"))
    (tmp_path / "held").rmdir()
    assert held.acquire(timeout_s=0)
    build(cache, tmp_path / "other")
    assert held.path.exists()
    held.release()


def test_what_nobody_has_built_for_long_goes(cache: Path, tmp_path: Path) -> None:
    old = build(cache, tmp_path / "old")
    for path in (cache / "locks").iterdir():
        os.utime(path, (0, 0))
    build(cache, tmp_path / "new")
    assert old.exists()
    build(cache, tmp_path / "new", keep_s=86_400)
    assert not old.exists()
