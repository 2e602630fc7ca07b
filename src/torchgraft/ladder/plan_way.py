"""How that torch reaches the build: present, graft with its links, install, or a stand-in where metadata need none.

May not choose another torch than the ladder did, nor make a link, nor guess in silence.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from packaging.utils import canonicalize_name

from ..installed.markers import torch_version_in
from ..model.decision import Graft
from ..model.observation import Consumer, Distribution, Hook, Link, Rung, Snapshot, Way
from ..model.torch_values import Knowledge, Origin, Torch
from ..settings.config import Config, Provide
from ..values import dataclass
from .plan_torch import Choice

_MESON = "mesonpy"
# What a setup.py is told where no version is known, the first that is allowed. The record says that it was a guess.
GUESSES = tuple(f"2.{minor}.0" for minor in range(8, -1, -1))


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
    import hashlib
    import json

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


def asks_dependencies(config: Config, snapshot: Snapshot, choice: Choice) -> bool:
    """Return whether setup.py has to be asked what the package requires, since nothing else says which torch.

    After the answer the front end puts torch into the build environment, where the next hooks find it.
    """
    is_asked = snapshot.hook.asks or (snapshot.hook.prepares and snapshot.build.torch is not None)
    can_answer = snapshot.project.setup_script is not None and config.backend.startswith("setuptools.build_meta")
    is_unknown = choice.requirement is None and snapshot.project.dependencies is None
    return is_asked and can_answer and is_unknown and not snapshot.front_end.resolves


def expected_torch(snapshot: Snapshot, choice: Choice, reach: Reach) -> Torch:
    """Return the torch that was looked at, else what a requirement, a local part or a lock file says of one to come.

    The local part names what a build is for (2.8.0+cu128). On PyPI there is none: 2.8.0 is a CUDA build on one platform
    and a CPU build on the next. But a lock file has the CUDA distributions that torch requires there.
    """
    if reach.torch is not None:
        return reach.torch
    requirement, locked = choice.requirement, snapshot.locked
    is_locked = locked is not None and locked.requirement is not None and locked.requirement == requirement
    version = locked.version if locked is not None and is_locked else None
    if requirement is not None:
        version = version or requirement.pinned or torch_version_in(requirement.url)
    if not version:
        guess = (requirement and requirement.version_among(GUESSES)) or GUESSES[0]
        return Torch(version=guess, folder="", origin=Origin.WHEEL, known=Knowledge.GUESSED)
    local = version.partition("+")[2]
    cuda, rocm = re.fullmatch(r"cu(\d+)(\d)", local), re.fullmatch(r"rocm(\d+\.\d+)[\d.]*", local)
    toolkit = locked.toolkit if locked is not None and is_locked and reach.way is Way.INSTALL else None
    return Torch(
        version=version,
        folder="",
        origin=Origin.WHEEL,
        cuda=f"{cuda[1]}.{cuda[2]}" if cuda else None if local or not toolkit else ".".join(toolkit.split(".")[:2]),
        hip=rocm[1] if rocm else None,
        toolkit=toolkit,
        known=Knowledge.NAMED,
    )


@dataclass(frozen=True, kw_only=True)
class WithoutTorch:
    """`from_files`: setup.py is left out, the metadata is static. `stand_in`: setup.py runs against that.

    `hides_version` says that the stand-in is to be imported, and no distribution to be asked for.
    """

    from_files: bool = False
    stand_in: Torch | None = None
    hides_version: bool = False


def plan_without_torch(
    config: Config, snapshot: Snapshot, choice: Choice, *, expected: Torch, way: Way
) -> WithoutTorch:
    """Return what takes torch's place in a hook that can do without; nothing where torch is there.

    Metadata that setup.py adds nothing to come from files wherever they are: importing torch takes seconds.
    meson-python makes metadata by building the whole wheel, in a hook that does not compile: without a CUDA toolkit
    and without a limit on jobs. So its metadata come from files wherever they can, torch or not.
    """
    if config.backend == _MESON and snapshot.hook.prepares and snapshot.project.meson:
        return WithoutTorch(from_files=True)
    project, script = snapshot.project, snapshot.project.setup_script
    if script is None or not (snapshot.hook.prepares or snapshot.hook is Hook.BUILD_SDIST):
        return WithoutTorch()
    is_absent = way in {Way.ABSENT, Way.INSTALL}
    static = project.static_metadata if is_absent else project.idle_script
    if static and script.needs_torch and snapshot.hook.prepares and config.backend.startswith("setuptools.build_meta"):
        return WithoutTorch(from_files=True)
    if not is_absent:
        return WithoutTorch()
    wanted = choice.requirement
    there = snapshot.consumer.torch if snapshot.consumer else None
    if expected.known is Knowledge.GUESSED and there and (wanted is None or wanted.accepts(there.version)):
        expected = there
    # Who only asks for the version can do without, and is better told nothing than a guess that nothing supports.
    is_blind = expected.known is Knowledge.GUESSED and not (wanted and wanted.specifier)
    if script.needs_torch:
        hides_version = is_blind and script.asks_version and not script.needs_version
        return WithoutTorch(stand_in=expected, hides_version=hides_version)
    return WithoutTorch(stand_in=expected if script.asks_version and not is_blind else None)
