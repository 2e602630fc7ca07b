"""Where a build works: what it makes is in a folder of its own until it is finished, and the place may be a fixed one.

sccache knows what nvcc makes by the real path of the source, and by the paths of what it includes: links and relative
paths do not help. ccache knows what CMake makes in a temporary folder by the way from there to the source. May not
touch the tree that was given.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..child import interruptions_raised
from ..compile.compiler_cache import fixed_folder
from ..compile.cuda_home import assemble_cuda_home
from ..ladder.graft import link_graft
from ..model.decision import Plan
from ..own_files import FileLock, is_file_locked, make_own_folder
from .call import Call
from .delegate import delegate_variables

_MOST_PLACES = 8
_DRAFT = "torchgraft-draft-"
_DRAFT_LOCKED_S = 2  # a draft of a hook that lives is locked by then


@contextlib.contextmanager
def moved(call: Call) -> Iterator[Call]:
    """Yield the call with its source tree, and the links to torch, at the fixed place where the plan says so.

    Where other builds are there now, it is beside them, which is the same to ccache: the place is its base. If no place
    can be had, it is built where it is: the compiler cache then knows less.
    """
    with contextlib.ExitStack() as stack:
        there = None
        if call.plan.workshop:
            with contextlib.suppress(OSError, shutil.Error):
                place = _held_place(fixed_folder() / call.plan.workshop, stack)
                there = place and _moved(call, place, stack)
        yield there or call


def _held_place(first: Path, stack: contextlib.ExitStack) -> Path | None:
    """Return a place that is held until the stack is left; None if others have all of them."""
    for place in (first, *(first / str(number) for number in range(2, _MOST_PLACES + 1))):
        make_own_folder(place)
        lock = FileLock(place / "lock")
        if lock.acquire(timeout_s=0):
            stack.callback(lock.release)
            return place
    return None


def _moved(call: Call, place: Path, stack: contextlib.ExitStack) -> Call:
    """Return the call at a place, which is empty when the stack is left."""
    # Not beside the source: what is old beside a graft is swept.
    source, link = place / "source", place / "grafts" / "torch"
    shutil.rmtree(source, ignore_errors=True)  # of a build that was killed
    stack.callback(shutil.rmtree, source, ignore_errors=True)
    shutil.copytree(call.source, source, symlinks=True)
    plan = _renamed(_with_toolkit_at(place / "toolkit", call), call.source, source)
    call = replace(call, source=source, plan=_renamed(plan, source, place, only="CCACHE_BASEDIR"))
    if call.plan.graft is None:
        return call
    _link(link, link_graft(call.plan.graft, trusted=call.config.trust))
    return replace(call, plan=replace(call.plan, graft=replace(call.plan.graft, folder=str(link))))


def _with_toolkit_at(link: Path, call: Call) -> Plan:
    """Return the plan with a toolkit that is put together behind a link: its folder is named for where its parts are.

    These are in the environment of each Python, so that what nvcc makes would be another thing for each.
    """
    plan, toolkit = call.plan, call.plan.toolkit
    if toolkit is None or not toolkit.layers:
        return plan
    compiler = delegate_variables(plan, call.variables, None).get("CC", "cc")
    _link(link, assemble_cuda_home(toolkit, compiler=compiler))
    moved = replace(plan, toolkit=replace(toolkit, home=str(link), layers=(), copies=()))
    return _renamed(moved, toolkit.home, link)


def _renamed(plan: Plan, old: str | Path, new: Path, *, only: str = "") -> Plan:
    """Return the plan with variables, or one alone, that name another folder."""
    variables = (
        replace(v, value=v.value and v.value.replace(str(old), str(new))) if only in {"", v.name} else v
        for v in plan.variables
    )
    return replace(plan, variables=tuple(variables))


def _link(link: Path, target: Path) -> None:
    make_own_folder(link.parent)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


@contextlib.contextmanager
def _written_to(directory: Path) -> Iterator[None]:
    """Raise ActError where the folder takes no wheel."""
    try:
        yield
    except OSError as error:
        from ..disks import unwritable

        raise unwritable(directory, error) from None


def hand_on(made: Path, directory: str) -> None:
    """Copy a file to where the front end looks for it: it has no name there before it is whole.

    Who is killed meanwhile leaves nothing there. It is a new file, of the group that the folder gives.

    :raises ActError: if that cannot be written to
    """
    target = Path(directory, made.name)
    if sys.platform == "linux":
        nameless = os.O_TMPFILE | os.O_WRONLY  # not on every file system, and it needs /proc
        with contextlib.suppress(OSError), os.fdopen(os.open(directory, nameless, 0o666), "wb") as copy:
            itself = f"/proc/self/fd/{copy.fileno()}"
            shutil.copyfile(made, itself)
            target.unlink(missing_ok=True)
            # Only with a folder does Python ask for what the link leads to.
            os.link(itself, target, src_dir_fd=copy.fileno())
            return
    draft = target.with_name(f".{target.name}.tmp")
    with _written_to(target.parent):
        try:
            shutil.copyfile(made, draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def draft_in(directory: str, caller: int | None) -> Iterator[Path]:
    """Yield a temporary folder for what will be in another one; those of hooks that were killed are swept.

    :raises ActError: if that cannot be written to, which would be found out after an hour of compiling
    """
    with _written_to(Path(directory)):
        Path(directory).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    with interruptions_raised(caller), tempfile.TemporaryDirectory(prefix=_DRAFT) as folder:
        user = Path(folder).stat().st_uid
        _sweep_drafts(Path(folder), user)
        lock = FileLock(Path(folder, "lock"))
        with contextlib.suppress(OSError):  # a file system without locks
            lock.acquire(timeout_s=0)
        draft = Path(folder, "wheel")
        draft.mkdir()
        try:
            yield draft
        finally:
            _sweep_drafts(Path(folder), user)  # one that was new before is not any more
            lock.release()


def _sweep_drafts(own: Path, user: int) -> None:
    """Remove the drafts of a user's hooks that were killed, beside our own."""
    for left in own.parent.glob(f"{_DRAFT}*"):
        with contextlib.suppress(OSError):  # another build removes it
            status = left.lstat()
            is_new = time.time() - status.st_mtime < _DRAFT_LOCKED_S
            is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == user
            if is_ours and left != own and not is_new and is_file_locked(left / "lock") is False:
                shutil.rmtree(left)
