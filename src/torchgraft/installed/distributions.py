"""Installed distributions: which there are, and what has to be linked to import one, an editable one included.

May not import any of them, nor know how an editable one is found: see `editable`.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ..files import is_file, is_folder, names_in
from ..model.observation import Distribution, Link, Python
from ..model.torch_values import requirement_of
from ..untrusted import parse_requirement
from ..values import dataclass
from .dist_info import (
    Installed,
    MetadataHeader,
    choose_installed,
    find_installed,
    is_plain,
    module_files,
    read_files,
    read_source,
    top_level_names,
    version_of,
)
from .markers import applies

_NEVER_LINKED = frozenset({"__pycache__", "bin"})
_METADATA_SUFFIXES = (".dist-info", ".egg-info", ".data")
_ONLY_WITH_EXTRA = r"""\bextra\s*==\s*['"]([^'"]*)['"]\s*$"""
_IN_PARENTHESES = r"\([^()]*\)"
_OF_EDITABLE = r"__editable__|_editable_|_.*_editable\.py\Z"
_IMPORTABLE_SUFFIXES = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib")


def list_distributions(search_path: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return normalised names and versions of all distributions on a path, the first of each name, sorted.

    The names of the metadata folders tell both; only those that `setup.py develop` made have to be opened.
    """
    return tuple((name, version_of(found[0])) for name, found in sorted(find_installed(search_path).items()))


def find_unmet(search_path: tuple[str, ...], requirements: Iterable[str], *, python: Python) -> tuple[str, ...]:
    """Return the names of what is required and not installed, or in another version, each once, in their order."""
    there = find_installed(search_path)
    unmet: dict[str, None] = {}
    for requirement in filter(None, map(requirement_of, requirements)):
        name = str(canonicalize_name(requirement.name))
        version = version_of(there[name][0]) if name in there else None
        is_met = version is not None and requirement.specifier.contains(version, prereleases=True)
        if not is_met and applies(requirement, python):
            unmet[name] = None
    return tuple(unmet)


def read_distributions(
    search_path: tuple[str, ...], wanted: tuple[str, ...], *, python: Python
) -> tuple[Distribution, ...]:
    """Return those of `wanted` that are on a path, with the closure of their requirements, and what to link of each.

    Sorted by name. What is not installed is left out: it cannot have been needed there.
    """
    there = find_installed(search_path)
    contents = [_read_content(installed, header) for installed, header in _closure(there, wanted, python)]
    counts = Counter(top for content in contents for top in content.tops)
    shared = {top for top, count in counts.items() if count > 1}
    return tuple(
        Distribution(
            name=content.installed.name,
            version=content.version,
            links=tuple(_links(content, shared)),
            source=read_source(content.installed),
        )
        for content in sorted(contents, key=lambda content: content.installed.name)
    )


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What one distribution put into its site folder.

    `files` is None where it has no list of them; then `tops`, the names in that folder, were found by guessing.
    `elsewhere` are the links of an editable installation. A package may be in two places: scikit-build-core leaves its
    modules in the source tree, and installs what it compiles, or keeps that in a folder of its own (`compiled`).
    """

    installed: Installed
    version: str
    tops: frozenset[str]
    files: tuple[str, ...] | None
    elsewhere: Mapping[str, Path] = field(default_factory=dict)
    compiled: Mapping[str, Path] = field(default_factory=dict)


def _closure(
    there: Mapping[str, tuple[Installed, ...]], wanted: Iterable[str], python: Python
) -> Iterable[tuple[Installed, MetadataHeader]]:
    """Return the wanted distributions and all that they require, extras included where a requirement names them."""
    chosen: dict[str, tuple[Installed, MetadataHeader]] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(str(canonicalize_name(name)), "") for name in wanted]
    while queue:
        name, extra = queue.pop()
        if (name, extra) in seen or name not in there:
            continue
        seen.add((name, extra))
        if name not in chosen:
            installed, header = choose_installed(there[name])
            chosen[name] = (installed, header or MetadataHeader())
        for requirement in _requirements(chosen[name][1], extra):
            if applies(requirement, python, extra=extra):
                queue += [
                    (str(canonicalize_name(requirement.name)), e)
                    for e in ("", *map(canonicalize_name, requirement.extras))
                ]
    return chosen.values()


def _requirements(header: MetadataHeader, extra: str) -> Iterator[Requirement]:
    """Yield the requirements that may apply with an extra; nine in ten are of other extras, and are not parsed."""
    for text in header.requires:
        # cuda-toolkit has 59 lines, each with a choice of platforms in parentheses, and is asked for eleven extras.
        plain = re.sub(_IN_PARENTHESES, "", text)
        only = re.search(_ONLY_WITH_EXTRA, plain)
        if only is None or " or " in plain or canonicalize_name(only[1]) == extra:
            with contextlib.suppress(InvalidRequirement, ValueError, RecursionError):
                yield parse_requirement(text)


def _read_content(installed: Installed, header: MetadataHeader) -> _Content:
    files = read_files(installed)
    modules = {file for file in files or () if "/" not in file}
    tops = {file.partition("/")[0] for file in files or ()}
    tops = {top for top in tops if _is_linked(top, is_file=top in modules)}
    # A package in the site folder is the one that is imported, a folder without __init__ only if there is no other.
    whole = {top for top in tops if (installed.site / top).exists() and not _is_namespace(installed.site / top)}
    elsewhere: Mapping[str, Path] = {}
    compiled: Mapping[str, Path] = {}
    if whole != tops or not tops:
        from .editable import compiled_folders, editable_targets  # few are

        targets = editable_targets(installed, files)
        elsewhere = {name: path for name, path in targets.items() if name not in whole}
        compiled = compiled_folders(installed, files) if elsewhere else {}
        if not tops and not elsewhere:
            files, tops = None, set(_guessed_tops(installed))
    return _Content(
        installed=installed,
        version=header.version or version_of(installed),
        tops=frozenset(tops),
        files=files,
        elsewhere=elsewhere,
        compiled=compiled,
    )


def _is_linked(top: str, *, is_file: bool) -> bool:
    """Return whether an entry of a site folder can be of use to an import: a folder, or a module."""
    if top in _NEVER_LINKED or not is_plain(top) or re.match(_OF_EDITABLE, top) or top.endswith(_METADATA_SUFFIXES):
        return False
    return top.endswith(_IMPORTABLE_SUFFIXES) or ".so." in top or not is_file


def _guessed_tops(installed: Installed) -> Iterator[str]:
    """Yield what is in the site folder of a distribution that lists no modules (Debian, conda, links made by flit)."""
    site = installed.site
    for name in top_level_names(installed):
        if name not in _NEVER_LINKED:
            yield from (folder for folder in (name, f"{name}.libs") if is_folder(site / folder))
            yield from module_files(site, name)


def _links(content: _Content, shared: set[str]) -> Iterator[Link]:
    """Yield the links of a distribution, sorted by name: only to what exists."""
    installed = content.installed
    here = content.tops - content.elsewhere.keys()
    targets = {name: installed.site / name for top in here for name in _names(top, content, shared)}
    for name, path in content.elsewhere.items():
        second = installed.site / name if name in content.tops else content.compiled.get(name)
        targets.update(_united(name, path, second) if second else [(name, path)])
    targets.update(_information(installed))
    for name, target in sorted(targets.items()):
        if is_file(target) or is_folder(target):
            yield Link(name=name, target=str(target))


def _information(installed: Installed) -> Mapping[str, Path]:
    """Return the links to metadata, all of which setuptools reads: at a pipe that stands among them it would wait."""
    folder = installed.information
    files = {name: folder / name for name in names_in(folder)}
    usable = {
        f"{installed.entry}/{name}": path
        for name, path in files.items()
        if is_plain(name) and (is_file(path) or is_folder(path))
    }
    return {installed.entry: folder} if len(usable) == len(files) else usable


def _united(name: str, first: Path, second: Path) -> Iterator[tuple[str, Path]]:
    """Yield links that make one folder of two; a name that both have is that of the first, unless it is a folder."""
    own = names_in(first)
    for child in dict.fromkeys([*own, *names_in(second)]):
        folder = first / child
        if is_folder(folder) and is_folder(second / child) and not folder.is_symlink():
            yield from _united(f"{name}/{child}", folder, second / child)
        elif child != "__pycache__" and is_plain(child):
            yield f"{name}/{child}", folder if child in own else second / child


def _names(top: str, content: _Content, shared: set[str]) -> Iterable[str]:
    """Return the name of a top-level entry, or those of its children where other distributions are in it too."""
    folder = content.installed.site / top
    if not is_folder(folder) or not (top in shared or _is_namespace(folder)):
        return (top,)
    if content.files is None:
        children: Iterable[str] = names_in(folder)
    else:
        inside = f"{top}/"
        children = {file.split("/", 2)[1] for file in content.files if file.startswith(inside)}
    return [f"{top}/{child}" for child in children if child != "__pycache__" and is_plain(child)]


def _is_namespace(folder: Path) -> bool:
    """Return whether an import of this folder would look on in others: numpy.libs is no package at all."""
    return folder.name.isidentifier() and not any(name.startswith("__init__.") for name in names_in(folder))
