"""The torch that a build will see, as far as it is certain before it is installed.

May not guess: a version without a local part is a CUDA build on one index and a CPU build on the next.
"""

from __future__ import annotations

import re

from ..model.observation import Origin, Snapshot, Torch, Way
from .plan_torch import Choice
from .plan_way import Reach
from .plan_without_torch import chosen_version


def expected_torch(snapshot: Snapshot, choice: Choice, reach: Reach) -> Torch | None:
    """Return the torch that is there, else what a local part or a lock file says of the one to come; else None.

    The local part names what a build is for (2.8.0+cu128). On PyPI there is none; but a lock file has the CUDA
    distributions that torch requires there.
    """
    if reach.torch is not None or reach.way is not Way.INSTALL:
        return reach.torch
    version, is_known = chosen_version(snapshot, choice)
    if not is_known:
        return None
    local = version.partition("+")[2]
    locked = snapshot.locked
    toolkit = locked.toolkit if locked is not None and locked.requirement == choice.requirement else None
    cuda = cuda_of_local_part(local) or ("" if local or not toolkit else ".".join(toolkit.split(".")[:2]))
    if not cuda:
        return None
    return Torch(version=version, folder="", origin=Origin.WHEEL, cuda=cuda, toolkit=toolkit)


def cuda_of_local_part(local: str) -> str:
    """Return the CUDA version that the local part of torch's version names: 12.8 of cu128; "" if it names none."""
    digits = re.fullmatch(r"cu(\d+)(\d)", local)
    return f"{digits[1]}.{digits[2]}" if digits else ""
