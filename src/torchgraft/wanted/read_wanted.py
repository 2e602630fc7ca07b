"""What the front end is about to install of torch: the lock that it works from, its arguments and their files.

May not weigh one against the other, nor resolve anything, nor raise: a lock without an answer is a value that says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ..consumer.command_line import CommandLine
from ..consumer.front_end import Caller
from ..consumer.processes import Process
from ..consumer.uv import is_project_command, project_root
from ..files import UnreadableError, read_start
from ..installed.markers import Chosen, MarkerError
from ..model.observation import AskedFor, FrontEnd, FrontEndName, Locked, Python
from ..untrusted import read_toml, table
from .arguments import read_asked_for
from .locked_torch import LockError, ReadLock, locked_answer
from .other_locks import read_pdm_lock, read_poetry_lock, read_pylock
from .requirements_files import is_lock_name
from .uv_lock import read_uv_lock

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
    # uv resolves a project before it syncs it, calling for metadata as for a build; only then there is a lock.
    is_first_lock = wanted.locked is None and is_project_command(caller)
    return replace(caller.front_end, resolves=caller.front_end.resolves or is_first_lock)


def _project_folder(caller: Caller) -> str | None:
    """Return where the front end's options and variables say that the project is."""
    if caller.name is FrontEndName.UV:
        # uv has changed to --directory by now: its working folder says so.
        return caller.command.value("--project") or caller.process.variable("UV_PROJECT")
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
    found = [_read(file, python, _chosen(command)) for file in files]
    project = None if found else _project_lock(Path(folder, root or "."), command)
    if project is not None:
        found.append(_read(project, python, _chosen(command)))
    return next((locked for locked in found if locked.requirement), found[0] if found else None)


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


def _read(file: Path, python: Python, chosen: Chosen) -> Locked:
    """Return what one lock file says of torch."""
    try:
        return locked_answer(_read_by_name(file, python, chosen), file, python)
    except UnreadableError as error:
        return Locked(file=str(file), said=f"it {error}")
    except (LockError, MarkerError) as error:
        return Locked(file=str(file), said=str(error))


def _read_by_name(file: Path, python: Python, chosen: Chosen) -> ReadLock:
    """Return what stands in a lock file; its kind is in its name."""
    folder = file.parent
    data = read_toml(file)
    if is_lock_name(file.name):
        return read_pylock(data, folder=folder, python=python, chosen=chosen)
    if file.name == "poetry.lock":
        settings = _tool(folder, "poetry")
        return read_poetry_lock(data, folder=folder, settings=settings, python=python, chosen=chosen)
    if "lock_version" in table(data.get("metadata")) or file.name == "pdm.lock":
        return read_pdm_lock(data, folder=folder, python=python, chosen=chosen)
    if file.name == "uv.lock" or file.name.endswith(".py.lock"):
        return read_uv_lock(data, folder=folder, settings=_uv_settings(folder), python=python, chosen=chosen)
    raise LockError("it is no kind of lock file that is known")


def _uv_settings(folder: Path) -> Mapping[str, Any]:
    # uv takes a uv.toml instead of [tool.uv], where there is one.
    try:
        return read_toml(folder / "uv.toml")
    except UnreadableError:
        return _tool(folder, "uv")


def _tool(folder: Path, name: str) -> Mapping[str, Any]:
    try:
        return table(table(read_toml(folder / "pyproject.toml").get("tool")).get(name))
    except UnreadableError:
        return {}
