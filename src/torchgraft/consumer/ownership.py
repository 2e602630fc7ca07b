"""Who else can change what is at a path: owners, groups and everybody, on the way to it, and below it.

May not judge whether that matters, nor write. On Windows nobody is asked.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ..files import names_in
from ..model.observation import Consumer, Exposure

_ROOT = 0
# Files of torch and the like that are looked at: all take 0.2 s, which only compiling is worth.
_MOST_FILES, _MOST_FILES_UNBUILT = 50_000, 1000
# Who is in one of these may become root anyway; Debian's staff installs into /usr/local without.
_GROUPS_OF_ROOT = frozenset({"wheel", "admin"} if sys.platform == "darwin" else {"wheel", "sudo", "staff"})


def read_exposures(
    paths: Iterable[Path], *, trusted: Iterable[str] = (), owners: Iterable[int] = (), most_below: int = 0
) -> tuple[Exposure, ...]:
    """Return what somebody besides us and root can change of these paths, each with who that is.

    Whoever can change a folder above can put another one in its place; in a sticky folder only owners can. Who can
    make new files in the folder itself can add modules to it, a sticky bit notwithstanding.

    :param trusted: paths that the user trusts, with all that is below them
    :param owners: user ids that are as good as our own
    :param most_below: so many entries of each path are looked at too, those that are not deep first
    """
    if sys.platform == "win32":
        return ()
    roots = frozenset(os.path.realpath(os.path.expanduser(path)) for path in trusted)  # noqa: PTH111 - Path's raises
    ours = frozenset({_ROOT, os.geteuid(), *owners})
    places = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - without a look at its links
    places = [place for place in places if not _is_below(place, roots)]
    found: dict[str, str] = {}
    passed: set[tuple[str, bool]] = set()
    way = [(place, False) for place in reversed(places)]
    for below, about in chain([("", None)], _below(places, most_below)):
        if by := _who(below, about, ours, is_way=False):
            found.setdefault(below, by)
        if about is not None and stat.S_ISLNK(about.st_mode):
            way.append((below, False))
        while way:
            entry, is_way = way.pop()
            if (entry, is_way) in passed:
                continue
            passed.add((entry, is_way))
            facts = _facts(entry)
            if by := _who(entry, facts, ours, is_way=is_way):
                found.setdefault(entry, by)
            folder = entry.rpartition("/")[0] or "/"
            way.append((folder, True))
            if facts is not None and stat.S_ISLNK(facts.st_mode):
                with contextlib.suppress(OSError):
                    way.append((os.path.normpath(Path(folder, Path(entry).readlink())), is_way))
    return tuple(Exposure(path=place, by=by) for place, by in sorted(found.items()) if not _is_below(place, roots))


def read_graft_exposures(
    consumer: Consumer, *, compiles: bool, trusted: Iterable[str] = (), owners: Iterable[int] = ()
) -> tuple[Exposure, ...]:
    """Return what others can change of all that a graft links: they could make the build run anything."""
    if consumer.torch is None:
        return ()
    torch = Path(consumer.torch.folder)
    targets = {link.target for distribution in consumer.distributions for link in distribution.links}
    linked = [torch, *(Path(target) for target in sorted(targets) if target != str(torch))]
    # Where more is imported from, and what says where torch is.
    sites = (Path(folder) for folder in consumer.search_path)
    paths = (site / name for site in sites for name in names_in(site) if name.endswith(".pth") or name[:4] == "__ed")
    around = sorted({*(path.parent for path in linked), Path(consumer.prefix, "pyvenv.cfg"), *paths})
    most = _MOST_FILES if compiles else _MOST_FILES_UNBUILT
    exposures = (
        *read_exposures(around, trusted=trusted, owners=owners),
        *read_exposures(linked, trusted=trusted, owners=owners, most_below=most),
    )
    return tuple(dict.fromkeys(exposures))


def who_may(trust: Iterable[str], source: Path) -> dict[str, Any]:
    """Return who is trusted: whose source tree is built makes the build run anything anyway."""
    owner = owner_of(source)
    return {"trusted": trust, "owners": () if owner is None else (owner,)}


def foreign_place(folder: Path, *, trusted: Iterable[str] = ()) -> str:
    """Return why a folder, which need not be there, is not ours alone; "" if it is."""
    others = read_exposures([folder], trusted=trusted)
    if others:
        return f"{others[0].by} can change {others[0].path}"
    place = next((above for above in (folder, *folder.parents) if os.path.lexists(above)), folder)
    owner = owner_of(place)
    if owner is None or owner == os.geteuid() or (place != folder and os.access(place, os.W_OK)) or not place.is_dir():
        return ""
    return f"{place} belongs to {_user_name(owner)}"


def owner_of(path: Path) -> int | None:
    """Return the user id of an owner, None where it cannot be had, as on Windows."""
    if sys.platform == "win32":
        return None
    try:
        return path.stat().st_uid
    except (OSError, ValueError):
        return None


def _is_below(place: str, roots: frozenset[str]) -> bool:
    if not roots:
        return False
    with contextlib.suppress(OSError, ValueError):
        return any(os.path.commonpath([root, os.path.realpath(place)]) == root for root in roots)
    return False


def _facts(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (OSError, ValueError):
        return None


def _below(places: Iterable[str], most: int) -> Iterator[tuple[str, os.stat_result | None]]:
    folders, left, looked_at = list(places), most, set[tuple[int, int]]()
    while folders and left > 0:
        folder = folders.pop(0)
        with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
            # Following all links of its path instead would take longer than all the rest.
            about = os.stat(folder)  # noqa: PTH116 - as the others
            if about.st_ino and (about.st_dev, about.st_ino) in looked_at:
                continue
            looked_at.add((about.st_dev, about.st_ino))
            for entry in islice(entries, left):
                left -= 1
                # Of one that cannot be looked at, as where it has just gone, nothing is known; of those behind it, all.
                facts = _facts(entry.path)
                yield entry.path, facts
                if facts is not None and (stat.S_ISDIR(facts.st_mode) or stat.S_ISLNK(facts.st_mode)):
                    folders.append(entry.path)


def _who(path: str, facts: os.stat_result | None, ours: frozenset[int], *, is_way: bool) -> str:
    """Return who else can change a file, or the content of a folder; "" for nobody, or where it is not there."""
    if facts is None or (is_way and not (stat.S_ISDIR(facts.st_mode) or stat.S_ISLNK(facts.st_mode))):
        return ""
    if stat.S_ISCHR(facts.st_mode) and _is_null(facts):  # who turns a file off links it there, and it keeps nothing
        return ""
    if facts.st_uid not in ours:
        return f"user {_user_name(facts.st_uid)}"
    # The mode of a link means nothing. In a sticky folder on the way nobody can replace what is not his.
    if stat.S_ISLNK(facts.st_mode) or (is_way and facts.st_mode & stat.S_ISVTX):
        return ""
    if facts.st_mode & stat.S_IWOTH:
        return Exposure.EVERYBODY
    if not facts.st_mode & stat.S_IWGRP:
        return ""
    # With an access list, these bits say what its entries may have at most.
    if _has_access_list(path):
        return "users named in access lists"
    return "" if _is_own_group(facts.st_gid) else f"group {_group_name(facts.st_gid)}"


def _is_null(facts: os.stat_result) -> bool:
    null = _facts(os.devnull)
    return null is not None and stat.S_ISCHR(null.st_mode) and null.st_rdev == facts.st_rdev


def _has_access_list(path: str) -> bool:
    if sys.platform != "linux":
        return False
    try:
        return bool(os.getxattr(path, "system.posix_acl_access"))
    except OSError:
        return False


@functools.cache
def _is_own_group(group: int) -> bool:
    """Return whether a group is root's, or the private one that many systems give every user (with umask 002)."""
    if group == 0:
        return True
    import grp

    try:
        facts = grp.getgrgid(group)
    except (KeyError, OSError):
        return False
    own = _user_name(os.geteuid())
    return facts.gr_name in _GROUPS_OF_ROOT or (facts.gr_name == own and not set(facts.gr_mem) - {own, "root"})


@functools.cache
def _user_name(user: int) -> str:
    import pwd

    with contextlib.suppress(KeyError, OSError):
        return pwd.getpwuid(user).pw_name
    return str(user)


def _group_name(group: int) -> str:
    import grp

    with contextlib.suppress(KeyError, OSError):
        return grp.getgrgid(group).gr_name
    return str(group)
