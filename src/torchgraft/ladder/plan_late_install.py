"""Whether torch or a toolkit has to be installed into the build environment now: the front end does not ask again.

May not choose another torch than the ladder did.
"""

from __future__ import annotations

from ..model.decision import LateInstall, Planned
from ..model.observation import Snapshot, Way
from .plan_torch import Choice
from .plan_way import Reach


def plan_late_install(snapshot: Snapshot, choice: Choice, reach: Reach, toolkit: Planned | None) -> LateInstall | None:
    """Return what uv has to install for this build; None where it did, or where it is not uv that builds.

    uv makes dynamic metadata before it has resolved, and keeps that environment for the wheel
    (uv-distribution, `build_arena`): what the build requires was asked for when no lock said which torch it will be.
    Which CUDA toolkit fits, on the other hand, is often known only when torch is there.

    :param toolkit: a CUDA toolkit that is on the index and not here
    """
    if not snapshot.hook.builds or snapshot.installer is None:
        return None
    if reach.way is Way.INSTALL and choice.requirement is not None:
        requirement = choice.requirement
        reason = "uv made the metadata in this environment, and asks no more what the build requires"
    elif toolkit is not None:
        requirement, reason = toolkit.text, toolkit.reason
    else:
        return None
    return LateInstall(
        requirement=requirement, prefix=snapshot.build.prefix, installer=snapshot.installer, reason=reason
    )
