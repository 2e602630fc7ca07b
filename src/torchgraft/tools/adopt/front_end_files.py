"""The files of front ends, as they are and as they have to be so that adopted sdists are taken, or none any more.

May not write one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from ...files import is_file
from ...model.observation import FrontEndName
from ...settings.sources import read_exact_text, read_pyproject
from ...values import dataclass
from ...wanted.tool_tables import tool_table
from .adopted_folder import CONSTRAINTS, AdoptedSdist, adopted_text, is_adopted_text, read_adopted
from .find_sdists import Scope, read_nested
from .locked_sdists import LOCK_NAMES
from .plan_front_ends import (
    hashes_text,
    pdm_text,
    pixi_text,
    poetry_text,
    pylock_text,
    requirements_text,
    uv_lock_text,
    uv_settings_with,
    uv_text,
)
from .sdist import there_already
from .stated_requirements import pixi_file
from .undo_record import UNDO, Passage, parse_undo, passages_between, undo_text, undone

_TEXTS = {"uv": uv_text, "poetry": poetry_text, "pdm": pdm_text, "pixi": pixi_text}


@dataclass(frozen=True, kw_only=True)
class FileEdit:
    """A file of a front end, with its text before (None: there is none) and after (None: there is to be none)."""

    path: Path
    before: str | None
    after: str | None


def front_end_of(scope: Scope) -> str:
    """Return the front end of a project: that of its lock, else that of its tables, else uv.

    uv has no project without `[project]`: one of setup.py or setup.cfg is pip's.
    """
    name = scope.lock.name if scope.lock else ""
    if not scope.is_project:
        return "pip"
    by_lock = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm"}
    data = read_pyproject(scope.base)
    tables = (tool.value for tool in (FrontEndName.POETRY, FrontEndName.PDM) if tool_table(data, tool))
    is_pips = not data.get("project") and any(is_file(scope.base / name) for name in ("setup.py", "setup.cfg"))
    return by_lock.get(name) or ("pixi" if pixi_file(scope.base) else next(tables, "pip" if is_pips else "uv"))


def place_of(scope: Scope) -> str:
    """Return the folder of adopted sdists as the files of front ends name it: relative, if it is below."""
    place = os.path.relpath(scope.folder, scope.base).replace(os.sep, "/")
    return str(scope.folder.resolve()) if place.startswith("..") else place


def plan_edits(scope: Scope, adopted: tuple[AdoptedSdist, ...], *, undo: bool = False) -> Iterator[FileEdit]:
    """Yield what is to be changed in files, so that adopted sdists are taken and nothing else.

    :param undo: take the files back to what they were, as the record has it; where it does not, take out what is ours
    """
    known, place = read_adopted(scope.folder), place_of(scope)
    before = read_exact_text(scope.folder / UNDO)
    for name, is_ours in ((CONSTRAINTS, is_adopted_text), (UNDO, parse_undo)):
        there = read_exact_text(scope.folder / name)
        if there is not None and not is_ours(there):
            raise there_already(scope.folder / name)
    record = parse_undo(before or "") if undo else {}
    texts: dict[Path, str | None] = {scope.folder / CONSTRAINTS: adopted_text(adopted, place) if adopted else None}
    left: dict[str, tuple[Passage, ...]] = {}
    for name, passages in record.items():
        texts[scope.base / name], left[name] = undone(_with_digests(scope.base / name, known), passages)
        if name in LOCK_NAMES:
            left[name] = ()  # its front end has written it anew, and does so again
    for path, change in _changes(scope, known if undo else adopted, undo=undo):
        text = texts.get(path, read_exact_text(path)) or ""
        bare = text.removeprefix("\ufeff")
        texts[path] = text[: len(text) - len(bare)] + change(bare)
    if undo:
        texts[scope.folder / UNDO] = undo_text(left)
    for path, after in texts.items():
        now = read_exact_text(path)
        if after != now and not (undo and now is None):
            yield FileEdit(path=path, before=now, after=after)


def _changes(
    scope: Scope, adopted: tuple[AdoptedSdist, ...], *, undo: bool
) -> Iterator[tuple[Path, Callable[[str], str]]]:
    """Yield the files of the front end, with what is done to each."""
    if not adopted and not undo:
        return
    kind, place = front_end_of(scope), place_of(scope)
    settings = scope.base / "uv.toml"
    if kind == "uv" and is_file(settings):
        # It is then read instead of [tool.uv].
        yield settings, partial(uv_settings_with, adopted=adopted, place=place, undo=undo)
    elif kind in _TEXTS:
        file = pixi_file(scope.base) if kind == "pixi" else None
        yield file or scope.base / "pyproject.toml", partial(_TEXTS[kind], adopted=adopted, place=place, undo=undo)
    if scope.lock is not None and not undo and scope.lock.name == "uv.lock":
        yield scope.lock, partial(uv_lock_text, adopted=adopted, place=place)
    elif scope.lock is not None and not undo and kind == "pip":
        yield scope.lock, partial(pylock_text, adopted=adopted, place=place)
    for file in scope.files:
        near = os.path.relpath(scope.folder, file.parent).replace(os.sep, "/")
        yield file, partial(requirements_text, adopted=adopted, place=near, root=place, undo=undo)
    for file in read_nested(scope)[0]:
        yield file, partial(hashes_text, adopted=adopted, undo=undo)


def _with_digests(path: Path, adopted: Iterable[AdoptedSdist]) -> str:
    """Return a file; uv.lock with the digests that uv leaves out when it locks a folder anew."""
    text = read_exact_text(path) or ""
    for one in adopted if path.name == "uv.lock" else ():
        line = f'sdist = {{ path = "{one.file}"'
        text = text.replace(f"{line} }}", f'{line}, hash = "sha256:{one.sha256}" }}')
    return text


def record_edit(scope: Scope, edits: Iterable[FileEdit]) -> Iterator[FileEdit]:
    """Yield how the record of what the files were changes, from that of what was adopted before."""
    path, known = scope.folder / UNDO, read_adopted(scope.folder)
    before = read_exact_text(path)
    record = parse_undo(before or "")
    for edit in edits:
        name = os.path.relpath(edit.path, scope.base).replace(os.sep, "/")
        if edit.before is not None and edit.after is not None and edit.path.parent != scope.folder:
            was, _ = undone(_with_digests(edit.path, known), record.get(name, ()))
            record[name] = passages_between(edit.after, was)
    after = undo_text(record)
    if after != before:
        yield FileEdit(path=path, before=before, after=after)
