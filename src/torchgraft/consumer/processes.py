"""The hook's process and its ancestors, as far as they say who calls the hook and for which environment.

May not interpret what it sees, look at another user's processes, or keep a variable that is not on `VARIABLES`.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import psutil

from ..files import read_text
from ..redaction import without_credentials
from .evidence import HookProcess, Process

# Names of environments, folders and requirement files. Index URLs, which can hold credentials, are never read.
VARIABLES: frozenset[str] = frozenset(
    {
        "CONDA_DEFAULT_ENV",
        "CONDA_PREFIX",
        "HATCH_ENV_ACTIVE",
        "NOX_CURRENT_SESSION",
        "PDM_IGNORE_ACTIVE_VENV",
        "PDM_PROJECT",
        "PIP_CONSTRAINT",
        "PIP_PREFIX",
        "PIP_PYTHON",
        "PIP_REQUIREMENT",
        "PIP_TARGET",
        "PIP_USER",
        "POETRY_VIRTUALENVS_CREATE",
        "POETRY_VIRTUALENVS_IN_PROJECT",
        "POETRY_VIRTUALENVS_PATH",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "PYTHONUSERBASE",
        "TOXENV",
        "TOX_ENV_DIR",
        "TOX_ENV_NAME",
        "TOX_WORK_DIR",
        "UV_CONSTRAINT",
        "UV_NO_PROJECT",
        "UV_OVERRIDE",
        "UV_PROJECT",
        "UV_PROJECT_ENVIRONMENT",
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_TOOL_DIR",
        "UV_WORKING_DIR",
        "UV_WORKING_DIRECTORY",
        "VIRTUAL_ENV",
    }
)

_MOST_ANCESTORS = 12
_LOCK = ".lock"

T = TypeVar("T")
U = TypeVar("U")


def take_hook_process() -> HookProcess:
    """Return this process as it sees itself."""
    return HookProcess(
        executable=sys.executable,
        prefix=sys.prefix,
        base_prefix=sys.base_prefix,
        purelib=sysconfig.get_path("purelib"),
        folder=str(Path.cwd()),
        sys_path=tuple(sys.path),
        variables=_ours(os.environ),
        pyvenv_cfg=read_text(Path(sys.prefix, "pyvenv.cfg")),
    )


def take_ancestors() -> tuple[Process, ...]:
    """Return the ancestors of this process, nearest first, up to the first one of another user.

    A venv's python.exe on Windows only starts the base interpreter with its own arguments: that process is left
    out. Open files are slow to ask for, and only the direct parent can be a uv that holds a lock: so `locks` is
    None for all others.
    """
    own = psutil.Process()
    user = _user(own)
    own_arguments = tuple(_ask(own.cmdline, ()))
    found: list[Process] = []
    process = _ask(own.parent, None)
    while process is not None and len(found) < _MOST_ANCESTORS and _user(process) == user:
        with process.oneshot():
            arguments = tuple(_ask(process.cmdline, ()))
            is_launcher = not found and len(arguments) > 1 and arguments[1:] == own_arguments[1:]
            if not is_launcher:
                found.append(_take_process(process, arguments, with_locks=not found))
        process = _ask(process.parent, None)
    return tuple(found)


def _take_process(process: psutil.Process, arguments: tuple[str, ...], *, with_locks: bool) -> Process:
    return Process(
        executable=_ask(process.exe, ""),
        arguments=arguments,
        folder=_ask(process.cwd, ""),
        variables=_ours(_ask(process.environ, {})),
        locks=_take_locks(process) if with_locks else None,
    )


def _take_locks(process: psutil.Process) -> tuple[str, ...] | None:
    """Return the lock files that a process holds open; None where the system refuses to say."""
    files = _ask(process.open_files, None)
    return None if files is None else tuple(sorted({file.path for file in files if file.path.endswith(_LOCK)}))


def _user(process: psutil.Process) -> object:
    """Return who owns a process. Windows has no number for that, and refuses to show us others' processes anyway."""
    if os.name == "nt":
        return ""
    uids = _ask(process.uids, None)
    return None if uids is None else uids.real


def _ask(question: Callable[[], T], otherwise: U) -> T | U:
    """Return the system's answer, or `otherwise` where it refuses or the process has just ended."""
    try:
        return question()
    except (psutil.Error, OSError, ValueError):  # ValueError: names that are no text in this locale
        return otherwise


def _ours(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables on our list. A requirements file may be a URL: then without its user and password."""
    kept = ((name, without_credentials(value)) for name, value in variables.items() if name in VARIABLES)
    return tuple(sorted(kept))
