"""A fixed place to build in, for source trees that are copies for one build: each has another folder.

sccache knows what nvcc makes by the real path of the source, and by the paths of what it includes: links and relative
paths do not help. May not touch the tree that was given.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..compile.compiler_cache import fixed_folder
from ..file_lock import FileLock
from ..ladder.graft import link_graft
from ..own_files import make_own_folder
from .call import Call


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
    if call.plan.graft is None:
        return replace(call, source=source)
    graft = link_graft(call.plan.graft, trusted=call.trust)
    make_own_folder(link.parent)
    link.unlink(missing_ok=True)
    link.symlink_to(graft)
    plan = replace(call.plan, graft=replace(call.plan.graft, folder=str(link)))
    return replace(call, source=source, plan=plan)
