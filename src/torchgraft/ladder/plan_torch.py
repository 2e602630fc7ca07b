"""Which torch: the rungs of the ladder, the first that answers wins.

May not look anything up; what each rung could know is in the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from ..installed.markers import applies
from ..model.decision import RungAnswer
from ..model.observation import Consumer, FrontEndName, Python, Rule, Rung, Snapshot
from ..model.torch_values import Torch, TorchRequirement, requirement_of, torch_among
from ..settings.config import Config
from ..values import dataclass

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# Whoever asks for the build has chosen where it is to see torch.
_NAMED = frozenset({Rule.TOLD, Rule.IMPORTABLE})


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the ladder said; `rung` None if no rung answered.

    `anew` says that the front end will take torch from an index, though the environment has one that would do.
    """

    rungs: tuple[RungAnswer, ...]
    rung: Rung | None = None
    requirement: TorchRequirement | None = None
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
        needed = locked.torch or asked.torch or own_dependency(snapshot)
        answer = next((answer for answer in (locked, asked, declared) if answer.torch and needed), None)
        if answer is not None:
            return Choice(rungs=rungs, rung=answer.rung, requirement=answer.torch, anew=True)
    if installed.torch:
        return _chosen(rungs, _replacement(snapshot, locked, asked, declared) or installed)
    return _chosen(rungs, next((answer for answer in rungs if answer.torch), None))


def with_meant_consumer(config: Config, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with the consumer that is meant, where the hook imports a torch that was put there for it.

    An earlier hook of ours had asked for that torch, most often: what would the ladder say if it were not there? Only
    what the user's settings have brought, or nothing explains, is an answer itself. uv keeps the environment of
    metadata for the wheel: what it installed there may be of before the lock was written.
    """
    passing, here = snapshot.passing, snapshot.build.torch
    if passing is None or here is None:
        return snapshot
    without = replace(snapshot, consumer=passing.consumer, passing=None)
    choice = plan_torch(config, without)
    there = passing.consumer.torch if passing.consumer else None
    if choice.requirement is None:
        return snapshot
    fits = choice.requirement.accepts(here.version)
    if there is not None and choice.rung is Rung.INSTALLED:
        fits = here.is_same_build(there)
    is_older = not fits and choice.rung is Rung.LOCKED and snapshot.installer is not None
    return without if is_older or (fits and not passing.chosen) else snapshot


def plan_guess(snapshot: Snapshot, choice: Choice) -> str:
    """Return why the wheel may meet another torch than the chosen one; "" where that is certain. No path is in it.

    A range leaves the choice to what else takes part when the front end resolves: further arguments, dependencies,
    settings. Only one version does not, where the command itself or the package asks for it at run time.
    """
    requirement, command = choice.requirement, snapshot.front_end.command or snapshot.front_end.name.value
    if requirement is None:
        return ""
    if snapshot.locked is not None and choice.rung in {Rung.LOCKED, Rung.INSTALLED} and snapshot.locked.varies:
        return "other extras or groups of the lock have another torch, and the front end keeps this wheel for them"
    if choice.rung is Rung.LOCKED:
        return f"{command} does not install the extra or group that has torch in the lock" * _is_unasked(snapshot)
    if choice.rung is Rung.TOLD:
        return "" if _comes_as_told(snapshot, choice) else f"nothing tells {command} to install the torch of a setting"
    if choice.rung is Rung.INSTALLED:
        return _guess_of_consumer(snapshot, choice, command)
    is_asked = choice.rung is Rung.ASKED_FOR or requirement == own_dependency(snapshot)
    if is_asked and (requirement.pinned or requirement.url):
        return ""
    if is_asked:
        return "more than one torch would do: the build takes the newest, and another may be installed"
    return "the package requires no such torch at run time: the build takes the newest, and the wheel may meet another"


def serves_other_torches(snapshot: Snapshot, choice: Choice) -> bool:
    """Return whether the front end will use the wheel again where it meets another torch, without any hook.

    Whoever changes an environment can rebuild what is in it, and look at it. One that uv or pipx makes itself is
    nobody's: the next script or command that names another torch gets this wheel from a cache.
    """
    own = own_dependency(snapshot)
    is_pinned = own is not None and bool(own.pinned or own.url)
    return snapshot.front_end.own_environment and choice.rung not in {None, Rung.TOLD} and not is_pinned


def _is_unasked(snapshot: Snapshot) -> bool:
    return snapshot.locked is not None and snapshot.locked.unasked


def _comes_as_told(snapshot: Snapshot, choice: Choice) -> bool:
    """Return whether the told torch will be met: the wheel is for elsewhere, or something else says the same."""
    said = {answer.rung: answer.torch for answer in choice.rungs}
    changes = said[Rung.LOCKED] or said[Rung.ASKED_FOR]
    decides = changes or said[Rung.INSTALLED] or own_dependency(snapshot)
    told, version = said[Rung.TOLD], decides and decides.pinned
    return not snapshot.front_end.installs or bool(told and version and told.accepts(version))


def _guess_of_consumer(snapshot: Snapshot, choice: Choice, command: str) -> str:
    consumer, passing = snapshot.consumer, snapshot.passing
    if consumer is None or consumer.torch is None:
        return ""
    if consumer.rule is Rule.TOLD and not consumer.certain:
        return f"{command} installs into another environment than the one that a setting names"
    if consumer.rule is Rule.IMPORTABLE and passing is not None:
        return "" if passing.chosen else "nothing says who brought that torch into the build environment"
    if consumer.customized:
        return "code that runs when Python starts may put another torch before the one that was found"
    if not consumer.certain:
        return f"no one names the environment that the wheel is for: one was guessed ({consumer.why})"
    if not snapshot.front_end.installs:
        said = f"{command} installs nothing: that the wheel is for the environment it works in was guessed"
        return said * (consumer.rule not in _NAMED)
    return _guess_of_changes(snapshot, choice, consumer, consumer.torch)


def _guess_of_changes(snapshot: Snapshot, choice: Choice, consumer: Consumer, torch: Torch) -> str:
    """Return why the command may put another torch into its environment than the one that is there."""
    front_end, is_named = snapshot.front_end, consumer.rule in _NAMED
    command = front_end.command or front_end.name.value
    if command == "pip" or (front_end.name is FrontEndName.UNKNOWN and not is_named):
        return "a program started this build, and what else it installs is not seen"
    if _ignores_torch(snapshot, consumer):
        return f"{command} installs dependencies anew: the torch that is there may not stay"
    said = [answer.torch for answer in choice.rungs if answer.rung in {Rung.LOCKED, Rung.ASKED_FOR} and answer.torch]
    # `uv pip install` installs what the package requires, too.
    is_kept = said or (command == "uv pip install" and own_dependency(snapshot) is not None)
    if front_end.removes_others and not is_kept:
        return f"{command} takes away what it does not install, and it installs no torch"
    if is_named and not all(one.accepts(torch.version) for one in said):
        return f"{command} installs another torch than the one that is there"
    if snapshot.asked_faults:
        return "the command may name another torch where it cannot be read"
    asked = TorchRequirement.all_of(item.requirement for item in snapshot.asked_for)
    if snapshot.unmet and not any(one and one.pinned for one in (asked, own_dependency(snapshot))):
        return f"{', '.join(snapshot.unmet[:3])} will be installed too, and may require another torch"
    return ""


def applying(texts: Iterable[str], python: Python) -> list[Requirement]:
    """Return the requirements whose markers are true for an interpreter; what is none is left to the front end."""
    found = (requirement for text in texts if (requirement := requirement_of(text)))
    # No extra is chosen: a requirement of an extra is not one of the package.
    return [requirement for requirement in found if applies(requirement, python)]


def supported_range(config: Config) -> TorchRequirement:
    """Return the torch that the package supports, by [tool.torchgraft] torch."""
    return TorchRequirement(specifier=SpecifierSet(config.torch))


def _chosen(rungs: tuple[RungAnswer, ...], answer: RungAnswer | None) -> Choice:
    if answer is None:
        return Choice(rungs=rungs)
    return Choice(rungs=rungs, rung=answer.rung, requirement=answer.torch)


def own_dependency(snapshot: Snapshot) -> TorchRequirement | None:
    """Return what the package itself requires of torch at run time; None for nothing, or where nobody knows it yet."""
    return torch_among(applying(snapshot.project.dependencies or (), snapshot.python))


def _told(config: Config) -> RungAnswer:
    if not config.told_torch:
        return RungAnswer(rung=Rung.TOLD, torch=None, said="no setting names a version")
    torch = TorchRequirement(specifier=SpecifierSet(f"=={config.told_torch}"))
    return RungAnswer(rung=Rung.TOLD, torch=torch, said=f"{config.origin('torch')} says {config.told_torch}")


def _installed(snapshot: Snapshot) -> RungAnswer:
    consumer = snapshot.consumer
    if consumer is None:
        return RungAnswer(rung=Rung.INSTALLED, torch=None, said="no consumer was found")
    if consumer.torch is not None:
        said = f"{consumer.torch.version} in {consumer.prefix}"
        return RungAnswer(rung=Rung.INSTALLED, torch=TorchRequirement.exactly(consumer.torch.version), said=said)
    said = consumer.torch_fault or f"{consumer.prefix} has no torch{'' if consumer.exists else ' (it does not exist)'}"
    return RungAnswer(rung=Rung.INSTALLED, torch=None, said=said)


def _locked(snapshot: Snapshot) -> RungAnswer:
    locked = snapshot.locked
    if locked is None:
        return RungAnswer(rung=Rung.LOCKED, torch=None, said="the front end works from no lock file")
    return RungAnswer(rung=Rung.LOCKED, torch=locked.requirement, said=f"{locked.file}: {locked.said}")


def _asked_for(snapshot: Snapshot) -> RungAnswer:
    asked = snapshot.asked_for
    said = [f"{item.requirement.text} ({item.source})" for item in asked] + list(snapshot.asked_faults)
    torch = TorchRequirement.all_of(item.requirement for item in asked)
    return RungAnswer(rung=Rung.ASKED_FOR, torch=torch, said="; ".join(said) or "no argument names torch")


def _declared(config: Config, snapshot: Snapshot) -> RungAnswer:
    if config.torch:
        said = f"torch{config.torch}, [tool.torchgraft] torch in pyproject.toml"
        return RungAnswer(rung=Rung.DECLARED, torch=supported_range(config), said=said)
    if snapshot.project.dependencies is None:
        return RungAnswer(rung=Rung.DECLARED, torch=None, said="dependencies are computed by setup.py")
    dependency = own_dependency(snapshot)
    if dependency:
        return RungAnswer(rung=Rung.DECLARED, torch=dependency, said=f"{dependency.text}, the package's own dependency")
    # A package that was written for plain isolation declares torch as a build requirement.
    required = torch_among(applying(snapshot.project.requires, snapshot.python))
    said = f"{required.text}, in [build-system] requires" if required else "the package declares no dependency on torch"
    return RungAnswer(rung=Rung.DECLARED, torch=required, said=said)


def _installs_anew(snapshot: Snapshot) -> bool:
    """Return whether the wheel will not meet the installed torch: it goes into a folder that has none, say."""
    consumer = snapshot.consumer
    return consumer is not None and consumer.rule not in _NAMED and _ignores_torch(snapshot, consumer)


def _ignores_torch(snapshot: Snapshot, consumer: Consumer) -> bool:
    path, torch = snapshot.python.path, consumer.torch
    in_target = torch and any(path(target) in path(torch.folder).parents for target in consumer.targets)
    return torch is not None and snapshot.front_end.ignores_installed and not in_target


def _replacement(snapshot: Snapshot, locked: RungAnswer, asked: RungAnswer, declared: RungAnswer) -> RungAnswer | None:
    """Return the answer that names another torch than the installed one, if there is one to be believed."""
    consumer = snapshot.consumer
    if consumer is None or consumer.torch is None:
        return None
    installed = consumer.torch.version
    is_here = consumer.rule is Rule.IMPORTABLE
    if consumer.rule is Rule.TOLD or (is_here and snapshot.passing is not None):
        # What was brought into the build already is what the front end chose for it.
        return None
    is_idle = all(item.idle for item in snapshot.asked_for)
    has_locked = bool(locked.torch) and not _is_unasked(snapshot)
    # Without isolation uv has brought what the lock says before it builds; arguments come true afterwards.
    for answer, counts in ((locked, has_locked and not is_here), (asked, not is_idle)):
        if counts and answer.torch and not answer.torch.accepts(installed):
            return answer
    if is_here or has_locked or asked.torch:
        return None
    if not snapshot.front_end.installs or snapshot.front_end.leaves_dependencies:
        return None
    # Only the package's own dependency makes a front end replace torch; a supported range is checked, not installed.
    dependency = own_dependency(snapshot)
    if dependency and declared.torch == dependency and not dependency.accepts(installed):
        return declared
    return None


def consumer_text(consumer: Consumer) -> str:
    """Return the consumer with how it was found, for people."""
    is_guess = not consumer.certain and consumer.rule is not Rule.TOLD
    return f"{consumer.prefix} ({consumer.rule.value}{', a guess' if is_guess else ''}: {consumer.why})"
