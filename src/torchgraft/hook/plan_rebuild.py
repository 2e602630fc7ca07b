"""Whether what was compiled in the source tree before may be taken again.

May not look at it, or delete it.
"""

from __future__ import annotations

from ..model.decision import Rebuild
from ..model.observation import Snapshot
from ..model.torch_values import Torch
from ..settings.config import Config

# What a tree was built for, where nobody knows it, or parts of it are for another torch.
UNKNOWN = "unknown"
_VARIABLE = "DIST_EXTRA_CONFIG"


def plan_rebuild(config: Config, snapshot: Snapshot, torch: Torch | None) -> Rebuild | None:
    """Return how setuptools is made to compile anew, and unless what; None where it cannot be made to, or is not there.

    setuptools and torch skip an extension whose sources are older than its module. Forced, torch still leaves it to
    ninja what has to be compiled again. A file that the user has named stays. Another build may be at work in the tree
    now, so that whether it is done is only known when this one holds the tree.
    """
    by_setuptools = config.backend.partition(":")[0].partition(".")[0] == "setuptools"
    if not (snapshot.hook.builds and by_setuptools and torch) or _VARIABLE in snapshot.variables_set:
        return None
    before, identity, reason = snapshot.project.built_for, build_identity(torch), ""
    if before and before != identity:
        what = "another torch, or nobody knows which," if before == UNKNOWN else f"torch {before.partition(' ')[0]}"
        reason = f"the source tree was built for {what} before: compiled anew"
    config_file = snapshot.python.path(snapshot.cache_folder) / "rebuild.cfg"
    return Rebuild(config=str(config_file), unless=identity, reason=reason)


def build_identity(torch: Torch | None) -> str:
    """Return what tells one build of torch from another, in one line; "" for none."""
    if torch is None:
        return ""
    facts = (torch.version, torch.cuda or torch.hip or torch.xpu, torch.cxx11_abi, torch.git_version)
    return " ".join("-" if fact is None else str(fact) for fact in facts)
