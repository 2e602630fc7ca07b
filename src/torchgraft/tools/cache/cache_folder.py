"""What is in torchgraft's cache folder, whether it can be used, and the removal of what is of no use any more.

May not choose what goes, follow a link, touch anything outside of the folder, nor keep a lock.
"""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ...consumer.ownership import foreign_place
from ...errors import quoted
from ...files import is_folder, names_in
from ...hook.cache_sweep import below, size_of
from ...hook.source_lock import source_of_lock
from ...own_files import is_file_locked, remove_in_one_step, remove_lock_file
from ...prebuilt.plan_prebuilt import UnfitError
from ...prebuilt.store import read_about
from ...values import dataclass


class CacheKind(enum.Enum):
    """What is kept in the cache folder."""

    GRAFT = "graft"
    TOOLKIT = "toolkit"
    COMPILER = "compiler"
    HEADER = "header"
    WHEEL = "wheel"
    BYTECODE = "bytecode"
    LOCK = "lock"
    NOTE = "note"
    DRAFT = "draft"


# Where what is kept. Beside locks there are notes, and in all of them drafts.
_PARTS = {
    "grafts": CacheKind.GRAFT,
    "toolkits": CacheKind.TOOLKIT,
    "compilers": CacheKind.COMPILER,
    "headers": CacheKind.HEADER,
    "wheels": CacheKind.WHEEL,
    "bytecode": CacheKind.BYTECODE,
    "locks": CacheKind.LOCK,
}
_LINKING = frozenset({CacheKind.GRAFT, CacheKind.TOOLKIT, CacheKind.HEADER})
_CURE = "export TORCHGRAFT_CACHE_DIR=FOLDER   (one of your own)"


@dataclass(frozen=True, kw_only=True)
class CacheState:
    """The cache folder. `fault` says why it cannot be used, "" if it can; `fixes` what cures that."""

    folder: str
    exists: bool
    fault: str = ""
    fixes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """One thing in the cache folder.

    `size_bytes` is its own, without what its links lead to. `targets` are the folders that these lead into, or the
    source tree that a lock or a note is for, or which distribution a wheel is.
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


def read_cache_state(folder: Path, *, trusted: Iterable[str] = ()) -> CacheState:
    """Return whether a cache folder can be used, as builds will want it: ours alone, and writable."""
    place = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), folder)
    exists, fault, fixes = is_folder(folder), "", [_CURE]
    if not is_folder(place):
        fault = f"{place} is no folder"
    elif exists and (found := foreign_place(folder, trusted=trusted)):
        fault, fixes = f"others can write to it: {found}", [f"chmod 700 {quoted(str(folder))}", _CURE]
    elif not os.access(place, os.W_OK | os.X_OK):
        fault = f"{place} cannot be written to"
    return CacheState(folder=str(folder), exists=exists, fault=fault, fixes=tuple(fixes) if fault else ())


def read_cache(folder: Path) -> CacheListing:
    """Return everything that torchgraft keeps there; nothing else that may be in the folder."""
    entries = []
    for part in _PARTS:
        for path in (folder / part / name for name in names_in(folder / part)):
            kind = _kind(part, path)
            with contextlib.suppress(OSError):  # a build has just removed it
                entries += [_read_entry(kind, path)] if kind else []
    return CacheListing(folder=str(folder), entries=tuple(entries))


def _kind(part: str, path: Path) -> CacheKind | None:
    if path.name.startswith("."):
        return CacheKind.DRAFT if path.suffix == ".tmp" else None
    if part == "locks":
        return {".torch": CacheKind.NOTE, ".lock": CacheKind.LOCK}.get(path.suffix)
    return _PARTS[part] if is_folder(path) else None


def _read_entry(kind: CacheKind, path: Path) -> CacheEntry:
    links = [one for one in below(path) if one.is_symlink()] if kind in _LINKING else []
    of_tree = kind in {CacheKind.LOCK, CacheKind.NOTE}
    source = source_of_lock(path.with_name(f"{path.name.partition('.')[0]}.lock")) if of_tree else ""
    # A graft or a header is of no use without any of its links, a toolkit without its compiler.
    needed = [link for link in links if link == path / "bin" / "nvcc"] if kind is CacheKind.TOOLKIT else links
    gone = next((link.relative_to(path) for link in needed if not link.exists()), None)
    stale = f"its {gone.name if kind is CacheKind.TOOLKIT else gone} is gone" if gone else ""
    about = _wheel_text(path) if kind is CacheKind.WHEEL else source
    return CacheEntry(
        kind=kind,
        name=path.name,
        size_bytes=size_of(path),
        last_used_s=path.lstat().st_mtime,
        targets=tuple(sorted({about, *(_root(link, path) for link in links)} - {""})),
        stale="its source tree is gone" if source and not os.path.lexists(source) else stale,
        # Where it cannot be found out, somebody may hold it.
        held=kind is CacheKind.LOCK and is_file_locked(path) is not False,
    )


def _wheel_text(entry: Path) -> str:
    """Return what a stored wheel is, and for which torch."""
    try:
        about = read_about(entry)
    except UnfitError:
        return "unknown"
    return f"{about['name']} {about['version']}, torch {about.get('torch', '')}"


def _root(link: Path, folder: Path) -> str:
    """Return the folder that a link leads into: /x for y/z that is a link to /x/y/z; "" for one inside the entry."""
    target = os.readlink(link)  # noqa: PTH115 - as it is spelled
    ending = os.sep + str(link.relative_to(folder))
    return target.removesuffix(ending) if target.endswith(ending) else ""


def prune_cache(folder: Path, planned: Iterable[Pruned]) -> tuple[Pruned, ...]:
    """Remove what is planned to go; return what became of each.

    What has been used in the meantime stays, and a folder is moved away before it is emptied: a build sees all of it
    or nothing.
    """
    return tuple(_prune(folder, item) if item.removed else item for item in planned)


def _prune(folder: Path, item: Pruned) -> Pruned:
    entry = item.entry
    paths = [folder / part / entry.name for part in _PARTS if _kind(part, folder / part / entry.name) is entry.kind]
    path = next((path for path in paths if os.path.lexists(path)), None)
    if path is None:
        return item  # somebody else has removed it
    try:
        if path.lstat().st_mtime != entry.last_used_s:
            return replace(item, removed=False, reason="used in the meantime")
        if entry.kind is CacheKind.LOCK:
            return item if remove_lock_file(path) else replace(item, removed=False, reason="a build holds it")
        if not is_folder(path):
            path.unlink(missing_ok=True)
        elif entry.kind is CacheKind.DRAFT:
            shutil.rmtree(path)
        else:
            remove_in_one_step(path)
    except OSError as error:
        return replace(item, removed=False, reason=f"cannot be removed: {error.strerror or error}")
    return item
