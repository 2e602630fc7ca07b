"""Our decisions in the words of well-known packages: the variables of the vocabulary that apply to this project.

May not override what the user or the package has set, nor say what was not decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..model.decision import PlannedVariable
from ..model.observation import Snapshot
from ..settings.config import Config, Cuda
from ..settings.vocabulary import words_of
from ..settings.vocabulary_words import Decision, Word
from .plan_compiling import Compiling

# These are about the machine that compiles; the others are the same wherever metadata are made.
_OF_MACHINE = frozenset({Decision.TOOLKIT, Decision.OTHER_MINOR, Decision.ROCM})


def plan_vocabulary(
    config: Config, snapshot: Snapshot, compiling: Compiling, *, torch: str | None
) -> Iterator[PlannedVariable]:
    """Yield the variables by which well-known packages learn what was decided.

    With a torch that has no CUDA none of them forces anything: the package then does what it does by itself.

    :param torch: the version of torch without its local part, None if it is not known yet
    """
    made = frozenset(_made(config, compiling, torch))
    for word in words_of(snapshot.project.name, config.vocabulary):
        value = _value(word, compiling, torch) if word.when in made else None
        if value:
            whose = ", ".join(word.packages[:2]) or "every package"
            yield PlannedVariable(
                name=word.variable,
                value=value,
                reason=f"vocabulary of {whose}: {word.when.value}",
                of_machine=word.when in _OF_MACHINE,
            )


def _made(config: Config, compiling: Compiling, torch: str | None) -> Iterator[Decision]:
    if config.cuda is Cuda.OFF:
        yield Decision.NO_CUDA
    if compiling.toolkit is not None:
        yield Decision.TOOLKIT
        if compiling.other_minor:
            yield Decision.OTHER_MINOR
    if compiling.rocm:
        yield Decision.ROCM
    if torch:
        yield Decision.TORCH


def _value(word: Word, compiling: Compiling, torch: str | None) -> str:
    """Return the value of a word, "" where what it says has no value here."""
    if not word.value.startswith("{"):
        return word.value
    values: Mapping[str, str] = {
        "{numbers}": ";".join(number for number, _ in covered(compiling.architectures, word.known)),
        "{dotted}": ";".join(dotted for _, dotted in covered(compiling.architectures, word.known)),
        "{gfx}": ";".join(compiling.gfx),
        "{gfx_words}": " ".join(compiling.gfx),
        "{one_gfx}": compiling.gfx[0] if len(compiling.gfx) == 1 else "",
        "{jobs}": str(compiling.jobs or ""),
        "{torch}": torch or "",
    }
    return values[word.value]


def covered(names: tuple[str, ...], known: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return architectures as numbers and dotted (86, 8.6), within what a package knows, lowest first, each once.

    Code for 8.0 runs on 8.6, and not on 9.0: what is not known becomes the highest known one of the same major
    version that is not above it (CUDA C++ Programming Guide, "Binary Compatibility"). Suffixes are left out: neither
    +PTX nor 90a is understood everywhere.

    :param known: as 80; all if it is empty
    """
    found = set()
    for name in names:
        match = re.match(r"(\d+)\.(\d)", name)
        if match is None:
            continue
        major, minor = int(match[1]), int(match[2])
        fitting = [number for number in map(int, known) if number // 10 == major and number % 10 <= minor]
        if not known:
            found.add((major, minor))
        elif fitting:
            found.add((major, max(fitting) % 10))
    return tuple((f"{major}{minor}", f"{major}.{minor}") for major, minor in sorted(found))
