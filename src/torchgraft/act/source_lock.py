"""One build at a time in one source tree.

May not write into the tree: the lock is in the cache folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import ActError, Evidence, Problem
from ..last_build import build_identity, note_path, source_key
from ..model import Torch

_PATIENCE_S = 3600


@contextlib.contextmanager
def hold_source(source: Path, *, cache_folder: Path) -> Iterator[None]:
    """Hold the source tree while the delegate works in it.

    setuptools builds in build/ beside setup.py, and two builds at once mix their object files. uv locks the tree
    only where the backend is literally setuptools.build_meta.

    :raises ActError: if another build has held it for an hour
    """
    digest = source_key(source.resolve())
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


def note_build(source: Path, torch: Torch | None, *, cache_folder: Path) -> None:
    """Note for which torch the source tree is being built, before anything is: a build that fails leaves objects too.

    Without a place for notes there is none: the next build compiles anew.
    """
    with contextlib.suppress(OSError):
        note_path(cache_folder, source.resolve()).write_text(build_identity(torch), encoding="utf-8")


def make_rebuild_config(path: Path) -> None:
    """Write the file that has setuptools compile anew.

    distutils reads the file that DIST_EXTRA_CONFIG names after all others, the project's setup.cfg among them.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text("[build_ext]\nforce = 1\n", encoding="ascii")
