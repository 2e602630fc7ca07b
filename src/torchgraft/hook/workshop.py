"""Where a build works: what it makes is in a folder of its own until it is finished, and the place may be a fixed one.

sccache knows what nvcc makes by the real path of the source, and by the paths of what it includes: links and relative
paths do not help. ccache knows what CMake makes in a temporary folder by the way from there to the source. May not
touch the tree that was given.
"""

from __future__ import annotations

import contextlib
import shutil
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

_DRAFT = ".torchgraft-"
_DRAFT_LOCKED_S = 2  # a draft of a hook that lives is locked by then


@contextlib.contextmanager
def moved(call: Call) -> Iterator[Call]:
    """Yield the call with its source tree, and the links to torch, at the fixed place where the plan says so.

    Where somebody builds there now, or it cannot be had, it is built where it is: the compiler cache then knows less.
    """
    with contextlib.ExitStack() as stack:
        there = None
        if call.plan.workshop:
            with contextlib.suppress(OSError, shutil.Error):
                place = fixed_folder() / call.plan.workshop
                make_own_folder(place)
                there = _moved(call, place, stack)
        yield there or call


def _moved(call: Call, place: Path, stack: contextlib.ExitStack) -> Call | None:
    """Return the call at a place that is held until the stack is left, and empty then; None if somebody has it."""
    lock = FileLock(place / "lock")
    if not lock.acquire(timeout_s=0):
        return None
    stack.callback(lock.release)
    # Not beside the source: what is old beside a graft is swept.
    source, link = place / "source", place / "grafts" / "torch"
    shutil.rmtree(source, ignore_errors=True)  # of a build that was killed
    stack.callback(shutil.rmtree, source, ignore_errors=True)
    shutil.copytree(call.source, source, symlinks=True)
    plan = _renamed(_with_toolkit_at(place / "toolkit", call), call.source, source)
    call = replace(call, source=source, plan=plan)
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


def _renamed(plan: Plan, old: str | Path, new: Path) -> Plan:
    """Return the plan with variables that name another folder."""
    renamed = (replace(v, value=v.value and v.value.replace(str(old), str(new))) for v in plan.variables)
    return replace(plan, variables=tuple(renamed))


def _link(link: Path, target: Path) -> None:
    make_own_folder(link.parent)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def hand_on(draft: Path, directory: str) -> None:
    """Move what was made to where the front end looks for it.

    :raises ActError: if that cannot be written to
    """
    try:
        for made in sorted(draft.iterdir()):
            made.replace(Path(directory) / made.name)
    except OSError as error:
        from ..disks import unwritable

        raise unwritable(Path(directory), error) from None


@contextlib.contextmanager
def draft_in(directory: str, caller: int | None) -> Iterator[Path]:
    """Yield a folder beside where a wheel or an sdist will be; those of hooks that were killed are swept.

    :raises ActError: if none can be made there
    """
    _sweep_drafts(directory)
    with interruptions_raised(caller), _new_draft(Path(directory)) as folder:
        lock = FileLock(Path(folder, "lock"))
        with contextlib.suppress(OSError):  # a file system without locks
            lock.acquire(timeout_s=0)
        draft = Path(folder, "wheel")
        draft.mkdir()
        try:
            yield draft
        finally:
            lock.release()
    _sweep_drafts(directory)  # one that was new before is not any more


def _new_draft(directory: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=_DRAFT, dir=directory)
    except OSError as error:
        from ..disks import unwritable

        raise unwritable(directory, error) from None


def _sweep_drafts(directory: str) -> None:
    """Remove the drafts of hooks that were killed."""
    for left in Path(directory).glob(f"{_DRAFT}*"):
        with contextlib.suppress(OSError):  # another build removes it
            is_new = time.time() - left.stat().st_mtime < _DRAFT_LOCKED_S
            if not is_new and is_file_locked(left / "lock") is False:
                shutil.rmtree(left)
