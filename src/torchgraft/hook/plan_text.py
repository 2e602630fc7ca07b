"""The plan of a hook call as a person reads it.

May not decide anything.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import problems_text, shown
from ..model.decision import Plan, PlannedPrebuilt, PlannedStore, RungAnswer
from ..model.observation import FrontEndName, Rung, Way
from ..model.torch_values import Knowledge, Torch
from ..settings.config import Log

SERIAL = "torch compiles one file after the other"
_HOW = {
    Way.GRAFT: "through links",
    Way.PRESENT: "the build environment has it",
    Way.INSTALL: "installed for this build",
    Way.ABSENT: "without torch",
    Way.OFF: "nothing is done",
}


def torch_text(torch: Torch) -> str:
    """Return a torch in one line: version, accelerator, C++ ABI, where."""
    facts = [f"torch {torch.version}"]
    if torch.accelerator != "cpu":
        facts.append(f"{torch.accelerator} {torch.cuda or torch.hip or torch.xpu}")
    if torch.cxx11_abi is not None:
        facts.append(f"C++11 ABI {'yes' if torch.cxx11_abi else 'no'}")
    facts.append(f"{torch.origin.value} in {torch.folder}" + (f" and {torch.modules}" if torch.modules else ""))
    return ", ".join(facts)


def plan_text(plan: Plan) -> str:
    """Return the plan as a person reads it, every line with its reason."""
    from ..redaction import shown_value

    lines = [
        f"front end  {_front_end_text(plan)}",
        f"consumer   {plan.consumer.reason if plan.consumer else 'none found'}",
        "torch",
        *(_rung_line(answer, chosen=answer.rung is plan.rung) for answer in plan.rungs),
        *([f"           = {torch_text(plan.torch)}"] if plan.torch else []),
        *([f"guess      {plan.guess}"] if plan.guess else []),
        f"how        {_HOW[plan.way]}: {plan.way_reason}",
    ]
    if plan.late_install:
        lines.append(f"install    {plan.late_install.requirement} now, by uv: {plan.late_install.reason}")
    if plan.graft:
        links = f"{len(plan.graft.links)} links in {plan.graft.folder}"
        lines += _section("links", [links, ", ".join(plan.graft.names)])
    if plan.toolkit:
        over = f", links over {', '.join(plan.toolkit.layers)}" if plan.toolkit.layers else ""
        lines.append(f"toolkit    {plan.toolkit.reason}: {plan.toolkit.home}{over}")
    lines += _section("jobs", _jobs_texts(plan))
    cache = plan.compiler_cache
    lines += _section("compilers", [f"through {cache.text}: {cache.reason}"] if cache else [])
    header = plan.precompiled
    lines += _section("header", [f"{header.text} is precompiled: {header.reason}"] if header else [])
    if plan.rebuild and plan.rebuild.reason:
        lines.append(f"rebuild    {plan.rebuild.reason}")
    if plan.from_files:
        lines.append(f"metadata   from files alone: {_from_files_text(plan)}")
    if plan.stand_in:
        said = "the one it will meet" if plan.stand_in.known is not Knowledge.GUESSED else "a guess"
        lines.append(f"metadata   setup.py runs against a stand-in for torch {plan.stand_in.version} ({said})")
    if plan.runtime_torch:
        lines.append(f"run time   {plan.runtime_torch.text or 'no requirement'}: {plan.runtime_torch.reason}")
    lines += _section("requires", [f"{line.text}  ({line.reason})" for line in plan.requirements])
    values = ("" if v.value is None else f"={shown_value(v.name, v.value)}" for v in plan.variables)
    told = zip(plan.variables, values, strict=True)
    lines += _section("variables", [f"{variable.name}{value}  ({variable.reason})" for variable, value in told])
    lines += _section("rules", [f"{rule.number} {rule.outcome.value}: {rule.said}" for rule in plan.when])
    lines += _section("prebuilt", [_prebuilt_text(wheel) for wheel in plan.prebuilt])
    lines += _section("store", [_store_text(plan.store)] if plan.store else [])
    asked = "asked for requirements" if plan.delegate.asked else "not asked for requirements"
    lines.append(f"backend    {plan.delegate.backend}, {asked}: {plan.delegate.reason}")
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
    if log is Log.QUIET or plan.problems:
        return ""
    if plan.hook.asks and plan.guess and plan.way is Way.INSTALL and not plan.front_end.installs:
        return download_text(plan)
    return summary_text(plan) if plan.hook.builds else ""


def download_text(plan: Plan) -> str:
    """Return what is said before the front end downloads a torch for a wheel of which nobody knows where it goes."""
    command = "python -m build" if plan.front_end.name is FrontEndName.BUILD else plan.front_end.command
    takes_settings = plan.front_end.name in {FrontEndName.BUILD, FrontEndName.PDM, FrontEndName.PIP, FrontEndName.UV}
    consumer, torch_setting = (
        f"{command} -C torchgraft.{key}={value}" if takes_settings else f"TORCHGRAFT_{key.upper()}={value} {command}"
        for key, value in (("consumer", "PATH"), ("torch", "VERSION"))
    )
    torch = next((line.text for line in plan.requirements if line.text.startswith("torch")), "torch")
    lines = (
        f"{torch} is downloaded for this build, gigabytes where it is for CUDA, and is a guess: {plan.guess}",
        f"  {consumer}   (to build for an environment that has torch, without a download)",
        f"  {torch_setting}   (to build for that one)",
    )
    return "\n".join(shown(f"torchgraft: {line}") for line in lines)


def summary_text(plan: Plan) -> str:
    """Return what is said of a build by default: one line, and what the user set that cannot work."""
    if plan.way is Way.OFF:
        return f"torchgraft: {plan.way_reason}"
    if plan.torch is None:
        what = next((line.text for line in plan.requirements if line.text.startswith("torch")), "no torch")
        return shown(f"torchgraft: building with {what} ({plan.way_reason})")
    how = {Way.GRAFT: ", through links", Way.PRESENT: ", which the build environment has"}.get(plan.way, "")
    where = f" of {plan.consumer.text}" if plan.consumer and plan.way is Way.GRAFT else ""
    guess = (f"this torch is a guess: {plan.guess}",) if plan.guess else ()
    serial = (f"{SERIAL}: {plan.serial}",) if plan.serial else ()
    lines = (f"building against torch {plan.torch.version}{where}{how}", *guess, *serial, *plan.overrides)
    return "\n".join(shown(f"torchgraft: {line}") for line in lines)


def _jobs_texts(plan: Plan) -> list[str]:
    texts = [f"{SERIAL}: {plan.serial}"] if plan.serial else []
    if plan.budget:
        how = "ninja asks for each" if plan.budget.asked else "they are taken when the build begins"
        texts.append(f"of one budget with your other builds; {how}")
    return texts


def _from_files_text(plan: Plan) -> str:
    if plan.delegate.backend == "mesonpy":
        return "nothing of meson.build is run but project()"
    is_idle = plan.way not in {Way.ABSENT, Way.INSTALL}
    return "setup.py adds nothing to [project]" if is_idle else "setup.py is not run without torch"


def _front_end_text(plan: Plan) -> str:
    front_end = plan.front_end
    name = front_end.command or ("your shell" if front_end.name is FrontEndName.UNKNOWN else front_end.name.value)
    return f"{name} ({front_end.version})" if front_end.version else name


def _prebuilt_text(wheel: PlannedPrebuilt) -> str:
    if wheel.refused:
        return f"{wheel.url} is not tried: {wheel.refused}"
    if wheel.awaits:
        return f"{wheel.url} is looked for when the wheel is built: {wheel.awaits}"
    if wheel.listed:
        local = f" as {wheel.version}+{wheel.local}" if wheel.local else ""
        return f"{wheel.url} is asked first{local}, and has the digest"
    if wheel.hashes:
        return f"{wheel.url} is tried first, if its digest is in {wheel.hashes}"
    return f"{wheel.url} is tried first{', with a known digest' if wheel.sha256 else ''}"


def _store_text(store: PlannedStore) -> str:
    if store.refused:
        return f"the wheel is not kept: {store.refused}"
    return f"a wheel of the same is looked for, and kept, in {', '.join(store.places)}"


def _rung_line(answer: RungAnswer, *, chosen: bool) -> str:
    name = "named" if answer.rung is Rung.TOLD else answer.rung.value
    return f"  {'->' if chosen else '  '} {name:<10} {answer.said}"


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"{title if i == 0 else '':<10} {line}" for i, line in enumerate(lines)]
