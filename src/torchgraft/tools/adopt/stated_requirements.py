"""What a project says that it depends on, as uv is asked about it: its files are read, its backend is not run.

uv reads a static `[project]` table itself. For what it would have to build, other files of the project are read.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ...consumer.uv import workspace_members
from ...errors import ActError
from ...files import is_file
from ...installed.markers import Chosen
from ...model.torch_values import required_name
from ...project.read_project import read_requirements, texts_in
from ...settings.sources import read_pyproject
from ...untrusted import find_toml, strings, table
from ...values import dataclass
from ...wanted.tool_tables import dependency_text, list_poetry
from .adoptable import read_adoptable
from .plan_front_ends import pixi_parts
from .resolver import read_metadata

_EVERYTHING = Chosen(all_extras=True, anything=True)
_COMPUTED = frozenset({"dependencies", "optional-dependencies"})


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What uv is asked: files, extras and groups of theirs with the options for each, and lines of none of them."""

    files: tuple[str, ...] = ()
    parts: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def everything(self) -> tuple[str, ...]:
        """The options that ask for all of it at once."""
        return (*self.files, *(word for part in self.parts for word in part if word not in self.files))

    @property
    def pieces(self) -> tuple[tuple[str, ...], ...]:
        """The options of several questions, for where some of it conflicts: each file, extra and group alone."""
        found = (*((file,) for file in self.files), *self.parts)
        return found if len(found) > 1 else ()


def read_stated(base: Path, adopted: Collection[str] = ()) -> Stated:
    """Return what a project, or the projects of its workspace, depend on; raise ActError if only its backend knows.

    :param adopted: names of files that stand for what an index has
    """
    of_tables = tuple(dict.fromkeys(_of_tables(base, adopted)))
    projects = {folder: read_pyproject(folder) for folder in workspace_members(base) or (base,)}
    # Without any [project] there may be groups alone.
    members = {folder: data for folder, data in projects.items() if data.get("project")}
    found = [Stated(lines=of_tables)]
    for folder, data in (members or ({} if of_tables else projects)).items():
        found.append(_of_project(folder, base, data, is_known=bool(of_tables)))
    return Stated(
        files=tuple(file for one in found for file in one.files),
        parts=tuple(part for one in found for part in one.parts),
        lines=tuple(line for one in found for line in one.lines),
        notes=tuple(note for one in found for note in one.notes),
    )


def _of_project(folder: Path, base: Path, data: Mapping[str, Any], *, is_known: bool) -> Stated:
    near = Path(os.path.relpath(folder, base))
    file = (near / "pyproject.toml").as_posix()
    project, uv = table(data, "project"), table(data, "tool", "uv")
    found = Stated(parts=tuple(("--group", f"{file}:{name}") for name in table(data.get("dependency-groups"))))
    is_computed = not _COMPUTED.isdisjoint(strings(project.get("dynamic")))
    has_script = any(is_file(folder / name) for name in ("setup.py", "setup.cfg"))
    if not is_computed and (project or not has_script):
        extras = ((file, "--extra", name) for name in table(project.get("optional-dependencies")))
        return replace(found, files=(file,), parts=(*found.parts, *extras))
    if is_known:
        return found
    stated = read_requirements(folder, data)
    lines = stated.dependencies
    if lines is not None:
        extras_lines = (line for of_extra in (stated.extras or {}).values() for line in of_extra)
        return replace(found, lines=tuple(_by_sources((*lines, *extras_lines), table(uv.get("sources")))))
    script = read_adoptable(folder).script
    texts = dict.fromkeys((*texts_in(data.get("tool")), *(script.strings if script else ())))
    files = tuple(
        (near / text).as_posix() for text in texts if text.endswith((".txt", ".in")) and is_file(folder / text)
    )
    metadata = read_metadata(folder).requires
    if not files and not metadata:
        raise ActError.of(
            code="no-resolution",
            headline=f"what {folder.resolve().name} requires is computed when it is built",
            why="none of it is run to find that out, and no file of requirements is named in it",
            fixes=("torchgraft adopt -r FILE --write   (a file that lists it)", "torchgraft adopt NAME --write"),
        )
    taken = f"{', '.join(files)}, which that names," if files else "its egg-info"
    note = f"what {folder.resolve().name} requires is computed when it is built: {taken} is taken for it"
    return replace(found, files=files, lines=() if files else metadata, notes=(note,))


def _by_sources(lines: Iterable[str], sources: Mapping[str, Any]) -> Iterator[str]:
    """Yield requirements with the addresses that uv's sources say; what is in a folder is somebody's own."""
    known = {str(canonicalize_name(name)): table(source) for name, source in sources.items()}
    for line in lines:
        source = known.get(required_name(line), {})
        text = dependency_text(required_name(line), source, _EVERYTHING) if source.keys() & {"git", "url"} else line
        if not source.keys() & {"path", "workspace"}:
            yield text


def pixi_file(base: Path) -> Path | None:
    """Return where pixi's tables of a project are, None if it has none."""
    if is_file(base / "pixi.toml"):
        return base / "pixi.toml"
    return base / "pyproject.toml" if "pixi" in table(read_pyproject(base).get("tool")) else None


def _of_tables(base: Path, adopted: Collection[str]) -> Iterator[str]:
    """Yield what poetry's and pixi's own tables require, as uv reads it; paths are somebody's own."""
    texts = [text for text, _, _ in list_poetry(read_pyproject(base), _EVERYTHING, plain=True)]
    file = pixi_file(base)
    root = find_toml(file) if file else {}
    root = root if file and file.name == "pixi.toml" else table(root, "tool", "pixi")
    for part in pixi_parts(root):
        for name, value in table(part.get("pypi-dependencies")).items():
            is_adopted = Path(str(table(value).get("path"))).name in adopted
            texts.append(dependency_text(str(name), {**value, "path": None} if is_adopted else value, _EVERYTHING))
    yield from (text for text in texts if text and (" @ " not in text or "://" in text))
