"""What the front end's lock and arguments want of torch.

May not weigh one against the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..consumer.front_end import Caller
from ..consumer.processes import Process
from ..consumer.uv import is_project_command
from ..model.observation import AskedFor, FrontEnd, FrontEndName, Locked, Python
from .arguments import read_asked_for
from .locks import read_lock

_WITH_FOLDER = frozenset({FrontEndName.POETRY, FrontEndName.PDM})


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
