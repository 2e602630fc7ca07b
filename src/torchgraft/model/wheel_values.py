"""What becomes of a wheel that was built: the guard of its modules, and their run paths.

May not do anything: every type here is frozen, keyword-only, and round-trips through JSON (see `codec`).
"""

from __future__ import annotations

from ..values import dataclass
from .decision import Planned
from .torch_values import Torch


@dataclass(frozen=True, kw_only=True)
class GuardedModule:
    """An extension module of a wheel that gets a guard: `file` becomes `moved`, and `shim` takes its place."""

    name: str
    file: str
    moved: str
    shim: str


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What is guarded in a wheel, and which files are left alone, with the reason.

    `tops` are the top-level packages of an editable installation, whose extension modules are not in the wheel.
    `guessed` is the torch that the wheel is for, where that was a guess: another one is refused even if it links. Then
    `watched` are packages whose libraries are no extension modules, or none that can be guarded; `tops` has theirs too.
    """

    modules: tuple[GuardedModule, ...] = ()
    tops: tuple[str, ...] = ()
    left: tuple[Planned, ...] = ()
    guessed: Torch | None = None
    watched: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunPathPlaces:
    """Where run paths may point to. `sites` are folders of installed distributions, of grafts too.

    `passing` are folders that are gone or changed after the build; `lasting` are those among them that are not, and
    `staying` source trees that do. `source` is what relative ones were written from. `libraries` are the names in the
    folders that run paths name, `found` those that are found without one.
    """

    sites: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()
    staying: tuple[str, ...] = ()
    source: str = ""
    libraries: tuple[tuple[str, tuple[str, ...]], ...] = ()
    found: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedRunPath:
    """The run path that a module of a wheel gets: `entries`, none if it is removed.

    `old` says that it is one of DT_RPATH; `replaced` are the entries that were there and may not be. `lost` are files
    of the build that the module needs, and would not find.
    """

    file: str
    entries: tuple[str, ...]
    old: bool
    replaced: tuple[str, ...]
    lost: tuple[str, ...] = ()
