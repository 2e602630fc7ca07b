"""Which sdists of a project, of locks or of requirements need torch for their build; each is read, none is run.

May not write anything but below a scratch folder.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ...consumer.environment import python_versions
from ...consumer.processes import take_python
from ...errors import ActError, TorchgraftError, quoted
from ...files import read_text
from ...model.observation import Python
from ...project.read_project import read_project
from ...settings.sources import read_pyproject
from ...untrusted import split_address, table, tables, text_of
from ...wanted.locked_torch import local_path
from ...wanted.requirements_files import RequirementsReader
from .address_sources import AddressSource, fetch_source, read_address_sources, sdist_of, source_text
from .adoptable import read_adoptable
from .adopted_folder import AdoptedSdist, is_adopted_text, is_intact, read_adopted
from .adoption import Adoptable, Adoption, Advice
from .locked_sdists import NamedSdist, read_local_folders, read_locked_sdists
from .package_index import download_sdist, fetch_archive, find_indexes, index_address, sdist_version
from .plan_adoption import plan_adoption
from .plan_front_ends import uv_settings_text
from .resolver import Resolver
from .sdist import unpack_sdist
from .stated_requirements import Stated, read_stated

_LARGEST_BYTES = 1_000_000
_INDEX_LINE = re.compile(r"^\s*(-i|--index-url)\b", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is looked through: a project, its lock, files of requirements, or requirements.

    `base` is the folder that paths are relative to, `folder` that of adopted sdists; `anew`: what is there already
    counts for nothing. `deep` includes what they depend on, `force` is for what is named.
    """

    base: Path
    folder: Path
    is_project: bool = False
    lock: Path | None = None
    files: tuple[Path, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    index_url: str = ""
    anew: bool = False
    deep: bool = True
    force: bool = False

    @property
    def named(self) -> frozenset[str]:
        """The names that somebody has typed."""
        return frozenset(canonicalize_name(one.name) for one in self.requirements)


def read_nested(scope: Scope) -> tuple[tuple[Path, ...], bool]:
    """Return the files that requirements files name in turn, and whether one says which index is the main one."""
    reader = RequirementsReader(Path(), [])
    for file in scope.files:
        for _ in reader.read(str(file.absolute())):
            pass
    texts = (read_text(Path(path), _LARGEST_BYTES) for path in reader.files)
    near = (scope.base / os.path.relpath(path, scope.base) for path in reader.files)
    nested = (path for path in near if path not in scope.files and path.parent != scope.folder)
    return tuple(nested), any(map(_INDEX_LINE.search, texts))


def _take_python_of(base: Path) -> Python:
    """Return the Python that a project runs on, as its environment or .python-version say; else our own."""
    own = take_python()
    stated = re.findall(r"^(?:cpython@?)?(\d+\.\d+)", read_text(base / ".python-version"), re.MULTILINE)
    version = next(iter((*python_versions(base / ".venv"), *stated)), own.minor_version)
    if version == own.minor_version:
        return own
    return replace(own, version=f"{version}.0", implementation="cpython", abi=f"cp{version.replace('.', '')}")


def _with_name(line: str, folder: Path) -> str:
    """Return a line of a requirements file with the name of the folder that it names, and whole paths of files."""
    if match := re.match(r"\s*(-[rcf]|--requirement|--constraint|--find-links)[ =]*(?!\S+://)(\S+)", line):
        if is_adopted_text(read_text(folder / match[2], _LARGEST_BYTES)):
            return f"# {line}"  # what was adopted is to be found as if it had not been: uv would have to build that
        return f"{match[1]} {folder / match[2]}"
    match = re.match(r"\s*(?:(?:-e|--editable)[ =]+)?([^\s;#\[@]*[./][^\s;#\[@]*)(\[[^\]]*\])?(.*)", line)
    place = folder / match[1] if match else None
    if match is None or place is None or not place.is_dir():
        return line
    name = read_project(place, read_pyproject(place)).name
    return f"{name}{match[2] or ''} @ {place.resolve().as_uri()}{match[3]}" if name else line


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """An sdist that was read: `path` is where it lies, `adopted` what was made of it before, if anything."""

    sdist: NamedSdist
    path: Path
    found: Adoptable | None = None
    adoption: Adoption | None = None
    adopted: AdoptedSdist | None = None


@dataclass(kw_only=True)
class Search:
    """Finds sdists, and keeps what went wrong with one of them in `faults`."""

    scope: Scope
    scratch: Path
    faults: list[TorchgraftError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _looked: dict[tuple[str, str], LookedAt] = field(default_factory=dict)
    _trees: dict[AddressSource, Path | None] = field(default_factory=dict)
    _addressed: list[NamedSdist] = field(default_factory=list)

    def __post_init__(self) -> None:
        known = read_adopted(self.scope.folder)
        self._known = tuple(one for one in known if one.by_address or not self.scope.anew)
        own = (self.scope.index_url.rstrip("/"),) if self.scope.index_url else find_indexes(os.environ)
        of_project = () if self.scope.index_url or not self.scope.is_project else tuple(self._indexes_of_project())
        self._indexes = (*own, *of_project)
        has_lock = self.scope.lock is not None and not self.scope.anew
        self._stated = (
            read_stated(self.scope.base, [one.file for one in read_adopted(self.scope.folder)])
            if self.scope.is_project and not has_lock
            else Stated()
        )
        self.notes.extend(self._stated.notes)

    def find(self) -> tuple[LookedAt, ...]:
        """Return all sdists that would be built, each of them read; raise TorchgraftError if nobody can say which."""
        scope = self.scope
        self._note_folders()
        if scope.lock is not None and not scope.anew:
            wanted = read_locked_sdists(scope.lock, _take_python_of(scope.base))
            for source in read_address_sources(scope.lock):
                self._look_at_source(source)
        elif scope.deep:
            wanted = self._resolved()
        else:
            return tuple(self._without_faults(self._look_at_named, scope.requirements))
        return tuple(self._without_faults(self._look_at, (*wanted, *self._addressed)))

    def _without_faults(self, look_at: Callable[[Any], LookedAt], wanted: Iterable[Any]) -> Iterator[LookedAt]:
        for one in wanted:
            try:
                yield look_at(one)
            except TorchgraftError as error:
                self.faults.append(error)

    def _note_folders(self) -> None:
        """Note the local projects that need torch: these are somebody's own, and changed where they are."""
        own = (self.scope.base,) if self.scope.is_project else ()
        for folder in (*own, *(read_local_folders(self.scope.lock) if self.scope.lock else ())):
            self._note_folder(folder)

    def _note_folder(self, folder: Path) -> None:
        if folder.is_dir() and plan_adoption(read_adoptable(folder)).verdict is Advice.ADOPT:
            place = os.path.relpath(folder)
            self.notes.append(f"{place} needs torch for its build, too: torchgraft adopt {quoted(place)} --write")

    def _look_at_source(self, source: AddressSource) -> Path | None:
        """Return the files of what comes from an address; note it if it needs torch, or cannot be had."""
        if source not in self._trees:
            self._trees[source] = self._tree_at(source)
        return self._trees[source]

    def _tree_at(self, source: AddressSource) -> Path | None:
        own = Path(local_path(source.url))
        if not source.is_git and own.is_dir():
            self._note_folder(own)
            return own
        sdist, why = sdist_of(source), ""
        if sdist and self._can_be_another(sdist):
            try:
                tree = self._tree(self._look_at(sdist))
            except TorchgraftError as error:
                problem = error.problems[0]
                why = "; ".join(e.text for e in problem.evidence) or problem.headline
            else:
                self._addressed.append(sdist)
                return tree
        folder = self.scratch / "addresses" / str(len(self._trees))
        found = fetch_source(source, folder, lambda url, at: fetch_archive(url, at / "archive", self._indexes))
        adoption = plan_adoption(read_adoptable(found)) if found else None
        if adoption is None or adoption.verdict is Advice.ADOPT:
            reason = why or (adoption.reason if adoption else "it cannot be looked at")
            self.notes.append(source_text(source, reason))
        return found

    def _can_be_another(self, sdist: NamedSdist) -> bool:
        """Return whether a front end can be told of another one: poetry takes no second place, uv.toml no sources."""
        base, files = self.scope.base, self.scope.files
        if not files and ("poetry" in table(read_pyproject(base), "tool") or (base / "uv.toml").is_file()):
            return False
        own = (base / name for name in ("pyproject.toml", "pixi.toml", "pylock.toml"))
        return any(sdist.file in read_text(file, _LARGEST_BYTES) for file in files or own)

    def _resolved(self) -> tuple[NamedSdist, ...]:
        preferred = ((one.name, one.version) for one in self._known)
        resolver = Resolver(self.scope.base, self.scratch, self._variables(), preferred)
        common = tuple(self._options())
        try:
            found = dict(self._ask(resolver, (*self._stated.everything, *common)))
        except ActError:
            if not self._stated.pieces:
                raise
            found = {key: one for piece in self._stated.pieces for key, one in self._ask(resolver, (*piece, *common))}
        return tuple(found.values())

    def _ask(self, resolver: Resolver, question: tuple[str, ...]) -> Iterator[tuple[tuple[str, str], NamedSdist]]:
        """Yield the sdists of uv's answer, with name and version."""
        while not isinstance(answer := resolver.resolve(question), Path):
            # What cannot be had is taken to require nothing: a note says so.
            if isinstance(answer, NamedSdist):
                tree: Path | None = self._tree(self._look_at(answer))
            else:
                tree = self._look_at_source(answer)
            resolver.give(answer, tree or self.scratch)
        for source in read_address_sources(answer):
            self._look_at_source(source)
        for one in (*resolver.given, *read_locked_sdists(answer, None, named=self.scope.named)):
            yield (one.name, one.version), one

    def _options(self) -> Iterator[str]:
        """Yield what uv is asked besides what a project states, in its own words."""
        scope = self.scope
        before = read_adopted(scope.folder) if scope.is_project else ()
        if before:
            # What was adopted is to be found as if it had not been: uv would have to build that, too.
            settings = self.scratch / "uv.toml"
            names = ("uv.toml", "pyproject.toml")
            text = next(filter(None, (read_text(scope.base / name, _LARGEST_BYTES) for name in names)), "")
            place = os.path.relpath(scope.folder, scope.base).replace(os.sep, "/")
            settings.write_text(uv_settings_text(text, place, scope.base.resolve().as_uri()), encoding="utf-8")
            yield from ("--config-file", str(settings))
            yield from (f"--no-sources-package={one.name}" for one in before if not one.by_address)
        yield from (str(self._with_names(file)) for file in scope.files)
        if scope.requirements or self._stated.lines:
            listed = self.scratch / "requirements.in"
            lines = (*scope.requirements, *self._stated.lines)
            listed.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
            yield str(listed)
        if self._asks_ours and not self._indexes:
            yield "--no-index"

    def _with_names(self, file: Path) -> Path:
        """Return a requirements file in which local folders have their names: to know one, uv would build it."""
        lines = read_text(file, _LARGEST_BYTES).splitlines()
        named = [_with_name(line, file.parent.resolve()) for line in lines]
        if not any(" @ file:" in line or line.startswith("#") for line in set(named) - set(lines)):
            return file
        copy = self.scratch / f"{self.scope.files.index(file)}-{file.name}"
        copy.write_text("\n".join(named), encoding="utf-8")
        return copy

    @property
    def _asks_ours(self) -> bool:
        """Whether uv is told which indexes: where no project says so, those of pip count too."""
        return bool(self.scope.index_url or self.scope.requirements or self.scope.files or self._stated.lines)

    def _variables(self) -> Mapping[str, str]:
        """Return variables for uv; an address may hold a password, which everybody would see on a command line."""
        if not self._asks_ours or not self._indexes:
            return os.environ
        main, *others = self._indexes
        taken = {key: value for key, value in os.environ.items() if key not in {"UV_INDEX_URL", "UV_EXTRA_INDEX_URL"}}
        # pip prefers the index of a requirements file to its settings, and uv the other way round.
        is_in_file = not self.scope.index_url and read_nested(self.scope)[1]
        return {**taken, **({} if is_in_file else {"UV_DEFAULT_INDEX": main}), "UV_INDEX": " ".join(others)}

    def _indexes_of_project(self) -> Iterator[str]:
        data = read_pyproject(self.scope.base)
        keys = (("uv", "index"), ("poetry", "source"), ("pdm", "source"))
        for kind, one in ((tool, one) for tool, key in keys for one in tables(table(data, "tool", tool).get(key))):
            url = text_of(one.get("url")) or ""
            url = os.path.expandvars(url) if kind == "pdm" else url  # as pdm does
            if "://" in url and one.get("format") != "flat":
                yield index_address(url, text_of(one.get("name")) or "", os.environ)

    def _look_at_named(self, requirement: Requirement) -> LookedAt:
        print(f"asking for {requirement}", file=sys.stderr)
        name = canonicalize_name(requirement.name)
        path = download_sdist(requirement, self._indexes, self._folder_for(name))
        return self._read(NamedSdist(name=name, version=str(sdist_version(path.name, name)), file=path.name), path)

    def _look_at(self, sdist: NamedSdist) -> LookedAt:
        key = (sdist.name, sdist.version)
        if key not in self._looked:
            before = self._before(sdist)
            sdist = sdist if before else self._original(sdist)
            path = self.scope.folder / before.file if before else self._fetch(sdist)
            self._looked[key] = LookedAt(sdist=sdist, path=path, adopted=before) if before else self._read(sdist, path)
        return self._looked[key]

    def _before(self, sdist: NamedSdist) -> AdoptedSdist | None:
        """Return what was made of an sdist before, if it is there and was made of that very one."""
        own = Path(local_path(sdist.url)).parent if sdist.url.startswith("file:") else None
        for one in self._known:
            same = (one.name, one.version) == (sdist.name, sdist.version) and is_intact(self.scope.folder, one)
            if same and (own == self.scope.folder.resolve() or sdist.sha256 in {"", one.origin, one.sha256}):
                return one
        return None

    def _original(self, sdist: NamedSdist) -> NamedSdist:
        """Return the sdist that an adopted one was made of which a lock names, and which is not there any more."""
        own = sdist.url.startswith("file:") and Path(local_path(sdist.url)).parent == self.scope.folder.resolve()
        origins = (one.origin for one in self._known if one.file == sdist.file and (own or one.sha256 == sdist.sha256))
        origin = next(origins, "" if own else sdist.sha256)
        return replace(sdist, url="" if own else sdist.url, sha256=origin)

    def _fetch(self, sdist: NamedSdist) -> Path:
        folder = self._folder_for(f"{sdist.name}-{sdist.version}")
        host = split_address(sdist.url).netloc.rpartition("@")[2] or "the index"
        print(f"downloading {sdist.name} {sdist.version} from {host}", file=sys.stderr)
        if sdist.url and (sdist.sha256 or sdist.by_address):
            return fetch_archive(sdist.url, folder / sdist.file, self._indexes, sha256=sdist.sha256 or None)
        requirement = Requirement(f"{sdist.name}=={sdist.version}")
        return download_sdist(requirement, self._indexes, folder, sha256=sdist.sha256)

    def _folder_for(self, name: str) -> Path:
        folder = self.scratch / "sdists" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _tree(self, looked: LookedAt) -> Path:
        folder = looked.path.parent if looked.adopted is None else self._folder_for(looked.sdist.name)
        tree = folder / f"tree-{looked.sdist.version}"
        found = next(iter(tree.glob("*/PKG-INFO")), None)
        return found.parent if found else unpack_sdist(looked.path, tree)

    def _read(self, sdist: NamedSdist, path: Path) -> LookedAt:
        found = read_adoptable(self._tree(LookedAt(sdist=sdist, path=path)))
        adoption = plan_adoption(found, force=self.scope.force and sdist.name in self.scope.named)
        return LookedAt(sdist=sdist, path=path, found=found, adoption=adoption)
