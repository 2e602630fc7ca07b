"""Which torch the lock file of the front end says the consumer will have.

May not resolve anything, nor raise: a lock without an answer is a value that says why.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name

from ..consumer.command_line import CommandLine
from ..consumer.uv import project_root
from ..installed.markers import Chosen, MarkerError
from ..model.observation import FrontEndName, Locked, Python
from ..model.torch_requirement import TorchRequirement
from ..untrusted import table
from .locked_toolkit import find_locked_toolkit
from .locked_torch import LockedTorch, LockError, answer_of
from .pdm_lock import find_in_pdm_lock
from .poetry_lock import find_in_poetry_lock
from .pylock import find_in_pylock
from .uv_lock import find_in_uv_lock

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST_BYTES = 20_000_000
_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")
# What works from no project of its own.
_WITHOUT_PROJECT = frozenset({"pip", "tool", "build", "venv", "python", "cache", "self", "auth", "init", "publish"})
_PDM_FOLDERS = 5


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


def is_lock_name(path: str) -> bool:
    """Return whether a file that arguments name as requirements is a pylock.toml (PEP 751, 'File Name')."""
    return _PYLOCK.fullmatch(path.replace("\\", "/").rpartition("/")[2]) is not None


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
    return b"\n# /// script" in b"\n" + script.read_bytes()[:_LARGEST_BYTES] if script.is_file() else False


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
    """Return what one lock file says of torch; its kind is in its name."""
    try:
        data = _parsed(file)
        answer = answer_of(_find(file, data, python, chosen), python)
        requirement = TorchRequirement.parse(answer.requirement) if answer.requirement else None
    except (LockError, MarkerError, InvalidRequirement) as error:
        return Locked(file=str(file), said=str(error))
    return Locked(
        file=str(file),
        version=answer.version,
        requirement=requirement,
        toolkit=find_locked_toolkit(data, answer.version, python),
        said=answer.said,
    )


def _find(file: Path, data: Mapping[str, Any], python: Python, chosen: Chosen) -> LockedTorch:
    folder = file.parent
    if is_lock_name(file.name):
        return find_in_pylock(data, folder=folder, python=python, chosen=chosen)
    if file.name == "poetry.lock":
        settings = _tool(_pyproject(folder), "poetry")
        return find_in_poetry_lock(data, folder=folder, settings=settings, python=python, chosen=chosen)
    if "lock_version" in table(data.get("metadata")) or file.name == "pdm.lock":
        return find_in_pdm_lock(data, folder=folder, python=python, chosen=chosen)
    if file.name == "uv.lock" or file.name.endswith(".py.lock"):
        return find_in_uv_lock(data, folder=folder, settings=_uv_settings(folder), python=python, chosen=chosen)
    raise LockError("it is no kind of lock file that is known")


def _uv_settings(folder: Path) -> Mapping[str, Any]:
    # uv takes a uv.toml instead of [tool.uv], where there is one.
    try:
        return _parsed(folder / "uv.toml")
    except LockError:
        return _tool(_pyproject(folder), "uv")


def _pyproject(folder: Path) -> Mapping[str, Any]:
    try:
        return _parsed(folder / "pyproject.toml")
    except LockError:
        return {}


def _tool(pyproject: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return table(table(pyproject.get("tool")).get(name))


def _parsed(file: Path) -> Mapping[str, Any]:
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such path"
        raise LockError(f"it cannot be read: {reason}") from None
    if len(content) > _LARGEST_BYTES:
        raise LockError(f"it is larger than {_LARGEST_BYTES // 1_000_000} MB")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise LockError(f"it does not parse: {' '.join(str(error).split())[:120]}") from None
