"""What a wheel or an sdist says of itself, without unpacking it.

May not write, nor believe more of an sdist than its metadata promise of every wheel that is built of it.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..files import UnreadableError
from ..model.source_tree import Project
from ..untrusted import parse_toml
from .read_project import with_metadata_text

_ENDINGS = (".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
_WHEEL = re.compile(r"[^/]+\.dist-info/METADATA")
_SDIST = re.compile(r"(?:\./)?[^/]+/(?:PKG-INFO|pyproject\.toml)")
_LARGEST_BYTES = 1_000_000
_MOST_MEMBERS = 100_000
_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(OSError, ValueError, NotImplementedError, RuntimeError),
)


def is_archive(path: Path) -> bool:
    """Return whether a file is called as wheels and sdists are."""
    return path.name.lower().endswith(_ENDINGS)


def read_archive(path: Path) -> tuple[Project, Mapping[str, Any]]:
    """Return the name, version and requirements of a wheel or an sdist, and what its pyproject.toml says.

    Requirements are None where a build decides them, by the metadata alone: old ones do not say.

    :raises UnreadableError: if it is neither, or damaged
    """
    is_wheel = path.suffix.lower() == ".whl"
    try:
        found = {name.rpartition("/")[2]: data for name, data in _members(path, _WHEEL if is_wheel else _SDIST)}
    except _BROKEN:
        found = {}
    text = found.get("METADATA" if is_wheel else "PKG-INFO")
    if text is None:
        raise UnreadableError(f"is no {'wheel' if is_wheel else 'sdist'}")
    project = Project(folder=str(path.parent))
    project = with_metadata_text(project, text.decode("utf-8", errors="replace"), prepared=is_wheel)
    return project, parse_toml(found.get("pyproject.toml", b""))


def _members(path: Path, name: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the members of an archive that have such a name, with the start of their content."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for entry in filter(name.fullmatch, archive.namelist()):
                with archive.open(entry) as stream:
                    yield entry, stream.read(_LARGEST_BYTES)
        return
    with tarfile.open(path) as tar:
        for _, member in zip(range(_MOST_MEMBERS), tar, strict=False):
            content = tar.extractfile(member) if member.isreg() and name.fullmatch(member.name) else None
            if content is not None:
                yield member.name, content.read(_LARGEST_BYTES)
