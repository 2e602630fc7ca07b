"""How that torch reaches the build: present, graft or install.

May not choose another torch than the ladder did.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.observation import Consumer, Rung, Snapshot, Torch, Way
from ..settings.config import Config, Provide
from .plan_torch import Choice


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The way with its reason. `torch` is what the build will see, None if nobody has looked at it yet.

    `obstacle` says why the consumer's torch could not be grafted, where that is why.
    """

    way: Way
    reason: str
    torch: Torch | None = None
    obstacle: str = ""


def plan_way(config: Config, snapshot: Snapshot, choice: Choice) -> Reach:
    """Return the cheapest way that gives the build exactly the chosen torch."""
    if choice.requirement is None:
        return Reach(way=Way.ABSENT, reason="an extension works only with the torch that it was compiled against")
    here = snapshot.build.torch
    consumer = snapshot.consumer
    there = consumer.torch if consumer else None
    if choice.rung is Rung.INSTALLED and there is not None:
        if here is not None and here.is_same_build(there):
            return Reach(way=Way.PRESENT, reason="the build environment has that very torch", torch=here)
    elif here is not None and choice.requirement.accepts(here.version):
        return Reach(way=Way.PRESENT, reason="the build environment has a torch that fits", torch=here)
    if config.provide is Provide.INSTALL and not snapshot.front_end.resolves:
        return Reach(way=Way.INSTALL, reason=f"{config.origin('provide')} says so")
    if consumer is not None and there is not None and _is_chosen(there, choice):
        obstacle = graft_obstacle(consumer, snapshot)
        if not obstacle:
            return Reach(way=Way.GRAFT, reason="the consumer has it, and its interpreter fits the build's", torch=there)
        return Reach(way=Way.ABSENT, reason=obstacle, torch=there, obstacle=obstacle)
    if config.provide is Provide.GRAFT:
        reason = f"{config.origin('provide')} allows only links, and no consumer has {choice.requirement.text}"
        return Reach(way=Way.ABSENT, reason=reason)
    if snapshot.front_end.resolves:
        return Reach(way=Way.ABSENT, reason="the front end is after metadata, which need no torch")
    return Reach(way=Way.INSTALL, reason="no environment has it yet: the front end installs it for the build")


def _is_chosen(torch: Torch, choice: Choice) -> bool:
    if choice.requirement is None or (choice.anew and not choice.requirement.pinned):
        return False
    # What is installed is its own answer, even where its version is none (2.0.0a0+git-unknown).
    return choice.rung is Rung.INSTALLED or choice.requirement.accepts(torch.version)


def graft_obstacle(consumer: Consumer, snapshot: Snapshot) -> str:
    """Return why links to the consumer's torch would not work in this build; "" if they would."""
    python = snapshot.python
    if consumer.python_versions and python.minor_version not in consumer.python_versions:
        versions = " and ".join(consumer.python_versions)
        return f"the consumer has Python {versions}, the build runs Python {python.minor_version}"
    suffix = consumer.torch.extension_suffix if consumer.torch else None
    if suffix and suffix != python.extension_suffix:
        return f"the consumer's torch was built for {suffix}, the build makes {python.extension_suffix}"
    return ""
