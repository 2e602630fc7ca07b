"""Ask a program of the machine something that no file says: its version, its architectures.

May not ask without a timeout, nor interpret the answer.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from .values import dataclass

# A cold start from a network drive takes seconds.
TIMEOUT_S = 10.0

_LAST_WORDS_S = 1.0
_LARGEST_ANSWER_BYTES, _CHUNK_BYTES = 50_000_000, 1 << 16


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that a program printed, on both streams, and its exit status.

    `fault` says why there is no answer, "" where there is one.
    """

    text: str = ""
    status: int = 0
    fault: str = ""


def find_programs(name: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the absolute paths of all programs of this name, in the order of PATH."""
    path = variables.get("PATH", "")
    found = (shutil.which(name, path=folder) for folder in dict.fromkeys(path.split(os.pathsep)) if folder)
    return tuple(str(Path(program).absolute()) for program in found if program)


def find_answering(name: str, variables: Mapping[str, str], prefix: str) -> str:
    """Return the program of this name that a build would run if it says its version, "" if it does not.

    The first on PATH is run, whether it works or not; where it has none, that of an environment would do.
    """
    own = shutil.which(name, path=os.path.join(prefix, "Scripts" if sys.platform == "win32" else "bin"))  # noqa: PTH118
    for program in (*find_programs(name, variables), *([own] if own and prefix else []))[:1]:
        return program if (ask_program([program, "--version"], variables) or "")[:1].isdigit() else ""
    return ""


def ask_program(command: Sequence[str], variables: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> str | None:
    """Return all that a command prints, on both streams; None where it cannot be run, or does not end in time."""
    answer = take_answer(command, variables, timeout_s=timeout_s)
    return None if answer.fault else answer.text


def take_answer(
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    timeout_s: float = TIMEOUT_S,
    folder: str | None = None,
    given: str = "",
) -> Answer:
    """Return what a command prints, or why it cannot be run; `given` is a line that it reads.

    That it fails is no fault: nvcc does in many ways after it has answered.
    """
    try:
        # A session of its own: a wrapper script's child would otherwise outlive it, and hold the pipe open.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={name: value for name, value in variables.items() if _is_variable(name, value)},
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return Answer(fault=(error.strerror if isinstance(error, OSError) else None) or "it has no valid name")
    if process.stdin is not None:
        with contextlib.suppress(OSError), process.stdin:  # what does not read it may answer all the same
            process.stdin.write(f"{given}\n".encode())
    said = bytearray()
    # A thread, which can be left alone: what the program has started may hold the pipe open for ever.
    reader = threading.Thread(target=_read, args=(process, said), daemon=True)
    reader.start()
    try:
        reader.join(timeout_s)
        if reader.is_alive():
            return Answer(fault=f"no answer in {timeout_s:g} s")
        if len(said) > _LARGEST_ANSWER_BYTES:
            return Answer(fault=f"it prints more than {_LARGEST_ANSWER_BYTES // 1_000_000} MB")
        with contextlib.suppress(subprocess.TimeoutExpired):  # it has said all, and is about to end
            process.wait(timeout=_LAST_WORDS_S)
        return Answer(text=said.decode("utf-8", errors="replace"), status=process.returncode or 0)
    finally:
        _end(process, reader)


def _read(process: subprocess.Popen[bytes], said: bytearray) -> None:
    pipe = process.stdout
    while pipe and len(said) <= _LARGEST_ANSWER_BYTES and (chunk := os.read(pipe.fileno(), _CHUNK_BYTES)):
        said += chunk


def _is_variable(name: str, value: str) -> bool:
    return bool(name) and "=" not in name and "\0" not in name + value


def _end(process: subprocess.Popen[bytes], reader: threading.Thread) -> None:
    """End whatever is left of a program, and let go of its pipe."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        elif process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_LAST_WORDS_S)
    reader.join(_LAST_WORDS_S)
    if process.stdout is not None and not reader.is_alive():
        process.stdout.close()
