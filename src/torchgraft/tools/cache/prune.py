"""Remove things from the cache folder.

May not choose them, follow a link, or touch anything outside of the folder.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock, Timeout

from ..doctor.checkup import CacheEntry, CacheKind, Pruned

_FOLDERS: Mapping[CacheKind, tuple[str, ...]] = MappingProxyType(
    {
        CacheKind.GRAFT: ("grafts",),
        CacheKind.TOOLKIT: ("toolkits",),
        CacheKind.LOCK: ("locks",),
        CacheKind.NOTE: ("locks",),
        CacheKind.DRAFT: ("grafts", "toolkits"),
    }
)


def prune_cache(folder: Path, planned: Iterable[Pruned]) -> tuple[Pruned, ...]:
    """Remove what is planned to go; return what became of each.

    What has been used in the meantime stays, and a folder is moved away before it is emptied: a build sees all of it
    or nothing.
    """
    return tuple(_prune(folder, item) if item.removed else item for item in planned)


def _prune(folder: Path, item: Pruned) -> Pruned:
    entry = item.entry
    paths = [folder / name / entry.name for name in _FOLDERS[entry.kind]]
    path = next((path for path in paths if path.exists() or path.is_symlink()), None)
    try:
        if path is None:
            return item  # somebody else has removed it
        if path.lstat().st_mtime != entry.last_used_s:
            return replace(item, removed=False, reason="used in the meantime")
        if entry.kind is CacheKind.NOTE:
            path.unlink()
            return item
        removed = _remove_lock(path) if entry.kind is CacheKind.LOCK else _remove_folder(path, entry)
    except OSError as error:
        return replace(item, removed=False, reason=f"cannot be removed: {error.strerror or error}")
    return item if removed else replace(item, removed=False, reason="a build holds it")


def _remove_folder(path: Path, entry: CacheEntry) -> bool:
    if entry.kind is CacheKind.DRAFT:
        shutil.rmtree(path)
        return True
    # tempfile makes it with mode 0700; a name like this is swept up should this process be killed.
    trash = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=path.parent))
    try:
        path.rename(trash / path.name)
    finally:
        shutil.rmtree(trash, ignore_errors=True)
    return True


def _remove_lock(path: Path) -> bool:
    """Remove a lock file while holding it: a build that has it now would not notice, and another would not wait."""
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return False
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    finally:
        lock.release()
    return True
