"""Which file system is full, how much it has, and what moves exactly that which is written there.

May not write or remove anything. It is imported where a disk is full.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from .errors import Evidence, Problem
from .files import is_file

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# A compiler that fails removes what it has written.
_LITTLE_BYTES = 200_000_000


def is_full(error: OSError) -> bool:
    """Return whether an error says that a file system has no space left, or a user no more of it."""
    return error.errno in _FULL


def disk_text(path: Path) -> str:
    """Return the file system that a path is on, with what is free of it."""
    place = _existing(path)
    usage, mount = shutil.disk_usage(place), place
    while mount != mount.parent and mount.parent.stat().st_dev == mount.stat().st_dev:
        mount = mount.parent
    return f"{mount} has {_size(usage.free)} free of {_size(usage.total)}"


def with_disks(problem: Problem, *, source: Path, cache_folder: Path, written: Iterable[Path] = ()) -> Problem:
    """Return a problem of a full disk with the file systems that are full, and for each what moves it.

    :param source: the tree that is built
    :param written: the folders that the front end wants files in
    """
    places = [Path(tempfile.gettempdir()), source, cache_folder, *written]
    free = {place: shutil.disk_usage(_existing(place)).free for place in dict.fromkeys(places)}
    full = [place for place in free if free[place] < _LITTLE_BYTES] or [min(free, key=lambda place: free[place])]
    disks = dict.fromkeys(map(disk_text, full))
    return replace(
        problem,
        headline=f"a disk is full: {next(iter(disks)).partition(' has ')[0]}" if len(disks) == 1 else problem.headline,
        evidence=(*problem.evidence, *(Evidence(label="disk", text=text) for text in disks)),
        fixes=tuple(dict.fromkeys(cure_of_full(p, source=source, cache_folder=cache_folder) for p in full)),
    )


def cure_of_full(path: Path, *, source: Path | None = None, cache_folder: Path | None = None) -> str:
    """Return what moves exactly that which is written at a path."""
    if cache_folder is not None and path.is_relative_to(cache_folder):
        return "export TORCHGRAFT_CACHE_DIR=FOLDER   (one with space)"
    temporary = Path(tempfile.gettempdir())
    if path.is_relative_to(temporary) and _existing(path).stat().st_dev == temporary.stat().st_dev:
        return "export TMPDIR=FOLDER   (one with space)"
    if any(is_file(parent / "CACHEDIR.TAG") for parent in path.parents):
        return "export UV_CACHE_DIR=FOLDER   (one with space)"
    if path == source:
        return "cp -r . FOLDER   (one with space; and build there: setuptools compiles into the source tree)"
    return "make room there, or name another folder for wheels   (pip wheel -w, python -m build -o, uv build -o)"


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
