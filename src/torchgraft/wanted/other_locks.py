"""What a pylock.toml (PEP 751), a poetry.lock and a pdm.lock say of torch.

May not look for the file. pylock.toml is read plainly, and not with `packaging.pylock`: that came with packaging 26,
and refuses a whole file for one entry that is not about torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ..installed.markers import Chosen, marker_holds, torch_version_in
from ..model.observation import Python
from ..untrusted import strings, table, tables, text_of
from .locked_torch import (
    LockedDependency,
    LockedPackage,
    LockError,
    ReadLock,
    check_format,
    file_url,
    locked_wheels,
    most_common,
    read_by_markers,
    takes_python,
)

_PYLOCK_CHOICE = "extras and groups of the command decide"
_POETRY_CHOICE = "the lock has no marker that decides (poetry 2 writes them), or extras of the command do (--extras)"
_PDM_CHOICE = "the lock has no marker that decides"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*(?:;(.*))?")


def _packages(
    items: list[Mapping[str, Any]],
    markers: Callable[[Mapping[str, Any]], tuple[str, ...]],
    torch: Callable[[LockedPackage, Mapping[str, Any]], LockedPackage],
) -> tuple[LockedPackage, ...]:
    """Return the packages of a lock, one of whose markers each has to hold; `torch` fills in where that one is from."""
    packages = []
    for item in items:
        package = LockedPackage(
            name=canonicalize_name(text_of(item.get("name")) or ""),
            version=text_of(item.get("version")),
            markers=markers(item),
            groups=strings(item.get("groups")),
            dependencies=tuple(_dependencies(item.get("dependencies"))) if "dependencies" in item else None,
        )
        packages.append(torch(package, item) if package.name == "torch" else package)
    return tuple(packages)


def _dependencies(edges: object) -> Iterator[LockedDependency]:
    """Yield what a package requires: tables (pylock.toml), texts (pdm), or one table by name (poetry)."""
    for key, edge in table(edges).items():
        yield LockedDependency(name=canonicalize_name(str(key)), marker=text_of(table(edge).get("markers")))
    for edge in tables(edges):
        if name := text_of(edge.get("name")):
            yield LockedDependency(name=canonicalize_name(name), marker=text_of(edge.get("marker")))
    for text in strings(edges):
        if match := _REQUIREMENT.fullmatch(text):
            yield LockedDependency(name=canonicalize_name(match[1]), marker=(match[2] or "").strip() or None)


def _with_default_groups(chosen: Chosen, packages: Iterable[LockedPackage], optional: Iterable[str]) -> Chosen:
    """Return what a command installs, with the groups of which it need not speak: all that are not optional."""
    if not chosen.default_groups:
        return chosen
    named = {canonicalize_name(group) for package in packages for group in package.groups}
    return replace(chosen, groups=chosen.groups | (named - set(map(canonicalize_name, optional))))


def _marker(item: Mapping[str, Any]) -> tuple[str, ...]:
    marker = text_of(item.get("marker"))
    return (marker,) if marker else ()


def read_pylock(data: Mapping[str, Any], *, folder: Path, python: Python, chosen: Chosen) -> ReadLock:
    """Return the packages, and the torch that is installed; raise LockError if that cannot be told, or not here."""
    check_format(data.get("lock-version"), known=(1,))
    defaults = {canonicalize_name(name) for name in strings(data.get("default-groups"))}
    chosen = replace(chosen, groups=chosen.groups | defaults)
    environments = strings(data.get("environments"))
    if environments and not any(marker_holds(marker, python) for marker in environments):
        raise LockError("it is for other environments than this interpreter and platform")
    if not takes_python(text_of(data.get("requires-python")), python):
        raise LockError(f"it is for Python {str(data.get('requires-python'))[:40]}")
    packages = pylock_packages(data, folder=folder)
    return read_by_markers(packages, python, chosen, _PYLOCK_CHOICE)


def pylock_packages(data: Mapping[str, Any], *, folder: Path) -> tuple[LockedPackage, ...]:
    """Return all packages of a pylock.toml."""
    items = tables(data.get("packages"))
    # The file does not say which index is the default: it is that of most packages.
    others = (item for item in items if canonicalize_name(text_of(item.get("name")) or "") != "torch")
    default = most_common(index for item in others if (index := text_of(item.get("index"))))
    return _packages(items, _marker, lambda package, item: _in_pylock(package, item, folder, default))


def _in_pylock(package: LockedPackage, item: Mapping[str, Any], folder: Path, default: str | None) -> LockedPackage:
    package = replace(package, requires_python=text_of(item.get("requires-python")))
    if vcs := table(item.get("vcs")):
        return package.built_from("vcs", text_of(vcs.get("url")) or text_of(vcs.get("path")) or "a repository")
    if directory := table(item.get("directory")):
        return package.built_from("directory", text_of(directory.get("path")) or "a folder")
    archive = table(item.get("archive"))
    # Where both are given, the path is tried first (PEP 751, packages.wheels.path).
    listed = [archive] if archive else tables(item.get("wheels"))
    wheels = locked_wheels(listed, "path", "url", folder=folder, hashes="hashes")
    if archive:
        version = torch_version_in(wheels[0].url) if wheels else None
        if version is None:
            return replace(package, origin="archive", obstacle="is an archive and not a wheel")
        return replace(package.in_wheel(wheels[0].url, wheels[0].url, wheels), version=version)
    index = text_of(item.get("index"))
    # Without `index` (pip and pdm write none) only the URL is certain.
    by_version = index is not None and index == default and bool(package.version) and "+" not in str(package.version)
    return replace(package, origin=index or "its URL", wheels=wheels, by_version=by_version)


def read_poetry_lock(
    data: Mapping[str, Any], *, folder: Path, settings: Mapping[str, Any], python: Python, chosen: Chosen
) -> ReadLock:
    """Return the packages, and the torch among them that is installed.

    :param settings: `[tool.poetry]` of the project: which sources are explicit
    :raises LockError: if it cannot be read
    """
    check_format(table(data.get("metadata")).get("lock-version"), known=(1, 2))
    packages = poetry_packages(data, folder=folder, settings=settings)
    groups = table(settings.get("group"))
    optional = (name for name, group in groups.items() if table(group).get("optional") is True)
    return read_by_markers(packages, python, _with_default_groups(chosen, packages, optional), _POETRY_CHOICE)


def poetry_packages(data: Mapping[str, Any], *, folder: Path, settings: Mapping[str, Any]) -> tuple[LockedPackage, ...]:
    """Return all packages of a poetry.lock."""
    # Format 1 has all files in a table of its own.
    files = table(table(data.get("metadata")).get("files")).get("torch")
    explicit = {
        text_of(source.get("name"))
        for source in tables(settings.get("source"))
        if str(source.get("priority")).lower() == "explicit"
    }
    return _packages(
        tables(data.get("package")),
        _poetry_markers,
        lambda package, item: _in_poetry(package, item, folder, files, explicit),
    )


def _poetry_markers(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one marker for the package, or one for each dependency group that has any; none if one group has none."""
    markers = item.get("markers")
    if not isinstance(markers, dict):
        return (text,) if (text := text_of(markers)) else ()
    texts = tuple(text for marker in markers.values() if (text := text_of(marker)))
    groups = item.get("groups")
    has_all = len(texts) == len(markers) and not (isinstance(groups, list) and len(groups) > len(markers))
    return texts if has_all else ()


def _in_poetry(
    package: LockedPackage, item: Mapping[str, Any], folder: Path, files: object, explicit: set[str | None]
) -> LockedPackage:
    """Return the package with where it is taken from.

    Poetry locks names and hashes of files, never their URLs: where torch comes from a source that builds do not see,
    there is nothing that a build could require.
    """
    wheels = locked_wheels(tables(item.get("files")) or tables(files), "url", "file", folder=folder)
    source = table(item.get("source"))
    kind = text_of(source.get("type")) or "default"
    url = text_of(source.get("url")) or ""
    if kind in ("url", "file"):
        return package.in_wheel(url, file_url(folder, url) if kind == "file" else url, wheels)
    if kind in ("git", "directory"):
        return package.built_from(kind, url, f"the {kind}")
    name = text_of(source.get("reference"))
    if name in explicit and name is not None:
        what = f"is from the explicit source {name[:60]}, which builds do not see, and the lock has no URLs"
        return replace(package, origin=name, obstacle=what)
    # Poetry resolves the requirements of a build with all of the project's sources but the explicit ones.
    return replace(package, origin=name or "the default index", wheels=wheels, by_version=True)


def read_pdm_lock(
    data: Mapping[str, Any], *, folder: Path, project: Mapping[str, Any], python: Python, chosen: Chosen
) -> ReadLock:
    """Return the packages, and the torch among them that is installed.

    :param project: `[project]` of the project: what is not installed unless a command says so
    :raises LockError: if it cannot be read
    """
    check_format(table(data.get("metadata")).get("lock_version"), known=(4,))
    packages = pdm_packages(data, folder=folder)
    optional = table(project.get("optional-dependencies"))
    return read_by_markers(packages, python, _with_default_groups(chosen, packages, optional), _PDM_CHOICE)


def pdm_packages(data: Mapping[str, Any], *, folder: Path) -> tuple[LockedPackage, ...]:
    """Return all packages of a pdm.lock."""
    # torch[extra] has an entry of its own, with the same files.
    items = [item for item in tables(data.get("package")) if not item.get("extras")]
    return _packages(items, _marker, lambda package, item: _in_pdm(package, item, folder))


def _in_pdm(package: LockedPackage, item: Mapping[str, Any], folder: Path) -> LockedPackage:
    wheels = locked_wheels(tables(item.get("files")), "url", "file", folder=folder)
    if place := text_of(item.get("git")):
        return package.built_from("git", place, "the git repository")
    url, path = text_of(item.get("url")), text_of(item.get("path"))
    if place := url or path:
        if torch_version_in(place) is None:
            return package.built_from("path", place)
        return package.in_wheel(place, url or file_url(folder, place), wheels)
    # With the strategy static_urls the URLs are there. Without it, pdm resolves the requirements of a build with
    # the very sources of the project.
    has_urls = any("://" in wheel.url for wheel in wheels)
    return replace(package, origin="the project's sources", wheels=wheels, by_version=not has_urls)
