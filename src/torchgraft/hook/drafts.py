"""Where a wheel or an sdist is until it is finished: a folder of its own, on the file system where it will be.

May not know what is made in it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..child import interruptions_raised
from ..file_lock import FileLock, is_file_locked

_DRAFT = ".torchgraft-"
_DRAFT_LOCKED_S = 2  # a draft of a hook that lives is locked by then


def hand_on(draft: Path, directory: str) -> None:
    """Move what was made to where the front end looks for it."""
    for made in sorted(draft.iterdir()):
        made.replace(Path(directory) / made.name)


@contextlib.contextmanager
def draft_in(directory: str, caller: int | None) -> Iterator[Path]:
    """Yield a folder beside where a wheel or an sdist will be; those of hooks that were killed are swept."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    _sweep_drafts(directory)
    with interruptions_raised(caller), tempfile.TemporaryDirectory(prefix=_DRAFT, dir=directory) as folder:
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


def _sweep_drafts(directory: str) -> None:
    """Remove the drafts of hooks that were killed."""
    for left in Path(directory).glob(f"{_DRAFT}*"):
        with contextlib.suppress(OSError):  # another build removes it
            is_new = time.time() - left.stat().st_mtime < _DRAFT_LOCKED_S
            if not is_new and is_file_locked(left / "lock") is False:
                shutil.rmtree(left)
