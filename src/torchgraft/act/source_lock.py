"""One build at a time in one source tree.

May not write into the tree: the lock is in the cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import ActError, Evidence, Problem

_PATIENCE_S = 3600


@contextlib.contextmanager
def hold_source(source: Path, *, cache_folder: Path) -> Iterator[None]:
    """Hold the source tree while the delegate works in it.

    setuptools builds in build/ beside setup.py, and two builds at once mix their object files. uv locks the tree
    only where the backend is literally setuptools.build_meta.

    :raises ActError: if another build has held it for an hour
    """
    digest = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:16]
    try:
        locks = cache_folder / "locks"
        locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(locks / f"{digest}.lock", timeout=_PATIENCE_S)
        lock.acquire()
    except Timeout:
        raise ActError(
            Problem(
                code="source-busy",
                headline=f"another build has been at work in {source} for {_PATIENCE_S // 60} minutes",
                evidence=(Evidence(label="lock", text=str(locks / f"{digest}.lock")),),
                why="two builds in one source tree mix their object files",
                fixes=("wait for it, or end it",),
            )
        ) from None
    except (OSError, NotImplementedError):
        # No place for a lock, or a file system without locks: where a place is needed, making the graft has said so.
        yield
        return
    try:
        yield
    finally:
        lock.release()
