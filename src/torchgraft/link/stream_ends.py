"""The two ends of a stream that can only be read from its start, as a file: what is between them is let go.

May not guess: whoever reads between them is told.
"""

from __future__ import annotations

import os
from collections import deque
from typing import IO

# What the loader needs of a library is at its start, and its section headers are at its end. Between them is code, for
# GPUs above all, of which there may be a gigabyte: unpacking it is a third of the time that it takes to keep it too.
_START_BYTES = 16 << 20
_END_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 20


class Ends:
    """A file of which only both ends are there. Short ones are whole.

    `missed` says that somebody wanted something else. It cannot be an exception alone: pyelftools takes every one for
    its own.
    """

    def __init__(self, stream: IO[bytes], *, start: int = _START_BYTES, end: int = _END_BYTES) -> None:
        self._start = _read(stream, start)
        chunks: deque[bytes] = deque()
        kept = 0
        self._size = len(self._start)
        while chunk := stream.read(min(_CHUNK_BYTES, end)):
            chunks.append(chunk)
            kept += len(chunk)
            self._size += len(chunk)
            while kept - len(chunks[0]) >= end:
                kept -= len(chunks.popleft())
        self._end = b"".join(chunks)
        self._place = 0
        self.missed = False

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the place that is read next."""
        self._place = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence])
        return self._place

    def tell(self) -> int:
        """Return the place that is read next."""
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Return what is there, at most so many bytes.

        :raises ValueError: if a part of it was let go; `missed` is true from then on
        """
        first = self._place
        last = self._size if size < 0 else min(first + size, self._size)
        gap = self._size - len(self._end)
        if first >= last:
            return b""
        if last <= len(self._start):
            found = self._start[first:last]
        elif first >= gap:
            found = self._end[first - gap : last - gap]
        elif gap == len(self._start):
            found = self._start[first:] + self._end[: last - gap]
        else:
            self.missed = True
            raise ValueError("what is between both ends was let go")
        self._place = last
        return found


def _read(stream: IO[bytes], size: int) -> bytes:
    found = bytearray()
    while len(found) < size and (chunk := stream.read(min(_CHUNK_BYTES, size - len(found)))):
        found += chunk
    return bytes(found)
