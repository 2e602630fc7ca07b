"""What a poetry.lock says of torch.

May not look for the file. Poetry locks names and hashes of files, never their URLs: where torch comes from a source
that builds do not see, there is nothing that a build could require.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..installed.markers import Chosen, marker_holds
from ..model.observation import Python
from ..redaction import without_credentials
from ..untrusted import table, tables, text_of
from .locked_torch import LockedTorch, LockedWheel, check_format, digest_text, file_url, is_torch, the_only

_CHOICE = "the lock has no marker that decides (poetry 2 writes them), or extras of the command do (--extras)"


def find_in_poetry_lock(
    data: Mapping[str, Any], *, folder: Path, settings: Mapping[str, Any], python: Python, chosen: Chosen
) -> LockedTorch:
    """Return the one entry for torch that is installed.

    :param settings: `[tool.poetry]` of the project: which sources are explicit
    :raises LockError: if none or several remain
    """
    check_format(table(data.get("metadata")).get("lock-version"), known=(1, 2))
    every = [package for package in tables(data.get("package")) if is_torch(package.get("name"))]
    remaining = [package for package in every if _applies(package, python, chosen)]
    # Format 1 has all files in a table of its own.
    files = table(table(data.get("metadata")).get("files")).get("torch")
    explicit = {
        text_of(source.get("name"))
        for source in tables(settings.get("source"))
        if str(source.get("priority")).lower() == "explicit"
    }
    entries = [_entry(package, folder, files, explicit) for package in remaining]
    return the_only(entries, total=len(every), choice=_CHOICE)


def _applies(package: Mapping[str, Any], python: Python, chosen: Chosen) -> bool:
    """Return whether the markers hold: one for the package, or one for each dependency group that has any."""
    markers = package.get("markers")
    if isinstance(markers, dict):
        named = [text_of(marker) for marker in markers.values()]
        groups = package.get("groups")
        unconditional = isinstance(groups, list) and len(groups) > len(named)
        return unconditional or any(marker is None or marker_holds(marker, python, chosen) for marker in named)
    marker = text_of(markers)
    return marker is None or marker_holds(marker, python, chosen)


def _entry(package: Mapping[str, Any], folder: Path, files: object, explicit: set[str | None]) -> LockedTorch:
    version = text_of(package.get("version"))
    listed = tables(package.get("files")) or tables(files)
    wheels = tuple(
        LockedWheel(url=name, digest=digest_text(item.get("hash")))
        for item in listed
        if (name := text_of(item.get("file")))
    )
    source = table(package.get("source"))
    kind = text_of(source.get("type")) or "default"
    url = text_of(source.get("url")) or ""
    digest = wheels[0].digest if len(wheels) == 1 else ""
    if kind == "url":
        wheel = LockedWheel(url=url, digest=digest)
        return LockedTorch(version=version, origin=url.rpartition("/")[0], wheels=(wheel,))
    if kind == "file":
        wheel = LockedWheel(url=file_url(folder, url), digest=digest)
        return LockedTorch(version=version, origin=url.rpartition("/")[0] or ".", wheels=(wheel,))
    if kind in ("git", "directory"):
        place = without_credentials(url)[:120]
        what = f"is built from the {kind} {place}: there is no wheel that a build could require"
        return LockedTorch(version=version, origin=kind, obstacle=what)
    name = text_of(source.get("reference"))
    if name in explicit and name is not None:
        what = f"is from the explicit source {name[:60]}, which builds do not see, and the lock has no URLs"
        return LockedTorch(version=version, origin=name, obstacle=what)
    # Poetry resolves the requirements of a build with all of the project's sources but the explicit ones.
    return LockedTorch(version=version, origin=name or "the default index", wheels=wheels, by_version=True)
