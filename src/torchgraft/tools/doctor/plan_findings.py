"""What the doctor says: a line for each thing that a build depends on, with its cure.

May not look at anything: all of it is in the checkup.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from packaging.version import Version

from ...errors import Problem
from ...hook.plan import plan_build, torch_text
from ...model.decision import Plan
from ...model.observation import Consumer, FrontEndName, Hook, Rule, Snapshot
from ...settings.config import Config
from ...versions import parse_version
from .checkup import Checkup, Finding, FrontEndProgram, FrontEndSetting, Verdict
from .plan_findings_compiling import ABOUT_COMPILING, about_compiling, of_problem

# Measured: before these uv held no lock on the environment that it changes, so that the consumer can only be guessed.
_UV_PIP_LOCKS_SINCE = "0.2"
_UV_LOCKS_SINCE = "0.7"
# The oldest of which recordings were made. Older ones may work.
_OLDEST = {FrontEndName.PIP: "23.2", FrontEndName.UV: _UV_PIP_LOCKS_SINCE}
_ABOUT_CONSUMER = frozenset({"no-consumer", "ambiguous-consumer", "writable-by-others", "python-mismatch"})
_ABOUT_TORCH = frozenset({"no-torch", "broken-torch", "unsupported-torch"})


def plan_findings(config: Config, checkup: Checkup) -> tuple[Finding, ...]:
    """Return what is well and what is not, in the order in which one would mend it."""
    # What get_requires_for_build_wheel would say, and what compiling would meet.
    asked = plan_build(config, dataclasses.replace(checkup.snapshot, hook=Hook.GET_REQUIRES_FOR_BUILD_WHEEL))
    built = plan_build(config, checkup.snapshot)
    findings = (
        *_about_python(checkup),
        *_about_settings(checkup),
        *_about_front_ends(checkup),
        *_about_consumer(checkup, asked),
        *_about_torch(checkup.snapshot, asked),
        *about_compiling(checkup, asked, built),
        *_about_cache(checkup),
    )
    return tuple(dataclasses.replace(f, fixes=tuple(_typed(fix, checkup) for fix in f.fixes)) for f in findings)


def is_well(findings: tuple[Finding, ...]) -> bool:
    """Return whether nothing keeps a build from working."""
    return all(finding.verdict is not Verdict.PROBLEM for finding in findings)


def _typed(fix: str, checkup: Checkup) -> str:
    """Return a fix with the front end that there is: an environment that uv made has no pip."""
    there = {program.name for program in checkup.front_ends}
    if FrontEndName.UV not in there or FrontEndName.PIP in there:
        return fix
    match = re.fullmatch(r"pip --python (.+?) install (.+)", fix)
    return f"uv pip install --python {match[1]} {match[2].replace('--force-', '--')}" if match else fix


def _about_python(checkup: Checkup) -> Iterator[Finding]:
    python = checkup.python
    text = f"{python.version} ({python.abi}, {python.platform}), with torchgraft {checkup.torchgraft}"
    yield Finding(topic="python", verdict=Verdict.OK, text=text)


def _about_settings(checkup: Checkup) -> Iterator[Finding]:
    for problem in checkup.settings_faults:
        yield of_problem("settings", problem)


def _about_front_ends(checkup: Checkup) -> Iterator[Finding]:
    if not checkup.front_ends:
        text = "neither pip nor uv nor another one is on PATH"
        yield Finding(topic="front end", verdict=Verdict.NOTE, text=text, fixes=("python -m ensurepip --upgrade",))
    for program in checkup.front_ends:
        yield _about_front_end(program)
    for setting in checkup.front_end_settings:
        yield _about_setting(setting)


def _about_front_end(program: FrontEndProgram) -> Finding:
    name, version = program.name.value, parse_version(program.version)
    text = f"{name} {program.version or 'of unknown version'} at {program.program}"
    note, fix = "", ""
    if not program.version:
        note, fix = "it does not answer to --version", f"{program.program} --version"
    elif version and name in {"pip", "uv"} and version < Version(_OLDEST[program.name]):
        note, fix = f"torchgraft was not tried with one older than {_OLDEST[program.name]}", _upgrade(program)
    elif version and program.name is FrontEndName.UV and version < Version(_UV_LOCKS_SINCE):
        note = f"before {_UV_LOCKS_SINCE} uv sync does not show which environment it works on, so that it is guessed"
        fix = _upgrade(program)
    if note:
        return Finding(topic="front end", verdict=Verdict.NOTE, text=f"{text}: {note}", fixes=(fix,))
    return Finding(topic="front end", verdict=Verdict.OK, text=text)


def _upgrade(program: FrontEndProgram) -> str:
    return "uv self update" if program.name is FrontEndName.UV else f"{program.program} install --upgrade pip"


def _about_setting(setting: FrontEndSetting) -> Finding:
    value = f" = {setting.value}" if setting.value else ""
    where = f"{setting.name}{value} ({setting.source})"
    if "extra-build-dependencies" in setting.name and "match-runtime" in setting.value:
        package = setting.name.rpartition(".")[2]
        text = f"{where}: torch is installed anew for each build of {package}, which torchgraft makes needless"
        return Finding(topic="front end", verdict=Verdict.OK, text=text)
    if "extra-build-dependencies" in setting.name:
        text = f"{where}: a build gets whichever torch that is, be it another one than the environment's"
        fix = f'remove it from {setting.source}, or write {{ requirement = "torch", match-runtime = true }}'
        return Finding(topic="front end", verdict=Verdict.NOTE, text=text, fixes=(fix,))
    text = f"{where}: what is built without isolation finds only what is installed, torchgraft and setuptools included"
    fix = f"unset {setting.name}" if setting.source == "a variable" else f"remove it from {setting.source}"
    return Finding(topic="front end", verdict=Verdict.NOTE, text=text, fixes=(fix,))


def _about_consumer(checkup: Checkup, plan: Plan) -> Iterator[Finding]:
    consumer = checkup.snapshot.consumer
    for name, path in checkup.stray:
        text = f"{name} is {path}, where there is no environment: it is as if it were not set"
        yield Finding(topic="consumer", verdict=Verdict.NOTE, text=text, fixes=(f"unset {name}",))
    problems = [problem for problem in plan.problems if problem.code in _ABOUT_CONSUMER]
    for problem in problems:
        yield of_problem("consumer", problem)
    if consumer is None:
        yield Finding(
            topic="consumer",
            verdict=Verdict.PROBLEM,
            text="no environment is activated, there is no .venv in or above this folder, and none was named",
            fixes=("torchgraft doctor --consumer PATH",),
        )
    elif not problems:
        versions = f", Python {' and '.join(consumer.python_versions)}" if consumer.python_versions else ""
        said = "as told" if consumer.rule is Rule.TOLD else consumer.why
        yield Finding(topic="consumer", verdict=Verdict.OK, text=f"{consumer.prefix}{versions} ({said})")


def _about_torch(snapshot: Snapshot, plan: Plan) -> Iterator[Finding]:
    problems = [problem for problem in plan.problems if problem.code in _ABOUT_TORCH]
    consumer = snapshot.consumer
    torch = consumer.torch if consumer else None
    if consumer is not None and not consumer.exists:
        return
    for problem in problems:
        yield _lacking(problem, consumer)
    if problems:
        return
    if torch is None:
        yield Finding(topic="torch", verdict=Verdict.OK, text=f"not installed: {plan.way_reason}")
        return
    yield Finding(topic="torch", verdict=Verdict.OK, text=torch_text(torch).removeprefix("torch "))
    others = [
        p for p in plan.problems if p.code not in _ABOUT_TORCH | _ABOUT_CONSUMER and p.code not in ABOUT_COMPILING
    ]
    for problem in others:
        yield of_problem("torch", problem)
    if plan.graft:
        text = f"{plan.way.value}: {plan.way_reason}"
        yield Finding(topic="way", verdict=Verdict.OK, text=text)


def _lacking(problem: Problem, consumer: Consumer | None) -> Finding:
    """Return the finding of a torch that is not there, or broken. What the ladder tried says nothing here."""
    said = problem.headline
    if problem.code == "no-torch":
        said = f"there is none in {consumer.prefix}" if consumer else "there is none"
    found = "; ".join(e.text for e in problem.evidence if e.label in {"found", "torch", "wanted"})
    fixes = [fix for fix in problem.fixes if not fix.startswith("-C")]
    if consumer is None or consumer.rule is not Rule.TOLD:
        fixes.append("torchgraft doctor --consumer PATH   (if another environment is meant)")
    text = f"{said}: {found}" if found else said
    return Finding(topic="torch", verdict=Verdict.PROBLEM, text=text, fixes=tuple(fixes), problem=problem.code)


def _about_cache(checkup: Checkup) -> Iterator[Finding]:
    cache = checkup.cache
    if cache.fault:
        text = f"{cache.folder} cannot be used: {cache.fault}"
        yield Finding(topic="cache", verdict=Verdict.PROBLEM, text=text, fixes=cache.fixes, problem="cache-unusable")
    else:
        text = cache.folder if cache.exists else f"{cache.folder}, which the first build makes"
        yield Finding(topic="cache", verdict=Verdict.OK, text=text)
