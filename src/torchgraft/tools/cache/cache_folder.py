"""What is in torchgraft's cache folder, whether it can be used, and the removal of what is of no use any more.

May not choose what goes, follow a link, touch anything outside of the folder, nor keep a lock.
"""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from ...consumer.processes import is_file_locked
from ...file_lock import FileLock
from ...files import is_folder, names_in
from ...shell_words import quoted

_MOST_ENTRIES = 100_000
_CURE = "export TORCHGRAFT_CACHE_DIR=FOLDER   (one of your own)"


@dataclass(frozen=True, kw_only=True)
class CacheState:
    """The cache folder. `fault` says why it cannot be used, "" if it can; `fixes` what cures that."""

    folder: str
    exists: bool
    fault: str = ""
    fixes: tuple[str, ...] = ()


class CacheKind(enum.Enum):
    """What is kept in the cache folder."""

    GRAFT = "graft"
    TOOLKIT = "toolkit"
    LOCK = "lock"
    NOTE = "note"
    DRAFT = "draft"


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """One thing in the cache folder.

    `size_bytes` is its own, without what its links lead to. `targets` are the folders that these lead into.
    `last_used_s` are seconds since 1970. `stale` says why nothing can use it any more, "" if something can. `held`
    says of a lock that a build holds it, or that this cannot be found out.
    """

    kind: CacheKind
    name: str
    size_bytes: int
    last_used_s: float
    targets: tuple[str, ...] = ()
    stale: str = ""
    held: bool = False


@dataclass(frozen=True, kw_only=True)
class CacheListing:
    """What is in the cache folder."""

    folder: str
    entries: tuple[CacheEntry, ...] = ()

    @property
    def size_bytes(self) -> int:
        """How much all of it takes."""
        return sum(entry.size_bytes for entry in self.entries)


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What is, or would be, done with one thing in the cache folder, and why."""

    entry: CacheEntry
    removed: bool
    reason: str


def read_cache_state(folder: Path) -> CacheState:
    """Return whether a cache folder can be used, as `act` will want it: ours alone, and writable."""
    place = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), folder)
    exists = is_folder(folder)
    if not is_folder(place):
        return CacheState(folder=str(folder), exists=exists, fault=f"{place} is no folder", fixes=(_CURE,))
    if exists and os.name == "posix":
        status = folder.stat()
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            found = f"others can write to it: owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}"
            fixes = (f"chmod 700 {quoted(str(folder))}", _CURE)
            return CacheState(folder=str(folder), exists=True, fault=found, fixes=fixes)
    if not os.access(place, os.W_OK | os.X_OK):
        return CacheState(folder=str(folder), exists=exists, fault=f"{place} cannot be written to", fixes=(_CURE,))
    return CacheState(folder=str(folder), exists=exists)


def read_cache(folder: Path) -> CacheListing:
    """Return everything that torchgraft keeps there; nothing else that may be in the folder."""
    entries: list[CacheEntry] = []
    for name, read in _ROOMS.items():
        for entry in names_in(folder / name):
            path = folder / name / entry
            try:
                found = _read_draft(path) if entry.startswith(".") else read(path)
            except OSError:  # a build has just removed it
                continue
            entries += [found] if found else []
    return CacheListing(folder=str(folder), entries=tuple(entries))


def _read_graft(path: Path) -> CacheEntry | None:
    if not is_folder(path):
        return None
    links = tuple(_links(path))
    broken = next((link for link in links if not link.exists()), None)
    stale = f"its {broken.relative_to(path)} is gone" if broken else ""
    return _entry(CacheKind.GRAFT, path, links=links, stale=stale)


def _read_toolkit(path: Path) -> CacheEntry | None:
    if not is_folder(path):
        return None
    nvcc = path / "bin" / "nvcc"
    stale = "its nvcc is gone" if nvcc.is_symlink() and not nvcc.exists() else ""
    return _entry(CacheKind.TOOLKIT, path, links=tuple(_links(path)), stale=stale)


def _read_lock(path: Path) -> CacheEntry | None:
    if path.suffix == ".torch":
        return _entry(CacheKind.NOTE, path)
    if path.suffix != ".lock":
        return None
    # Where it cannot be found out, somebody may hold it.
    return _entry(CacheKind.LOCK, path, held=is_file_locked(path) is not False)


def _read_draft(path: Path) -> CacheEntry | None:
    return _entry(CacheKind.DRAFT, path) if path.suffix == ".tmp" else None


_ROOMS: dict[str, Callable[[Path], CacheEntry | None]] = {
    "grafts": _read_graft,
    "toolkits": _read_toolkit,
    "locks": _read_lock,
}


def _entry(
    kind: CacheKind, path: Path, *, links: tuple[Path, ...] = (), stale: str = "", held: bool = False
) -> CacheEntry:
    return CacheEntry(
        kind=kind,
        name=path.name,
        size_bytes=sum(_size(one) for one in (path, *_below(path))),
        last_used_s=path.lstat().st_mtime,
        targets=tuple(sorted({root for link in links if (root := _root(link, path))})),
        stale=stale,
        held=held,
    )


def _root(link: Path, folder: Path) -> str:
    """Return the folder that a link leads into: /x for y/z that is a link to /x/y/z; "" for one inside the entry."""
    target = os.readlink(link)  # noqa: PTH115 - as it is spelled
    ending = os.sep + str(link.relative_to(folder))
    return target.removesuffix(ending) if target.endswith(ending) else ""


def _links(folder: Path) -> Iterator[Path]:
    return (path for path in _below(folder) if path.is_symlink())


def _below(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, and in its folders; nothing that links lead to."""
    count = 0
    for parent, folders, files in os.walk(folder):
        for name in sorted((*folders, *files)):
            count += 1
            if count > _MOST_ENTRIES:
                return
            yield Path(parent, name)


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:
        return 0
    return getattr(status, "st_blocks", 0) * 512 or status.st_size


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
    lock = FileLock(path)
    if not lock.acquire(timeout_s=0):
        return False
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    finally:
        lock.release()
    return True
