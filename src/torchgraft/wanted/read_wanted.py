"""What the front end is about to install of torch: the lock that it works from, its arguments and their files.

May not weigh one against the other, nor resolve anything, nor raise: a lock without an answer is a value that says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from ..consumer.command_line import CommandLine
from ..consumer.front_end import Caller
from ..consumer.processes import Process
from ..files import read_start
from ..installed.markers import Chosen
from ..model.observation import AskedFor, FrontEnd, FrontEndName, Locked, Python
from .arguments import read_asked_for

_WITH_FOLDER = frozenset({FrontEndName.POETRY, FrontEndName.PDM})
_LARGEST_SCRIPT_BYTES = 20_000_000
# What works from no project of its own.
_WITHOUT_PROJECT = frozenset({"pip", "tool", "build", "venv", "python", "cache", "self", "auth", "init", "publish"})
_PDM_FOLDERS = 5


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the front end's lock and arguments say of torch."""

    locked: Locked | None = None
    asked_for: tuple[AskedFor, ...] = ()
    faults: tuple[str, ...] = ()


def read_wanted(caller: Caller | None, ancestors: tuple[Process, ...], python: Python) -> Wanted:
    """Return what the lock and the arguments of the front end say; nothing where there is no front end."""
    if caller is None:
        return Wanted()
    # pipx runs pip or uv with arguments of its own making; what the user asked for stands in pipx's.
    callers = [(caller.command, caller.process)]
    callers += [(c, process) for process in ancestors if (c := process.command_line) and c.program is FrontEndName.PIPX]
    asked = [
        read_asked_for(command, folder=process.folder, variables=dict(process.variables), python=python)
        for command, process in callers
    ]
    locked = read_lock(
        caller.process.folder,
        command=caller.command,
        root=_project_folder(caller),
        extra_files=tuple(file for item in asked for file in item.lock_files),
        python=python,
    )
    return Wanted(
        locked=locked,
        asked_for=tuple(dict.fromkeys(found for item in asked for found in item.requirements)),
        faults=tuple(dict.fromkeys(fault for item in asked for fault in item.faults)),
    )


def front_end_of(caller: Caller | None, wanted: Wanted) -> FrontEnd:
    """Return the front end, with what its lock says of where it is in its work."""
    if caller is None:
        return FrontEnd(name=FrontEndName.UNKNOWN)
    if caller.name is not FrontEndName.UV or wanted.locked is not None:
        return caller.front_end
    from ..consumer.uv import is_project_command

    # uv resolves a project before it syncs it, calling for metadata as for a build; only then there is a lock.
    return replace(caller.front_end, resolves=caller.front_end.resolves or is_project_command(caller))


def _project_folder(caller: Caller) -> str | None:
    """Return where the front end's options and variables say that the project is."""
    if caller.name is FrontEndName.UV:
        # uv has changed to --directory by now: its working folder says so.
        return caller.command.value("--project") or caller.variable("UV_PROJECT")
    return caller.command.value("-C", "--directory", "-P", "--project", "-p") if caller.name in _WITH_FOLDER else None


def read_lock(
    folder: str,
    *,
    command: CommandLine,
    root: str | None = None,
    extra_files: tuple[str, ...] = (),
    python: Python,
) -> Locked | None:
    """Return what the lock file says of torch; None where the front end works from none.

    :param folder: where the front end runs
    :param command: its command line: `uv pip` has no lock, and `--extra` chooses among several torch
    :param root: where its options say that the project is (`--project`, `--directory`, poetry's and pdm's own)
    :param extra_files: lock files that its arguments name, which come before that of the project
    """
    files = [Path(folder, file) for file in extra_files]
    project = None if files else _project_lock(Path(folder, root or "."), command)
    files += [] if project is None else [project]
    if not files:
        return None
    from .lock_files import read_lock_file  # most hooks have no lock to read

    found = [read_lock_file(file, python, _chosen(command)) for file in files]
    return next((locked for locked in found if locked.requirement), found[0])


def _project_lock(start: Path, command: CommandLine) -> Path | None:
    try:
        start = start.resolve()
        if command.words and command.words[0] in _WITHOUT_PROJECT:
            return None
        candidates = {
            FrontEndName.UV: _uv_locks,
            FrontEndName.POETRY: _poetry_locks,
            FrontEndName.PDM: _pdm_locks,
        }.get(command.program)
        return next((file for file in candidates(start, command) if file.is_file()), None) if candidates else None
    except (OSError, ValueError, RuntimeError):
        return None


def _uv_locks(start: Path, command: CommandLine) -> Iterator[Path]:
    from ..consumer.uv import project_root

    script = command.script
    if script and _has_metadata(Path(start, script)):
        # A script with requirements of its own has a lock of its own, and never that of a project.
        yield Path(start, f"{script}.lock")
    elif (root := project_root(start)) is not None:
        yield root / "uv.lock"


def _has_metadata(script: Path) -> bool:
    return b"\n# /// script" in b"\n" + (read_start(script, _LARGEST_SCRIPT_BYTES) or b"")


def _poetry_locks(start: Path, _command: CommandLine) -> Iterator[Path]:
    folder = next((folder for folder in (start, *start.parents) if (folder / "pyproject.toml").is_file()), start)
    yield folder / "poetry.lock"


def _pdm_locks(start: Path, command: CommandLine) -> Iterator[Path]:
    folders = (start, *start.parents)[:_PDM_FOLDERS]
    folder = next((folder for folder in folders if (folder / "pyproject.toml").is_file()), start)
    yield from (folder / name for name in command.values("-L", "--lockfile")[-1:])
    yield folder / "pdm.lock"
    yield folder / "pylock.toml"


def _chosen(command: CommandLine) -> Chosen:
    """Return the extras and groups that a command names.

    Default groups are the lock's or the project's own business.
    """
    extras = command.values("--extra", "--extras", "-E")
    groups = command.values("--group", "--only-group", "--with", "--only")
    if command.program is FrontEndName.PDM:
        # One option for both; `default` is what pdm calls the project's own dependencies.
        extras = groups = command.values("-G", "--group", "--with")
        groups = (*groups, "default")
    return Chosen(
        extras=_names(extras),
        groups=_names(groups),
        all_extras=command.has("--all-extras") or ":all" in extras,
        all_groups=command.has("--all-groups") or ":all" in groups,
    )


def _names(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(canonicalize_name(name) for value in values for name in re.split(r"[\s,]+", value) if name)
