"""Which variables the delegate gets besides those it inherits.

May not override what the user has set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..compile.plan_compiling import Compiling
from ..compile.plan_facts import Facts, plan_vocabulary
from ..ladder.plan_way import Reach
from ..model.decision import PlannedVariable
from ..model.observation import Snapshot, Torch, Way
from ..settings.config import Config
from ..settings.template import FACTS, filled, template_names
from .plan_rules import Rules


def plan_variables(
    config: Config, snapshot: Snapshot, *, reach: Reach, compiling: Compiling, rules: Rules, facts: Facts
) -> tuple[PlannedVariable, ...]:
    """Return the variables by name; a value of None says that the user's own stays, or that there is none to set."""
    user = set(snapshot.variables_set) - set(compiling.forced)
    chosen: dict[str, PlannedVariable] = {}
    templates = [_filled(variable, facts) for variable in _from_settings(config, rules)]
    vocabulary = plan_vocabulary(config, snapshot, compiling, torch=facts.values.get("torch"))
    for variable in (*_decided(reach.torch, reach.way), *vocabulary, *compiling.variables, *templates):
        before = chosen.get(variable.name, variable)
        # What is set without looking at the machine, too, is so in metadata: the record has to be the same.
        of_machine = variable.of_machine and before.of_machine
        if variable.name in user:
            chosen[variable.name] = replace(variable, value=None, reason="the user has set it", of_machine=of_machine)
        elif variable.value is not None or variable.name not in chosen:
            chosen[variable.name] = replace(variable, of_machine=of_machine)
    return tuple(chosen[name] for name in sorted(chosen))


def _decided(torch: Torch | None, way: Way) -> Iterator[PlannedVariable]:
    if way in {Way.GRAFT, Way.PRESENT} and torch is not None:
        # find_package(Torch) looks here last of all. scikit-build-core searches site-packages, not the links; meson
        # searches neither.
        reason = "CMake finds torch here where the project does not say where"
        yield PlannedVariable(name="Torch_DIR", value=f"{torch.folder}/share/cmake/Torch", reason=reason)
    if way is Way.GRAFT:
        # Importing through a link would write __pycache__ into the consumer.
        reason = "nothing may be written into the consumer"
        yield PlannedVariable(name="PYTHONDONTWRITEBYTECODE", value="1", reason=reason)


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
