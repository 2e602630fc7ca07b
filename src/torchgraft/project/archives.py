"""What a wheel or an sdist says of itself, without unpacking it.

May not write, nor believe more of an sdist than its metadata promise of every wheel that is built of it.
"""

from __future__ import annotations

import contextlib
import itertools
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ..files import UnreadableError
from ..model.source_tree import Project
from ..untrusted import parse_toml
from .read_project import with_metadata_text

_ENDINGS = (".whl", ".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")
_WHEEL = re.compile(r"[^/]+\.dist-info/METADATA")
_SDIST = re.compile(r"(?:\./)?[^/]+/(?:PKG-INFO|pyproject\.toml)")
_LARGEST_BYTES = 1_000_000
_MOST_MEMBERS = 100_000
_CHUNK_BYTES = 1 << 20
# What reading one that is damaged raises.
BROKEN = (
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
    found = {}
    with contextlib.suppress(*BROKEN):
        for name, _, stream in archive_files(path, _WHEEL if is_wheel else _SDIST):
            found[name.rpartition("/")[2]] = stream.read(_LARGEST_BYTES)
    text = found.get("METADATA" if is_wheel else "PKG-INFO")
    if text is None:
        raise UnreadableError(f"is no {'wheel' if is_wheel else 'sdist'}")
    project = Project(folder=str(path.parent))
    project = with_metadata_text(project, text.decode("utf-8", errors="replace"), prepared=is_wheel)
    return project, parse_toml(found.get("pyproject.toml", b""))


def archive_files(path: Path, name: re.Pattern[str] | None = None) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yield name, size and content of the plain files of an archive: all of them, or those with such a name."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if not entry.is_dir() and (name is None or name.fullmatch(entry.filename)):
                    with archive.open(entry) as stream:
                        yield entry.filename, entry.file_size, stream
        return
    with tarfile.open(path) as tar:
        for member in itertools.islice(tar, _MOST_MEMBERS):
            is_meant = member.isreg() and (name is None or name.fullmatch(member.name))
            content = tar.extractfile(member) if is_meant else None
            if content is not None:
                yield member.name, member.size, content
        plain: Any = tar.fileobj
        while name is None and plain.read(_CHUNK_BYTES):
            pass  # what a compressed file says of its content stands at its end
