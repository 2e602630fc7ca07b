"""The checksum of a large file, read by several threads: zlib computes without holding the interpreter's lock."""

from __future__ import annotations

import itertools
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_SMALLEST_PART_BYTES = 16 << 20
_MOST_THREADS = 4
_CHUNK_BYTES = 1 << 20
# CRC-32's polynomial, as zlib and ZIP have it: the coefficient of x**0 is the highest bit.
_POLYNOMIAL = 0xEDB88320
_ONE, _X_TO_THE_8TH = 1 << 31, 1 << 23


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
