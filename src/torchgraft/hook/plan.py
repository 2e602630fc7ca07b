"""The whole plan of one hook call, and its text for people.

May not decide anything itself: it asks the rooms beside it, in order.
"""

from __future__ import annotations

from dataclasses import replace

from ..compile.plan_compiling import plan_compiling
from ..compile.plan_facts import known_torch, plan_facts
from ..errors import problems_text, shown
from ..ladder.plan_expected_torch import expected_torch
from ..ladder.plan_graft import plan_graft
from ..ladder.plan_late_install import plan_late_install
from ..ladder.plan_problems import plan_problems
from ..ladder.plan_requirements import plan_delegate, plan_requirements
from ..ladder.plan_torch import consumer_text, plan_torch
from ..ladder.plan_way import plan_way
from ..ladder.plan_without_torch import plan_without_torch
from ..model.decision import Delegate, Plan, Planned, PlannedPrebuilt, RungAnswer
from ..model.observation import FrontEnd, FrontEndName, Hook, Snapshot, Torch, Way
from ..prebuilt.plan_prebuilt import asks_identity, plan_client, plan_prebuilt
from ..settings.config import Config, Log
from ..wheel.plan_finishing import plan_finishing, plan_runtime_torch
from .plan_rebuild import plan_rebuild
from .plan_rules import plan_rules
from .plan_variables import plan_variables


def plan_build(config: Config, snapshot: Snapshot) -> Plan:
    """Return what one hook call will do. The same settings and snapshot give the same plan on any machine."""
    choice = plan_torch(config, snapshot)
    reach = plan_way(config, snapshot, choice)
    without = plan_without_torch(config, snapshot, choice, reach)
    compiling = plan_compiling(config, snapshot, expected_torch(snapshot, choice, reach))
    delegate = plan_delegate(config, snapshot, reach.way, toolkit=compiling.requirement)
    torch = known_torch(snapshot, choice, reach)
    facts = plan_facts(snapshot, torch, compiling)
    rules = plan_rules(config, snapshot, torch, reach.torch)
    prebuilt = plan_prebuilt(config, snapshot, facts, reach.way)
    toolkit = (compiling.requirement,) if compiling.requirement else ()
    problems = (*rules.problems, *plan_problems(config, snapshot, choice, reach))
    compile_problems = (*rules.machine_problems, *compiling.problems)
    consumer = snapshot.consumer
    return Plan(
        hook=snapshot.hook,
        consumer=None if consumer is None else Planned(text=consumer.prefix, reason=consumer_text(consumer)),
        rungs=choice.rungs,
        rung=choice.rung,
        torch=reach.torch,
        way=reach.way,
        way_reason=reach.reason,
        requirements=plan_requirements(
            config,
            snapshot,
            choice=choice,
            reach=reach,
            delegate=delegate,
            more=(*toolkit, *rules.requirements, *plan_client(prebuilt), *plan_finishing(config, snapshot)),
        ),
        late_install=plan_late_install(snapshot, choice, reach, compiling.requirement),
        graft=plan_graft(config, snapshot) if reach.way is Way.GRAFT else None,
        stand_in=without.stand_in,
        asks_version=bool(snapshot.project.setup_script and snapshot.project.setup_script.asks_version),
        from_files=without.from_files,
        runtime_torch=plan_runtime_torch(config, snapshot, reach.torch),
        guard=config.guard,
        link_check=config.link_check,
        sbom=config.sbom,
        toolkit=compiling.toolkit,
        rebuild=plan_rebuild(config, snapshot, reach.torch),
        jobs=compiling.jobs,
        variables=plan_variables(config, snapshot, reach=reach, compiling=compiling, rules=rules, facts=facts),
        when=rules.outcomes,
        prebuilt=prebuilt,
        asks_identity=snapshot.hook is Hook.BUILD_WHEEL and asks_identity(prebuilt, facts),
        delegate=delegate,
        front_end=snapshot.front_end,
        rule=None if consumer is None else consumer.rule,
        notes=(*_notes(snapshot, reach.way), *compiling.notes, *rules.notes),
        overrides=compiling.overrides,
        compile_problems=compile_problems if prebuilt else (),
        problems=problems if problems or prebuilt else compile_problems,
    )


def plan_wheel(asked: Plan, built: Plan) -> Plan:
    """Return what a wheel gets by both hooks: the requirements of the first, and what the second one compiles with.

    Where the second cannot be foreseen, since it needs what the first has had installed, it is the plan of the first.
    """
    if built.problems:
        return asked
    return replace(
        asked,
        toolkit=built.toolkit,
        rebuild=built.rebuild,
        jobs=built.jobs,
        variables=built.variables,
        runtime_torch=built.runtime_torch,
        when=built.when,
        notes=tuple(dict.fromkeys((*asked.notes, *built.notes))),
        overrides=built.overrides,
    )


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
        notes.append(f"that {consumer.prefix} is the consumer is a guess ({consumer.why})")
    if any(requirement.partition(";")[0].strip().lower() == "torch" for requirement in snapshot.project.requires):
        notes.append("[build-system] requires names torch: it can go, and with it a download that is not used")
    script = snapshot.project.setup_script
    if way is Way.INSTALL and script is not None and script.may_set_requires and script.setup_requires is None:
        notes.append("setup.py may compute setup_requires: name them in [tool.torchgraft] requires")
    return notes


def torch_text(torch: Torch) -> str:
    """Return a torch in one line: version, accelerator, C++ ABI, where."""
    facts = [f"torch {torch.version}"]
    if torch.accelerator != "cpu":
        facts.append(f"{torch.accelerator} {torch.cuda or torch.hip or torch.xpu}")
    if torch.cxx11_abi is not None:
        facts.append(f"C++11 ABI {'yes' if torch.cxx11_abi else 'no'}")
    facts.append(f"{torch.origin.value} in {torch.folder}")
    return ", ".join(facts)


def plan_text(plan: Plan) -> str:
    """Return the plan as a person reads it, every line with its reason."""
    lines = [
        f"front end  {_front_end_text(plan)}",
        f"consumer   {plan.consumer.reason if plan.consumer else 'none found'}",
        "torch",
        *(_rung_line(answer, chosen=answer.rung is plan.rung) for answer in plan.rungs),
        *([f"           = {torch_text(plan.torch)}"] if plan.torch else []),
        f"way        {plan.way.value}: {plan.way_reason}",
    ]
    if plan.late_install:
        lines.append(f"install    {plan.late_install.requirement} now, by uv: {plan.late_install.reason}")
    if plan.graft:
        lines += [
            f"graft      {len(plan.graft.links)} links in {plan.graft.folder}",
            f"           {', '.join(plan.graft.names)}",
        ]
    if plan.toolkit:
        over = f", links over {', '.join(plan.toolkit.layers)}" if plan.toolkit.layers else ""
        lines.append(f"toolkit    {plan.toolkit.reason}: {plan.toolkit.home}{over}")
    if plan.rebuild and plan.rebuild.reason:
        lines.append(f"rebuild    {plan.rebuild.reason}")
    if plan.from_files:
        lines.append(f"metadata   from files alone: {_from_files_text(plan)}")
    if plan.stand_in:
        said = "as the ladder says" if plan.stand_in.known else "a guess"
        lines.append(f"metadata   setup.py runs against a stand-in for torch {plan.stand_in.version} ({said})")
    if plan.runtime_torch:
        lines.append(f"run time   {plan.runtime_torch.text or 'no requirement'}: {plan.runtime_torch.reason}")
    lines += _section("requires", [f"{line.text}  ({line.reason})" for line in plan.requirements])
    lines += _section(
        "variables",
        [
            f"{v.name}={v.value}  ({v.reason})" if v.value is not None else f"{v.name}  ({v.reason})"
            for v in plan.variables
        ],
    )
    lines += _section("rules", [f"{rule.number} {rule.outcome.value}: {rule.said}" for rule in plan.when])
    lines += _section("prebuilt", [_prebuilt_text(wheel) for wheel in plan.prebuilt])
    asked = "asked for requirements" if plan.delegate.asked else "not asked for requirements"
    lines.append(f"delegate   {plan.delegate.backend}, {asked}: {plan.delegate.reason}")
    lines += _section("overrides", list(plan.overrides))
    lines += _section("notes", list(plan.notes))
    lines += _section("compiling", [f"impossible here: {problem.headline}" for problem in plan.compile_problems])
    if plan.problems:
        lines += ["", problems_text(plan.problems)]
    return "\n".join(shown(line) if "\n" not in line else line for line in lines)


def said_text(plan: Plan, log: Log) -> str:
    """Return what is said of a hook call before it is carried out; "" for nothing."""
    if log is Log.PLAN:
        return plan_text(replace(plan, problems=()))  # they are raised
    builds = plan.hook.builds and not plan.problems
    return summary_text(plan) if log is Log.SUMMARY and builds else ""


def summary_text(plan: Plan) -> str:
    """Return what is said of a build by default: one line, and what the user set that cannot work."""
    if plan.way is Way.OFF:
        return f"torchgraft: {plan.way_reason}"
    if plan.torch is None:
        what = next((line.text for line in plan.requirements if line.text.startswith("torch")), "no torch")
        return shown(f"torchgraft: building with {what} ({plan.way.value}: {plan.way_reason})")
    where = f" of {plan.consumer.reason}" if plan.consumer and plan.way is not Way.INSTALL else ""
    lines = (f"building against torch {plan.torch.version}{where}, {plan.way.value}", *plan.overrides)
    return "\n".join(shown(f"torchgraft: {line}") for line in lines)


def _from_files_text(plan: Plan) -> str:
    if plan.delegate.backend == "mesonpy":
        return "nothing of meson.build is run but project()"
    return "setup.py is not run without torch"


def _front_end_text(plan: Plan) -> str:
    front_end = plan.front_end
    name = front_end.command or front_end.name.value
    return f"{name} ({front_end.version})" if front_end.version else name


def _prebuilt_text(wheel: PlannedPrebuilt) -> str:
    if wheel.refused:
        return f"{wheel.url} is not tried: {wheel.refused}"
    if wheel.awaits:
        return f"{wheel.url} is looked for when the wheel is built: {wheel.awaits}"
    if wheel.hashes:
        return f"{wheel.url} is tried first, if its digest is in {wheel.hashes}"
    return f"{wheel.url} is tried first{', with a known digest' if wheel.sha256 else ''}"


def _rung_line(answer: RungAnswer, *, chosen: bool) -> str:
    return f"  {'->' if chosen else '  '} {answer.rung.value:<10} {answer.said}"


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"{title if i == 0 else '':<10} {line}" for i, line in enumerate(lines)]
