"""Which CUDA release a lock file has beside its torch.

May not know any kind of lock file: all of them list packages with names and versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from ..installed.markers import Chosen, MarkerError, marker_holds
from ..model.observation import Python
from ..untrusted import table, tables, text_of
from .locked_torch import is_torch

# As torch requires them on PyPI: the whole toolkit from 2.11 on, before that its runtime.
_NAMES = re.compile(r"cuda-toolkit|nvidia-cuda-runtime(-cu\d+)?")
_VERSION = re.compile(r"(\d{1,3}\.\d{1,3}(?:\.\d{1,4})?)(?:\.\d{1,4})*")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*(?:;(.*))?")


def find_locked_toolkit(data: Mapping[str, Any], version: str | None, python: Python) -> str | None:
    """Return the release of the CUDA distributions that a locked torch requires; None where it is not certain.

    Several torch of one version and several CUDA releases may stand in one file. Where the file says what torch
    requires, that decides; a file without such edges (pylock.toml) is for one environment.

    :param version: that of torch, as in the file or with its local part
    """
    packages = [*tables(data.get("package")), *tables(data.get("packages"))]
    torches = [package for package in packages if is_torch(package.get("name"))]
    public = (version or "").partition("+")[0]
    own = [p for p in torches if text_of(p.get("version")) in {version, public}]
    if len(own) != 1 or ("dependencies" not in own[0] and len(torches) > 1):
        return None
    required = {canonicalize_name(name) for name, marker in _edges(own[0]) if _holds(marker, python)}
    if "dependencies" not in own[0]:
        required = {canonicalize_name(str(p.get("name"))) for p in packages if _holds(p.get("marker"), python)}
    versions = {
        match[1]
        for package in packages
        if (name := text_of(package.get("name"))) and canonicalize_name(name) in required
        if _NAMES.fullmatch(canonicalize_name(name))
        if (match := _VERSION.fullmatch(text_of(package.get("version")) or ""))
    }
    return versions.pop() if len(versions) == 1 else None


def _edges(package: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the names that a package requires, and their markers: tables (uv), texts (pdm), or one table (poetry)."""
    edges = package.get("dependencies")
    if isinstance(edges, dict):
        yield from ((name, table(edge).get("markers")) for name, edge in edges.items() if isinstance(name, str))
    for edge in edges if isinstance(edges, list) else []:
        if isinstance(edge, str) and (match := _REQUIREMENT.fullmatch(edge)):
            yield match[1], (match[2] or "").strip() or None
        elif name := text_of(table(edge).get("name")):
            yield name, table(edge).get("marker")


def _holds(marker: object, python: Python) -> bool:
    if not isinstance(marker, str):
        return marker is None
    try:
        return marker_holds(marker, python, Chosen(anything=True))
    except MarkerError:
        return False
