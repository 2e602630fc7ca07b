"""Which words of well-known packages are a project's, and what one job of theirs needs.

May not decide anything: `decide.vocabulary` does. The words themselves are in `words`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from .value_types import Kind, ValueProblem
from .vocabulary_words import VOCABULARY, Word


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
JOB_VARIABLES = tuple(sorted({word.variable for word in VOCABULARY if word.value == "{jobs}"}))
PACKAGES = tuple(sorted({package for word in VOCABULARY for package in word.packages}))


def _names(data: object) -> tuple[str, ...]:
    if data == OFF:
        return (OFF,)
    if not isinstance(data, list) or not all(isinstance(item, str) for item in data):
        raise ValueProblem('a list of packages, or "off"')
    names = tuple(str(canonicalize_name(item)) for item in data)
    unknown = next((name for name in names if name not in PACKAGES), None)
    if unknown is not None:
        raise ValueProblem(f"packages of the vocabulary; {unknown!r} is none of {', '.join(PACKAGES)}")
    return names


def _names_in_text(values: tuple[str, ...]) -> tuple[str, ...]:
    parts = [part for value in values for part in re.split(r"[,\s]+", value) if part]
    return _names(OFF if parts == [OFF] else parts)


NAMES = Kind(
    name='list of packages, or "off"',
    schema={
        "oneOf": [{"const": OFF}, {"type": "array", "items": {"type": "string", "minLength": 1}}],
    },
    from_toml=_names,
    from_text=_names_in_text,
)


def words_of(project: str | None, setting: tuple[str, ...]) -> tuple[Word, ...]:
    """Return the words that may apply to a project: those of every package, of its own name, and what was asked for.

    :param project: its name, in any spelling
    :param setting: the packages that the setting names, or `OFF` alone
    """
    if setting == (OFF,):
        return ()
    own = canonicalize_name(project) if project else None
    return tuple(
        word
        for word in VOCABULARY
        if (not word.packages and not word.asked)
        or any(package in setting or (package == own and not word.asked) for package in word.packages)
    )


def job_bytes_of(project: str | None, setting: tuple[str, ...]) -> int:
    """Return what one job of a project needs as far as it is known to be more than usual, else 0."""
    if setting == (OFF,):
        return 0
    names = {*setting, *([str(canonicalize_name(project))] if project else [])}
    return max((cost.memory_bytes for cost in COSTS if names & set(cost.packages)), default=0)
