"""How many compilers may run at once without exhausting memory.

May not measure anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.observation import Snapshot
from ..settings.config import Config

# Peaks that were measured, one architecture a job (docs/how-it-works.md): a .cu with torch's headers and cub 3.4 GB, a
# .cpp with torch's headers 1.6 GB.
_CUDA_JOB_BYTES = 4_000_000_000
_CPP_JOB_BYTES = 2_000_000_000
_RESERVE_BYTES = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """A number of jobs, with what limits it."""

    count: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Threads:
    """How many compilations one nvcc does at once, and who has it do so."""

    count: int
    source: str


def plan_jobs(
    config: Config, snapshot: Snapshot, *, cuda: bool, job_bytes: int = 0, threads: Threads | None = None
) -> Jobs | None:
    """Return the smaller of what processors and memory allow, at least one; None if neither was looked at.

    ninja counts processors alone, and a machine of 64 cores and 128 GB dies at the 30th nvcc.

    :param job_bytes: what a package is known to need for each, 0 if nothing is known
    :param threads: those of each nvcc, which needs about as many times the memory of one (measured: 3.7 times with 4)
    """
    hardware = snapshot.hardware
    if hardware is None:
        return None
    need, counted = config.memory_per_job, ""
    if not need:
        need = job_bytes or (_CUDA_JOB_BYTES if cuda else _CPP_JOB_BYTES)
        if threads is not None and threads.count > 1:
            need *= threads.count
            counted = f" of {threads.count} nvcc threads ({threads.source})"
    by_memory = max(1, (hardware.memory_bytes - _RESERVE_BYTES) // need)
    if config.max_jobs and config.max_jobs <= min(hardware.cores, by_memory):
        return Jobs(count=config.max_jobs, reason=f"max-jobs ({config.origin('max-jobs')})")
    if by_memory < hardware.cores:
        reason = f"{hardware.memory_limit} leaves {_gb(hardware.memory_bytes)}, {_gb(need)} a job{counted}"
        return Jobs(count=by_memory, reason=reason)
    return Jobs(count=max(1, hardware.cores), reason=hardware.cores_limit)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def plan_threads(snapshot: Snapshot, architectures: tuple[str, ...]) -> Threads | None:
    """Return the threads of each nvcc, as far as flags say it: the user's, else those in setup.py; else None.

    A thread is for an architecture (nvcc --help, `--threads`). Where setup.py has flags of its own for these, or the
    user has set them, how many there are is not known: then every thread counts.

    :param architectures: those of TORCH_CUDA_ARCH_LIST, as they were decided
    """
    script, hardware = snapshot.project.setup_script, snapshot.hardware
    if hardware is None:
        return None
    said, source = hardware.appended_threads, "NVCC_APPEND_FLAGS"
    if said is None and script is not None:
        said, source = script.nvcc_threads, "setup.py"
    if said is None:
        return None
    threads = said or hardware.cores
    named = script is not None and script.names_gencode
    unknown = named or not architectures or "TORCH_CUDA_ARCH_LIST" in snapshot.variables_set
    return Threads(count=max(1, threads if unknown else min(threads, len(architectures))), source=source)
