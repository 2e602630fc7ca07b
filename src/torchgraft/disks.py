"""What the machine refuses: which file system is full, what moves exactly that which is written there; other limits.

May not write or remove anything. It is imported where something was refused.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from .errors import ActError, Evidence, Problem
from .files import is_file, is_folder

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# A compiler that fails removes what it has written.
_LITTLE_BYTES = 200_000_000
_MAY_NOT = ("this user may not do that there", "name another folder, or let this user into it")
_OTHER_FOLDER = "name another folder for it   (pip wheel -w, python -m build -o, uv build -o)"
_OF_PROCESSES = frozenset({errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.EAGAIN, errno.ENOMEM})
# What torchgraft itself requires (pyproject.toml).
_NEEDED = frozenset({"packaging", "pyproject_hooks", "tomli"})
_REMOVED = ("it was there when the build began", "run the same command again   (nothing is wrong with the package)")
_OTHERS = ("the system does not do that there", "name another folder, or mend that one")
# What a program cannot help, whatever it was doing: why, and what cures it.
_REFUSALS = {
    errno.EACCES: _MAY_NOT,
    errno.EPERM: _MAY_NOT,
    errno.EROFS: ("nothing can be written there", "name another folder, or one that can be written"),
    errno.ENOTDIR: ("a file stands where a folder has to be", "name another folder, or move the file away"),
    errno.EISDIR: ("a folder stands where a file has to be", "name another folder, or move that one away"),
    errno.EEXIST: ("a file or a link stands where a folder has to be", "name another folder, or move it away"),
    errno.ELOOP: ("its links go round", "name another folder, or mend the links"),
    errno.ENAMETOOLONG: ("its file system has no names that long", "name a folder with a shorter path"),
    errno.EIO: ("the disk is broken, or its server away", "name a folder on another disk"),
    errno.EMFILE: ("this process may not open more files at once", "ulimit -n 4096   (or as many as there may be)"),
    errno.ENFILE: ("the machine has no more files to open", "end what else runs here"),
    errno.EFBIG: ("a limit says how large a file may be", "ulimit -f unlimited"),
    errno.EAGAIN: ("this user may start no more processes", "ulimit -u 4096   (or end what else runs here)"),
    errno.ENOMEM: ("there is not enough memory", "ulimit -v unlimited   (or end what else runs here)"),
}


def refusal(error: Exception, *written: Path) -> Problem | None:
    """Return what the machine refused, in `written` if it names no place; None for what may be our own fault."""
    number, place, said = (error.errno, error.filename, error.strerror) if isinstance(error, OSError) else (None,) * 3
    if isinstance(error, MemoryError):
        number, said = errno.ENOMEM, "out of memory"
    elif isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        number, said = errno.EAGAIN, "no new thread can be started"
    if number in _FULL:
        full = Problem(code="disk-full", headline="the disk is full", why="what is built has to be written down")
        return with_disks(full, [Path(os.fsdecode(place))] if place else [*_temporary(), *written])
    # What is not there may be what we should have made.
    may_be_ours = place is None or number in {None, errno.ENOENT}
    why, fix = _REFUSALS.get(number or 0, ("", "") if may_be_ours else _OTHERS)
    if number == errno.ENOENT:
        why, fix, said = _missing(place, str(said), written)
    elif isinstance(error, ModuleNotFoundError) and error.name in _NEEDED:
        said = f"{error.name} is not installed in the environment of the build"
        why, fix = "torchgraft needs it, and was installed without it", f"{sys.executable} -m pip install torchgraft"
        if "pip-build-env-" in __file__:
            why = "torchgraft needs it, and pip's settings (PIP_NO_DEPS, no-deps in a pip.conf) hold for builds too"
            fix = "export PIP_NO_DEPS=0   (and give --no-deps with the command: that is for what is installed alone)"
    where = f": {os.fsdecode(place)}" if isinstance(place, str | bytes) else ""
    return Problem(code="machine-refuses", headline=f"{said}{where}", why=why, fixes=(fix,)) if why else None


def _missing(place: object, said: str, written: tuple[Path, ...]) -> tuple[str, str, str]:
    """Return why a place is not there, what cures it, and what to call it; no reason where it may be our own fault."""
    if place is None and "temporary" in said:  # of tempfile's
        return "a build needs one", "export TMPDIR=FOLDER   (one that is there, and can be written)", said
    if place is None:  # os.getcwd's
        return *_REMOVED, "the folder that this runs in was removed"
    folder = Path(str(place)).parent
    if f"{os.sep}torchgraft-" in str(place) and not is_folder(folder):
        return *_REMOVED, "a folder was removed while the build used it"
    if folder in written:
        return "nothing can be made there", "name another folder, or mount what should be there", said
    return "", "", said


def removed_meanwhile(place: Path) -> Problem:
    """Return that somebody has removed what a build was using."""
    why, fix = _REMOVED
    headline = f"a folder was removed while the build used it: {place}"
    return Problem(code="machine-refuses", headline=headline, why=why, fixes=(fix,))


def is_full(error: OSError) -> bool:
    """Return whether an error says that a file system has no space left, or a user no more of it."""
    return error.errno in _FULL


def disk_text(path: Path) -> str:
    """Return the file system that a path is on, with what is free of it."""
    place = _existing(path)
    usage, mount = shutil.disk_usage(place), place
    while mount != mount.parent and mount.parent.stat().st_dev == mount.stat().st_dev:
        mount = mount.parent
    no_more = ", and no room for one more file" if _has_no_files(place) else ""
    return f"{mount} has {_size(usage.free)} free of {_size(usage.total)}{no_more}"


def with_disks(
    problem: Problem, written: Iterable[Path], *, source: Path | None = None, cache_folder: Path | None = None
) -> Problem:
    """Return a problem of a full disk with the file systems that are full, and for each what moves it."""
    there = {place: _existing(place) for place in written}
    free = {place: 0 if _has_no_files(at) else shutil.disk_usage(at).free for place, at in there.items()}
    full = [place for place in free if free[place] < _LITTLE_BYTES] or [min(free, key=lambda place: free[place])]
    disks = dict.fromkeys(map(disk_text, full))
    return replace(
        problem,
        headline=f"a disk is full: {next(iter(disks)).partition(' has ')[0]}" if len(disks) == 1 else problem.headline,
        evidence=(*problem.evidence, *(Evidence(label="disk", text=text) for text in disks)),
        fixes=tuple(dict.fromkeys(cure_of_full(p, source=source, cache_folder=cache_folder) for p in full)),
    )


def written_in_a_build(source: Path, cache_folder: Path) -> list[Path]:
    """Return what every build writes to."""
    return [*_temporary(), source, cache_folder]


def cure_of_full(path: Path, *, source: Path | None = None, cache_folder: Path | None = None) -> str:
    """Return what moves exactly that which is written at a path."""
    if cache_folder is not None and path.is_relative_to(cache_folder):
        return "export TORCHGRAFT_CACHE_DIR=FOLDER   (one with space)"
    for temporary in _temporary():
        if path.is_relative_to(temporary) and _existing(path).stat().st_dev == _existing(temporary).stat().st_dev:
            return "export TMPDIR=FOLDER   (one with space)"
    if any(is_file(parent / "CACHEDIR.TAG") for parent in path.parents):
        return "export UV_CACHE_DIR=FOLDER   (one with space)"
    if path == source:
        return "cp -r . FOLDER   (one with space; and build there: setuptools compiles into the source tree)"
    return "make room there, or name another folder for wheels   (pip wheel -w, python -m build -o, uv build -o)"


def unwritable(folder: Path, error: OSError) -> Exception:
    """Return that what is built cannot be written to a folder; the error itself where that is not about the folder."""
    if error.errno in _OF_PROCESSES:
        return error
    why, _ = _REFUSALS.get(error.errno or 0, ("", ""))
    is_on_full = is_full(error)
    return ActError.of(
        code="wheel-unwritable",
        headline=f"what is built cannot be written to {folder}",
        found=error.strerror or str(error),
        disk=[disk_text(folder)] if is_on_full else [],
        why=why,
        fixes=(cure_of_full(folder) if is_on_full else _OTHER_FOLDER,),
    )


def _temporary() -> list[Path]:
    """Return the folder for temporary files that was named, and the one that is taken: another, if that is full."""
    named = [os.environ[name] for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)]
    try:
        named.append(tempfile.gettempdir())
    except FileNotFoundError:
        named.append("/tmp")  # noqa: S108 - it is looked at
    return list(dict.fromkeys(map(Path, named)))


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def _has_no_files(place: Path) -> bool:
    """Return whether no file more can be made there."""
    if sys.platform == "win32":
        return False
    status = os.statvfs(place)
    return status.f_files > 0 and status.f_favail == 0


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
