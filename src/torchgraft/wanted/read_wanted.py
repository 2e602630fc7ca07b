"""What the front end is about to install of torch: in its arguments, the files that they name, and its lock.

May not weigh one against the other, nor resolve anything, nor raise: what cannot be read is reported as a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..consumer.command_line import CommandLine
from ..consumer.front_end import Caller, describe_front_end, is_switched_on, takes_anew
from ..consumer.processes import Process
from ..model.observation import FrontEnd, FrontEndName, Python
from ..model.source_tree import Project
from ..model.torch_values import AskedFor, Locked, TorchRequirement, Wanted
from .arguments import Asked, read_asked_for
from .torch_lines import torch_in_line

_REINSTALLS = frozenset({"pipx reinstall", "pipx reinstall-all"})
# Those that may work from a lock of a project.
_WITH_LOCK = frozenset({FrontEndName.UV, FrontEndName.POETRY, FrontEndName.PDM})
# Options of uv that have variables.
_SWITCHES = (
    *("--isolated", "--no-default-groups", "--no-dev"),
    *("--only-install-local", "--only-install-project", "--only-install-workspace"),
)
# The commands of poetry and pdm that work on the dependencies of a project.
_LOCKING = frozenset((word,) for word in ("add", "export", "install", "list", "lock", "remove", "sync", "update"))


def read_wanted(
    caller: Caller, ancestors: tuple[Process, ...], python: Python, *, building: Project | None = None
) -> Wanted:
    """Return what the lock and the arguments of the front end say, while a project is being built."""
    caller = replace(caller, command=_with_variables(caller))
    # pipx runs pip or uv with arguments of its own making; what the user asked for stands in pipx's.
    callers = [(caller.command, caller.process)]
    callers += [(c, process) for process in ancestors if (c := process.command_line) and c.program is FrontEndName.PIPX]
    asked = [
        read_asked_for(
            command, folder=process.folder, variables=dict(process.variables), python=python, building=building
        )
        for command, process in callers
    ]
    if any(command.text in _REINSTALLS for command, _ in callers):
        from .command_sources import read_injected

        faults: list[str] = []
        # pipx runs pip and uv in the folder of the environment.
        lines = read_injected(Path(caller.process.folder))
        found = tuple(one for line in lines if (one := torch_in_line(line, python, faults)))
        asked.append(Asked(requirements=found, faults=tuple(faults)))
    if not any(item.requirements for item in asked):
        asked += _by_hatch(ancestors, python, building)
    locked = _locked(caller, tuple(file for item in asked for file in item.lock_files), python)
    locked, own, resolves = _with_project(caller, locked, python)
    asked.append(own)
    return Wanted(
        locked=locked,
        asked_for=tuple(dict.fromkeys(found for item in asked for found in item.requirements)),
        faults=tuple(dict.fromkeys(fault for item in asked for fault in item.faults)),
        others=tuple(dict.fromkeys(text for item in asked for text in item.others)),
        named=any(item.named for item in asked),
        resolves=resolves,
        own_environment=len(callers) > 1 or (caller.name is FrontEndName.UV and _is_uvs_own(caller)),
        variables={name: value for item in asked for name, value in item.variables.items()},
    )


def front_end_of(caller: Caller, wanted: Wanted, *, torch_comes_first: bool = False) -> FrontEnd:
    """Return the front end, with what its project says of where it is in its work, and its arguments of upgrades.

    uv and pdm resolve a project before they sync it, calling for metadata as for a build; only then there is a lock
    that is not older than the project. poetry writes it at the very end. `pip install -U` takes the newest of what it
    is asked for, and leaves what that depends on as it is.

    :param torch_comes_first: whether torch would be there if the wheel were to be built now: poetry installs what a
        distribution requires before it builds it
    """
    is_poetry = caller.name is FrontEndName.POETRY
    resolves = wanted.resolves and (torch_comes_first or not is_poetry)
    command = caller.command
    takes_newest = takes_anew(command) or (command.text == "pip install" and command.has("--upgrade", "-U"))
    return replace(
        caller.front_end,
        resolves=caller.front_end.resolves or resolves,
        ignores_installed=caller.front_end.ignores_installed or (takes_newest and wanted.named),
        own_environment=wanted.own_environment,
    )


def _is_uvs_own(caller: Caller) -> bool:
    from ..consumer.uv import has_own_script

    return caller.command.words[:1] == ("tool",) or caller.command.runs_with or has_own_script(caller)


def with_settings(caller: Caller) -> Caller:
    """Return the front end with what its settings files say of upgrades and dependencies, as options."""
    command, variables, folder = caller.command, dict(caller.process.variables), caller.process.folder
    if command.program is FrontEndName.UV and command.words[:1] in (("pip",), ("tool",)):
        from .settings_files import with_settings_of_uv

        command = with_settings_of_uv(command, variables, Path(folder))
    elif command.text == "pip install":
        from .settings_files import with_settings_of_pip

        command = with_settings_of_pip(command, folder)
    if command is caller.command:
        return caller
    return replace(caller, command=command, front_end=describe_front_end(command, caller.front_end.version))


def _locked(caller: Caller, files: tuple[str, ...], python: Python) -> Locked | None:
    if not files and (caller.name not in _WITH_LOCK or caller.command.has_no_project):
        return None
    if not files and caller.name is FrontEndName.UV and _is_on(caller, "--no-project"):
        return None
    from .lock_files import read_lock

    root = _project_folder(caller)
    return read_lock(caller.process.folder, command=caller.command, root=root, extra_files=files, python=python)


def _with_variables(caller: Caller) -> CommandLine:
    """Return the command line with what variables say of groups and locks, as the options that they stand for."""
    options: tuple[tuple[str, str], ...] = ()
    if caller.name is FrontEndName.UV:
        options = tuple((option, "") for option in _SWITCHES if _is_on(caller, option))
        options += tuple(("--no-group", name) for name in (caller.variable("UV_NO_GROUP") or "").split())
    elif caller.name is FrontEndName.PDM and (named := caller.variable("PDM_LOCKFILE")):
        options = (("--lockfile", named),)
    return replace(caller.command, options=(*options, *caller.command.options)) if options else caller.command


def _with_project(caller: Caller, locked: Locked | None, python: Python) -> tuple[Locked | None, Asked, bool]:
    """Return the lock, what the project requires where that does not count, and whether it is being locked anew.

    A lock that contradicts the project is none. `uv run --isolated` writes none, `--frozen` takes one as it is.
    """
    command = caller.command
    is_undecided = locked is not None and locked.undecided and not locked.version
    if is_undecided or _is_on(caller, "--frozen") or not _works_on_project(caller):
        return locked, Asked(), False
    from .lock_files import project_lines

    start = Path(caller.process.folder, _project_folder(caller) or ".")

    def pins(faults: list[str], tool: FrontEndName | None, *, everything: bool = False) -> tuple[AskedFor, ...]:
        lines = project_lines(start, command, python, faults, tool=tool, everything=everything)
        return tuple(asked for line in lines if (asked := torch_in_line(line, python, faults)))

    if locked is not None:
        version = locked.version
        newer = next((pin for pin in pins([], None) if not (version and pin.requirement.accepts(version))), None)
        if newer is None:
            return locked, Asked(), False
        said = f"{locked.said}, which is older than {newer.requirement.text} ({newer.source})"
        locked = Locked(file=locked.file, said=said)
    tool = None if _is_on(caller, "--no-sources") else caller.name
    faults: list[str] = []
    found = pins(faults, tool, everything=True)
    together = TorchRequirement.all_of(pin.requirement for pin in found)
    if together and together.pinned and not together.accepts(together.pinned):
        faults = []
        found = pins(faults, tool)
    is_isolated = command.has("--isolated") or (command.text == "uv run" and _is_on(caller, "--no-sync"))
    writes_lock = not (is_isolated or any(_is_on(caller, option) for option in ("--no-lock", "--frozen-lockfile")))
    return locked, Asked(requirements=found, faults=tuple(faults)), writes_lock


def _by_hatch(ancestors: tuple[Process, ...], python: Python, building: Project | None) -> Iterator[Asked]:
    """Yield what the environment requires for which hatch has pip or uv install, that of the project first.

    What a person has hatch run in it has torch there already, or names it.
    """
    for process in ancestors:
        command = process.command_line
        if command is not None and command.program is FrontEndName.HATCH and command.words[:1] != ("build",):
            from .command_sources import read_hatch
            from .local_projects import LocalProjects

            faults: list[str] = []
            projects = LocalProjects(Path(process.folder), python, faults, building=building, tool=None)
            lines = read_hatch(command, projects, process.variable("HATCH_ENV"))
            found = tuple(one for line in lines if (one := torch_in_line(line, python, faults)))
            yield Asked(requirements=found, faults=tuple(faults))


def _works_on_project(caller: Caller) -> bool:
    if caller.name is FrontEndName.UV:
        from ..consumer.uv import is_project_command

        return is_project_command(caller)
    return caller.name in _WITH_LOCK and caller.command.words[:1] in _LOCKING


def _is_on(caller: Caller, option: str) -> bool:
    """Return whether an option is given, or its variable: UV_NO_PROJECT is --no-project of uv."""
    name = f"{caller.name.value}_{option.removeprefix('--')}"
    return caller.command.has(option) or is_switched_on(caller.variable(name.replace("-", "_").upper()))


def _project_folder(caller: Caller) -> str | None:
    """Return where the front end's options and variables say that the project is."""
    if caller.name is FrontEndName.UV:
        # uv has changed to --directory by now: its working folder says so.
        return caller.command.value("--project") or caller.variable("UV_PROJECT")
    return caller.command.value("-C", "--directory", "-P", "--project", "-p") or caller.variable("PDM_PROJECT")
