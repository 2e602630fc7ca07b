from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from torchgraft.hook.cache_sweep import size_of, sweep_cache
from torchgraft.hook.source_lock import hold_source, lock_path, note_path, source_of_lock
from torchgraft.own_files import FileLock

DAY_S = 86_400


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def build(cache: Path, source: Path, *, keep_s: int = 0) -> Path:
    """Return the lock of a tree that was built just now."""
    source.mkdir(exist_ok=True)
    with hold_source(source, cache_folder=cache):
        sweep(cache, lock_path(cache, source), keep_s=keep_s)
        note_path(cache, source).write_text("for a torch")
        note_path(cache, source, in_place=True).write_text("for a torch")
    return lock_path(cache, source)


def sweep(cache: Path, *used: Path, keep_s: int = 0, most_bytes: int = 0) -> None:
    sweep_cache(cache, used=used, keep_s=keep_s, most_bytes=most_bytes)


def kept(cache: Path, name: str, *, days: int = 0, size: int = 10, link: Path | None = None) -> Path:
    """Return a thing in the cache that was used so long ago."""
    folder = cache / name
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "data").write_bytes(b"x" * size)
    if link is not None:
        (folder / "bin" / "nvcc").symlink_to(link)
    os.utime(folder, (time.time() - days * DAY_S,) * 2)
    return folder


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
        os.utime(path, (time.time() - 2 * DAY_S,) * 2)
    build(cache, tmp_path / "new")
    assert old.exists()
    build(cache, tmp_path / "new", keep_s=DAY_S)
    assert not old.exists()


def test_a_lock_that_says_nothing_goes_after_a_day(cache: Path, tmp_path: Path) -> None:
    build(cache, tmp_path / "tree")
    (old := cache / "locks" / "old.lock").touch()
    (new := cache / "locks" / "new.lock").touch()
    os.utime(old, (time.time() - 2 * DAY_S,) * 2)
    build(cache, tmp_path / "tree")
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("part", ["grafts", "toolkits", "headers"])
def test_what_leads_nowhere_goes_and_others_stay(cache: Path, tmp_path: Path, part: str) -> None:
    (tmp_path / "torch").mkdir()
    stays, used = kept(cache, f"{part}/a", link=tmp_path / "torch"), kept(cache, f"{part}/b", link=tmp_path / "gone")
    gone, file = kept(cache, f"{part}/c", link=tmp_path / "gone"), cache / part / "d"
    file.symlink_to(tmp_path / "torch")
    sweep(cache, used)
    assert (stays.exists(), used.exists(), gone.exists()) == (True, True, False)
    assert file.exists()
    assert (tmp_path / "torch").exists()
    assert sorted(path.name for path in (cache / part).iterdir()) == ["a", "b", "d"]


@pytest.mark.parametrize("part", ["grafts", "toolkits", "headers"])
def test_what_no_build_has_used_for_long_goes(cache: Path, part: str) -> None:
    old, used, new = (kept(cache, f"{part}/{days}", days=days) for days in (40, 39, 1))
    sweep(cache, used)
    assert old.exists()
    sweep(cache, used, keep_s=30 * DAY_S)
    assert (old.exists(), used.exists(), new.exists()) == (False, True, True)


def test_beyond_a_size_what_was_used_longest_ago_goes_first(cache: Path) -> None:
    oldest, older, used, today = (
        kept(cache, name, days=days, size=1_000_000)
        for name, days in (("grafts/a", 9), ("toolkits/b", 8), ("toolkits/c", 10), ("toolkits/d", 0))
    )
    size = size_of(oldest)
    sweep(cache, used, most_bytes=4 * size)
    assert oldest.exists()
    sweep(cache, used, most_bytes=3 * size)
    assert (oldest.exists(), older.exists()) == (False, True)
    # What a build may be using stays, however small the cache is to be.
    sweep(cache, used, most_bytes=1)
    assert (older.exists(), used.exists(), today.exists()) == (False, True, True)


def test_what_is_shared_with_another_folder_takes_no_space(cache: Path, tmp_path: Path) -> None:
    folder = kept(cache, "toolkits/a")
    before = size_of(folder)
    (tmp_path / "data").write_bytes(b"x" * 1_000_000)
    (folder / "library").hardlink_to(tmp_path / "data")
    assert size_of(folder) == before


def test_what_killed_builds_have_left_goes_after_a_day(cache: Path) -> None:
    old = [cache / name for name in (".rebuild.cfg.7.tmp", "grafts/.x.tmp", "toolkits/.y.tmp", "locks/.z.torch.7.tmp")]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if path.parent.name in {"grafts", "toolkits"} else path.touch()
        os.utime(path, (0, 0))
    (cache / "grafts" / ".new.tmp").mkdir()
    sweep(cache)
    assert [path for path in cache.rglob("*") if path.suffix == ".tmp"] == [cache / "grafts" / ".new.tmp"]
