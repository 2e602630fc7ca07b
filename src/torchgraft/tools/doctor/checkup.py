"""What `torchgraft doctor` and `torchgraft cache` see and say, as values.

May not do anything: every type here is frozen, keyword-only, and round-trips through JSON (see `codec`).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ...errors import Problem
from ...model.observation import FrontEndName, Python, Snapshot


@dataclass(frozen=True, kw_only=True)
class FrontEndProgram:
    """A front end on PATH. `version` is "" where it does not say one in time."""

    name: FrontEndName
    program: str
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class FrontEndSetting:
    """A setting of a front end that changes how builds are isolated: `name` as it is written, `source` where."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Driver:
    """NVIDIA's driver: its version, and the CUDA release that it can run (13.0), "" where it does not say."""

    version: str
    cuda: str = ""


@dataclass(frozen=True, kw_only=True)
class CacheState:
    """The cache folder. `fault` says why it cannot be used, "" if it can; `fixes` what cures that."""

    folder: str
    exists: bool
    fault: str = ""
    fixes: tuple[str, ...] = ()


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


class Verdict(enum.Enum):
    """How it stands with one thing. Only a problem keeps a build from working."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor. `fixes` run as typed; `problem` is a heading in docs/reference/errors.md, or ""."""

    topic: str
    verdict: Verdict
    text: str
    fixes: tuple[str, ...] = ()
    problem: str = ""


class CacheKind(enum.Enum):
    """What is kept in the cache folder."""

    GRAFT = "graft"
    TOOLKIT = "toolkit"
    LOCK = "lock"
    NOTE = "note"
    DRAFT = "draft"


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """One thing in the cache folder.

    `size_bytes` is its own, without what its links lead to. `targets` are the folders that these lead into.
    `last_used_s` are seconds since 1970. `stale` says why nothing can use it any more, "" if something can. `held`
    says of a lock that a build holds it, or that this cannot be found out.
    """

    kind: CacheKind
    name: str
    size_bytes: int
    last_used_s: float
    targets: tuple[str, ...] = ()
    stale: str = ""
    held: bool = False


@dataclass(frozen=True, kw_only=True)
class CacheListing:
    """What is in the cache folder."""

    folder: str
    entries: tuple[CacheEntry, ...] = ()

    @property
    def size_bytes(self) -> int:
        """How much all of it takes."""
        return sum(entry.size_bytes for entry in self.entries)


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What is, or would be, done with one thing in the cache folder, and why."""

    entry: CacheEntry
    removed: bool
    reason: str
