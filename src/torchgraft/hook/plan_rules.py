"""What the settings of the package come to here: its rules, its variables with facts in them, its prebuilt wheels.

May not look anything up. A condition about what nobody has looked at is not known yet, and its rule does not apply.
Most packages have none of it, so that nothing of this is imported for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ..compile.plan_facts import Facts, plan_facts
from ..errors import Problem
from ..ladder.plan_torch import Choice, applying
from ..ladder.plan_way import Reach
from ..model.decision import Compiling, Outcome, Planned, PlannedVariable, RuleOutcome, Wishes
from ..model.observation import Hook, Snapshot
from ..model.torch_values import Knowledge, Torch, TorchRequirement
from ..prebuilt.plan_prebuilt import CLIENT, asks_identity, plan_prebuilt
from ..settings.config import Config
from ..settings.kinds import OF_MACHINE, filled, template_names
from ..untrusted import parse_version
from ..values import dataclass

if TYPE_CHECKING:
    from ..settings.tables import When

_NOT_LOOKED_AT = "this hook compiles nothing"


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """All that conditions are about."""

    config: Config
    snapshot: Snapshot
    facts: Facts
    seen: Torch | None

    @property
    def version(self) -> str | None:
        """The version of torch, None where it is not known yet."""
        torch = self.facts.torch
        return None if torch.known is Knowledge.GUESSED else torch.version

    @property
    def cuda(self) -> str | None:
        """The CUDA version of torch, "" where it has none, None where it is not known yet."""
        torch = self.facts.torch
        return (torch.cuda or "") if torch.accelerator else None


class _Answer(NamedTuple):
    outcome: Outcome
    said: str


def plan_rules(config: Config, snapshot: Snapshot, facts: Facts, seen: Torch | None) -> Wishes:
    """Return what the rules say, in their order, with the torch that the build sees, if any; all that apply count."""
    scene = _Scene(config=config, snapshot=snapshot, facts=facts, seen=seen)
    outcomes = tuple(_outcome(number, rule, scene) for number, rule in enumerate(config.when, start=1))
    applied = [(o, r) for o, r in zip(outcomes, config.when, strict=True) if o.outcome is Outcome.APPLIES]
    problems = [(rule, _problem(outcome, rule, snapshot)) for outcome, rule in applied if rule.error]
    if not (snapshot.hook.asks or snapshot.hook.builds) or (snapshot.front_end.resolves and not snapshot.hook.builds):
        problems = []
    return Wishes(
        outcomes=outcomes,
        requirements=tuple(Planned(text=text, reason=_reason(o)) for o, rule in applied for text in rule.requires),
        # What a rule about the machine sets is of the machine, too.
        variables=tuple(
            PlannedVariable(name=name, value=value, reason=_reason(outcome), of_machine=_is_of_machine(rule))
            for outcome, rule in applied
            for name, value in rule.env.items()
        ),
        notes=tuple(note for outcome, rule in applied for note in _not_installed(outcome, rule, snapshot)),
        machine_problems=tuple(problem for rule, problem in problems if _is_of_machine(rule)),
        problems=tuple(problem for rule, problem in problems if not _is_of_machine(rule)),
    )


def _is_of_machine(rule: When) -> bool:
    return bool(rule.gcc or rule.gpu)


def _reason(outcome: RuleOutcome) -> str:
    return f"rule {outcome.number}: {outcome.said}"


def _outcome(number: int, rule: When, scene: _Scene) -> RuleOutcome:
    """Return whether all conditions hold; the first that does not, or is not known, says why."""
    answers = list(_answers(rule, scene))
    for outcome in (Outcome.DOES_NOT, Outcome.NOT_KNOWN):
        against = next((answer for answer in answers if answer.outcome is outcome), None)
        if against is not None:
            return RuleOutcome(number=number, outcome=outcome, said=against.said)
    return RuleOutcome(number=number, outcome=Outcome.APPLIES, said=", ".join(answer.said for answer in answers))


def _answers(rule: When, scene: _Scene) -> Iterator[_Answer]:
    from ..settings.tables import env_condition_text

    python = scene.snapshot.python
    if rule.torch:
        yield _version("torch", scene.version, rule.torch, scene.facts.why, holds=_is_torch)
    if rule.cuda:
        yield _version("torch's CUDA", scene.cuda, rule.cuda, scene.facts.why)
    if rule.python:
        yield _version("Python", python.version, rule.python, "")
    if rule.gcc:
        yield _gcc(rule.gcc, scene)
    if rule.gpu:
        yield _gpu(rule.gpu, scene)
    if rule.accelerator:
        yield _accelerator(rule.accelerator, scene.facts)
    if rule.platform:
        yield _text("platform", python.system, rule.platform)
    if rule.machine:
        yield _text("machine", python.machine, rule.machine)
    for name, wanted in rule.if_env.items():
        text = env_condition_text(name, wanted=wanted)
        yield _answer(text in scene.snapshot.env_conditions_met, f"{text}", f"it is not so that {text}")


def _answer(holds: bool, said: str, otherwise: str) -> _Answer:  # noqa: FBT001 - the question itself
    return _Answer(Outcome.APPLIES, said) if holds else _Answer(Outcome.DOES_NOT, otherwise)


def _not_known(said: str) -> _Answer:
    return _Answer(Outcome.NOT_KNOWN, said)


def _is_version(version: str, specifiers: str) -> bool:
    found = parse_version(version)
    return found is not None and SpecifierSet(specifiers).contains(found, prereleases=True)


def _is_torch(version: str, specifiers: str) -> bool:
    return TorchRequirement(specifier=SpecifierSet(specifiers)).accepts(version)


def _version(
    what: str, version: str | None, wanted: str, why: str, *, holds: Callable[[str, str], bool] = _is_version
) -> _Answer:
    if version is None:
        return _not_known(f"{what} {wanted}: {why}")
    if not version:
        return _Answer(Outcome.DOES_NOT, f"{what} {wanted}: it has none")
    return _answer(holds(version, wanted), f"{what} {version} is {wanted}", f"{what} {version} is not {wanted}")


def _text(what: str, value: str, pattern: str) -> _Answer:
    holds = re.fullmatch(pattern, value) is not None
    return _answer(holds, f"{what} {value} is {pattern}", f"{what} {value} is not {pattern}")


def _accelerator(wanted: tuple[str, ...], facts: Facts) -> _Answer:
    words, accelerator = " or ".join(wanted), facts.torch.accelerator
    if not accelerator:
        return _not_known(f"accelerator {words}: {facts.why}")
    said = f"accelerator {accelerator}"
    return _answer(accelerator in wanted, f"{said} is {words}", f"{said} is not {words}")


def _gpu(wanted: str, scene: _Scene) -> _Answer:
    hardware = scene.snapshot.hardware
    if hardware is None:
        return _not_known(f"gpu {wanted}: {_NOT_LOOKED_AT}")
    setting = scene.config.cuda_architectures
    capabilities = hardware.gpus or tuple(name.removesuffix("+PTX").rstrip("af") for name in setting)
    if not capabilities:
        return _Answer(Outcome.DOES_NOT, f"gpu {wanted}: no GPU is visible")
    what = "gpu" if hardware.gpus else "cuda-architectures"
    found = ", ".join(dict.fromkeys(capabilities))
    holds = any(_is_version(capability, wanted) for capability in capabilities)
    return _answer(holds, f"{what} {found} is {wanted}", f"{what} {found} is not {wanted}")


def _gcc(wanted: str, scene: _Scene) -> _Answer:
    from ..compile.plan_compilers import plan_host_compiler
    from ..compile.plan_toolkit import plan_toolkit

    snapshot = scene.snapshot
    if snapshot.hardware is None:
        return _not_known(f"gcc {wanted}: {_NOT_LOOKED_AT}")
    if scene.seen is None and snapshot.project.cuda_sources:
        return _not_known(f"gcc {wanted}: it may depend on torch's CUDA, and {scene.facts.why}")
    choice = plan_toolkit(scene.config, snapshot, scene.seen)
    if choice.requirement is not None:
        return _not_known(f"gcc {wanted}: it may depend on the CUDA toolkit, which is not installed yet")
    compilers = snapshot.hardware.compilers
    compiler = compilers[0] if compilers else None
    if choice.toolkit is not None:
        compiler = plan_host_compiler(snapshot, choice).compiler or compiler
    if compiler is None:
        return _Answer(Outcome.DOES_NOT, f"gcc {wanted}: no compiler was found")
    if compiler.name != "gcc":
        return _Answer(Outcome.DOES_NOT, f"gcc {wanted}: the compiler is {compiler.cc}")
    return _version("gcc", compiler.version, wanted, "")


def _not_installed(outcome: RuleOutcome, rule: When, snapshot: Snapshot) -> Iterator[str]:
    """Yield what a rule requires and the build environment lacks: get_requires could not know, or was not asked."""
    if not snapshot.hook.builds:
        return
    for text in rule.requires:
        for requirement in applying((text,), snapshot.python):
            version = snapshot.build.version_of(canonicalize_name(requirement.name))
            if version is None or not _is_version(version, str(requirement.specifier)):
                yield (
                    f"rule {outcome.number} requires {text}, and the build environment has"
                    f" {version or 'none'}: it was not known when requirements were asked for, or nothing was installed"
                )


def _problem(outcome: RuleOutcome, rule: When, snapshot: Snapshot) -> Problem:
    return Problem.of(
        code="rule-error",
        headline=f"{snapshot.project.name or 'the package'}: {rule.error}",
        rule=f"{outcome.number}: {outcome.said}",
        why="its maintainers say so, in [[tool.torchgraft.when]] of pyproject.toml",
    )


def plan_wishes(
    config: Config, snapshot: Snapshot, choice: Choice, *, torch: Torch, reach: Reach, compiling: Compiling
) -> Wishes:
    """Return what rules, variables and prebuilt wheels come to, by the facts that are known in this hook."""
    facts = plan_facts(snapshot, choice, torch, compiling)
    rules = plan_rules(config, snapshot, facts, reach.torch)
    prebuilt = plan_prebuilt(config, snapshot, facts, reach.way)
    return replace(
        rules,
        requirements=(*rules.requirements, *([CLIENT] if prebuilt else ())),
        variables=tuple(_filled(variable, facts) for variable in _from_settings(config, rules)),
        prebuilt=prebuilt,
        asks_identity=snapshot.hook is Hook.BUILD_WHEEL and asks_identity(prebuilt, facts),
    )


def _from_settings(config: Config, rules: Wishes) -> Iterator[PlannedVariable]:
    """Yield the variables of the package, those of its rules, and those of the command line, which beat them."""
    origins = {name: config.origins.get(f"env.{name}", "") for name in config.env}
    for name, value in config.env.items():
        if not origins[name]:
            yield PlannedVariable(name=name, value=value, reason=f"env ({config.origin('env')})")
    yield from rules.variables
    for name, value in config.env.items():
        if origins[name]:
            yield PlannedVariable(name=name, value=value, reason=f"env ({origins[name]})")


def _filled(variable: PlannedVariable, facts: Facts) -> PlannedVariable:
    """Return a variable with the facts in its value; without a value where one of them has none."""
    names = template_names(variable.value or "")
    of_machine = variable.of_machine or any(name in OF_MACHINE for name in names)
    missing = next((name for name in names if name not in facts.values), None)
    if missing is not None:
        reason = f"not set: {facts.missing(missing)}; {variable.reason}"
        return replace(variable, value=None, reason=reason, of_machine=of_machine)
    return replace(variable, value=filled(variable.value or "", facts.values), of_machine=of_machine)
