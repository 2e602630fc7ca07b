from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from support import sites
from torchgraft.cli import main
from torchgraft.hook.source_lock import hold_source, note_path
from torchgraft.ladder.graft import link_graft
from torchgraft.model.decision import Graft
from torchgraft.model.observation import Link
from torchgraft.prebuilt.plan_prebuilt import STORE_FORMAT
from torchgraft.tools.cache.cache_folder import (
    CacheEntry,
    CacheKind,
    CacheListing,
    Pruned,
    prune_cache,
    read_cache,
    read_cache_state,
)
from torchgraft.tools.cache.plan_prune import age_text, plan_pruning
from torchgraft.tools.from_json import from_json_text

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links are junctions and copies there")

NOW_S = 1_000_000_000.0
DAY_S = 86_400.0


@pytest.fixture
def site(tmp_path: Path) -> Path:
    sites.write(tmp_path / "env", {"torch/__init__.py": "", "nvidia/cublas/lib.so": ""})
    return tmp_path / "env"


@pytest.fixture
def graft(tmp_path: Path, site: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        links = tuple(Link(name=entry, target=str(site / entry)) for entry in ("torch", "nvidia/cublas"))
        folder = tmp_path / "cache" / "grafts" / name
        return link_graft(Graft(folder=str(folder), links=links, names=("torch",)))

    return make


def entry(kind: CacheKind = CacheKind.GRAFT, *, age_s: float = 0.0, stale: str = "", held: bool = False) -> CacheEntry:
    return CacheEntry(
        kind=kind, name="0123456789abcdef", size_bytes=4096, last_used_s=NOW_S - age_s, stale=stale, held=held
    )


def fate(*entries: CacheEntry, older_than_s: float | None = None, everything: bool = False) -> list[tuple[bool, str]]:
    listing = CacheListing(folder="/cache", entries=entries)
    planned = plan_pruning(listing, now_s=NOW_S, older_than_s=older_than_s, everything=everything)
    return [(item.removed, item.reason) for item in planned]


def test_a_graft_is_listed_with_where_it_leads(tmp_path: Path, site: Path, graft: Callable[[str], Path]) -> None:
    folder = graft("1a2b")
    (found,) = read_cache(tmp_path / "cache").entries
    assert (found.kind, found.name, found.stale) == (CacheKind.GRAFT, "1a2b", "")
    assert found.targets == (str(site),)
    assert found.last_used_s == folder.stat().st_mtime
    assert found.size_bytes < 100_000


def test_a_graft_whose_torch_is_gone(tmp_path: Path, site: Path, graft: Callable[[str], Path]) -> None:
    graft("1a2b")
    (site / "torch").rename(site / "gone")
    assert read_cache(tmp_path / "cache").entries[0].stale == "its torch is gone"


def test_using_a_graft_again_is_its_last_use(graft: Callable[[str], Path]) -> None:
    folder = graft("1a2b")
    os.utime(folder, (NOW_S, NOW_S))
    graft("1a2b")
    assert folder.stat().st_mtime > NOW_S


def test_a_header_is_listed_with_its_torch_and_goes_like_all_else(tmp_path: Path) -> None:
    entry, include = tmp_path / "headers" / "12-34", tmp_path / "site" / "torch" / "include"
    (entry / "torch").mkdir(parents=True)
    include.mkdir(parents=True)
    (entry / "torch" / "extension.h.gch").write_text("x" * 5000)
    (entry / "include").symlink_to(include)
    (tmp_path / "headers" / ".12.lock").write_text("")
    (found,) = read_cache(tmp_path).entries
    assert (found.kind, found.targets, found.stale) == (CacheKind.HEADER, (str(include.parent),), "")
    include.rmdir()
    listing = read_cache(tmp_path)
    assert listing.entries[0].stale == "its include is gone"
    prune_cache(tmp_path, plan_pruning(listing, now_s=time.time() + DAY_S))
    assert not entry.exists()


def test_a_toolkit_whose_nvcc_is_gone(tmp_path: Path) -> None:
    home = tmp_path / "cache" / "toolkits" / "77"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "nvcc").symlink_to("/nowhere/bin/nvcc")
    (home / "lib64").symlink_to("lib")
    (found,) = read_cache(tmp_path / "cache").entries
    assert (found.stale, found.targets) == ("its nvcc is gone", ("/nowhere",))


def test_bytecode_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHGRAFT_CACHE_DIR", str(tmp_path))
    for name in ("packaging", "setuptools"):
        sites.write(tmp_path / "bytecode" / f"{name}-1f-2e-3d", {"a.pyc": "x" * 5000})
    assert main(["cache", "list"]) == 0
    (line,) = capsys.readouterr().out.splitlines()[1:]
    assert line.startswith("  bytecode   2 packages ")
    assert line.endswith("for uv's builds")


def test_a_lock_that_is_held(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "55.lock"
    path.parent.mkdir()
    with FileLock(path):
        assert [item.held for item in read_cache(tmp_path).entries] == [True]
    assert [item.held for item in read_cache(tmp_path).entries] == [False]


def test_a_note_for_which_torch_a_source_tree_was_built(tmp_path: Path) -> None:
    path = note_path(tmp_path, tmp_path / "source")
    path.parent.mkdir()
    path.write_text("2.8.0 12.8 True -")
    (found,) = read_cache(tmp_path).entries
    assert (found.kind, found.name, found.held) == (CacheKind.NOTE, path.name, False)
    (done,) = prune_cache(tmp_path, [Pruned(entry=found, removed=True, reason="")])
    assert done.removed
    assert not path.exists()


def test_a_source_tree_is_one_line_and_goes_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHGRAFT_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with hold_source(tmp_path / name, cache_folder=tmp_path / "cache"):
            note_path(tmp_path / "cache", tmp_path / name).write_text("2.8.0 12.8 True -")
    assert main(["cache", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [str(tmp_path / "one") in line for line in sorted(lines[1:])].count(True) == 1
    assert len([line for line in lines if line.startswith("  tree ")]) == 2
    (tmp_path / "one").rmdir()
    assert main(["cache", "prune", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert text.count("its source tree is gone") == 2
    assert "all other 1 " in text
    assert "would be removed: 2" in text
    assert main(["cache", "prune"]) == 0
    assert len(list((tmp_path / "cache" / "locks").iterdir())) == 2


def test_notes_go_as_grafts_do() -> None:
    notes = [entry(CacheKind.NOTE, age_s=age_s) for age_s in (3 * DAY_S, 30)]
    assert [removed for removed, _ in fate(*notes)] == [False, False]
    assert [removed for removed, _ in fate(*notes, older_than_s=2 * DAY_S)] == [True, False]
    assert [removed for removed, _ in fate(*notes, everything=True)] == [True, False]
    held = entry(CacheKind.LOCK, held=True)
    assert [removed for removed, _ in fate(held, *notes, everything=True)] == [False, False, False]


def test_what_is_not_ours_is_not_listed(tmp_path: Path) -> None:
    sites.write(tmp_path, {"notes.txt": "", "grafts/notes.txt": "", "locks/notes.txt": "", "toolkits/.hidden": ""})
    assert read_cache(tmp_path).entries == ()
    assert read_cache(tmp_path / "nowhere").entries == ()


def test_only_what_is_stale_goes_unless_told() -> None:
    assert fate(entry(age_s=90 * DAY_S), entry(stale="its torch is gone")) == [
        (False, "used 90 days ago"),
        (True, "its torch is gone"),
    ]


def test_what_is_older() -> None:
    assert fate(entry(age_s=3 * DAY_S), entry(age_s=DAY_S), older_than_s=2 * DAY_S) == [
        (True, "used 3 days ago"),
        (False, "used 1 day ago"),
    ]


def test_the_oldest_go_until_the_rest_is_small() -> None:
    entries = (entry(age_s=3 * DAY_S), entry(age_s=DAY_S), entry(age_s=2 * DAY_S))
    planned = plan_pruning(CacheListing(folder="/cache", entries=entries), now_s=NOW_S, largest_bytes=2 * 4096)
    assert [item.removed for item in planned] == [True, False, False]


def test_everything_goes_but_what_a_build_may_be_about_to_use() -> None:
    assert fate(entry(age_s=600), entry(age_s=30), everything=True) == [
        (True, "used 10 minutes ago"),
        (False, "used just now: a build may be about to start"),
    ]


def test_while_a_build_is_at_work_only_what_is_stale_goes() -> None:
    held = entry(CacheKind.LOCK, age_s=3600, held=True)
    assert fate(held, entry(age_s=3600), entry(stale="its torch is gone"), everything=True) == [
        (False, "a build holds it"),
        (False, "a build is running, and may use it"),
        (True, "its torch is gone"),
    ]


@pytest.mark.parametrize(("age_s", "removed"), [(60.0, False), (2 * DAY_S, True)])
def test_locks_and_drafts_of_builds_that_ended(age_s: float, removed: bool) -> None:  # noqa: FBT001
    (lock, draft) = fate(entry(CacheKind.LOCK, age_s=age_s), entry(CacheKind.DRAFT, age_s=age_s), everything=True)
    assert (lock[0], draft[0]) == (removed, removed)


@pytest.mark.parametrize(
    ("age_s", "text"),
    [(-9e9, "just now"), (0, "just now"), (61, "1 minute ago"), (7200, "2 hours ago"), (DAY_S, "1 day ago")],
)
def test_ages(age_s: float, text: str) -> None:
    assert age_text(age_s) == text


def test_pruning_removes_links_and_never_what_they_lead_to(
    tmp_path: Path, site: Path, graft: Callable[[str], Path]
) -> None:
    folder = graft("1a2b")
    listing = read_cache(tmp_path / "cache")
    done = prune_cache(tmp_path / "cache", [Pruned(entry=listing.entries[0], removed=True, reason="")])
    assert [item.removed for item in done] == [True]
    assert not folder.exists()
    assert list((tmp_path / "cache" / "grafts").iterdir()) == []
    assert (site / "torch" / "__init__.py").exists()


def test_what_was_used_after_the_look_stays(tmp_path: Path, graft: Callable[[str], Path]) -> None:
    folder = graft("1a2b")
    listing = read_cache(tmp_path / "cache")
    os.utime(folder, (NOW_S, NOW_S))
    (done,) = prune_cache(tmp_path / "cache", [Pruned(entry=listing.entries[0], removed=True, reason="")])
    assert (done.removed, done.reason) == (False, "used in the meantime")
    assert folder.exists()


def test_a_lock_that_is_taken_after_the_look_stays(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "55.lock"
    path.parent.mkdir()
    path.touch()
    with FileLock(path):
        # Taking it has changed its time: what is tested is the lock.
        listing = read_cache(tmp_path)
        (done,) = prune_cache(tmp_path, [Pruned(entry=listing.entries[0], removed=True, reason="")])
    assert (done.removed, done.reason) == (False, "a build holds it")
    (done,) = prune_cache(tmp_path, [Pruned(entry=read_cache(tmp_path).entries[0], removed=True, reason="")])
    assert done.removed
    assert not path.exists()


def test_a_draft_and_what_somebody_else_has_removed(tmp_path: Path) -> None:
    draft = tmp_path / "toolkits" / ".x1.tmp"
    draft.mkdir(parents=True)
    planned = [Pruned(entry=item, removed=True, reason="left") for item in read_cache(tmp_path).entries]
    assert [item.removed for item in prune_cache(tmp_path, planned)] == [True]
    assert not draft.exists()
    assert [item.removed for item in prune_cache(tmp_path, planned)] == [True]


@pytest.mark.skipif(os.name != "posix", reason="owner and mode")
def test_whether_the_cache_folder_can_be_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    assert read_cache_state(folder / "deeper").fault == ""
    folder.mkdir(mode=0o700)
    assert read_cache_state(folder).fault == ""
    folder.chmod(0o777)
    state = read_cache_state(folder)
    assert f"any user can change {folder}" in state.fault
    assert state.fixes[0] == f"chmod 700 {folder}"
    assert read_cache_state(folder, trusted=[str(tmp_path)]).fault == ""
    (tmp_path / "file").touch()
    assert "is no folder" in read_cache_state(tmp_path / "file" / "cache").fault


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graft: Callable[[str], Path]) -> Path:
    monkeypatch.setenv("TORCHGRAFT_CACHE_DIR", str(tmp_path / "cache"))
    folder = graft("1a2b")
    os.utime(folder, (NOW_S, NOW_S))
    return folder


def test_the_command_lists(cache: Path, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "list"]) == 0
    text = capsys.readouterr().out
    assert f"{cache.parent.parent}: " in text
    assert cache.name in text
    assert str(site) in text
    assert main(["cache", "list", "--json"]) == 0
    listing = from_json_text(CacheListing, capsys.readouterr().out, source="stdout")
    assert listing == read_cache(cache.parent.parent)


def test_a_dry_run_removes_nothing(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune", "--older-than", "30d", "--dry-run"]) == 0
    assert "would be removed: 1" in capsys.readouterr().out
    assert cache.exists()


def test_the_command_prunes(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune"]) == 0
    assert "removed: 0" in capsys.readouterr().out
    assert main(["cache", "prune", "--older-than", "4w", "--json"]) == 0
    assert '"removed": true' in capsys.readouterr().out
    assert not cache.exists()


def test_the_command_prunes_to_a_size(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune", "--max-size", "1GB"]) == 0
    assert cache.exists()
    assert main(["cache", "prune", "--max-size", "0kB"]) == 0
    assert "removed: 1" in capsys.readouterr().out
    assert not cache.exists()


def test_all_is_older_than_no_time(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "prune", "--older-than", "0d"]) == 0
    assert "removed: 1" in capsys.readouterr().out
    assert not cache.exists()


@pytest.mark.parametrize("text", ["30", "d", "-3d", "3y", "", "off"])
def test_ages_that_are_none(text: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["cache", "prune", f"--older-than={text}"])
    assert "is not a time, such as" in capsys.readouterr().err
    assert cache.exists()


def test_a_wheel_is_listed_with_what_it_is_and_goes_like_all_else(tmp_path: Path) -> None:
    entry = tmp_path / "wheels" / "0123"
    entry.mkdir(parents=True)
    (entry / "wheel.whl").write_text("x" * 5000)
    about = {
        "format": STORE_FORMAT,
        "sha256": "0",
        "info": "ext-1.0",
        "name": "ext",
        "version": "1.0",
        "torch": "2.8.0",
    }
    (entry / "about.json").write_text(json.dumps(about))
    (found,) = read_cache(tmp_path).entries
    assert (found.kind, found.targets) == (CacheKind.WHEEL, ("ext 1.0, torch 2.8.0",))
    assert found.size_bytes >= 5000
    (entry / "about.json").write_text("")
    listing = read_cache(tmp_path)
    assert listing.entries[0].targets == ("unknown",)
    prune_cache(tmp_path, plan_pruning(listing, now_s=time.time() + DAY_S, everything=True))
    assert not entry.exists()
