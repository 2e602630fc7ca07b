"""Whether what was compiled in the source tree before may be taken again.

May not look at it, or delete it.
"""

from __future__ import annotations

from pathlib import PurePath

from ..config import Config
from ..last_build import UNKNOWN, build_identity
from ..model import Hook, Snapshot, Torch
from ..planned import Planned

_VARIABLE = "DIST_EXTRA_CONFIG"


def plan_rebuild(config: Config, snapshot: Snapshot, torch: Torch | None) -> Planned | None:
    """Return the file that has setuptools compile anew, None where it need not.

    setuptools and torch skip an extension whose sources are older than its module. Forced, torch still leaves it to
    ninja what has to be compiled again. A file that the user has named stays.
    """
    builds = snapshot.hook in {Hook.BUILD_WHEEL, Hook.BUILD_EDITABLE}
    before = snapshot.project.built_for
    by_setuptools = config.backend.partition(":")[0].partition(".")[0] == "setuptools"
    if not (builds and by_setuptools and torch and before) or before == build_identity(torch):
        return None
    if _VARIABLE in snapshot.variables_set:
        return None
    what = "nobody knows which torch" if before == UNKNOWN else f"torch {before.partition(' ')[0]}"
    reason = f"the source tree was built for {what} before: compiled anew"
    return Planned(text=str(PurePath(snapshot.cache_folder) / "rebuild.cfg"), reason=reason)
