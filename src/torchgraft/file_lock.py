"""A lock on a file against all other processes, let go by the system when its holder ends in whatever way."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_POLL_S = 0.05


class FileLock:
    """A lock that one process at a time can have. The file stays when it is released: others may be waiting for it.

    Whoever inherits its `descriptor` keeps it locked, too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor: int | None = None

    def acquire(self, *, timeout_s: float) -> bool:
        """Return whether the lock was had within a time; 0 asks once.

        :raises OSError: if there is no place for the file, or its file system has no locks
        """
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
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
    """Return whether the lock was free. The descriptor is closed on errors.

    :raises OSError: if the file system has no locks
    """
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
