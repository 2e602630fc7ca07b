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
from collections.abc import Mapping, Sequence
from pathlib import Path

from .values import dataclass

# A cold start from a network drive takes seconds.
TIMEOUT_S = 10.0

_LAST_WORDS_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that a program printed, on both streams; `fault` says why there is no answer, "" where there is one."""

    text: str = ""
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


def take_answer(command: Sequence[str], variables: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Return what a command prints, or why it cannot be run.

    The status is not looked at: nvcc fails in many ways after it has answered.
    """
    try:
        # A session of its own: a wrapper script's child would otherwise outlive it, and hold the pipe open.
        process = subprocess.Popen(
            command,
            env={name: value for name, value in variables.items() if _is_variable(name, value)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return Answer(fault=(error.strerror if isinstance(error, OSError) else None) or "it has no valid name")
    with process:
        try:
            return Answer(text=_text(process.communicate(timeout=timeout_s)[0]))
        except subprocess.TimeoutExpired:
            return Answer(fault=f"no answer in {timeout_s:g} s")
        finally:
            _end(process)


def _is_variable(name: str, value: str) -> bool:
    return bool(name) and "=" not in name and "\0" not in name + value


def _end(process: subprocess.Popen[bytes]) -> None:
    """End whatever is left of a program, and let go of its pipe."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        elif process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_LAST_WORDS_S)


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="replace")
