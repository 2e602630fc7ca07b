"""How metadata and sdists are made where there is no torch.

May not be asked for a hook that builds a wheel: the stand-in must never be compiled against.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement

from ..model.decision import StandIn
from ..model.observation import Hook, Snapshot, Way
from ..settings.config import Config
from ..versions import parse_version
from .plan_torch import Choice
from .plan_way import Reach

_MESON = "mesonpy"
# What a setup.py is told where nothing at all is known. The record says that it was a guess.
_GUESS = "2.8.0"


@dataclass(frozen=True, kw_only=True)
class WithoutTorch:
    """`from_files`: setup.py is left out, the metadata is static. `stand_in`: setup.py runs against that."""

    from_files: bool = False
    stand_in: StandIn | None = None


def plan_without_torch(config: Config, snapshot: Snapshot, choice: Choice, reach: Reach) -> WithoutTorch:
    """Return what takes torch's place in a hook that can do without; nothing where torch is there.

    meson-python makes metadata by building the whole wheel, in a hook that does not compile: without a CUDA toolkit
    and without a limit on jobs. So its metadata come from files wherever they can, torch or not.
    """
    if config.backend == _MESON and snapshot.hook.prepares and snapshot.project.meson:
        return WithoutTorch(from_files=True)
    script = snapshot.project.setup_script
    if (
        not (snapshot.hook.prepares or snapshot.hook is Hook.BUILD_SDIST)
        or reach.way not in {Way.ABSENT, Way.INSTALL}
        or script is None
    ):
        return WithoutTorch()
    static = snapshot.project.static_metadata and config.backend.startswith("setuptools.build_meta")
    if static and script.needs_torch and snapshot.hook.prepares:
        return WithoutTorch(from_files=True)
    stand_in = _stand_in(snapshot, choice, reach)
    # Who only asks for the version can do without, and is better told nothing than a guess.
    if script.needs_torch or (script.asks_version and stand_in.known):
        return WithoutTorch(stand_in=stand_in)
    return WithoutTorch()


def _stand_in(snapshot: Snapshot, choice: Choice, reach: Reach) -> StandIn:
    torch = reach.torch or (snapshot.consumer.torch if snapshot.consumer else None)
    if torch is not None:
        return StandIn(
            version=torch.version,
            cuda=torch.cuda,
            hip=torch.hip,
            xpu=torch.xpu,
            debug=torch.debug,
            git_version=torch.git_version,
            cxx11_abi=torch.cxx11_abi,
            known=True,
        )
    version, known = chosen_version(snapshot, choice)
    return StandIn(version=version, known=known)


def chosen_version(snapshot: Snapshot, choice: Choice) -> tuple[str, bool]:
    """Return the version that is required, or the oldest that may be, and whether it is certain."""
    if snapshot.locked is not None and snapshot.locked.version and choice.requirement == snapshot.locked.requirement:
        return snapshot.locked.version, True
    try:
        specifiers = list(Requirement(choice.requirement or "torch").specifier)
    except InvalidRequirement:
        return _GUESS, False
    exact = [s.version for s in specifiers if s.operator in {"==", "==="} and not s.version.endswith("*")]
    if exact:
        return exact[0], True
    least = [version for s in specifiers if s.operator in {">=", "~=", ">"} if (version := parse_version(s.version))]
    return (str(max(least)) if least else _GUESS), False
