"""Whether another process holds a lock, an environment's or one of ours, found out by trying to take it.

May not write to the file, nor wait for it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def is_lock_held(prefix: Path) -> bool | None:
    """Return whether somebody holds the `.lock` of an environment; None where that cannot be found out.

    uv locks with flock() where there is one (its crate `uv-fs`, `LockedFile`). A lock that was free is given
    back at once.
    """
    return is_file_locked(prefix / ".lock")


def is_file_locked(path: Path) -> bool | None:
    """Return whether somebody holds a lock file; None where that cannot be found out."""
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # NFS wants the file to be writable
        return None
    else:
        return False
    finally:
        os.close(descriptor)
