"""Run a child process whose output is passed on as it comes, line by line.

May not know what the child is.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

_GRACE_S = 5
_LAST_WORDS_S = 2
_CHUNK_BYTES = 65_536


def run_child(
    command: Sequence[str], *, folder: str | None, environment: Mapping[str, str], each_line: Callable[[bytes], bytes]
) -> int:
    """Return the exit status of a command; negative for a signal, as subprocess has it.

    :param each_line: is given every line of output, and returns what is passed on of it; very long ones come in parts
    """
    _flush()
    # No timeout: compiling takes as long as it takes, and the front end's user can interrupt it.
    with subprocess.Popen(
        command, bufsize=0, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=_stderr_target()
    ) as process:
        try:
            with _passed_on(process, each_line):
                return process.wait()
        except BaseException:
            _end(process)
            raise


def say(text: str) -> None:
    """Say a line on stderr, among the child's own."""
    _flush()
    with contextlib.suppress(OSError):
        _write_all(2, f"{text}\n".encode("ascii", errors="backslashreplace"))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _stderr_target() -> int:
    """Return one pipe for both streams where both of ours go to one place, so that their order is kept."""
    try:
        one, other = os.fstat(1), os.fstat(2)
    except OSError:
        return subprocess.PIPE
    same = (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
    return subprocess.STDOUT if same else subprocess.PIPE


@contextlib.contextmanager
def _passed_on(process: subprocess.Popen[bytes], each_line: Callable[[bytes], bytes]) -> Iterator[None]:
    pipes = [(pipe, descriptor) for pipe, descriptor in ((process.stdout, 1), (process.stderr, 2)) if pipe is not None]
    threads = [threading.Thread(target=_pump, args=(*pair, each_line), daemon=True) for pair in pipes]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        # A server that the child has left behind (sccache) may hold the pipe open for ever.
        thread.join(timeout=_LAST_WORDS_S)


def _pump(pipe: IO[bytes], descriptor: int, each_line: Callable[[bytes], bytes]) -> None:
    """Copy lines to one of our own file descriptors; go on reading when nobody listens, or the child would block."""
    is_open = True
    for lines in _lines(pipe):
        passed = b"".join(map(each_line, lines))
        if is_open:
            try:
                _write_all(descriptor, passed)
            except OSError:
                is_open = False


def _lines(pipe: IO[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines that have come, a progress bar's too; one without an end comes in parts."""
    rest = b""
    # A pipe without a buffer: one with a buffer cannot be closed while this thread waits in it.
    with contextlib.suppress(OSError, ValueError):
        while chunk := pipe.read(_CHUNK_BYTES):
            lines = (rest + chunk).splitlines(keepends=True)
            is_whole = lines[-1].endswith((b"\n", b"\r")) or len(lines[-1]) >= _CHUNK_BYTES
            rest = b"" if is_whole else lines.pop()
            yield lines
    if rest:
        yield [rest]


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End an interrupted child: it has had the signal too, from the terminal, and gets a moment to clean up."""
    try:
        process.wait(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=_GRACE_S)
