from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path

import pytest

from torchgraft.disks import cure_of_full, disk_text, is_full, refusal, unwritable, with_disks, written_in_a_build
from torchgraft.errors import ActError, Problem


def test_a_full_disk() -> None:
    assert is_full(OSError(errno.ENOSPC, "No space left on device"))
    assert is_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not is_full(PermissionError(errno.EACCES, "Permission denied"))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENOSPC])
def test_a_folder_that_takes_no_wheel(tmp_path: Path, number: int) -> None:
    problem = unwritable(tmp_path, OSError(number, os.strerror(number)))
    assert isinstance(problem, ActError)
    said = str(problem)
    assert said.startswith(f"error[wheel-unwritable]: what is built cannot be written to {tmp_path}\n")
    assert os.strerror(number) in said
    assert "another folder" in said.splitlines()[-1] or "export TMPDIR" in said.splitlines()[-1]


def test_a_limit_is_no_matter_of_the_folder(tmp_path: Path) -> None:
    limit = OSError(errno.EMFILE, "Too many open files")
    assert unwritable(tmp_path, limit) is limit


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
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "CACHEDIR.TAG").touch()
    cache, source = tmp_path / "cache" / "torchgraft", tmp_path / "source"
    assert cure in cure_of_full(tmp_path / place, source=source, cache_folder=cache)


def test_a_problem_says_which_disk_it_is(tmp_path: Path) -> None:
    problem = Problem(code="disk-full", headline="the disk is full", why="object files need gigabytes", fixes=("x",))
    source, cache = tmp_path / "source", tmp_path / "cache"
    found = with_disks(problem, written_in_a_build(source, cache), source=source, cache_folder=cache)
    assert [evidence.label for evidence in found.evidence] == ["disk"]
    assert found.evidence[0].text.startswith(found.headline.removeprefix("a disk is full: "))
    assert found.fixes
    assert "x" not in found.fixes


@pytest.mark.parametrize(
    ("error", "said", "fix"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Permission denied: /x", "name another folder"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", b"/x/y"), "Not a directory: /x/y", "move the file away"),
        (OSError(errno.EMFILE, "Too many open files", "/x"), "Too many open files: /x", "ulimit -n"),
        (OSError(errno.EFBIG, "File too large"), "File too large", "ulimit -f"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "Resource temporarily", "ulimit -u"),
        (RuntimeError("can't start new thread"), "no new thread can be started", "ulimit -u"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/x.whl"), "Is a directory: /x.whl", "move that one away"),
        (OSError(errno.ESTALE, "Stale file handle", "/nfs/x"), "Stale file handle: /nfs/x", "mend that one"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "the folder that this runs in was", "again"),
        (
            FileNotFoundError(errno.ENOENT, "No such", "/x/torchgraft-x/y/z"),
            "a folder was removed while",
            "again",
        ),
        (MemoryError(), "out of memory", "ulimit -v"),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/x']"),
            "No usable",
            "export TMPDIR",
        ),
    ],
)
def test_what_the_machine_refuses(error: Exception, said: str, fix: str) -> None:
    problem = refusal(error)
    assert problem is not None
    assert problem.code == "machine-refuses"
    assert problem.headline.startswith(said)
    assert fix in problem.fixes[0]


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "No such file", "/x"), ZeroDivisionError(), OSError()]
)
def test_what_may_be_our_own_fault(error: Exception) -> None:
    assert refusal(error) is None


def test_a_folder_that_was_named_and_is_full_is_not_the_one_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where there is no room, tempfile takes another
    problem = refusal(OSError(errno.ENOSPC, "No space left on device"), tmp_path / "wheels")
    assert problem is not None
    assert problem.code == "disk-full"
    full = refusal(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x")))
    assert full is not None
    assert full.fixes == ("export TMPDIR=FOLDER   (one with space)",)


def test_a_folder_in_which_nothing_can_be_made() -> None:
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/self/.draft")
    problem = refusal(error, Path("/proc/self"))
    assert problem is not None
    assert problem.headline == "No such file or directory: /proc/self/.draft"
    assert refusal(error, Path("/proc")) is None


def test_what_torchgraft_needs_and_was_installed_without(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = ModuleNotFoundError("No module named 'packaging'", name="packaging")
    problem = refusal(missing)
    assert problem is not None
    assert problem.headline == "packaging is not installed in the environment of the build"
    assert problem.fixes[0].endswith("-m pip install torchgraft")
    monkeypatch.setattr("torchgraft.disks.__file__", "/t/pip-build-env-x/overlay/lib/torchgraft/disks.py")
    problem = refusal(missing)
    assert problem is not None
    assert problem.fixes[0].startswith("export PIP_NO_DEPS=0 ")
    assert refusal(ModuleNotFoundError("No module named 'torchgraft.x'", name="torchgraft.x")) is None
