"""What local projects require that a command names, with the extras and dependency groups that it names of them.

May not run a project, resolve anything, or raise: what cannot be read becomes a sentence.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.utils import canonicalize_name

from ..consumer.uv import find_member, project_root
from ..files import UnreadableError, is_file, real
from ..installed.markers import NOTHING_CHOSEN, Chosen, MarkerError, marker_holds
from ..model.observation import FrontEndName, Python
from ..model.source_tree import Project
from ..model.torch_values import TorchRequirement, requirement_of, without_marker
from ..project.archives import is_archive, read_archive
from ..project.read_project import StatedRequirements, read_requirements
from ..redaction import without_credentials
from ..untrusted import find_toml, read_toml, strings, table, tables, text_of
from .requirements_files import EGG, PROJECT_FILES, path_of, shown_path
from .tool_tables import find_index, find_sources, list_poetry, tool_table
from .torch_lines import Line

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_PATH = re.compile(r"([^\[\];]+?)\s*(?:\[([^\]]*)\])?\s*(?:;(.*))?")
# The last folder of PyTorch's own indexes, and the local part of the versions there.
_BACKEND = re.compile(r"cpu|cu\d+|rocm[\d.]+|xpu")
_MOST_PROJECTS = 100


class _Named(NamedTuple):
    """What a requirement names: a distribution, a folder, or both, and extras of it."""

    name: str
    folder: Path | None
    extras: tuple[str, ...]
    marker: str


class _ProjectFile(NamedTuple):
    """A folder with the pyproject.toml of the project in it."""

    folder: Path
    data: Mapping[str, Any]


class LocalProjects:
    """Reads projects, once for each choice of extras and groups, and adds a sentence to `faults` for what went wrong.

    :param folder: where the front end runs
    :param building: the project that is being built. Of that one only what is named beside it is new: the ladder
        knows its plain dependencies. `variables` become those that other projects have for its build.
    :param tool: the front end whose own tables say where distributions come from, None where none counts
    `resolves` says that it is for metadata alone: a pin counts without a local part that nobody can know.
    `without_source` are those that come from no place of their own.
    """

    def __init__(
        self, folder: Path, python: Python, faults: list[str], *, building: Project | None, tool: FrontEndName | None
    ) -> None:
        self.folder, self.python, self.faults = folder, python, faults
        self.building, self.tool = building, tool
        self.resolves = False
        self.without_source: frozenset[str] = frozenset()
        self.variables: dict[str, str] = {}
        self._read: set[tuple[str, Chosen, bool]] = set()

    def with_projects(self, line: Line) -> Iterator[Line]:
        """Return a line, and what the project requires that it names, if there is one here."""
        yield line
        named = _named(line)
        if named is None or not self._holds(named.marker):
            return
        chosen = Chosen(extras=frozenset(named.extras))
        if named.folder is not None:
            yield from self.read(named.folder, chosen)
        elif self.building is not None and named.extras and named.name == canonicalize_name(self.building.name or ""):
            yield from self.read(Path(self.building.folder), chosen)

    def read(self, folder: Path, chosen: Chosen, *, plain: bool = True) -> Iterator[Line]:
        """Return what a project requires, for chosen extras and groups, and for itself where it is `plain`."""
        building = self.building
        if building is not None and real(folder) == real(Path(building.folder)):
            plain = False
            if building.in_metadata:
                yield from self._of_metadata(building, chosen, f"extra of {building.name}", plain=False)
                return
        key = (str(folder), chosen, plain)
        if key not in self._read and is_archive(folder) and is_file(folder):
            self._read.add(key)
            yield from self._of_archive(folder, chosen, plain=plain)
            return
        file = next((folder / name for name in PROJECT_FILES if is_file(folder / name)), None)
        if key in self._read or len(self._read) >= _MOST_PROJECTS or file is None:
            return
        self._read.add(key)
        try:
            data: Mapping[str, Any] = read_toml(file) if file.name == "pyproject.toml" else {}
            places = self._places(folder, data)
        except UnreadableError as error:
            self.faults.append(f"{shown_path(file, self.folder)} {error}")
            return
        for place in places:
            self._note_variables(place.data)
        stated = read_requirements(folder, data)
        is_unknown = stated.dependencies is None and not tool_table(data, FrontEndName.POETRY)
        if (plain and is_unknown) or (chosen.extras and stated.extras is None):
            self.faults.append(f"{shown_path(folder, self.folder)} says what it requires only when it is built")
        listed = _listed(stated, table(data.get("dependency-groups")), chosen, plain=plain)
        listed = itertools.chain(listed, list_poetry(data, chosen, plain=plain))
        yield from self._required(listed, shown_path(file, self.folder), places)

    def _of_archive(self, path: Path, chosen: Chosen, *, plain: bool) -> Iterator[Line]:
        """Return what a wheel or an sdist requires. That of the project which is being built is known by its folder."""
        shown = shown_path(path, self.folder)
        try:
            project, data = read_archive(path)
        except UnreadableError as error:
            self.faults.append(f"{shown} {error}")
            return
        name, table_of = canonicalize_name(project.name or ""), table(data.get("project"))
        if self.building is not None and name == canonicalize_name(self.building.name or ""):
            yield from self.read(Path(self.building.folder), chosen)
        elif project.dependencies is not None and name != "torch":
            yield from self._of_metadata(project, chosen, shown, plain=plain)
        elif table_of and "dependencies" not in strings(table_of.get("dynamic")):
            listed = _listed(read_requirements(path, data), {}, chosen, plain=plain)
            yield from self._required(listed, shown, (_ProjectFile(path, {"project": table_of}),))
        elif name != "torch":
            self.faults.append(f"{shown} says what it requires only when it is built")

    def _of_metadata(self, project: Project, chosen: Chosen, source: str, *, plain: bool) -> Iterator[Line]:
        """Return what a project requires whose metadata say so, with extras; those of its own that they name, too."""
        waiting, taken = set(chosen.extras), set[str]()
        while waiting or plain:
            taken |= waiting
            chosen, waiting = Chosen(extras=frozenset(waiting)), set()
            for requirement in filter(None, map(requirement_of, project.dependencies or ())):
                marker = str(requirement.marker or "")
                if not (plain or "extra" in marker) or not self._holds(marker, chosen):
                    continue
                if canonicalize_name(requirement.name) == canonicalize_name(project.name or ""):
                    waiting |= _names(requirement.extras) - taken
                yield from self.with_projects(Line(without_marker(requirement), Path(project.folder), source))
            plain = False

    def with_sources(self, lines: Iterable[Line], data: Mapping[str, Any]) -> Iterator[Line]:
        """Return requirements, with where the file in which they stand takes them from: a script's metadata, say."""
        for line in lines:
            place = _ProjectFile(line.folder, data)
            yield from self._required([(line.text, "", Chosen())], line.source, (place,))

    def read_settings(self, folder: Path, texts: Iterable[str]) -> Iterator[Line]:
        """Return requirements that are in a front end's settings, with where the project's file takes them from."""
        file = folder / "pyproject.toml"
        listed = ((text, " (settings)", Chosen()) for text in texts)
        yield from self._required(listed, shown_path(file, self.folder), (_ProjectFile(folder, find_toml(file)),))

    def _required(
        self, listed: Iterable[tuple[str, str, Chosen]], shown: str, places: tuple[_ProjectFile, ...]
    ) -> Iterator[Line]:
        folder, data = places[0]
        name = canonicalize_name(text_of(table(data.get("project")).get("name")) or "")
        for text, where, wanted in listed:
            requirement = requirement_of(text)
            if requirement is None or not self._holds(str(requirement.marker or "")):
                # As with any other line, what is no requirement is for others to say.
                yield Line(text=text, folder=folder, source=f"{shown}{where}")
            elif canonicalize_name(requirement.name) == name:
                yield from self.read(folder, Chosen(extras=_names(requirement.extras)), plain=False)
            else:
                yield from self._from_source(requirement, Line(text, folder, f"{shown}{where}"), places, wanted)

    def _places(self, folder: Path, data: Mapping[str, Any]) -> tuple[_ProjectFile, ...]:
        """Return where sources are looked for: the project, then the root of its workspace, which counts for members.

        :raises UnreadableError: if that one's file cannot be read
        """
        own = _ProjectFile(folder, data)
        root = project_root(folder) if self.tool is FrontEndName.UV else None
        if root is None or root == folder:
            return (own,)
        return own, _ProjectFile(root, read_toml(root / "pyproject.toml"))

    def read_group(self, text: str) -> Iterator[Line]:
        """Return what a dependency group requires, as pip names it: `ml`, `folder/pyproject.toml:ml`."""
        path, _, group = text.rpartition(":")
        folder = (self.folder / path).parent if path else self.folder
        yield from self.read(folder, Chosen(groups=_names((group,))), plain=False)

    def _from_source(
        self, requirement: Requirement, line: Line, places: tuple[_ProjectFile, ...], wanted: Chosen
    ) -> Iterator[Line]:
        """Return a requirement as the front end's tables have it, with those of the project that it comes from."""
        folder, source = self._source(requirement, places, wanted)
        path, url, git = (text_of(source.get(key)) for key in ("path", "url", "git"))
        member = source.get("workspace") is True and find_member(places[-1].folder, canonicalize_name(requirement.name))
        if place := url or (git and f"git+{git}"):
            yield line._replace(text=f"{requirement.name} @ {place}")
        elif path is not None:
            if canonicalize_name(requirement.name) == "torch":
                yield line._replace(text=f"torch @ {(folder / path).absolute().as_uri()}")
            yield from self.read(Path(folder, path), Chosen(extras=_names(requirement.extras)))
        elif member:
            yield from self.read(member, Chosen(extras=_names(requirement.extras)))
        elif (index := text_of(source.get("index"))) and canonicalize_name(requirement.name) == "torch":
            yield from self._from_index(requirement, line, index, places)
        else:
            yield from self.with_projects(line)

    def _source(
        self, requirement: Requirement, places: tuple[_ProjectFile, ...], wanted: Chosen
    ) -> tuple[Path, Mapping[str, Any]]:
        """Return the source that counts, and the folder that its path is relative to."""
        name = canonicalize_name(requirement.name)
        tool = None if name in self.without_source else self.tool
        named = ((place.folder, sources) for place in places if (sources := find_sources(place.data, tool, name)))
        folder, found = next(named, (self.folder, []))
        for source in found:
            extra, group = text_of(source.get("extra")), text_of(source.get("group"))
            is_meant = (extra is None or wanted.has_extra(extra)) and (group is None or wanted.has_group(group))
            if is_meant and self._holds(text_of(source.get("marker")) or ""):
                return folder, source
        return folder, {}

    def _from_index(
        self, requirement: Requirement, line: Line, index: str, places: tuple[_ProjectFile, ...]
    ) -> Iterator[Line]:
        """Return a requirement on the torch of an index that builds do not see, with the options that bring it.

        PyTorch's indexes end with the local part that their versions have: `.../whl/cu128`.
        """
        indexes = ((place.folder, find_index(place.data, self.tool, index)) for place in places)
        folder, found = next((pair for pair in indexes if pair[1]), (line.folder, {}))
        if found.get("default") is True:
            yield line
            return
        pinned = TorchRequirement(specifier=requirement.specifier).pinned
        url = text_of(found.get("url")) or ""
        backend = url.rstrip("/").removesuffix("/simple").rpartition("/")[2]
        if pinned and ("+" in pinned or self.python.platform.startswith("macosx")):
            pass
        elif pinned and _BACKEND.fullmatch(backend):
            line = line._replace(text=f"torch=={pinned}+{backend}")
        elif not url or self.tool is not FrontEndName.UV:
            place = without_credentials(index)[:60]
            self.faults.append(f"{line.source} has torch from the index {place}, which no build sees")
            if not self.resolves:
                return
        if url and self.tool is FrontEndName.UV:
            place = url if "://" in url else str(folder / url)
            is_flat = text_of(found.get("format")) == "flat"
            line = line._replace(options=("--find-links", place) if is_flat else ("--index", f"{index}={place}"))
        yield line

    def _note_variables(self, data: Mapping[str, Any]) -> None:
        """Keep what a project has its user set for this build: uv heeds it in the project's own commands alone."""
        builds = table(tool_table(data, FrontEndName.UV).get("extra-build-variables"))
        for name, variables in builds.items():
            if self.building and canonicalize_name(str(name)) == canonicalize_name(self.building.name or ""):
                self.variables.update({str(k): v for k, v in table(variables).items() if isinstance(v, str)})

    def _holds(self, marker: str, chosen: Chosen = NOTHING_CHOSEN) -> bool:
        try:
            return not marker or marker_holds(marker, self.python, chosen)
        except MarkerError:
            return False


def _named(line: Line) -> _Named | None:
    """Return what a line names; None where it is nothing that can be a project."""
    text = line.text.strip()
    is_editable = text.startswith("-e ")
    text = text.removeprefix("-e ").strip()
    requirement = requirement_of(text)
    # `-e app` is the folder, `app` a distribution of the index.
    if requirement is not None and (requirement.url or not is_editable):
        folder = path_of(requirement.url, line.folder) if requirement.url else None
        extras = tuple(sorted(_names(requirement.extras)))
        return _Named(canonicalize_name(requirement.name), folder, extras, str(requirement.marker or ""))
    egg = EGG.fullmatch(text)
    match = _PATH.fullmatch(text.partition("#")[0])
    if match is None:
        return None
    extras = tuple(sorted(_names((match[2] or (egg and egg[2]) or "").split(","))))
    name = canonicalize_name(egg[1]) if egg else ""
    return _Named(name, path_of(match[1], line.folder), extras, (match[3] or "").strip())


def _listed(
    stated: StatedRequirements, groups_table: Mapping[str, Any], chosen: Chosen, *, plain: bool
) -> Iterator[tuple[str, str, Chosen]]:
    """Return the requirements of a project, where they stand in its file, and for what they are required."""
    if plain:
        yield from ((text, "", Chosen()) for text in stated.dependencies or ())
    for name, listed in (stated.extras or {}).items():
        if chosen.has_extra(name):
            wanted = Chosen(extras=_names((name,)))
            yield from ((text, f" (extra {name[:60]})", wanted) for text in listed)
    groups = {canonicalize_name(str(name)): listed for name, listed in groups_table.items()}
    waiting = [name for name in groups if chosen.has_group(name)]
    included = set(waiting)
    for name in waiting:
        yield from ((text, f" (group {name[:60]})", Chosen(groups=_names((name,)))) for text in strings(groups[name]))
        others = {canonicalize_name(text_of(item.get("include-group")) or "") for item in tables(groups[name])}
        waiting += sorted((others & set(groups)) - included)
        included |= others


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(canonicalize_name(name.strip()) for name in names if name.strip())
