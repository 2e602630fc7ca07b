"""Installed distributions: which there are, and what has to be linked to import one.

May not import any of them.
"""

from __future__ import annotations

import ast
import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution as Metadata
from importlib.metadata import DistributionFinder, MetadataPathFinder
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ..model import Distribution, Link, Python

_SUFFIXES = (".dist-info", ".egg-info")
_NEVER_LINKED = frozenset({"__pycache__", "bin", "..", ""})
_LARGEST_FINDER_BYTES = 1_000_000


def list_distributions(search_path: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return normalised names and versions of all distributions on a path, the first of each name, sorted.

    The names of the metadata folders tell both: parsing every METADATA would cost 1 ms each.
    """
    found: dict[str, str] = {}
    for folder in search_path:
        for entry in _entries(folder):
            stem, suffix = os.path.splitext(entry)
            if suffix in _SUFFIXES and "-" in stem:
                name, _, version = stem.partition("-")
                # An egg-info name goes on with the version of Python: foo-1.0-py3.11.egg-info
                found.setdefault(canonicalize_name(name), version.partition("-py")[0])
    return tuple(sorted(found.items()))


def find_distribution(search_path: tuple[str, ...], name: str) -> Metadata | None:
    """Return the metadata of the first distribution of that name on a path."""
    context = DistributionFinder.Context(name=name, path=list(search_path))
    return next(iter(MetadataPathFinder.find_distributions(context)), None)


def find_editable_packages(search_path: tuple[str, ...]) -> dict[str, tuple[Path, ...]]:
    """Return the folders of packages that setuptools installed as editable through an import finder, by name.

    The table stands as a literal in `__editable___NAME_VERSION_finder.py`; the finder itself is never run.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for folder in search_path:
        for entry in _entries(folder):
            if entry.startswith("__editable___") and entry.endswith("_finder.py"):
                for name, target in _finder_mapping(Path(folder) / entry).items():
                    found[name] = (*found.get(name, ()), Path(target))
    return found


def read_distributions(
    search_path: tuple[str, ...], wanted: tuple[str, ...], *, python: Python
) -> tuple[Distribution, ...]:
    """Return those of `wanted` that are on a path with the closure of their requirements, and what to link of each."""
    seen: dict[str, _Installed | None] = {}
    queue = [canonicalize_name(name) for name in wanted]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        metadata = find_distribution(search_path, name)
        seen[name] = None if metadata is None else _read_installed(name, metadata)
        if metadata is not None:
            queue += _required(metadata, python)
    installed = [item for item in seen.values() if item is not None]
    editable = find_editable_packages(search_path)
    shared = {top for top, count in Counter(top for item in installed for top in item.tops).items() if count > 1}
    return tuple(
        sorted(
            (
                Distribution(name=item.name, version=item.version, links=_links(item, shared, editable))
                for item in installed
            ),
            key=lambda distribution: distribution.name,
        )
    )


@dataclass(frozen=True, kw_only=True)
class _Installed:
    """One distribution: `site` is the folder it is imported from, `files` are relative to it."""

    name: str
    version: str
    site: Path
    information: Path
    files: tuple[str, ...]

    @property
    def tops(self) -> frozenset[str]:
        return frozenset(file.partition("/")[0] for file in self.files)


def _read_installed(name: str, metadata: Metadata) -> _Installed | None:
    information = getattr(metadata, "_path", None)
    if not isinstance(information, Path):
        return None  # in a zip file: nothing can be linked from there
    return _Installed(
        name=name,
        version=_version(metadata, information),
        site=information.parent,
        information=information,
        files=_files(name, metadata, information),
    )


def _version(metadata: Metadata, information: Path) -> str:
    try:
        version: str | None = metadata.version
    except (KeyError, TypeError, ValueError):
        version = None
    return version or information.stem.partition("-")[2] or "0"


def _required(metadata: Metadata, python: Python) -> list[str]:
    environment = {"extra": "", "python_version": python.minor_version, "python_full_version": python.version}
    names = []
    try:
        texts = metadata.requires or []
    except (OSError, ValueError):
        return []
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate(environment):
            names.append(canonicalize_name(requirement.name))
    return names


def _files(name: str, metadata: Metadata, information: Path) -> tuple[str, ...]:
    """Return the importable files, or names to be linked whole where no list of files says more."""
    record = _text(metadata, "RECORD")
    if record:
        return tuple(path for path in _record_paths(record) if path.partition("/")[0] not in _NEVER_LINKED)
    listed = _text(metadata, "installed-files.txt")
    if listed:
        # Relative to the egg-info folder itself.
        return tuple(
            line[3:] for line in listed.splitlines() if line.startswith("../") and not line.startswith("../..")
        )
    tops = [line.strip() for line in _text(metadata, "top_level.txt").splitlines() if line.strip()]
    candidates = tops or [name.replace("-", "_"), name]
    site = information.parent
    return tuple(
        entry
        for top in dict.fromkeys(candidates)
        for entry in (top, f"{top}.py")
        if top not in _NEVER_LINKED and (site / entry).exists()
    )


def _text(metadata: Metadata, name: str) -> str:
    try:
        return metadata.read_text(name) or ""
    except (OSError, ValueError):
        return ""


def _record_paths(record: str) -> Iterable[str]:
    """Return the paths of a RECORD. torch's has 15,000 lines; csv is for the few that need it."""
    for line in record.splitlines():
        if line.startswith('"'):
            try:
                yield next(csv.reader([line]))[0]
            except (csv.Error, StopIteration, IndexError):
                continue
        else:
            yield line.partition(",")[0]


def _links(item: _Installed, shared: set[str], editable: Mapping[str, tuple[Path, ...]]) -> tuple[Link, ...]:
    names: set[str] = set()
    for file in item.files:
        top, slash, rest = file.partition("/")
        if top in names or top.endswith((".pth", ".dist-info", ".egg-info", ".data")):
            continue
        if top.startswith("__editable__"):
            continue
        if not slash or (top not in shared and not _is_namespace(item.site / top)):
            names.add(top)
        else:
            child = rest.partition("/")[0]
            if child != "__pycache__":
                names.add(f"{top}/{child}")
    links = {name: item.site / name for name in names}
    if not links:
        # An editable installation: its files are in a source tree that the finder names.
        links = {name: folders[0] for name, folders in editable.items() if _belongs(name, item)}
    links[item.information.name] = item.information
    return tuple(Link(name=name, target=str(links[name])) for name in sorted(links) if links[name].exists())


def _belongs(package: str, item: _Installed) -> bool:
    tops = {line.strip() for line in _top_level(item.information)}
    return package in tops or canonicalize_name(package) == item.name


def _top_level(information: Path) -> list[str]:
    try:
        return (information / "top_level.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _is_namespace(folder: Path) -> bool:
    return folder.is_dir() and not (folder / "__init__.py").exists() and folder.suffix != ".libs"


def _finder_mapping(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            tree = ast.parse(file.read(_LARGEST_FINDER_BYTES))
        for statement in tree.body:
            if isinstance(statement, ast.AnnAssign):
                target = statement.target
            elif isinstance(statement, ast.Assign):
                target = statement.targets[0]
            else:
                continue
            if isinstance(target, ast.Name) and target.id == "MAPPING" and statement.value is not None:
                mapping = ast.literal_eval(statement.value)
                return {k: v for k, v in mapping.items() if isinstance(k, str) and isinstance(v, str)}
    except (OSError, ValueError, SyntaxError, AttributeError, RecursionError, MemoryError):
        pass
    return {}


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
