"""Whether a build's compilers are counted among those of all builds of the user, and how it gets its share.

May not know what the others have: the budget is the machine's, as this build has seen it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..model.decision import Budget, Compiling
from ..model.observation import Snapshot
from ..settings.config import Budgeting, Config
from ..values import dataclass
from .plan_needs import RESERVE_BYTES, outlives_build, plan_ninja, uses_ninja

_MOST_NAMED = 3
# With a setup.py that imports nothing else, setuptools compiles one file after the other.
_PLAIN = frozenset(
    {
        *("__future__", "distutils", "setuptools", "packaging", "torch", "numpy", "pybind11"),
        *("codecs", "collections", "glob", "io", "itertools", "json", "os", "pathlib", "platform", "re", "sys"),
        *("sysconfig", "textwrap", "typing", "warnings"),
    }
)


def plan_budget(config: Config, snapshot: Snapshot, compiling: Compiling) -> Budget | None:
    """Return what this build's compilers take of all builds' budget; None where nothing is shared.

    Where the user has given make a MAKEFLAGS, that may be a jobserver of his own: ninja is given no other.
    """
    hardware = snapshot.hardware
    is_off = config.jobserver is Budgeting.OFF or snapshot.python.system == "win32"
    if is_off or hardware is None or compiling.jobs is None:
        return None
    return Budget(
        cores=hardware.cores,
        memory_bytes=max(0, hardware.memory_bytes - RESERVE_BYTES),
        limit=f"{hardware.memory_limit}, {hardware.cores_limit}",
        job_bytes=compiling.job_bytes,
        most=hardware.users_jobs or (1 if _is_serial(config, snapshot) else config.max_jobs),
        exactly=bool(hardware.users_jobs),
        asked=not hardware.users_jobs and "MAKEFLAGS" not in snapshot.variables_set and _asks(config, snapshot),
    )


def _is_serial(config: Config, snapshot: Snapshot) -> bool:
    script, ninja = snapshot.project.setup_script, plan_ninja(snapshot)
    if not config.backend.startswith("setuptools."):
        return False
    if ninja is not None:
        return not ninja.text
    # What imports nothing could not be read.
    return script is None or (not script.starts_cmake and bool(script.imports) and set(script.imports) <= _PLAIN)


def _asks(config: Config, snapshot: Snapshot) -> bool:
    """Return whether ninja compiles, found on PATH: torch runs it, or meson-python.

    CMake is told a number, and writes into its cache which ninja it has found, as editable wheels of meson-python do.
    """
    script = snapshot.project.setup_script
    by_torch = uses_ninja(snapshot.project) and script is not None and not script.starts_cmake
    return by_torch or (config.backend == "mesonpy" and not outlives_build(config, snapshot.hook))


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a build has of the budget. `since_s` is when it came; `wants` says that it has use for more.

    It has no `jobs` while it waits. `memory_bytes` is what there is for all, as far as it knows.
    """

    name: str = ""
    process: int = 0
    since_s: float = 0
    memory_bytes: int = 0
    job_bytes: int = 1
    jobs: int = 0
    wants: bool = True


def whole_memory(measured_bytes: int, others: Sequence[Share]) -> int:
    """Return what there is for all, where others use a part of it, of which they had measured more before."""
    used = sum(share.jobs * share.job_bytes for share in others)
    return min(measured_bytes + used, max(share.memory_bytes for share in others)) if used else measured_bytes


def free_jobs(budget: Budget, own: Share, others: Sequence[Share]) -> int:
    """Return how many jobs a build can have besides its own; one if nobody has any."""
    everybody = (own, *others)
    cores = budget.cores - sum(share.jobs for share in everybody)
    memory = own.memory_bytes - sum(share.jobs * share.job_bytes for share in everybody)
    fitting = max(0, min(cores, memory // max(1, own.job_bytes)))
    return fitting or int(not any(share.jobs for share in everybody))


def first_jobs(budget: Budget, own: Share, others: Sequence[Share]) -> int:
    """Return with how many jobs a build begins, one of them left to each that came later; 0 while it has to wait."""
    if any(not share.jobs and share.since_s < own.since_s for share in others):
        return 0
    free = free_jobs(budget, own, others)
    if budget.exactly:
        return budget.most if free >= min(budget.most, free_jobs(budget, own, ())) else 0
    fair = max(1, free - sum(not share.jobs for share in others)) if free else 0
    return min(fair, budget.most or fair)


def next_jobs(budget: Budget, own: Share, others: Sequence[Share], *, unread: int, is_idle: bool) -> int:
    """Return how many jobs a build should have, where its ninja has not taken `unread` of them, `is_idle` for long."""
    needy = [share for share in others if share.wants]
    if unread:
        gives = is_idle or any(share.jobs + 1 < own.jobs for share in needy)
        return own.jobs - 1 if needy and gives else own.jobs
    if any(share.jobs < own.jobs for share in needy):
        return own.jobs
    free = free_jobs(budget, own, others)
    wanted = own.jobs + (min(1, free) if needy else free)
    return max(own.jobs, min(wanted, budget.most or wanted))


def waiting_text(others: Sequence[Share]) -> str:
    """Return for whom a build waits, in a line."""
    having = [
        f"{share.name} (process {share.process}, {share.jobs} compiler{'' if share.jobs == 1 else 's'})"
        for share in others
        if share.jobs
    ]
    whom = ", ".join(having[:_MOST_NAMED]) or "one that came before"
    return f"torchgraft: memory and processors are in use by other builds of yours; waiting for {whom}"
