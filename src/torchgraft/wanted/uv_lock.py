"""What a uv.lock says of torch.

May not look for the file. uv keeps one entry for each version and source; which of them a command installs is
decided by markers, and by the extras and groups on the way from the projects of the workspace to torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ..installed.markers import Chosen, marker_holds
from ..model.observation import Python
from ..redaction import without_credentials
from ..untrusted import strings, table, tables, text_of
from .locked_torch import LockedTorch, LockedWheel, LockError, check_format, digest_text, file_url, local_path, the_only

_CHOICE = "extras and groups of the command decide (--extra, --group)"
# What uv sync installs where [tool.uv] default-groups does not say otherwise.
_DEFAULT_GROUPS = ("dev",)


@dataclass(frozen=True, kw_only=True)
class _Package:
    """One `[[package]]`, by its place in the file."""

    place: int
    data: Mapping[str, Any]
    name: str


def find_in_uv_lock(
    data: Mapping[str, Any], *, folder: Path, settings: Mapping[str, Any], python: Python, chosen: Chosen
) -> LockedTorch:
    """Return the one entry for torch that is installed.

    :param folder: where the lock file is
    :param settings: `[tool.uv]` of the workspace root (or its uv.toml): which indexes are not the default
    :raises LockError: if none or several remain
    """
    check_format(data.get("version"), known=(1,))
    packages = [
        _Package(place=place, data=item, name=canonicalize_name(name))
        for place, item in enumerate(tables(data.get("package")))
        if (name := text_of(item.get("name")))
    ]
    every = [package for package in packages if package.name == "torch"]
    fitting = [package for package in every if _fits(package, python)]
    groups = settings.get("default-groups")
    defaults = strings(groups) if isinstance(groups, list) else _DEFAULT_GROUPS
    certain = replace(chosen, groups=chosen.groups | {canonicalize_name(name) for name in defaults})
    found = _reached(packages, data, python, certain)
    # An extra that nobody asked for is better than no answer, as long as there is only one torch that it can mean.
    found = found or _reached(packages, data, python, Chosen(anything=True))
    remaining = [package for package in fitting if found is None or package.place in found]
    default = _default_registry(packages, settings)
    return the_only([_entry(package, folder, default) for package in remaining], total=len(every), choice=_CHOICE)


def _fits(package: _Package, python: Python) -> bool:
    markers = strings(package.data.get("resolution-markers"))
    return not markers or any(marker_holds(marker, python, Chosen(anything=True)) for marker in markers)


def _reached(
    packages: list[_Package], data: Mapping[str, Any], python: Python, chosen: Chosen
) -> frozenset[int] | None:
    """Return the places of the torch packages that the workspace depends on; None where it has no roots."""
    roots = list(_roots(packages, table(data.get("manifest"))))
    names = _encoded(roots, chosen)
    waiting = [(root, (*_all_extras(root, chosen),)) for root in roots]
    waiting += [(p, ()) for p in _required(packages, tables(table(data.get("manifest")).get("requirements")), python)]
    if not waiting:
        return None
    by_name: dict[str, list[_Package]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(package)
    seen: set[tuple[int, tuple[str, ...]]] = set()
    while waiting:
        package, extras = waiting.pop()
        if (package.place, extras) in seen:
            continue
        seen.add((package.place, extras))
        groups = chosen if package in roots else Chosen()
        for edge in _edges(package, extras, groups):
            marker = text_of(edge.get("marker"))
            if marker is None or marker_holds(marker, python, names):
                wanted = tuple(sorted(canonicalize_name(extra) for extra in strings(edge.get("extra"))))
                targets = _targets(edge, by_name)
                waiting += [(target, wanted) for target in targets if _fits(target, python)]
    places = {place for place, _ in seen}
    return frozenset(package.place for package in packages if package.place in places and package.name == "torch")


def _roots(packages: list[_Package], manifest: Mapping[str, Any]) -> Iterator[_Package]:
    members = {canonicalize_name(name) for name in strings(manifest.get("members"))}
    for package in packages:
        source = table(package.data.get("source"))
        here = "." in (source.get("virtual"), source.get("editable"), source.get("directory"))
        if here or package.name in members:
            yield package


def _required(packages: list[_Package], needs: Iterable[Mapping[str, Any]], python: Python) -> list[_Package]:
    """Return what a lock without projects (`uv lock --script`) starts from."""
    names = {
        canonicalize_name(name)
        for item in needs
        if (name := text_of(item.get("name")))
        and (not (marker := text_of(item.get("marker"))) or marker_holds(marker, python))
    }
    return [package for package in packages if package.name in names]


def _encoded(roots: list[_Package], chosen: Chosen) -> Chosen:
    """Return the names under which conflicting extras and groups of the projects stand in markers.

    uv writes `extra == 'extra-3-app-cpu'` and `extra == 'group-3-app-dev'`: kind, length of the project's name, that
    name, and the extra's (uv-pypi-types, `conflicts.rs`).
    """
    extras = set(chosen.extras)
    for root in roots:
        prefix = f"{len(root.name)}-{root.name}"
        extras |= {f"extra-{prefix}-{name}" for name in chosen.extras}
        extras |= {f"group-{prefix}-{name}" for name in chosen.groups}
        extras.add(f"project-{prefix}")
    return replace(chosen, extras=frozenset(extras))


def _all_extras(root: _Package, chosen: Chosen) -> Iterator[str]:
    for name in sorted(table(root.data.get("optional-dependencies"))):
        if chosen.has_extra(name):
            yield canonicalize_name(name)


def _edges(package: _Package, extras: tuple[str, ...], groups: Chosen) -> Iterator[Mapping[str, Any]]:
    yield from tables(package.data.get("dependencies"))
    for name, items in table(package.data.get("optional-dependencies")).items():
        if canonicalize_name(name) in extras:
            yield from tables(items)
    for name, items in table(package.data.get("dev-dependencies")).items():
        if groups.has_group(name):
            yield from tables(items)


def _targets(edge: Mapping[str, Any], by_name: Mapping[str, list[_Package]]) -> Iterator[_Package]:
    """Return the packages that an edge points to: it names version and source only where several have the name."""
    for package in by_name.get(canonicalize_name(text_of(edge.get("name")) or ""), ()):
        if all(edge[key] == package.data.get(key) for key in ("version", "source") if key in edge):
            yield package


def _default_registry(packages: list[_Package], settings: Mapping[str, Any]) -> str | None:
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
    counts: Counter[str] = Counter()
    for package in packages:
        registry = text_of(table(package.data.get("source")).get("registry"))
        if registry and _is_index(registry) and _same_url(registry) not in others:
            counts[_same_url(registry)] += package.name != "torch"
    best = counts.most_common(2)
    if len(best) == 2 and best[0][1] == best[1][1]:
        return None
    return best[0][0] if best else None


def _is_index(registry: str) -> bool:
    return registry.startswith(("http://", "https://"))


def _same_url(url: str) -> str:
    # uv writes URLs without credentials into its lock.
    return without_credentials(url).rstrip("/")


def _entry(package: _Package, folder: Path, default: str | None) -> LockedTorch:
    version = text_of(package.data.get("version"))
    source = table(package.data.get("source"))
    for kind in ("git", "directory", "editable", "virtual"):
        if (place := text_of(source.get(kind))) is not None:
            return LockedTorch(version=version, origin=kind, obstacle=_obstacle(kind, place))
    registry = text_of(source.get("registry"))
    if registry is not None:
        wheels = tuple(_registry_wheels(package, folder, registry))
        by_version = bool(version) and "+" not in str(version) and _same_url(registry) == default
        return LockedTorch(version=version, origin=registry, wheels=wheels, by_version=by_version)
    place = text_of(source.get("url")) or text_of(source.get("path"))
    if place is None:
        raise LockError("it does not say where torch is taken from")
    digests = [digest_text(item.get("hash")) for item in tables(package.data.get("wheels"))]
    url = file_url(folder, place) if "path" in source else place
    wheel = LockedWheel(url=url, digest=digests[0] if digests else "")
    return LockedTorch(version=version, origin=place.rpartition("/")[0] or ".", wheels=(wheel,))


def _obstacle(kind: str, place: str) -> str:
    what = {"git": "the git repository", "editable": "the editable folder"}.get(kind, "the folder")
    return f"is built from {what} {place[:120]}: there is no wheel that a build could require"


def _registry_wheels(package: _Package, folder: Path, registry: str) -> Iterator[LockedWheel]:
    for item in tables(package.data.get("wheels")):
        digest = digest_text(item.get("hash"))
        if url := text_of(item.get("url")):
            yield LockedWheel(url=url, digest=digest)
        elif path := text_of(item.get("path")):
            # Of --find-links folders: relative to that folder, which is relative to the lock.
            base = Path(folder, local_path(registry))
            yield LockedWheel(url=file_url(base, path), digest=digest)
