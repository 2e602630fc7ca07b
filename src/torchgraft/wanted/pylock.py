"""What a pylock.toml (PEP 751) says of torch.

May not look for the file. Read plainly, and not with `packaging.pylock`: that came with packaging 26, and refuses a
whole file for one entry that is not about torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from ..installed.markers import Chosen, marker_holds, torch_version_in
from ..model.observation import Python
from ..untrusted import strings, table, tables, text_of
from .locked_torch import LockedTorch, LockedWheel, LockError, check_format, digest_text, file_url, is_torch, the_only

_CHOICE = "extras and groups of the command decide"


def find_in_pylock(data: Mapping[str, Any], *, folder: Path, python: Python, chosen: Chosen) -> LockedTorch:
    """Return the one entry for torch that is installed.

    :raises LockError: if none or several remain, or the file is for other interpreters or platforms
    """
    check_format(data.get("lock-version"), known=(1,))
    defaults = {canonicalize_name(name) for name in strings(data.get("default-groups"))}
    chosen = replace(chosen, groups=chosen.groups | defaults)
    environments = strings(data.get("environments"))
    if environments and not any(marker_holds(marker, python) for marker in environments):
        raise LockError("it is for other environments than this interpreter and platform")
    if not _takes_python(data, python):
        raise LockError(f"it is for Python {str(data.get('requires-python'))[:40]}")
    packages = tables(data.get("packages"))
    every = [package for package in packages if is_torch(package.get("name"))]
    remaining = [package for package in every if _applies(package, python, chosen)]
    default = _default_index(packages)
    return the_only([_entry(package, folder, default) for package in remaining], total=len(every), choice=_CHOICE)


def _applies(package: Mapping[str, Any], python: Python, chosen: Chosen) -> bool:
    marker = text_of(package.get("marker"))
    return _takes_python(package, python) and (marker is None or marker_holds(marker, python, chosen))


def _takes_python(data: Mapping[str, Any], python: Python) -> bool:
    specifier = text_of(data.get("requires-python"))
    try:
        return specifier is None or SpecifierSet(specifier).contains(python.version, prereleases=True)
    except (InvalidSpecifier, ValueError):
        raise LockError(f"its requires-python cannot be read: {specifier!r}"[:120]) from None


def _default_index(packages: list[Mapping[str, Any]]) -> str | None:
    """Return the index of most packages other than torch: the file does not say which one is the default."""
    counts = Counter(
        index for package in packages if (index := text_of(package.get("index"))) and not is_torch(package.get("name"))
    )
    best = counts.most_common(2)
    return None if not best or (len(best) == 2 and best[0][1] == best[1][1]) else best[0][0]


def _entry(package: Mapping[str, Any], folder: Path, default: str | None) -> LockedTorch:
    version = text_of(package.get("version"))
    if vcs := table(package.get("vcs")):
        where = text_of(vcs.get("url")) or text_of(vcs.get("path")) or "a repository"
        return LockedTorch(version=version, origin="vcs", obstacle=f"is built from {where[:120]}: there is no wheel")
    if directory := table(package.get("directory")):
        where = text_of(directory.get("path")) or "a folder"
        return LockedTorch(version=version, origin="directory", obstacle=f"is built from {where[:120]}")
    if archive := table(package.get("archive")):
        return _archive(archive, folder, version)
    wheels = tuple(_wheels(tables(package.get("wheels")), folder))
    index = text_of(package.get("index"))
    # Without `index` (pip and pdm write none) only the URL is certain.
    by_version = index is not None and index == default and bool(version) and "+" not in str(version)
    return LockedTorch(version=version, origin=index or "its URL", wheels=wheels, by_version=by_version)


def _archive(archive: Mapping[str, Any], folder: Path, version: str | None) -> LockedTorch:
    wheels = tuple(_wheels([archive], folder))
    if not wheels or torch_version_in(wheels[0].url) is None:
        return LockedTorch(version=version, origin="archive", obstacle="is an archive and not a wheel")
    origin = wheels[0].url.rpartition("/")[0]
    return LockedTorch(version=torch_version_in(wheels[0].url), origin=origin, wheels=wheels)


def _wheels(items: list[Mapping[str, Any]], folder: Path) -> Iterator[LockedWheel]:
    for item in items:
        digest = digest_text(item.get("hashes"))
        # Where both are given, the path is tried first (PEP 751, packages.wheels.path).
        if path := text_of(item.get("path")):
            yield LockedWheel(url=file_url(folder, path), digest=digest)
        elif url := text_of(item.get("url")):
            yield LockedWheel(url=url, digest=digest)
