"""The files of a wheel as setuptools has left them in the source tree: there they can be read without unpacking them.

May not take one for the other by its name, its time or its size alone.
"""

from __future__ import annotations

import contextlib
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from .checksum import crc32_of

# Unpacking less than this takes no longer than looking for it. Modules with code for many GPUs have a gigabyte, which
# takes 2.4 s to unpack and 0.2 s to compare.
_SMALLEST_BYTES = 32 << 20


def find_built_files(archive: zipfile.ZipFile, source: Path, *, smallest: int = _SMALLEST_BYTES) -> Mapping[str, Path]:
    """Return those files of a wheel that are in build/lib* of its source tree too, by their names in the wheel.

    They are the same: of the same size, and with the checksum (CRC-32) that the archive has of them.

    :param smallest: in bytes; smaller ones are not looked for
    """
    large = [member for member in archive.infolist() if member.file_size >= smallest]
    if not large:
        return {}
    # build_lib of setuptools' `build` command.
    folders = sorted((source / "build").glob("lib*"))
    return {member.filename: path for member in large for path in _same(member, folders)}


def _same(member: zipfile.ZipInfo, folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        path = folder / member.filename
        with contextlib.suppress(OSError):
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode) and facts.st_size == member.file_size and crc32_of(path) == member.CRC:
                yield path
                return
