"""What `torchgraft doctor` sees and says, as values.

May not do anything: every type here is frozen, keyword-only, and round-trips through JSON (see `codec`).
"""

from __future__ import annotations

import enum

from ...errors import Problem
from ...model.observation import FrontEndName, Python, Snapshot
from ...values import dataclass
from ..cache.cache_folder import CacheState
from ..front_end_settings import FrontEndSetting


@dataclass(frozen=True, kw_only=True)
class FrontEndProgram:
    """A front end on PATH. `version` is "" where it does not say one in time."""

    name: FrontEndName
    program: str
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """NVIDIA's driver: its version, and the CUDA release that it can run (13.0), "" where it does not say."""

    version: str
    cuda: str = ""


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """All that the doctor's findings depend on.

    `snapshot` is that of an imaginary project with CUDA code; `python` runs torchgraft. `stray` are variables that
    name an environment where there is none, with that name. `settings_faults` are mistakes in TORCHGRAFT_* variables.
    """

    torchgraft: str
    python: Python
    snapshot: Snapshot
    front_ends: tuple[FrontEndProgram, ...] = ()
    front_end_settings: tuple[FrontEndSetting, ...] = ()
    driver: Driver | None = None
    cache: CacheState
    stray: tuple[tuple[str, str], ...] = ()
    settings_faults: tuple[Problem, ...] = ()


class Health(enum.Enum):
    """How it stands with one thing. Only a problem keeps a build from working."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True)
class DoctorLine:
    """One line of the doctor. `fixes` run as typed; `problem` is a heading in docs/reference/errors.md, or ""."""

    topic: str
    verdict: Health
    text: str
    fixes: tuple[str, ...] = ()
    problem: str = ""
