"""The folders that run paths of a build may point into, and which of them last.

May not look into them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..model.decision import Plan, RunPathPlaces


def find_run_path_places(plan: Plan, source: Path) -> RunPathPlaces:
    """Return them as they are called here, and as they are called with all links followed."""
    consumer = plan.consumer.text if plan.consumer else ""
    sites = [entry for entry in sys.path if entry.rstrip("/").endswith(("site-packages", "dist-packages"))]
    if plan.torch is not None:
        sites.append(str(Path(plan.torch.folder).parent))
    grafts = [plan.graft.folder] if plan.graft else []
    return RunPathPlaces(
        sites=_both([*grafts, *sites]),
        passing=_both([sys.prefix, str(source), tempfile.gettempdir(), *(str(Path(graft).parent) for graft in grafts)]),
        # Environments are made in temporary folders too.
        lasting=_both([consumer] if consumer else []),
    )


def _both(folders: Iterable[str]) -> tuple[str, ...]:
    found = (form for folder in folders for form in (str(Path(folder).absolute()), os.path.realpath(folder)))
    return tuple(dict.fromkeys(found))
