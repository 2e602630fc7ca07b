"""The lock that a front end works from: where it is, of which kind, and what it says of torch.

May not resolve anything, nor raise: a lock without an answer is a value that says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ..consumer.command_line import CommandLine
from ..consumer.uv import find_member, has_metadata, is_on_project, project_root, workspace_members
from ..files import UnreadableError, is_file, real
from ..installed.markers import Chosen, MarkerError
from ..model.observation import FrontEndName, Python
from ..model.torch_values import Locked, required_name
from ..untrusted import find_toml, read_toml, strings, table, tables, text_of
from .local_projects import LocalProjects
from .locked_torch import ANYTHING, LockError, ReadLock, applying_torch, locked_answer, undecided_answer
from .other_locks import read_pdm_lock, read_poetry_lock, read_pylock
from .requirements_files import is_lock_name
from .tool_tables import find_overrides, tool_table
from .torch_lines import Line
from .uv_lock import read_uv_lock

_PDM_FOLDERS = 5
# With these uv installs nothing that is taken from an index.
_ONLY_OWN = ("--only-install-project", "--only-install-workspace", "--only-install-local")
# The options that choose an extra, and a group.
_CHOOSING = {
    FrontEndName.UV: ("--extra", "--group"),
    FrontEndName.POETRY: ("--extras", "--with"),
    FrontEndName.PDM: ("-G", "-G"),
}
# Those with which the project's own dependencies are left out, and those with which only they are installed.
_ONLY_GROUPS = {FrontEndName.UV: ("--only-group", "--only-dev"), FrontEndName.POETRY: ("--only", "--only-root")}
_NO_DEV = {FrontEndName.PDM: ("--prod", "--production", "--no-dev")}
_MOST_OPTIONS = 20


def read_lock(
    folder: str, *, command: CommandLine, root: str | None = None, extra_files: tuple[str, ...] = (), python: Python
) -> Locked | None:
    """Return what the lock file says of torch; None where the front end works from none.

    :param command: its command line: `uv pip` has no lock, and `--extra` chooses among several torch
    :param root: where its options say that the project is (`--project`, `--directory`, poetry's and pdm's own)
    :param extra_files: lock files that its arguments name, which come before that of the project
    """
    files = [Path(folder, file) for file in extra_files]
    project = None if files else _project_lock(Path(folder, root or "."), command)
    files += [] if project is None else [project]
    chosen = replace(chosen_by(command), projects=_members(Path(folder, root or "."), command))
    found = [_read(file, python, command, chosen) for file in files]
    locked = next((locked for locked in found if locked.requirement), found[0] if found else None)
    if locked is not None and project is not None:
        locked = replace(locked, guessed=command.program is FrontEndName.UV and not is_on_project(command))
    option = _leaves_torch_alone(command)
    if locked is None or option is None or not (locked.requirement or locked.undecided):
        return locked
    # What is locked is not installed, and the torch stays that is there.
    return Locked(file=locked.file, version=locked.version, said=f"{locked.said}, which {option} leaves out")


def project_lines(
    start: Path,
    command: CommandLine,
    python: Python,
    faults: list[str],
    *,
    tool: FrontEndName | None,
    everything: bool = False,
) -> tuple[Line, ...]:
    """Return what the project of a folder requires of torch and all else; of torch only an override, if there is one.

    :param tool: the front end whose tables say where distributions come from, None where none counts
    :param everything: whether all extras, groups and members of the workspace are meant, as by who resolves; else
        those of the command
    """
    start = Path(real(start))
    folder = next((above for above in (start, *start.parents) if is_file(above / "pyproject.toml")), start)
    is_uv = command.program is FrontEndName.UV
    root = (project_root(folder) if is_uv else None) or folder
    reader = LocalProjects(folder, python, faults, building=None, tool=tool)
    reader.resolves = everything and not command.has("--isolated")
    # For a project uv heeds these of its settings here alone, whatever a uv.toml says.
    data = find_toml(root / "pyproject.toml")
    excluded = tool_table(data, FrontEndName.UV).get("exclude-dependencies")
    if is_uv and "torch" in _names(strings(excluded)):
        return ()  # nothing brings one, whatever asks for it
    overrides = tuple(text for text in find_overrides(data, command.program) if required_name(text) == "torch")
    if overrides:
        return tuple(reader.read_settings(root, overrides))
    chosen = Chosen(all_extras=True, all_groups=True) if everything else chosen_by(command)
    members = (find_member(root, canonicalize_name(name)) for name in command.values("--package") if is_uv)
    folders = workspace_members(root) if everything and is_uv else tuple(filter(None, members)) or (folder,)
    lines = [line for one in folders for line in reader.read(one, chosen)]
    limits = strings(tool_table(data, FrontEndName.UV).get("constraint-dependencies")) if is_uv else ()
    return (*lines, *reader.read_settings(root, limits))


def _members(start: Path, command: CommandLine) -> frozenset[str]:
    """Return the projects of a workspace that a command of uv is for; none where all of them are meant."""
    if command.program is not FrontEndName.UV or command.has("--all-packages"):
        return frozenset()
    above = (start, *Path(real(start)).parents)
    file = next((folder / "pyproject.toml" for folder in above if is_file(folder / "pyproject.toml")), None)
    own = text_of(table(find_toml(file).get("project")).get("name")) if file else None
    return _names(command.values("--package") or (own or "",))


def _leaves_torch_alone(command: CommandLine) -> str | None:
    """Return the option of uv with which it installs no torch of the lock; None if it does."""
    if command.program is not FrontEndName.UV:
        return None
    if "torch" in _names(command.values("--no-install-package")):
        return "--no-install-package"
    return next((option for option in _ONLY_OWN if command.has(option)), None)


def _project_lock(start: Path, command: CommandLine) -> Path | None:
    try:
        start = start.resolve()
        if command.has_no_project:
            return None
        by_program = {FrontEndName.UV: _uv_locks, FrontEndName.POETRY: _poetry_locks, FrontEndName.PDM: _pdm_locks}
        candidates = by_program.get(command.program)
        return next((file for file in candidates(start, command) if file.is_file()), None) if candidates else None
    except (OSError, ValueError, RuntimeError):
        return None


def _uv_locks(start: Path, command: CommandLine) -> Iterator[Path]:
    script = command.script
    if script and has_metadata(Path(start, script)):
        # A script with requirements of its own has a lock of its own, and never that of a project.
        yield Path(start, f"{script}.lock")
    elif (root := project_root(start)) is not None:
        yield root / "uv.lock"


def _poetry_locks(start: Path, _command: CommandLine) -> Iterator[Path]:
    folder = next((folder for folder in (start, *start.parents) if (folder / "pyproject.toml").is_file()), start)
    yield folder / "poetry.lock"


def _pdm_locks(start: Path, command: CommandLine) -> Iterator[Path]:
    folders = (start, *start.parents)[:_PDM_FOLDERS]
    folder = next((folder for folder in folders if (folder / "pyproject.toml").is_file()), start)
    yield from (folder / name for name in command.values("-L", "--lockfile")[-1:])
    yield folder / "pdm.lock"
    yield folder / "pylock.toml"


def chosen_by(command: CommandLine) -> Chosen:
    """Return the extras and groups that a command names.

    Default groups are the lock's or the project's own business.
    """
    extras = command.values("--extra", "--extras", "-E")
    groups = command.values("--group", "--only-group", "--with", "--only")
    if command.program is FrontEndName.PDM:
        # One option for both; `default` is what pdm calls the project's own dependencies.
        extras = groups = command.values("-G", "--group", "--with")
        groups = groups if command.has("--no-default") else (*groups, "default")
    only = command.has(*_ONLY_GROUPS.get(command.program, ()))
    none = only or command.has("--no-default-groups", *_NO_DEV.get(command.program, ()))
    without = command.values("--no-group", "--without")
    if command.program is FrontEndName.PDM and command.has("--no-default"):
        without = (*without, "default")
    if command.program is FrontEndName.UV:
        groups = (*groups, *(("dev",) if command.has("--dev", "--only-dev") else ()))
    return Chosen(
        extras=_names(extras),
        groups=_names(groups),
        all_extras=command.has("--all-extras") or ":all" in extras,
        all_groups=command.has("--all-groups") or ":all" in groups,
        without_extras=_names(command.values("--no-extra")),
        without_groups=_names((*without, *(("dev",) if command.has("--no-dev") else ()))),
        default_groups=not none,
        only_groups=only,
    )


def _names(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(canonicalize_name(name) for value in values for name in re.split(r"[\s,]+", value) if name)


def _read(file: Path, python: Python, command: CommandLine, chosen: Chosen) -> Locked:
    """Return what one lock file says of torch; one without an answer says why."""
    try:
        data = read_toml(file)
        lock = _read_by_name(file, data, python, chosen)
        if len(lock.distinct) <= 1:
            every = replace(lock, meant=applying_torch(lock.packages, python, ANYTHING))
            return replace(locked_answer(lock, file, python), varies=len(every.distinct) > 1)
        options = ((option, replace(one, projects=chosen.projects)) for option, one in _options(data, command.program))
        by_option = {option: _read_by_name(file, data, python, one) for option, one in options}
        return undecided_answer(lock, file, by_option)
    except UnreadableError as error:
        return Locked(file=str(file), undecided=True, said=f"it {error}")
    except (LockError, MarkerError) as error:
        return Locked(file=str(file), undecided=True, said=str(error))


def _options(data: Mapping[str, Any], program: FrontEndName) -> Iterator[tuple[str, Chosen]]:
    """Return what a command may choose by: the extras and groups that a lock file knows, as options."""
    here = {"virtual", "editable", "directory"}
    roots = [item for item in tables(data.get("package")) if here & set(table(item.get("source")))]
    extras = [*strings(data.get("extras")), *table(data.get("extras"))]
    extras += (name for item in roots for name in table(item.get("optional-dependencies")))
    groups = [*strings(data.get("dependency-groups"))]
    groups += (name for item in roots for name in table(item.get("dev-dependencies")))
    for_extra, for_group = _CHOOSING.get(program, ("extra", "group"))
    yield from ((f"{for_extra} {name}", Chosen(extras=_names((name,)))) for name in extras[:_MOST_OPTIONS])
    yield from ((f"{for_group} {name}", Chosen(groups=_names((name,)))) for name in groups[:_MOST_OPTIONS])


def _read_by_name(file: Path, data: Mapping[str, Any], python: Python, chosen: Chosen) -> ReadLock:
    """Return what stands in a lock file; its kind is in its name."""
    folder = file.parent
    if is_lock_name(file.name):
        return read_pylock(data, folder=folder, python=python, chosen=chosen)
    if file.name == "poetry.lock":
        settings = tool_table(find_toml(folder / "pyproject.toml"), FrontEndName.POETRY)
        return read_poetry_lock(data, folder=folder, settings=settings, python=python, chosen=chosen)
    if "lock_version" in table(data.get("metadata")) or file.name == "pdm.lock":
        project = table(find_toml(folder / "pyproject.toml").get("project"))
        return read_pdm_lock(data, folder=folder, project=project, python=python, chosen=chosen)
    if file.name == "uv.lock" or file.name.endswith(".py.lock"):
        return read_uv_lock(data, folder=folder, settings=_uv_settings(folder), python=python, chosen=chosen)
    raise LockError("it is no kind of lock file that is known")


def _uv_settings(folder: Path) -> Mapping[str, Any]:
    # uv takes a uv.toml instead of [tool.uv], where there is one; what groups a project has stands in its own file.
    own = tool_table(find_toml(folder / "pyproject.toml"), FrontEndName.UV)
    try:
        return {**read_toml(folder / "uv.toml"), "default-groups": own.get("default-groups")}
    except UnreadableError:
        return own
