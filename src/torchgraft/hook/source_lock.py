"""One build at a time in one source tree, and for which torch the tree was built last.

setuptools keeps what it compiled in build/ and compares times of files, never torch: after torch has changed it would
hand out the old module as the new one. May not write into the tree: lock and notes are in the cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..child import say
from ..errors import ActError, quoted, shown
from ..files import find_text, is_file, read_start
from ..model.decision import Rebuild
from ..model.source_tree import Project
from ..own_files import FileLock, make_own_folder, write_own_file
from ..wheel.run_paths import stays
from .plan_variables import UNKNOWN

_SILENCE_S = 1
_PATIENCE_S = 3600
_LONGEST_NOTE_BYTES = 1000
_LONGEST_PATH_BYTES = 65_536
# distutils reads the file that DIST_EXTRA_CONFIG names after all others, the project's setup.cfg among them.
_FORCED = "[build_ext]\nforce = 1\n"


@contextlib.contextmanager
def hold_source(source: Path, *, cache_folder: Path) -> Iterator[tuple[int, ...]]:
    """Hold the source tree while the delegate works in it; yield the descriptors that hold it.

    setuptools builds in build/ beside setup.py, and two builds at once mix their object files. uv locks the tree
    only where the backend is literally setuptools.build_meta.

    :raises ActError: if another build has held it for an hour
    """
    lock = FileLock(lock_path(cache_folder, source.resolve()))
    try:
        make_own_folder(lock.path.parent)
        is_held = lock.acquire(timeout_s=_SILENCE_S)
        if not is_held:
            say(f"torchgraft: another build is running in {shown(str(source))}; waiting for it")
            is_held = lock.acquire(timeout_s=_PATIENCE_S)
    except OSError:
        # No place for a lock, or a file system without locks: where a place is needed, making the graft has said so.
        yield ()
        return
    if not is_held:
        raise ActError.of(
            code="source-busy",
            headline=f"another build has used {source} for {_PATIENCE_S // 60} minutes",
            lock=str(lock.path),
            why="two builds in one source tree mix their object files",
            fixes=(f"fuser -v {quoted(str(lock.path))}   (shows who it is; wait for it, or end it)",),
        )
    try:
        with contextlib.suppress(OSError):
            # For whom it is, and when it was used last.
            lock.path.write_bytes(os.fsencode(source.resolve()))
        yield () if lock.descriptor is None else (lock.descriptor,)
    finally:
        lock.release()


def source_of_lock(lock: Path) -> str:
    """Return the source tree that a lock in the cache folder is for; "" where it does not say."""
    return os.fsdecode(read_start(lock, _LONGEST_PATH_BYTES) or b"")


@contextlib.contextmanager
def noted_build(source: Path, rebuild: Rebuild | None, *, cache_folder: Path, in_place: bool) -> Iterator[bool]:
    """Yield whether everything has to be compiled anew, and note for which torch the tree is built.

    A build that fails leaves objects too. Where they take the place of those for another torch, there are both until
    the end, and the next build knows. Without a place for notes there is none: the next build compiles anew.

    :param rebuild: None where nothing can be forced, so that nobody knows afterwards
    """
    source = source.resolve()
    before = read_note(cache_folder, source)
    identity = rebuild.unless if rebuild else UNKNOWN
    anew = rebuild is not None and before not in {"", identity}
    if rebuild is not None and anew:
        _write(Path(rebuild.config), _FORCED, is_vital=True)
    # What an editable build leaves in a build/ that was not there before is for its torch, too.
    both = {in_place, in_place and (source / "build").exists()}
    notes = [note_path(cache_folder, source, in_place=one) for one in both]
    for note in notes:
        # What stands in a note that stays would be believed of objects that are made now.
        _write(note, UNKNOWN if anew else identity, is_vital=anew or note.exists())
    yield anew
    for note in notes:
        _write(note, identity, is_vital=False)  # UNKNOWN stays, or the same


def _write(path: Path, text: str, *, is_vital: bool) -> None:
    try:
        write_own_file(path, text)
    except OSError as error:
        if not is_vital:
            return
        from ..disks import disk_text, is_full

        room = "make room on that disk, or export TORCHGRAFT_CACHE_DIR=FOLDER"
        raise ActError.of(
            code="cache-unusable",
            headline=f"{path} cannot be written: {error.strerror or error}",
            disk=[disk_text(path)] if is_full(error) else (),
            why="setuptools would hand out what it has compiled for another torch: that it may not has to stand there",
            fixes=(
                f"{room}   (one of your own, with some space left)",
                "rm -r build   (in the source tree: then nothing is compiled yet)",
            ),
        ) from None


def with_last_build(project: Project, cache_folder: Path) -> Project:
    """Return a project that says for which torch its tree was built last, and whether it is a copy for this build."""
    source = Path(project.folder)
    # The root of an sdist, of a checkout, or of whatever pip has unpacked: what setup.py wants is not beside it.
    by_pip = source.name.startswith("pip-req-build-") or source.parent.name.startswith("pip-install-")
    is_whole = by_pip or is_file(source / "PKG-INFO") or os.path.lexists(source / ".git")
    passing = is_whole and not stays(source)
    return replace(project, built_for=read_note(cache_folder, source.resolve()), passing=passing)


def source_key(source: Path) -> str:
    """Return what names a source tree in the cache folder; `source` without symbolic links."""
    return hashlib.sha256(os.fsencode(source)).hexdigest()[:16]


def lock_path(cache_folder: Path, source: Path) -> Path:
    """Return the file that is locked while a source tree is built; `source` without symbolic links."""
    return cache_folder / "locks" / f"{source_key(source)}.lock"


def note_path(cache_folder: Path, source: Path, *, in_place: bool = False) -> Path:
    """Return the file that notes for which torch a source tree was last built.

    :param in_place: for editable installations: what setuptools compiles for them lies beside the sources. All else is
        in build/, and stays there when the other is built for another torch
    """
    return cache_folder / "locks" / f"{source_key(source)}{'.editable' * in_place}.torch"


def read_note(cache_folder: Path, source: Path) -> str:
    """Return for which torch a source tree was last built, as `build_identity` has it.

    `UNKNOWN` where nobody knows, or parts of it are for another torch; "" where nothing was built.
    """
    notes = [_read(note_path(cache_folder, source, in_place=in_place)) for in_place in (False, True)]
    if notes[0] is None and (source / "build").is_dir():
        return UNKNOWN
    known = {note for note in notes if note is not None}
    return (known or {""}).pop() if len(known) < 2 else UNKNOWN


def _read(note: Path) -> str | None:
    text = find_text(note, _LONGEST_NOTE_BYTES)
    return None if text is None else text.strip()
