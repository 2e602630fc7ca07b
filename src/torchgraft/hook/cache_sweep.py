"""Remove from the cache folder what no build uses any more: a part of it with each build.

May not touch what is used now, or follow a link.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ..files import names_in
from ..own_files import remove_in_one_step, remove_lock_file
from .source_lock import source_of_lock

_PARTS = ("grafts", "toolkits", "compilers", "headers", "wheels", "bytecode")
_MOST_SWEPT = 60
_MOST_ENTRIES = 100_000
_DAY_S = 86_400  # what a build may take that has said at its start what it uses


def sweep_cache(cache_folder: Path, *, used: tuple[Path, ...], keep_s: int, most_bytes: int) -> None:
    """Remove what leads nowhere, was not used for a time, or beyond a size was used longest ago; 0: no limit."""
    _sweep_locks(cache_folder / "locks", used, keep_s)
    kept: list[tuple[float, Path]] = []
    for part in _PARTS:
        for entry in _some_of(cache_folder / part):
            with contextlib.suppress(OSError):  # another build has just removed it
                used_s = entry.lstat().st_mtime
                if entry in used or entry.is_symlink() or not entry.is_dir():
                    continue
                if leads_nowhere(entry) or (keep_s and time.time() - used_s > keep_s):
                    remove_in_one_step(entry)
                else:
                    kept.append((used_s, entry))
    for part in ("", *_PARTS, "locks"):
        _sweep_drafts(cache_folder / part)
    if most_bytes:
        _shrink(sorted(kept), most_bytes - sum(map(size_of, used)))


def leads_nowhere(entry: Path) -> bool:
    """Return whether a thing is of no use: it lacks what one of its links leads to, a toolkit its compiler."""
    if entry.parent.name == "toolkits":
        return os.path.lexists(entry / "bin" / "nvcc") and not (entry / "bin" / "nvcc").exists()
    return any(path.is_symlink() and not path.exists() for path in below(entry))


def below(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, and in its folders; nothing that links lead to."""
    count = 0
    for parent, folders, files in os.walk(folder):
        for name in sorted((*folders, *files)):
            count += 1
            if count > _MOST_ENTRIES:
                return
            yield Path(parent, name)


def size_of(entry: Path) -> int:
    """Return how much a thing takes, of what is shared with other folders (hard links) nothing."""
    return sum(map(_own_size, (entry, *below(entry))))


def _own_size(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:  # another build has just removed it
        return 0
    is_shared = status.st_nlink > 1 and not path.is_dir()
    return 0 if is_shared else getattr(status, "st_blocks", 0) * 512 or status.st_size


def _shrink(kept: list[tuple[float, Path]], most_bytes: int) -> None:
    """Remove the first of these until the rest is no larger."""
    sizes = {entry: size_of(entry) for _, entry in kept}
    total = sum(sizes.values())
    for used_s, entry in kept:
        if total <= most_bytes or time.time() - used_s < _DAY_S:
            return
        with contextlib.suppress(OSError):  # another build has just removed it
            remove_in_one_step(entry)
        total -= sizes[entry]


def _sweep_locks(locks: Path, used: tuple[Path, ...], keep_s: int) -> None:
    """Remove the locks and notes of source trees that are gone, or not built for long.

    A front end unpacks each sdist into a folder of its own, which is gone afterwards.
    """
    for path in _some_of(locks):
        lock = path.with_name(f"{path.name.partition('.')[0]}.lock")
        with contextlib.suppress(OSError):  # another build has just removed it
            source = source_of_lock(lock)
            age_s = time.time() - path.lstat().st_mtime
            is_old = bool(keep_s) and age_s > keep_s
            # One that does not say what it is for is of a build that was killed just then.
            is_gone = not os.path.lexists(source) if source else age_s > _DAY_S
            if lock not in used and (is_old or is_gone):
                remove_lock_file(lock, *(lock.with_suffix(suffix) for suffix in (".torch", ".editable.torch")))


def _sweep_drafts(folder: Path) -> None:
    """Remove what builds that were killed have left half-made."""
    for name in names_in(folder):
        if name.startswith(".") and name.endswith(".tmp"):
            with contextlib.suppress(OSError):  # its build has just moved it to its place
                draft = folder / name
                if time.time() - draft.lstat().st_mtime > _DAY_S:
                    draft.unlink() if draft.is_symlink() or not draft.is_dir() else shutil.rmtree(draft)


def _some_of(folder: Path) -> list[Path]:
    """Return some of the things in a folder, others each time."""
    names = [name for name in names_in(folder) if not name.startswith(".")]
    first = int(time.time()) % max(1, len(names))
    return [folder / name for name in (*names[first:], *names[:first])][:_MOST_SWEPT]
