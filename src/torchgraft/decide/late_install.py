"""Whether torch has to be installed into the build environment now, because the front end does not ask again.

May not choose another torch than the ladder did.
"""

from __future__ import annotations

from ..model import Hook, Snapshot, Way
from ..planned import LateInstall
from .ladder import Choice
from .way import Reach

_BUILD = frozenset({Hook.BUILD_WHEEL, Hook.BUILD_EDITABLE})


def plan_late_install(snapshot: Snapshot, choice: Choice, reach: Reach) -> LateInstall | None:
    """Return what uv has to install for this build; None where it did, or where it is not uv that builds.

    uv makes dynamic metadata before it has resolved, and keeps that environment for the wheel
    (uv-distribution, `build_arena`): what the build requires was asked for when no lock said which torch it will be.
    """
    if snapshot.hook not in _BUILD or reach.way is not Way.INSTALL:
        return None
    if snapshot.installer is None or choice.requirement is None:
        return None
    return LateInstall(
        requirement=choice.requirement,
        prefix=snapshot.build.prefix,
        installer=snapshot.installer,
        reason="uv made the metadata in this environment, and asks no more what the build requires",
    )
