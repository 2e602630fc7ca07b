"""Run a child process whose output is passed on as it comes, line by line, and which ends when this process ends.

May not know what the child is.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_LAST_WORDS_S = 2
_CHUNK_BYTES = 65_536
_WATCH_S = 0.5


def run_child(
    command: Sequence[str],
    *,
    folder: str | None,
    environment: Mapping[str, str],
    each_line: Callable[[bytes], bytes],
    locks: Sequence[int] = (),
    timeout_s: float | None = None,
) -> int:
    """Return the exit status of a command; negative for a signal, as subprocess has it.

    It ends when this process ends, however that happens, with all that it has started.

    :param each_line: is given every line of output, and returns what is passed on of it; very long ones come in parts
    :param locks: descriptors of locks that stay locked until it has ended
    :raises subprocess.TimeoutExpired: if it takes longer
    """
    _flush()
    with _child(command, locks, cwd=folder, env=environment) as process, _passed_on(process, each_line):
        return process.wait(timeout_s)


@contextlib.contextmanager
def _child(command: Sequence[str], locks: Sequence[int], **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the supervisor of a command, or the command where there is none; what is left of it is ended afterwards."""
    more |= {"bufsize": 0, "stdout": subprocess.PIPE, "stderr": _stderr_target()}
    if sys.platform == "win32":
        from .windows_job import held_in_job

        with subprocess.Popen(command, **more) as process:
            try:
                with held_in_job(process.pid):
                    yield process
            finally:
                process.kill()
        return
    from .supervisor import GRACE_S, end_session

    theirs, ours = os.pipe()
    with os.fdopen(ours, "wb", buffering=0) as life:
        held = (theirs, *locks)
        try:
            # Nothing of the user's is imported by the supervisor, and it has no terminal.
            supervisor = [sys.executable, "-I", "-S", str(_SUPERVISOR), ",".join(map(str, held)), *command]
            process = subprocess.Popen(supervisor, pass_fds=held, start_new_session=True, **more)
        finally:
            os.close(theirs)
        with process:
            try:
                yield process
            finally:
                life.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(2 * GRACE_S)
                if process.returncode is None or process.returncode < 0:  # it may be the supervisor that was killed
                    end_session(process.pid)
                    process.kill()


@contextlib.contextmanager
def interruptions_raised(caller: int | None = None) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP raise SystemExit inside: what is half-made is cleaned up.

    Those that are ignored stay so (nohup), and those that somebody handles are left to him. Further signals do not
    disturb the cleaning up.

    :param caller: the process that waits for this one; its end is an interruption, too
    """
    before: dict[signal.Signals, Any] = {}

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)  # as shells have it

    with contextlib.suppress(ValueError):  # only the main thread may
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
                before[number] = signal.signal(number, interrupt)
    over = threading.Event()
    if caller is not None and signal.SIGTERM in before:
        # No parent-death signal: Linux sends it where the thread ends that has started us, and uv has many.
        threading.Thread(target=_watch, args=(caller, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(caller: int, over: threading.Event) -> None:
    """Send this process SIGTERM when the one that waits for it has ended, or had ended before we asked who it is."""
    is_gone = _has_no_reader(1) or _has_no_reader(2)
    while not is_gone and os.getppid() == caller:
        if over.wait(_WATCH_S):
            return
    os.kill(os.getpid(), signal.SIGTERM)


def _has_no_reader(descriptor: int) -> bool:
    """Return whether all that is written there is lost."""
    if sys.platform == "win32":
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def say(text: str) -> None:
    """Say a line on stderr, among the child's own."""
    _flush()
    with contextlib.suppress(OSError):
        _write_all(2, f"{text}\n".encode("ascii", errors="backslashreplace"))


def _flush() -> None:
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it was closed before we began
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
