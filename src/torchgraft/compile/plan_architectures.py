"""Which GPU architectures to compile for.

May not ask nvcc or a driver: what they know is in the snapshot.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass

from ..model.observation import Snapshot, Torch
from ..settings.config import ArchFormat, Config

_LETTERS = string.ascii_lowercase


@dataclass(frozen=True, kw_only=True)
class KnownBad:
    """A toolkit that makes wrong code for an architecture; code for `instead` runs on the same GPUs, and is right."""

    toolkit: str
    architecture: str
    instead: str
    why: str
    source: str


KNOWN_BAD: tuple[KnownBad, ...] = (
    KnownBad(
        toolkit="13.2",
        architecture="10.3",
        instead="10.0",
        why="nvcc 13.2 miscompiles sm_103: kernels of causal-conv1d give wrong results on a B300, those for sm_100 are"
        " exact there",
        source="https://github.com/Dao-AILab/causal-conv1d/issues/105",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Architectures:
    """Compute capabilities as torch writes them (8.0, 9.0a, 12.0+PTX), none where nothing is known."""

    names: tuple[str, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()


def plan_architectures(
    config: Config, snapshot: Snapshot, *, torch: Torch, known: tuple[str, ...], toolkit_version: str
) -> Architectures:
    """Return the GPUs that are there, else what the package names, else what torch was built for, within nvcc's.

    The last one gets PTX, which later GPUs compile for themselves.

    :param known: the architectures of nvcc, as 80 or 90a; none if it was not asked
    """
    gpus = snapshot.hardware.gpus if snapshot.hardware else ()
    for names, reason in (
        (tuple(sorted(set(gpus), key=_key)), "the GPUs of this machine"),
        (config.cuda_architectures, f"cuda-architectures ({config.origin('cuda-architectures')})"),
        (_of_torch(torch), "those that torch was built for and the toolkit knows"),
    ):
        wanted = tuple(name for name in names if _is_known(name, known))
        if not wanted:
            continue
        bad = {row.architecture: row for row in KNOWN_BAD if _is_release(toolkit_version, row.toolkit)}
        chosen = tuple(dict.fromkeys(_instead(name, bad) for name in wanted))
        explicit = any("+PTX" in name for name in chosen)
        return Architectures(
            names=chosen if explicit else (*chosen[:-1], f"{chosen[-1]}+PTX"),
            reason=reason,
            notes=tuple(
                f"{row.why}: {row.instead} instead ({row.source})"
                for row in bad.values()
                if row.architecture in {_plain(name) for name in wanted}
            ),
        )
    return Architectures()


def _instead(name: str, bad: Mapping[str, KnownBad]) -> str:
    row = bad.get(_plain(name))
    return name if row is None else row.instead + ("+PTX" if name.endswith("+PTX") else "")


def _plain(name: str) -> str:
    """Return 10.3 of 10.3a+PTX."""
    return name.removesuffix("+PTX").rstrip(_LETTERS)


def _is_release(version: str, release: str) -> bool:
    return version == release or version.startswith(f"{release}.")


def arch_list_text(names: tuple[str, ...], form: ArchFormat) -> str:
    """Return architectures as a package's own variable wants them."""
    if form is ArchFormat.DOTTED:
        return ";".join(names)
    numbers = [name.removesuffix("+PTX").replace(".", "") for name in names]
    return ";".join(f"sm_{number}" if form is ArchFormat.SM else number for number in numbers)


def _of_torch(torch: Torch) -> tuple[str, ...]:
    """Return torch's own list (sm_75 ... compute_120) in dotted form, each once."""
    matches = (re.fullmatch(r"(?:sm|compute)_([0-9]+)([0-9])([a-z]?)", text) for text in torch.architectures)
    return tuple(dict.fromkeys(f"{m[1]}.{m[2]}{m[3]}" for m in matches if m))


def _is_known(name: str, known: tuple[str, ...]) -> bool:
    number = name.removesuffix("+PTX").replace(".", "")
    return not known or number in known or number.rstrip(_LETTERS) in known


def _key(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", name))
