"""Files and folders that torchgraft makes for itself: nobody else may enter one, or see half of it; and their locks."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_S = 0.05


def make_own_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, and those above it that are not there, likewise.

    `mkdir(parents=True)` gives its mode to the last one alone, and a umask of 002 opens the others to a group.

    :raises OSError: if it cannot be made
    """
    for path in reversed((folder, *folder.parents)):
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)


def private_folder(is_ours: Callable[[Path], bool], *, within: str = "") -> Path:
    """Return a temporary folder that only we can enter: the same one every time, so that locks in it are of use.

    Who has made it before us would own it: then another one is made, and removed as this process ends.
    """
    import tempfile

    folder = Path(within or tempfile.gettempdir(), f"torchgraft-{os.geteuid()}")
    with contextlib.suppress(OSError):
        make_own_folder(folder)
        if is_ours(folder):
            return folder
    import atexit
    import shutil

    folder = Path(tempfile.mkdtemp(prefix="torchgraft-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def made_in_one_step(folder: Path) -> Iterator[Path]:
    """Yield a draft that becomes a folder afterwards: builds see all of it, or none; raise OSError if there is one."""
    import shutil
    import tempfile

    make_own_folder(folder.parent)
    draft = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=folder.parent))  # with mode 0700
    try:
        yield draft
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_in_one_step(folder: Path) -> None:
    """Take a folder of ours away, then delete what is in it; never what its links lead to.

    What is left of it where this process is killed has a name that is swept. Raise OSError if it cannot be moved.
    """
    import shutil
    import tempfile

    trash = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=folder.parent))  # with mode 0700
    try:
        folder.rename(trash / folder.name)
    finally:
        shutil.rmtree(trash, ignore_errors=True)


def write_own_file(path: Path, text: str) -> None:
    """Write a file in one step: other builds read it; raise OSError if it cannot be written."""
    make_own_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """A lock that one process at a time can have. The file stays when it is released: others may be waiting for it.

    Whoever inherits its `descriptor` keeps it locked, too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor: int | None = None

    def acquire(self, *, timeout_s: float) -> bool:
        """Return whether the lock was had in a time, 0 asks once; raise OSError if there is no place, or no locks."""
        until = time.monotonic() + timeout_s
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            # Who waits for a lock file that is removed in the meantime would hold what nobody else asks for.
            if _try(descriptor) and _is_still(self.path, descriptor):
                self.descriptor = descriptor
                return True
            os.close(descriptor)
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_S)

    def release(self) -> None:
        """Let others have it."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def remove_lock_file(path: Path, *others: Path) -> bool:
    """Remove a lock file, and others that it stands for, while holding it; return False where somebody has it.

    Who waits for it would not notice otherwise.
    """
    lock = FileLock(path)
    if not lock.acquire(timeout_s=0):
        return False
    try:
        for file in (*others, path):
            file.unlink(missing_ok=True)
    finally:
        lock.release()
    return True


def is_file_locked(path: Path) -> bool | None:
    """Return whether somebody holds a lock file, of ours or of uv's (its crate `uv-fs`); None if nobody can tell.

    It is found out by trying, without waiting: a lock that was free is given back at once, and nothing is written.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # it may be a pipe
        is_free = _try(descriptor)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):  # NFS wants the file to be writable
        return None
    os.close(descriptor)
    return not is_free


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _try(descriptor: int) -> bool:
    """Return whether the lock was free; close the descriptor, and raise OSError, if the file system has no locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # what flock and msvcrt say of one that is held
        return False
    except BaseException:
        os.close(descriptor)
        raise
    return True
