"""One build at a time in one source tree.

May not write into the tree: the lock is in the cache folder.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..child import say
from ..errors import ActError, Evidence, Problem, shown
from ..ladder.own_folder import make_own_folder
from ..model.decision import Rebuild
from .last_build import UNKNOWN, note_path, read_note, source_key

_SILENCE_S = 1
_PATIENCE_S = 3600
# distutils reads the file that DIST_EXTRA_CONFIG names after all others, the project's setup.cfg among them.
_FORCED = "[build_ext]\nforce = 1\n"


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
        make_own_folder(locks)
        lock = FileLock(locks / f"{digest}.lock")
        try:
            lock.acquire(timeout=_SILENCE_S)
        except Timeout:
            say(f"torchgraft: another build is at work in {shown(str(source))}; waiting for it")
            lock.acquire(timeout=_PATIENCE_S)
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


@contextlib.contextmanager
def noted_build(source: Path, rebuild: Rebuild | None, *, cache_folder: Path, in_place: bool) -> Iterator[bool]:
    """Yield whether everything has to be compiled anew, and note for which torch the tree is built.

    A build that fails leaves objects too. Where they take the place of those for another torch, there are both until
    the end, and the next build knows. Without a place for notes there is none: the next build compiles anew.

    :param rebuild: None where nothing can be forced, so that nobody knows afterwards
    :param in_place: for an editable installation
    """
    source = source.resolve()
    before = read_note(cache_folder, source)
    identity = rebuild.unless if rebuild else UNKNOWN
    anew = rebuild is not None and before not in {"", identity}
    if rebuild is not None and anew:
        _write(Path(rebuild.config), _FORCED)
    # What an editable build leaves in a build/ that was not there before is for its torch, too.
    kinds = {in_place, in_place and (source / "build").exists()}
    notes = [note_path(cache_folder, source, in_place=kind) for kind in kinds]
    _write_all(notes, UNKNOWN if anew else identity)
    yield anew
    _write_all(notes, identity)


def _write_all(paths: Iterable[Path], text: str) -> None:
    for path in paths:
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """Write a file in one step: other builds read it."""
    with contextlib.suppress(OSError):
        make_own_folder(path.parent)
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
