"""Make a graft: the folder of links that the plan names.

May not choose links, nor write anywhere but in the cache folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from ..consumer.ownership import foreign_place, owner_of
from ..errors import ActError, Problem, quoted
from ..model.decision import Graft
from ..own_files import made_in_one_step, make_own_folder, remove_in_one_step

if sys.platform == "win32":
    from _winapi import CreateJunction


def link_graft(graft: Graft, *, trusted: Iterable[str] = ()) -> Path:
    """Return the graft's folder, made if it is not there.

    A graft is made beside its place and moved there in one step: a build that runs at the same time sees all of it
    or nothing, and one that is killed leaves nothing that looks like a graft.

    :raises ActError: if the cache folder cannot be written, or others can write to it
    """
    folder = Path(graft.folder)
    try:
        _make_private(folder.parent.parent, trusted)
        _make_private(folder.parent, trusted)
        if not _is_whole(folder, graft):
            _publish(folder, graft)
        note_use(folder)
    except OSError as error:
        raise ActError(cache_problem(folder.parent.parent, error)) from None
    return folder


def note_use(folder: Path) -> None:
    """Write down that something in the cache is used now: `torchgraft cache prune` goes by that."""
    with contextlib.suppress(OSError):
        os.utime(folder)


def cache_problem(folder: Path, error: OSError) -> Problem:
    """Return why the cache folder cannot be used."""
    from ..disks import disk_text, is_full

    return Problem.of(
        code="cache-unusable",
        headline=f"the cache folder {folder} cannot be used",
        found=f"{error.strerror or error}: {error.filename or folder}",
        disk=[disk_text(folder)] if is_full(error) else (),
        why="the links to the consumer's torch have to be kept somewhere",
        fixes=("export TORCHGRAFT_CACHE_DIR=FOLDER   (one of your own, with some space left)",),
    )


def _make_private(folder: Path, trusted: Iterable[str]) -> None:
    """Make a folder that only its owner can enter; refuse one that is somebody else's.

    :raises ActError: if another user owns it, or may write to it, who is not trusted
    """
    make_own_folder(folder)
    found = foreign_place(folder, trusted=trusted)
    if found:
        closed = [f"chmod 700 {quoted(str(folder))}"] if owner_of(folder) == os.geteuid() else []
        raise ActError.of(
            code="cache-unusable",
            headline=f"others can write to the cache folder {folder}",
            found=found,
            why="the build would run what somebody else may have put there",
            fixes=(*closed, "export TORCHGRAFT_CACHE_DIR=FOLDER   (one of your own)"),
        )


def _is_whole(folder: Path, graft: Graft) -> bool:
    return folder.is_dir() and all(_is_made(folder / link.name, link.target) for link in graft.links)


def _is_made(path: Path, target: str) -> bool:
    if os.name != "posix":
        return path.exists()
    try:
        return str(path.readlink()) == target
    except OSError:
        return False


def _publish(folder: Path, graft: Graft) -> None:
    if folder.is_dir():
        with contextlib.suppress(OSError):  # another build removes it at the same time
            remove_in_one_step(folder)  # somebody took links out of it
    try:
        with made_in_one_step(folder) as draft:
            for link in graft.links:
                _link(_place(draft, link.name), link.target)
    except OSError:
        if not _is_whole(folder, graft):  # else another build made the same graft in the meantime
            raise


def _place(draft: Path, name: str) -> Path:
    """Return where a link goes, its folders made; never a place behind another link, which is the consumer's."""
    path = draft
    for part in Path(name).parts[:-1]:
        path /= part
        if path.is_symlink():
            raise FileExistsError(errno.EEXIST, "is a link already", str(path))
        path.mkdir(exist_ok=True)
    return path / Path(name).name


def _link(path: Path, target: str) -> None:
    if sys.platform == "win32":
        # Symbolic links need a privilege there; junctions do not, but are for folders only.
        if Path(target).is_dir():
            CreateJunction(target, str(path))
        else:
            shutil.copyfile(target, path)
        return
    path.symlink_to(target)
