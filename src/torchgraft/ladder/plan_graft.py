"""Which links make the consumer's matched distributions importable in the build, and nothing else of it.

May not make them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath

from packaging.utils import canonicalize_name

from ..model.decision import Graft
from ..model.observation import Distribution, Link, Snapshot, Torch
from ..settings.config import Config


def plan_graft(config: Config, snapshot: Snapshot) -> Graft | None:
    """Return the folder of links, None if the consumer has nothing to link.

    What the build environment has stays its own, except matched distributions. The folder's name is a digest of its
    content: the same links have the same path in every build, so that compiler caches hit, and a folder that
    exists never has to change. Another torch in the same place gets another folder: ninja compares commands and times
    of files, and a front end may install headers that are older than the objects of the last build.
    """
    if snapshot.consumer is None:
        return None
    matched = set(config.match)
    here = {name for name, _ in snapshot.build.distributions}
    chosen = [d for d in snapshot.consumer.distributions if d.name in matched or d.name not in here]
    links = _with_torch(_links(chosen, matched), snapshot.consumer.torch)
    if not links:
        return None
    torch = snapshot.consumer.torch
    identity = [torch.version, torch.git_version] if torch else []
    content = [snapshot.python.abi, identity, [[link.name, link.target] for link in links]]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return Graft(
        folder=str(snapshot.python.path(snapshot.cache_folder) / "grafts" / digest),
        links=links,
        names=tuple(distribution.name for distribution in chosen),
    )


def _with_torch(links: tuple[Link, ...], torch: Torch | None) -> tuple[Link, ...]:
    """Return the links with the very torch that the plan is for: its metadata may be missing, or another copy's.

    One that is in two folders is known by its metadata alone, and its links are those to the content of both.
    """
    if torch is None or torch.modules or any(link.name == "torch.py" for link in links):
        return links
    others = [link for link in links if link.name != "torch"]
    return tuple(sorted([*others, Link(name="torch", target=torch.folder)], key=lambda link: link.name))


def _links(distributions: list[Distribution], matched: set[str]) -> tuple[Link, ...]:
    """Return the links of all, each name once; a matched distribution's wins, and a whole folder its parts."""
    found: dict[str, str] = {}
    for distribution in sorted(distributions, key=lambda d: (canonicalize_name(d.name) not in matched, d.name)):
        for link in distribution.links:
            found.setdefault(link.name, link.target)
    whole = set(found)
    return tuple(
        Link(name=name, target=found[name])
        for name in sorted(found)
        if not any(str(parent) in whole for parent in PurePosixPath(name).parents)
    )
