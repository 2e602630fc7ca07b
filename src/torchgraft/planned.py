"""What was decided: the values that travel from decide to act, each with its reason.

May not do anything: every type here is frozen, keyword-only, and round-trips through JSON (see `codec`).
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import Problem
from .model import FrontEnd, Hook, Installer, Link, Rule, Rung, Torch, Way


@dataclass(frozen=True, kw_only=True)
class RungAnswer:
    """What one rung of the ladder said: `torch` is a requirement, None if the rung had no answer."""

    rung: Rung
    torch: str | None
    said: str


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One line of the plan with its reason: a requirement, a variable (`name=value`), a choice."""

    text: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PlannedVariable:
    """A variable of the delegate's environment. `value` is None where the user's own value stays.

    `of_machine` says that it is about the machine that compiles: metadata are prepared without looking at it.
    """

    name: str
    value: str | None
    reason: str
    of_machine: bool = False


@dataclass(frozen=True, kw_only=True)
class Graft:
    """A folder of links to be put in front of the build's import path."""

    folder: str
    links: tuple[Link, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PlannedToolkit:
    """The CUDA toolkit of the build: `home` is CUDA_HOME.

    Where `layers` are given, `home` is a folder of links over these trees, the first of which wins.
    """

    home: str
    version: str
    reason: str
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LateInstall:
    """A requirement that is installed into `prefix`, the build environment, before the hook is planned again."""

    requirement: str
    prefix: str
    installer: Installer
    reason: str


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """What setup.py is told of torch while metadata is made without one. `known`: by a rung, not by guess."""

    version: str
    cuda: str | None = None
    hip: str | None = None
    xpu: str | None = None
    debug: bool = False
    git_version: str | None = None
    cxx11_abi: bool | None = None
    known: bool


@dataclass(frozen=True, kw_only=True)
class Delegate:
    """The wrapped backend. `asked` says whether its own get_requires hook has to run, and `reason` why."""

    backend: str
    backend_path: tuple[str, ...] = ()
    asked: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a hook call will do, with a reason for every line. Without `problems` it can be carried out."""

    hook: Hook
    consumer: Planned | None = None
    rungs: tuple[RungAnswer, ...] = ()
    rung: Rung | None = None
    torch: Torch | None = None
    way: Way
    way_reason: str
    requirements: tuple[Planned, ...] = ()
    late_install: LateInstall | None = None
    graft: Graft | None = None
    toolkit: PlannedToolkit | None = None
    jobs: int | None = None
    stand_in: StandIn | None = None
    asks_version: bool = False
    from_files: bool = False
    variables: tuple[PlannedVariable, ...] = ()
    delegate: Delegate
    front_end: FrontEnd
    rule: Rule | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
