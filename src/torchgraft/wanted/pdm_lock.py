"""What a pdm.lock says of torch.

May not look for the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..installed.markers import Chosen, marker_holds, torch_version_in
from ..model.observation import Python
from ..untrusted import table, tables, text_of
from .locked_torch import LockedTorch, LockedWheel, check_format, digest_text, file_url, is_torch, the_only

_CHOICE = "the lock has no marker that decides"


def find_in_pdm_lock(data: Mapping[str, Any], *, folder: Path, python: Python, chosen: Chosen) -> LockedTorch:
    """Return the one entry for torch that is installed.

    :raises LockError: if none or several remain
    """
    check_format(table(data.get("metadata")).get("lock_version"), known=(4,))
    # torch[extra] has an entry of its own, with the same files.
    every = [p for p in tables(data.get("package")) if is_torch(p.get("name")) and not p.get("extras")]
    remaining = [package for package in every if _applies(package, python, chosen)]
    return the_only([_entry(package, folder) for package in remaining], total=len(every), choice=_CHOICE)


def _applies(package: Mapping[str, Any], python: Python, chosen: Chosen) -> bool:
    marker = text_of(package.get("marker"))
    return marker is None or marker_holds(marker, python, chosen)


def _entry(package: Mapping[str, Any], folder: Path) -> LockedTorch:
    version = text_of(package.get("version"))
    wheels = tuple(_wheels(tables(package.get("files"))))
    if place := text_of(package.get("git")):
        what = f"is built from the git repository {place[:120]}: there is no wheel that a build could require"
        return LockedTorch(version=version, origin="git", obstacle=what)
    url, path = text_of(package.get("url")), text_of(package.get("path"))
    if place := url or path:
        if torch_version_in(place) is None:
            what = f"is built from {place[:120]}: there is no wheel that a build could require"
            return LockedTorch(version=version, origin="path", obstacle=what)
        wheel = LockedWheel(url=url or file_url(folder, place), digest=wheels[0].digest if len(wheels) == 1 else "")
        return LockedTorch(version=version, origin=place.rpartition("/")[0] or ".", wheels=(wheel,))
    # With the strategy static_urls the URLs are there. Without it, pdm resolves the requirements of a build with
    # the very sources of the project.
    has_urls = any("://" in wheel.url for wheel in wheels)
    return LockedTorch(version=version, origin="the project's sources", wheels=wheels, by_version=not has_urls)


def _wheels(files: list[Mapping[str, Any]]) -> Iterator[LockedWheel]:
    for item in files:
        if place := text_of(item.get("url")) or text_of(item.get("file")):
            yield LockedWheel(url=place, digest=digest_text(item.get("hash")))
