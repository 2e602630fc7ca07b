"""What a uv.lock says of torch.

May not look for the file. uv keeps one entry for each version and source; which of them a command installs is
decided by markers, and by the extras and groups on the way from the projects of the workspace to torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ..installed.markers import Chosen, marker_holds
from ..model.observation import Python
from ..redaction import without_credentials
from ..untrusted import strings, table, tables, text_of
from .locked_torch import (
    ANYTHING,
    LockedDependency,
    LockedPackage,
    ReadLock,
    applying_torch,
    check_format,
    file_url,
    local_path,
    locked_wheels,
    most_common,
)

_CHOICE = "extras and groups of the command decide (--extra, --group)"
# What uv sync installs where [tool.uv] default-groups does not say otherwise.
_DEFAULT_GROUPS = ("dev",)
_BUILT_FROM = {
    "git": "the git repository",
    "directory": "the folder",
    "editable": "the editable folder",
    "virtual": "the folder",
}


def read_uv_lock(
    data: Mapping[str, Any], *, folder: Path, settings: Mapping[str, Any], python: Python, chosen: Chosen
) -> ReadLock:
    """Return the packages, and the torch among them that is installed.

    :param settings: `[tool.uv]` of the workspace root (or its uv.toml): which indexes are not the default
    :raises LockError: if it cannot be read
    """
    check_format(data.get("version"), known=(1,))
    packages = uv_packages(data, folder=folder, settings=settings)
    manifest = table(data.get("manifest"))
    named = settings.get("default-groups")
    defaults = strings(named) if isinstance(named, list) else _DEFAULT_GROUPS
    defaults = defaults if chosen.default_groups else ()
    groups = chosen.groups | {canonicalize_name(name) for name in defaults}
    certain = replace(chosen, groups=groups - chosen.without_groups)
    fitting = applying_torch(packages, python, ANYTHING)
    asked = _reached(packages, manifest, python, certain)
    # As in `read_by_markers`.
    reached = asked or _reached(packages, manifest, python, ANYTHING)
    meant = fitting if reached is None else tuple(package for package in fitting if package in reached)
    return ReadLock(packages=packages, meant=meant, choice=_CHOICE, asked=asked is None or bool(asked))


def uv_packages(data: Mapping[str, Any], *, folder: Path, settings: Mapping[str, Any]) -> tuple[LockedPackage, ...]:
    """Return all packages of a uv.lock."""
    items = [item for item in tables(data.get("package")) if text_of(item.get("name"))]
    default = _default_registry(items, settings)
    return tuple(_package(item, folder, default) for item in items)


def _package(item: Mapping[str, Any], folder: Path, default: str | None) -> LockedPackage:
    edges = tuple(_dependencies(item))
    package = LockedPackage(
        name=canonicalize_name(item["name"]),
        version=text_of(item.get("version")),
        markers=strings(item.get("resolution-markers")),
        dependencies=edges if edges or "dependencies" in item else None,
        source=_source(item),
    )
    return _taken_from(package, item, folder, default) if package.name == "torch" else package


def _dependencies(item: Mapping[str, Any]) -> Iterator[LockedDependency]:
    yield from map(_dependency, tables(item.get("dependencies")))
    for name, edges in table(item.get("optional-dependencies")).items():
        yield from (replace(_dependency(edge), for_extra=canonicalize_name(name)) for edge in tables(edges))
    for name, edges in table(item.get("dev-dependencies")).items():
        yield from (replace(_dependency(edge), for_group=canonicalize_name(name)) for edge in tables(edges))


def _dependency(edge: Mapping[str, Any]) -> LockedDependency:
    return LockedDependency(
        name=canonicalize_name(text_of(edge.get("name")) or ""),
        marker=text_of(edge.get("marker")),
        extras=tuple(sorted(canonicalize_name(extra) for extra in strings(edge.get("extra")))),
        version=text_of(edge.get("version")),
        source=_source(edge),
    )


def _source(item: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, str(value)) for key, value in table(item.get("source")).items()))


def _reached(
    packages: tuple[LockedPackage, ...], manifest: Mapping[str, Any], python: Python, chosen: Chosen
) -> list[LockedPackage] | None:
    """Return the torch packages that the workspace depends on; None where it has no roots."""
    roots = _roots(packages, manifest)
    roots = [root for root in roots if root.name in chosen.projects] or roots
    names = _encoded(roots, chosen)
    waiting = [(root, tuple(sorted(filter(chosen.has_extra, _offered(root))))) for root in roots]
    # What a lock without projects (`uv lock --script`) starts from.
    needs = map(_dependency, tables(manifest.get("requirements")))
    needed = {need.name for need in needs if need.marker is None or marker_holds(need.marker, python)}
    waiting += [(package, ()) for package in packages if package.name in needed]
    if not waiting:
        return None
    by_name: dict[str, list[LockedPackage]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(package)
    # By identity: a package is a large value, and occurs once.
    seen: set[tuple[int, tuple[str, ...]]] = set()
    reached: dict[int, LockedPackage] = {}
    while waiting:
        package, extras = waiting.pop()
        if (id(package), extras) in seen:
            continue
        seen.add((id(package), extras))
        reached[id(package)] = package
        is_root = any(package is root for root in roots)
        for edge in package.dependencies or ():
            is_left_out = is_root and chosen.only_groups
            is_asked = not is_left_out and (edge.for_extra in extras if edge.for_extra else not edge.for_group)
            is_asked = is_asked or (is_root and bool(edge.for_group) and chosen.has_group(edge.for_group))
            if is_asked and (edge.marker is None or marker_holds(edge.marker, python, names)):
                targets = (target for target in by_name.get(edge.name, ()) if _is_meant(edge, target))
                waiting += [(target, edge.extras) for target in targets if target.applies(python, ANYTHING)]
    return [package for package in reached.values() if package.name == "torch"]


def _is_meant(edge: LockedDependency, package: LockedPackage) -> bool:
    """Return whether an edge points to a package: it names version and source only where several have the name."""
    return edge.version in {None, package.version} and edge.source in {(), package.source}


def _roots(packages: tuple[LockedPackage, ...], manifest: Mapping[str, Any]) -> list[LockedPackage]:
    members = {canonicalize_name(name) for name in strings(manifest.get("members"))}
    here = {(kind, ".") for kind in ("virtual", "editable", "directory")}
    return [package for package in packages if package.name in members or here & set(package.source)]


def _offered(root: LockedPackage) -> set[str]:
    """Return the extras that a project has."""
    return {edge.for_extra for edge in root.dependencies or () if edge.for_extra}


def _encoded(roots: list[LockedPackage], chosen: Chosen) -> Chosen:
    """Return the names under which conflicting extras and groups of the projects stand in markers.

    uv writes `extra == 'extra-3-app-cpu'` and `extra == 'group-3-app-dev'`: kind, length of the project's name, that
    name, and the extra's (uv-pypi-types, `conflicts.rs`).
    """
    extras = set(chosen.extras)
    for root in roots:
        prefix = f"{len(root.name)}-{root.name}"
        extras |= {f"extra-{prefix}-{name}" for name in filter(chosen.has_extra, chosen.extras | _offered(root))}
        extras |= {f"group-{prefix}-{name}" for name in chosen.groups}
        extras.add(f"project-{prefix}")
    return replace(chosen, extras=frozenset(extras), all_extras=False)


def _default_registry(items: list[Mapping[str, Any]], settings: Mapping[str, Any]) -> str | None:
    """Return the registry that a build's requirements are resolved on: a lock does not say which one that is.

    It is the one that the settings call the default; else one that they do not name at all, which then comes from the
    user's variables or is uv's own default. Where several are left, it is that of most packages.
    """
    indexes = tables(settings.get("index"))
    named = [item.get("url") for item in indexes if item.get("default") is True] or [settings.get("index-url")]
    if default := text_of(named[0]):
        return _same_url(default)
    others = {_same_url(url) for item in indexes if (url := text_of(item.get("url")))}
    others |= {_same_url(url) for key in ("extra-index-url", "find-links") for url in strings(settings.get(key))}
    found = [
        (_same_url(registry), canonicalize_name(item["name"]))
        for item in items
        if (registry := text_of(table(item.get("source")).get("registry")))
        and registry.startswith(("http://", "https://"))
        and _same_url(registry) not in others
    ]
    # Where torch alone has one, that is it; elsewhere torch does not count.
    return most_common(url for url, name in found if name != "torch") or most_common({url for url, _ in found})


def _same_url(url: str) -> str:
    # uv writes URLs without credentials into its lock.
    return without_credentials(url).rstrip("/")


def _taken_from(package: LockedPackage, item: Mapping[str, Any], folder: Path, default: str | None) -> LockedPackage:
    """Return the package with where its wheels are."""
    source = table(item.get("source"))
    for kind, what in _BUILT_FROM.items():
        if (place := text_of(source.get(kind))) is not None:
            return package.built_from(kind, place, what)
    listed = tables(item.get("wheels"))
    registry = text_of(source.get("registry"))
    if registry is not None:
        by_version = bool(package.version) and "+" not in str(package.version) and _same_url(registry) == default
        # Those of --find-links folders are relative to that folder, which is relative to the lock.
        wheels = locked_wheels(listed, "url", "path", folder=Path(folder, local_path(registry)))
        return replace(package, origin=registry, wheels=wheels, by_version=by_version)
    place = text_of(source.get("url")) or text_of(source.get("path"))
    if place is None:
        return replace(package, obstacle="does not say where it is taken from")
    hashes = locked_wheels(listed, "url", "filename", folder=folder)
    return package.in_wheel(place, file_url(folder, place) if "path" in source else place, hashes)
