"""Which torch: the rungs of the ladder, the first that answers wins.

May not look anything up; what each rung could know is in the snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from ..model.decision import RungAnswer
from ..model.observation import Consumer, Rule, Rung, Snapshot
from ..settings.config import Config
from ..versions import parse_version


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the ladder said. `requirement` is torch as a requirement; `rung` None if no rung answered.

    `anew` says that the front end will take torch from an index, though the environment has one that would do.
    """

    rungs: tuple[RungAnswer, ...]
    rung: Rung | None = None
    requirement: str | None = None
    anew: bool = False


def plan_torch(config: Config, snapshot: Snapshot) -> Choice:
    """Return which torch the wheel has to be built for, and what every rung said on the way.

    The order is that of the ladder, with one exception: a lock or an argument of the front end that names another
    torch than the installed one, or a dependency that the installed one does not meet, is about to replace it,
    and the wheel will meet the new one.
    """
    told = _told(config)
    installed = _installed(snapshot)
    locked = _locked(snapshot)
    asked = _asked_for(snapshot)
    declared = _declared(config, snapshot)
    rungs = (told, installed, locked, asked, declared)
    if told.torch:
        return _chosen(rungs, told)
    if installed.torch and _installs_anew(snapshot):
        needed = locked.torch or asked.torch or torch_requirement(snapshot.project.dependencies or ())
        answer = next((answer for answer in (locked, asked, declared) if answer.torch and needed), None)
        if answer is not None:
            return Choice(rungs=rungs, rung=answer.rung, requirement=answer.torch, anew=True)
    if installed.torch:
        return _chosen(rungs, _replacement(snapshot, locked, asked, declared) or installed)
    return _chosen(rungs, next((answer for answer in rungs if answer.torch), None))


def torch_requirement(requirements: tuple[str, ...]) -> str | None:
    """Return the requirements on torch among `requirements` as one; None if there is none that applies here."""
    found = [r for r in map(_parsed, requirements) if r and canonicalize_name(r.name) == "torch" and _applies(r)]
    if not found:
        return None
    for requirement in found:
        if requirement.url:
            return f"torch @ {requirement.url}"
    specifier = SpecifierSet(",".join(filter(None, (str(r.specifier) for r in found))))
    return f"torch{specifier}"


def satisfies(version: str, requirement: str) -> bool:
    """Return whether an installed torch meets a requirement.

    Nightly and vendor builds are pre-releases of the release that they stand in for (2.8.0a0+5228986c39.nv25.6): they
    count as that release too. A direct URL is met by the version and local part in its file name alone; where that
    has no local part, as on PyPI and its mirrors, any will do.
    """
    parsed = _parsed(requirement)
    found = parse_version(version)
    if parsed is None or found is None:
        return False
    if parsed.url:
        named = _version_in_url(parsed.url)
        return named is not None and named in {found, Version(found.public)}
    if parsed.specifier.contains(found, prereleases=True):
        return True
    return found.is_prerelease and parsed.specifier.contains(found.base_version)


def _version_in_url(url: str) -> Version | None:
    name = url.partition("#")[0].rpartition("/")[2].replace("%2B", "+").replace("%2b", "+")
    return parse_version("".join(name.split("-")[1:2]))


def _chosen(rungs: tuple[RungAnswer, ...], answer: RungAnswer | None) -> Choice:
    if answer is None:
        return Choice(rungs=rungs)
    return Choice(rungs=rungs, rung=answer.rung, requirement=answer.torch)


def _told(config: Config) -> RungAnswer:
    if config.told_torch:
        said = f"{config.origin('torch')} says {config.told_torch}"
        return RungAnswer(rung=Rung.TOLD, torch=f"torch=={config.told_torch}", said=said)
    return RungAnswer(rung=Rung.TOLD, torch=None, said="no version was told")


def _installed(snapshot: Snapshot) -> RungAnswer:
    consumer = snapshot.consumer
    if consumer is None:
        return RungAnswer(rung=Rung.INSTALLED, torch=None, said="no consumer was found")
    if consumer.torch is not None:
        said = f"{consumer.torch.version} in {consumer.prefix}"
        return RungAnswer(rung=Rung.INSTALLED, torch=f"torch==={consumer.torch.version}", said=said)
    said = consumer.torch_fault or f"{consumer.prefix} has no torch{'' if consumer.exists else ' (it does not exist)'}"
    return RungAnswer(rung=Rung.INSTALLED, torch=None, said=said)


def _locked(snapshot: Snapshot) -> RungAnswer:
    locked = snapshot.locked
    if locked is None:
        return RungAnswer(rung=Rung.LOCKED, torch=None, said="the front end works from no lock file")
    return RungAnswer(rung=Rung.LOCKED, torch=locked.requirement, said=f"{locked.file}: {locked.said}")


def _asked_for(snapshot: Snapshot) -> RungAnswer:
    asked = snapshot.asked_for
    said = [f"{item.requirement} ({item.source})" for item in asked] + list(snapshot.asked_faults)
    requirement = torch_requirement(tuple(item.requirement for item in asked))
    return RungAnswer(rung=Rung.ASKED_FOR, torch=requirement, said="; ".join(said) or "no argument names torch")


def _declared(config: Config, snapshot: Snapshot) -> RungAnswer:
    if config.torch:
        said = f"torch{config.torch}, [tool.torchgraft] torch in pyproject.toml"
        return RungAnswer(rung=Rung.DECLARED, torch=f"torch{config.torch}", said=said)
    dependencies = snapshot.project.dependencies
    if dependencies is None:
        return RungAnswer(rung=Rung.DECLARED, torch=None, said="dependencies are computed by setup.py")
    requirement = torch_requirement(dependencies)
    if requirement:
        said = f"{requirement}, the package's own dependency"
        return RungAnswer(rung=Rung.DECLARED, torch=requirement, said=said)
    # A package that was written for plain isolation declares torch as a build requirement.
    requirement = torch_requirement(snapshot.project.requires)
    said = (
        f"{requirement}, in [build-system] requires" if requirement else "the package declares no dependency on torch"
    )
    return RungAnswer(rung=Rung.DECLARED, torch=requirement, said=said)


def _installs_anew(snapshot: Snapshot) -> bool:
    """Return whether the wheel will not meet the installed torch: it goes into a folder that has none, say."""
    consumer = snapshot.consumer
    if consumer is None or consumer.torch is None or consumer.rule in {Rule.IMPORTABLE, Rule.TOLD}:
        return False
    in_target = any(PurePath(target) in PurePath(consumer.torch.folder).parents for target in consumer.targets)
    return snapshot.front_end.ignores_installed and not in_target


def _replacement(snapshot: Snapshot, locked: RungAnswer, asked: RungAnswer, declared: RungAnswer) -> RungAnswer | None:
    """Return the answer that names another torch than the installed one, if there is one to be believed."""
    consumer = snapshot.consumer
    if consumer is None or consumer.torch is None:
        return None
    installed = consumer.torch.version
    if consumer.rule is Rule.IMPORTABLE:
        # What is importable in the build already is what the front end chose for it. But uv keeps the environment of
        # metadata for the wheel: what it installed there may be of before the lock was written.
        is_old = snapshot.installer is not None and locked.torch and not satisfies(installed, locked.torch)
        return locked if is_old else None
    if consumer.rule is Rule.TOLD:
        return None
    for answer in (locked, asked):
        if answer.torch and not satisfies(installed, answer.torch):
            return answer
    if locked.torch or asked.torch or not snapshot.front_end.installs:
        return None
    # Only the package's own dependency makes a front end replace torch; a supported range is checked, not installed.
    dependency = torch_requirement(snapshot.project.dependencies or ())
    if dependency and declared.torch == dependency and not satisfies(installed, dependency):
        return declared
    return None


def _parsed(requirement: str) -> Requirement | None:
    try:
        return Requirement(requirement)
    except InvalidRequirement:
        return None


def _applies(requirement: Requirement) -> bool:
    # "extra" is empty: a requirement of an extra is not one of the package.
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def consumer_text(consumer: Consumer) -> str:
    """Return the consumer with how it was found, for people."""
    return f"{consumer.prefix} ({consumer.rule.value}: {consumer.why})"
