"""What is in a wheel that was just built, and which libraries an editable build made in the source tree.

May not alter it, nor judge what it finds. Large files of a wheel are read where setuptools has left them, in the source
tree, which needs no unpacking; none is taken for another by its name, its time or its size alone.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.metadata import parse_email

from ..errors import ActError
from ..link.linkage import Module, WheelContents, bad_wheel
from ..link.modules import read_archive_modules, read_file_modules, walk_tree
from .archive import ZIP_FAULTS, dist_info_of

_LARGEST_TEXT_BYTES = 10_000_000
# Unpacking less than this takes no longer than looking for it. Modules with code for many GPUs have a gigabyte, which
# takes 2.4 s to unpack and 0.2 s to compare.
_SMALLEST_BYTES = 32 << 20
_SMALLEST_PART_BYTES = 16 << 20
_MOST_THREADS = 4
_CHUNK_BYTES = 1 << 20
# CRC-32's polynomial, as zlib and ZIP have it: the coefficient of x**0 is the highest bit.
_POLYNOMIAL = 0xEDB88320
_ONE, _X_TO_THE_8TH = 1 << 31, 1 << 23


def read_wheel_contents(wheel: Path, source: Path) -> WheelContents:
    """Return what is in a wheel.

    :param source: the source tree that it was built from
    :raises ActError: if it is none
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            return _read(archive, source)
    except (OSError, *ZIP_FAULTS) as error:
        raise ActError(bad_wheel(wheel.name, str(error))) from None


def read_in_place_modules(source: Path, *, suffix: str) -> tuple[Module, ...]:
    """Return the extension modules of this Python that are in a source tree: an editable installation imports them.

    :param suffix: of extension modules of this Python, such as .cpython-311-x86_64-linux-gnu.so
    """
    libraries = walk_tree(source, is_package=False).libraries
    files = {name: path for name, path in libraries.items() if name.endswith((suffix, ".abi3.so"))}
    return read_file_modules(files)


def _read(archive: zipfile.ZipFile, source: Path) -> WheelContents:
    names = archive.namelist()
    info = dist_info_of(archive)
    metadata = parse_email(_bytes(archive, f"{info}/METADATA"))[0]
    wheel = _bytes(archive, f"{info}/WHEEL").decode("utf-8", errors="replace")
    generator = re.search(r"^Generator:[ \t]*(.+)", wheel, re.MULTILINE)
    top_level = f"{info}/top_level.txt"
    return WheelContents(
        info=info,
        name=metadata.get("name", ""),
        version=metadata.get("version", ""),
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


def crc32_of(path: Path, *, smallest_part: int = _SMALLEST_PART_BYTES) -> int:
    """Return the CRC-32 of a file, as an archive (ZIP) has it.

    :param smallest_part: in bytes; a thread reads no less
    :raises OSError: if it cannot be read
    """
    size = path.stat().st_size
    parts = max(1, min(_MOST_THREADS, os.cpu_count() or 1, size // smallest_part))
    bounds = [size * number // parts for number in range(parts + 1)]
    with ThreadPoolExecutor(parts) as threads:
        found = threads.map(lambda bound: _crc32(path, *bound), itertools.pairwise(bounds))
        checksum = 0
        for part, (start, end) in zip(found, itertools.pairwise(bounds), strict=True):
            checksum = combined_crc32(checksum, part, end - start)
    return checksum


def combined_crc32(first: int, second: int, size: int) -> int:
    """Return the CRC-32 of two texts, one behind the other, from those of each.

    As zlib's crc32_combine(), which Python has from 3.15 on.

    :param size: of the second text, in bytes
    """
    power, factor = _ONE, _X_TO_THE_8TH
    while size:
        if size & 1:
            power = _product(power, factor)
        factor = _product(factor, factor)
        size >>= 1
    return _product(power, first) ^ second


def _product(first: int, second: int) -> int:
    """Return the product of two polynomials modulo that of CRC-32."""
    product = 0
    for bit in range(31, -1, -1):
        if first >> bit & 1:
            product ^= second
        second = second >> 1 ^ (_POLYNOMIAL if second & 1 else 0)
    return product


def _crc32(path: Path, start: int, end: int) -> int:
    checksum = 0
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < end and (size := file.readinto(buffer[: end - start])):
            checksum = zlib.crc32(buffer[:size], checksum)
            start += size
    return checksum
