"""Which words of well-known packages are a project's, and what one job of theirs needs.

May not decide anything: `compile.plan_facts` does. The words themselves are in `vocabulary_words`.
"""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import canonicalize_name

from ..values import dataclass
from .kinds import ValueProblem
from .vocabulary_words import VOCABULARY, Decision, Word


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one compiler job of a package needs at its peak, for one architecture, where that is more than usual."""

    packages: tuple[str, ...]
    memory_bytes: int
    source: str


OFF = "off"

# Measured: nvcc 13.0, one architecture, one thread.
COSTS: tuple[Cost, ...] = (
    Cost(
        packages=("flash-attn",),
        memory_bytes=7_000_000_000,
        source="flash-attn 2.8.3: forward of head dimension 128 4.6 GB, backward 5.8 GB, backward of 256 6.4 GB",
    ),
)

VARIABLES = tuple(sorted({word.variable for word in VOCABULARY}))
# Those that every build is told.
JOB_LIMITS = ("MAX_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL")
JOB_VARIABLES = tuple(sorted({word.variable for word in VOCABULARY if word.value == "{jobs}"}))
PACKAGES = tuple(sorted({package for word in VOCABULARY for package in word.packages}))


def known_package(data: object) -> str:
    """Return the name of a package of the vocabulary; raise ValueProblem if it is none."""
    if not isinstance(data, str):
        raise ValueProblem('a list of packages, or "off"')
    name = str(canonicalize_name(data))
    if name not in PACKAGES:
        raise ValueProblem(f"packages of the vocabulary; {name!r} is none of {', '.join(PACKAGES)}")
    return name


def words_of(project: str | None, setting: tuple[str, ...]) -> tuple[Word, ...]:
    """Return the words that may apply to a project: those of every package, of its own name, and what was asked for."""
    if setting == (OFF,):
        return ()
    own = canonicalize_name(project) if project else None
    return tuple(
        word
        for word in VOCABULARY
        if (not word.packages and not word.asked)
        or any(package in setting or (package == own and not word.asked) for package in word.packages)
    )


def _packages(project: str | None, setting: tuple[str, ...]) -> set[str]:
    """Return the packages as one of which a project counts."""
    return set() if setting == (OFF,) else {*setting, *([str(canonicalize_name(project))] if project else [])}


def can_leave_cuda_out(project: str | None, setting: tuple[str, ...]) -> bool:
    """Return whether `cuda = "off"` says something to a project."""
    return any(word.when is Decision.NO_CUDA for word in words_of(project, setting))


def switch_of(project: str | None, setting: tuple[str, ...], variables: Mapping[str, str]) -> str:
    """Return the variable, with its value, by which the user has told a project to leave CUDA out; "" if none.

    Also one that is never set by itself. Not where another variable says that ROCm compiles instead.
    """
    names = _packages(project, setting)
    said = [word for word in VOCABULARY if names & {*word.packages} and variables.get(word.variable) == word.value]
    if any(word.when is Decision.ROCM for word in said):
        return ""
    return next((f"{word.variable}={word.value}" for word in said if word.when is Decision.NO_CUDA), "")


def job_bytes_of(project: str | None, setting: tuple[str, ...]) -> int:
    """Return what one job of a project needs as far as it is known to be more than usual, else 0."""
    names = _packages(project, setting)
    return max((cost.memory_bytes for cost in COSTS if names & set(cost.packages)), default=0)
