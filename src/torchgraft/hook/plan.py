"""The whole plan of one hook call.

May not decide anything itself: it asks the topics, in order.
"""

from __future__ import annotations

from packaging.utils import canonicalize_name

from ..compile.plan_needs import ASKED_NINJA, concerns_compilers, plan_ninja, with_users_switch
from ..ladder.plan_problems import plan_problems
from ..ladder.plan_requirements import plan_delegate, plan_late_install, plan_requirements
from ..ladder.plan_torch import (
    Choice,
    consumer_text,
    plan_guess,
    plan_torch,
    serves_other_torches,
    with_meant_consumer,
)
from ..ladder.plan_way import Reach, asks_dependencies, expected_torch, plan_graft, plan_way, plan_without_torch
from ..model.decision import Compiling, Delegate, Plan, Planned, RuntimeRequirement, Wishes
from ..model.observation import FrontEnd, FrontEndName, Hook, Snapshot, Way
from ..model.torch_values import Knowledge, Torch
from ..settings.config import Config, Guarding, RuntimeTorch
from .plan_variables import plan_rebuild, plan_variables

_ASKS = "setup.py is asked what the package requires, with a stand-in for torch: nothing else says which torch"


def plan_build(config: Config, snapshot: Snapshot) -> Plan:
    """Return what one hook call will do. The same settings and snapshot give the same plan on any machine."""
    config = with_users_switch(config, snapshot.switched_off)
    snapshot = with_meant_consumer(config, snapshot)
    choice = plan_torch(config, snapshot)
    reach = plan_way(config, snapshot, choice)
    torch = expected_torch(snapshot, choice, reach)
    without = plan_without_torch(config, snapshot, choice, expected=torch, way=reach.way)
    compiling = _compiling(config, snapshot, torch, reach.way)
    delegate = plan_delegate(config, snapshot, reach.way, torch=reach.torch, toolkit=compiling.requirement)
    wishes = _wishes(config, snapshot, choice, torch=torch, reach=reach, compiling=compiling)
    ninja = plan_ninja(snapshot)
    more = (compiling.requirement, ninja if ninja == ASKED_NINJA else None)
    asks = asks_dependencies(config, snapshot, choice)
    problems = (*wishes.problems, *plan_problems(config, snapshot, choice, reach))
    problems = tuple(problem for problem in problems if not asks or problem.code != "no-torch")
    compile_problems = (*wishes.machine_problems, *compiling.problems)
    guess = "" if reach.way is Way.ABSENT else plan_guess(snapshot, choice)
    serves_others = reach.way is not Way.ABSENT and serves_other_torches(snapshot, choice)
    consumer = snapshot.consumer
    variables = plan_variables(config, snapshot, torch=torch, reach=reach, compiling=compiling, wishes=wishes)
    store = None
    if snapshot.hook is Hook.BUILD_WHEEL:
        from ..prebuilt.plan_prebuilt import plan_store

        store = plan_store(
            config, snapshot, torch=reach.torch, way=reach.way, guess=guess, compiling=compiling, variables=variables
        )
    return Plan(
        hook=snapshot.hook,
        name=snapshot.project.name,
        consumer=None if consumer is None else Planned(text=consumer.prefix, reason=consumer_text(consumer)),
        rungs=choice.rungs,
        rung=choice.rung,
        guess=guess,
        torch=reach.torch,
        way=reach.way,
        way_reason=reach.reason,
        requirements=plan_requirements(
            config,
            snapshot,
            choice=choice,
            reach=reach,
            delegate=delegate,
            more=(*filter(None, more), *wishes.requirements),
        ),
        late_install=plan_late_install(snapshot, choice, reach, compiling.requirement),
        # A hook that answers without the delegate links nothing.
        graft=plan_graft(config, snapshot) if reach.way is Way.GRAFT and delegate.runs(snapshot.hook) else None,
        stand_in=without.stand_in,
        hides_version=without.hides_version,
        asks_version=bool(snapshot.project.setup_script and snapshot.project.setup_script.asks_version),
        from_files=without.from_files,
        runtime_torch=_runtime_torch(config, snapshot, reach.torch),
        guard=config.guard is Guarding.ALWAYS or (config.guard is Guarding.AUTO and bool(guess or serves_others)),
        serves_others=serves_others,
        link_check=config.link_check,
        sbom=config.sbom,
        toolkit=compiling.toolkit,
        rebuild=plan_rebuild(config, snapshot, reach.torch),
        jobs=compiling.jobs,
        budget=compiling.budget,
        ninja=ninja,
        compiler_cache=compiling.cache,
        precompiled=compiling.precompiled,
        workshop=_workshop(snapshot, compiling),
        variables=variables,
        when=wishes.outcomes,
        prebuilt=wishes.prebuilt,
        store=store,
        asks_identity=wishes.asks_identity,
        asks_dependencies=asks,
        delegate=delegate,
        front_end=snapshot.front_end,
        rule=None if consumer is None else consumer.rule,
        notes=(*([_ASKS] if asks else []), *_notes(snapshot, reach.way), *compiling.notes, *wishes.notes),
        overrides=compiling.overrides,
        compile_problems=compile_problems if wishes.prebuilt else (),
        problems=problems if problems or wishes.prebuilt else compile_problems,
    )


# What few calls need is imported by those.


def _compiling(config: Config, snapshot: Snapshot, torch: Torch, way: Way) -> Compiling:
    if not concerns_compilers(config, snapshot.project, snapshot.hook):
        return Compiling()
    from ..compile.plan_compiling import plan_compiling

    # What is only named is compiled for where its CUDA is known: the toolkit can be asked for together with it.
    is_certain = torch.known is Knowledge.SEEN or (way is Way.INSTALL and torch.cuda)
    return plan_compiling(config, snapshot, torch if is_certain else None)


def _workshop(snapshot: Snapshot, compiling: Compiling) -> str:
    if compiling.cache is None or not snapshot.project.passing or snapshot.hook is not Hook.BUILD_WHEEL:
        return ""
    name = canonicalize_name(snapshot.project.name or "")
    return name if name.replace("-", "").isalnum() else "project"


def _wishes(
    config: Config, snapshot: Snapshot, choice: Choice, *, torch: Torch, reach: Reach, compiling: Compiling
) -> Wishes:
    if not (config.when or config.env or config.prebuilt):
        return Wishes()
    from .plan_rules import plan_wishes

    return plan_wishes(config, snapshot, choice, torch=torch, reach=reach, compiling=compiling)


def _runtime_torch(config: Config, snapshot: Snapshot, torch: Torch | None) -> RuntimeRequirement | None:
    if config.runtime_torch is RuntimeTorch.OFF:
        return None
    from ..wheel.plan_finishing import plan_runtime_torch

    return plan_runtime_torch(config, snapshot, torch)


def plan_pass_through(config: Config, hook: Hook) -> Plan:
    """Return the plan of `provide = "off"`: the delegate's hook, as if torchgraft were not there."""
    reason = f"provide ({config.origin('provide')}) is off"
    delegate = Delegate(backend=config.backend, backend_path=config.backend_path, asked=True, reason=reason)
    front_end = FrontEnd(name=FrontEndName.UNKNOWN)
    return Plan(hook=hook, way=Way.OFF, way_reason=reason, delegate=delegate, front_end=front_end)


def _notes(snapshot: Snapshot, way: Way) -> list[str]:
    notes = []
    consumer = snapshot.consumer
    if consumer is not None and not consumer.certain:
        notes.append(f"the consumer {consumer.prefix} is a guess ({consumer.why})")
    if consumer is not None and way is Way.GRAFT:
        notes += [f"{exposure.by} can change {exposure.path}" for exposure in consumer.writable_by_others[:3]]
    if any(requirement.partition(";")[0].strip().lower() == "torch" for requirement in snapshot.project.requires):
        notes.append("[build-system] requires names torch: it can go, and with it a download that is not used")
    if snapshot.switched_off:
        notes.append(f'no CUDA is compiled, as with cuda = "off": the user has set {snapshot.switched_off}')
    script = snapshot.project.setup_script
    if way is Way.INSTALL and script is not None and script.may_set_requires and script.setup_requires is None:
        notes.append("setup.py may compute setup_requires: name them in [tool.torchgraft] requires")
    if snapshot.hook.builds and script is not None and script.torch_sources > 1 and script.refuses_ninja is None:
        notes.append("setup.py computes use_ninja: if it is false, one file is compiled after the other")
    return notes
