"""What the settings of the package come to here: its rules, its variables with facts in them, its prebuilt wheels.

May not look anything up. Most packages have none of it, so that nothing of this is imported for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..compile.plan_facts import Facts, plan_facts
from ..ladder.plan_torch import Choice
from ..ladder.plan_way import Reach
from ..model.decision import Compiling, PlannedVariable, Wishes
from ..model.observation import Hook, Snapshot
from ..model.torch_values import Torch
from ..prebuilt.plan_prebuilt import asks_identity, plan_client, plan_prebuilt
from ..settings.config import Config
from ..settings.template import FACTS, filled, template_names
from .plan_rules import Rules, plan_rules


def plan_wishes(
    config: Config, snapshot: Snapshot, choice: Choice, *, torch: Torch, reach: Reach, compiling: Compiling
) -> Wishes:
    """Return what rules, variables and prebuilt wheels come to, by the facts that are known in this hook."""
    facts = plan_facts(snapshot, choice, torch, compiling)
    rules = plan_rules(config, snapshot, facts, reach.torch)
    prebuilt = plan_prebuilt(config, snapshot, facts, reach.way)
    return Wishes(
        outcomes=rules.outcomes,
        requirements=(*rules.requirements, *plan_client(prebuilt)),
        variables=tuple(_filled(variable, facts) for variable in _from_settings(config, rules)),
        prebuilt=prebuilt,
        asks_identity=snapshot.hook is Hook.BUILD_WHEEL and asks_identity(prebuilt, facts),
        notes=rules.notes,
        machine_problems=rules.machine_problems,
        problems=rules.problems,
    )


def _from_settings(config: Config, rules: Rules) -> Iterator[PlannedVariable]:
    """Yield the variables of the package, those of its rules, and those of the command line, which beat them."""
    origins = {name: config.origins.get(f"env.{name}", "") for name in config.env}
    for name, value in config.env.items():
        if not origins[name]:
            yield PlannedVariable(name=name, value=value, reason=f"env ({config.origin('env')})")
    for rule in rules.assignments:
        yield PlannedVariable(name=rule.name, value=rule.value, reason=rule.reason, of_machine=rule.of_machine)
    for name, value in config.env.items():
        if origins[name]:
            yield PlannedVariable(name=name, value=value, reason=f"env ({origins[name]})")


def _filled(variable: PlannedVariable, facts: Facts) -> PlannedVariable:
    """Return a variable with the facts in its value; without a value where one of them has none."""
    names = template_names(variable.value or "")
    of_machine = variable.of_machine or any(FACTS[name].of_machine for name in names)
    missing = next((name for name in names if name not in facts.values), None)
    if missing is not None:
        reason = f"not set: {facts.missing(missing)}; {variable.reason}"
        return replace(variable, value=None, reason=reason, of_machine=of_machine)
    return replace(variable, value=filled(variable.value or "", facts.values), of_machine=of_machine)
