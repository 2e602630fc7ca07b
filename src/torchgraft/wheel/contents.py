"""What is in a wheel that was just built, and which libraries an editable build made in the source tree.

May not alter it, nor judge what it finds. Large files of a wheel are read where setuptools has left them, in the source
tree, which needs no unpacking; none is taken for another by its name, its time or its size alone.
"""

from __future__ import annotations

import contextlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import ActError
from ..installed.dist_info import parse_header
from ..link.linkage import Module
from ..link.modules import read_archive_modules, read_file_modules, walk_tree
from ..values import dataclass
from .archive import ZIP_FAULTS, bad_wheel, dist_info_of

_LARGEST_TEXT_BYTES = 10_000_000
# Unpacking less than this takes no longer than looking for it. Modules with code for many GPUs have a gigabyte, which
# takes 2.4 s to unpack and 0.6 s to compare.
_SMALLEST_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class WheelContents:
    """What is in a wheel. `info` is the name of its .dist-info folder; `files` are all its files.

    `name` and `version` are of its METADATA, `generator` and `tags` of WHEEL; `top_level` is the text of top_level.txt,
    "" where there is none.
    """

    info: str
    name: str
    version: str
    generator: str = ""
    tags: tuple[str, ...] = ()
    top_level: str = ""
    files: tuple[str, ...] = ()
    modules: tuple[Module, ...] = ()


def read_wheel_contents(wheel: Path, source: Path) -> WheelContents:
    """Return what is in a wheel that was built from a source tree; raise ActError if it is none."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return _read(archive, source)
    except (OSError, *ZIP_FAULTS) as error:
        raise ActError(bad_wheel(wheel.name, str(error))) from None


def read_in_place_modules(source: Path, *, suffix: str) -> tuple[Module, ...]:
    """Return the extension modules of a suffix in a source tree: an editable installation imports them."""
    libraries = walk_tree(source, is_package=False).libraries
    files = {name: path for name, path in libraries.items() if name.endswith((suffix, ".abi3.so"))}
    return read_file_modules(files)


def _read(archive: zipfile.ZipFile, source: Path) -> WheelContents:
    names = archive.namelist()
    info = dist_info_of(archive)
    header = parse_header(_bytes(archive, f"{info}/METADATA"))
    wheel = _bytes(archive, f"{info}/WHEEL").decode("utf-8", errors="replace")
    generator = re.search(r"^Generator:[ \t]*(.+)", wheel, re.MULTILINE)
    top_level = f"{info}/top_level.txt"
    return WheelContents(
        info=info,
        name=header.name,
        version=header.version,
        generator=generator[1].strip() if generator else "",
        tags=tuple(re.findall(r"^Tag:[ \t]*(\S+)", wheel, re.MULTILINE)),
        top_level=_bytes(archive, top_level).decode("utf-8", errors="replace") if top_level in names else "",
        files=tuple(names),
        modules=read_archive_modules(archive, find_built_files(archive, source)),
    )


def _bytes(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST_TEXT_BYTES:
        raise ValueError(f"its {name} is too large")
    return archive.read(name)


def find_built_files(archive: zipfile.ZipFile, source: Path, *, smallest: int = _SMALLEST_BYTES) -> Mapping[str, Path]:
    """Return those files of a wheel that are in build/lib* of its source tree too, by their names in the wheel.

    They are the same: of the same size, and with the checksum (CRC-32) that the archive has of them.
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


def crc32_of(path: Path) -> int:
    """Return the CRC-32 of a file, as an archive (ZIP) has it; raise OSError if it cannot be read."""
    checksum = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum = zlib.crc32(chunk, checksum)
    return checksum
