"""What the doctor says: a line for each thing that a build depends on, with its cure.

May not look at anything: all of it is in the checkup and its plans.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from packaging.version import Version

from ...compile.plan_needs import ASKED_NINJA
from ...errors import Problem, install_command
from ...hook.plan import plan_build
from ...hook.plan_text import torch_text
from ...model.decision import Plan, PlannedVariable
from ...model.hardware_values import Hardware
from ...model.observation import Consumer, FrontEndName, Hook, Rule, Snapshot, Way
from ...model.torch_values import Origin, Torch
from ...settings.config import Config
from ...untrusted import numbers_in, parse_version
from ..cache.cache_folder import CacheState
from ..front_end_settings import setting_text
from .take_checkup import Checkup, DoctorLine, FrontEndProgram, Health

# Measured: before these uv held no lock on the environment that it changes, so that the consumer can only be guessed.
_UV_PIP_LOCKS_SINCE = "0.2"
_UV_LOCKS_SINCE = "0.7"
# The oldest of which recordings were made. Older ones may work.
_OLDEST = {FrontEndName.PIP: "23.2", FrontEndName.UV: _UV_PIP_LOCKS_SINCE}
_ABOUT_CONSUMER = frozenset({"no-consumer", "ambiguous-consumer", "writable-by-others", "python-mismatch"})
_ABOUT_TORCH = frozenset({"no-torch", "broken-torch", "unsupported-torch"})
_ABOUT_COMPILERS = frozenset({"compiler-too-new"})
_ABOUT_TOOLKITS = frozenset({"cuda-mismatch", "no-cuda-toolkit", "no-rocm-toolkit", "no-sycl-compiler"})
_NAMED_ELSEWHERE = _ABOUT_CONSUMER | _ABOUT_TORCH | _ABOUT_COMPILERS | _ABOUT_TOOLKITS
_FEW_JOBS = 2
# A driver of one minor version runs code of all others with the same major version (CUDA Compatibility, NVIDIA).
_OLDER_TORCH = {12: ("pip install torch --index-url https://download.pytorch.org/whl/cu128   (or a newer driver)",)}


def plan_findings(config: Config, checkup: Checkup) -> tuple[DoctorLine, ...]:
    """Return what is well and what is not, in the order in which one would mend it."""
    # What get_requires_for_build_wheel would say, and what compiling would meet.
    asked = plan_build(config, dataclasses.replace(checkup.snapshot, hook=Hook.GET_REQUIRES_FOR_BUILD_WHEEL))
    built = plan_build(config, checkup.snapshot)
    findings = [*_about_calls(checkup), *_about_consumer(checkup, asked), *_about_torch(checkup.snapshot, asked)]
    findings += _about_driver(checkup, asked.torch)
    if hardware := checkup.snapshot.hardware:
        findings.append(_about_gpus(hardware, checkup.snapshot.consumer, asked.torch))
        findings += [*_about_toolkit(hardware, asked, built), *_about_compilers(hardware, built)]
        findings.append(_about_jobs(hardware, asked, built))
    findings.append(_about_cache(checkup.cache))
    return tuple(dataclasses.replace(f, fixes=tuple(_fix_here(fix, checkup) for fix in f.fixes)) for f in findings)


def is_well(findings: tuple[DoctorLine, ...]) -> bool:
    """Return whether nothing keeps a build from working."""
    return all(finding.verdict is not Health.PROBLEM for finding in findings)


def _fix_here(fix: str, checkup: Checkup) -> str:
    """Return a fix with the front end that there is: an environment that uv made has no pip."""
    there = {program.name for program in checkup.front_ends}
    if FrontEndName.UV not in there or FrontEndName.PIP in there:
        return fix
    match = re.fullmatch(r"pip --python (.+?) install (.+)", fix)
    return f"uv pip install --python {match[1]} {match[2].replace('--force-', '--')}" if match else fix


def _about_calls(checkup: Checkup) -> Iterator[DoctorLine]:
    python = checkup.python
    yield _ok("python", f"{python.version} ({python.abi}, {python.platform}), with torchgraft {checkup.torchgraft}")
    for problem in checkup.settings_faults:
        yield _of_problem("settings", problem)
    if not checkup.front_ends:
        yield _note("front end", "neither pip nor uv nor another one is on PATH", "python -m ensurepip --upgrade")
    for program in checkup.front_ends:
        yield _about_front_end(program)
    for setting in checkup.front_end_settings:
        text, fix = setting_text(setting)
        yield _note("front end", text, fix) if fix else _ok("front end", text)


def _about_front_end(program: FrontEndProgram) -> DoctorLine:
    name, version = program.name.value, parse_version(program.version)
    text = f"{name} {program.version or 'of unknown version'} at {program.program}"
    upgrade = "uv self update" if program.name is FrontEndName.UV else f"{program.program} install --upgrade pip"
    if not program.version:
        return _note("front end", f"{text}: it does not answer to --version", f"{program.program} --version")
    if version and program.name in _OLDEST and version < Version(_OLDEST[program.name]):
        note = f"torchgraft was not tried with one older than {_OLDEST[program.name]}"
        return _note("front end", f"{text}: {note}", upgrade)
    if version and program.name is FrontEndName.UV and version < Version(_UV_LOCKS_SINCE):
        note = f"before {_UV_LOCKS_SINCE} uv sync does not show which environment it works on, so that it is guessed"
        return _note("front end", f"{text}: {note}", upgrade)
    return _ok("front end", text)


def _about_consumer(checkup: Checkup, plan: Plan) -> Iterator[DoctorLine]:
    consumer = checkup.snapshot.consumer
    for name, path in checkup.stray:
        text = f"{name} is {path}, where there is no environment: it is as if it were not set"
        yield _note("consumer", text, f"unset {name}")
    problems = [problem for problem in plan.problems if problem.code in _ABOUT_CONSUMER]
    for problem in problems:
        yield _of_problem("consumer", problem)
    if consumer is None:
        text = "no environment is activated, there is no .venv in or above this folder, and none was named"
        yield _problem("consumer", text, "torchgraft doctor --consumer PATH")
    elif not problems:
        versions = f", Python {' and '.join(consumer.python_versions)}" if consumer.python_versions else ""
        said = "as named" if consumer.rule is Rule.TOLD else consumer.why
        yield _ok("consumer", f"{consumer.prefix}{versions} ({said})")


def _about_torch(snapshot: Snapshot, plan: Plan) -> Iterator[DoctorLine]:
    consumer = snapshot.consumer
    torch = consumer.torch if consumer else None
    if consumer is not None and not consumer.exists:
        return
    if problems := [problem for problem in plan.problems if problem.code in _ABOUT_TORCH]:
        # Without an environment there is none to install torch into.
        yield from (_lacking(problem, consumer) for problem in problems if consumer)
        return
    if torch is None:
        yield _ok("torch", f"not installed: {plan.way_reason}")
        return
    yield _ok("torch", torch_text(torch).removeprefix("torch "))
    for problem in plan.problems:
        if problem.code not in _NAMED_ELSEWHERE:
            yield _of_problem("torch", problem)
    if plan.way is Way.GRAFT:
        yield _ok("links", f"the build gets links to it: {plan.way_reason}")


def _lacking(problem: Problem, consumer: Consumer) -> DoctorLine:
    """Return the finding of a torch that is not there, or broken. What the ladder tried says nothing here."""
    said = problem.headline
    if problem.code == "no-torch":
        said = f"there is none in {consumer.prefix}"
    found = "; ".join(e.text for e in problem.evidence if e.label in {"found", "torch", "wanted"})
    fixes = [fix for fix in problem.fixes if not fix.startswith("-C")]
    if consumer.rule is not Rule.TOLD:
        fixes.append("torchgraft doctor --consumer PATH   (if another environment is meant)")
    return _problem("torch", f"{said}: {found}" if found else said, *fixes, code=problem.code)


def _about_cache(cache: CacheState) -> DoctorLine:
    if cache.fault:
        text = f"{cache.folder} cannot be used: {cache.fault}"
        return _problem("cache", text, *cache.fixes, code="cache-unusable")
    return _ok("cache", cache.folder if cache.exists else f"{cache.folder}, which the first build makes")


def _about_driver(checkup: Checkup, torch: Torch | None) -> Iterator[DoctorLine]:
    driver = checkup.driver
    if driver is None:
        return
    text = f"NVIDIA {driver.version}" + (f", which runs CUDA up to {driver.cuda}" if driver.cuda else "")
    if torch is not None and torch.cuda and driver.cuda and _numbers(driver.cuda)[0] < _numbers(torch.cuda)[0]:
        text += f": torch {torch.version} can be built for, but finds no GPU when it runs"
        yield _note("driver", text, *_OLDER_TORCH.get(_numbers(driver.cuda)[0], ()))
    else:
        yield _ok("driver", text)


def _about_gpus(hardware: Hardware, consumer: Consumer | None, torch: Torch | None) -> DoctorLine:
    if not hardware.gpus:
        if torch is None or not torch.cuda:
            return _ok("gpu", "none is visible")
        text = "none is visible: extensions are compiled for what torch was built for, which takes longer"
        return _note("gpu", text, "export TORCH_CUDA_ARCH_LIST=9.0   (those of the GPUs that it is for)")
    names = dict.fromkeys(hardware.gpus)
    counts = ", ".join(f"{hardware.gpus.count(name)} x {name}" for name in names)
    text = f"{counts} ({hardware.gpus_source})"
    if torch is not None and torch.accelerator == "cpu":
        text += f": torch {torch.version} is built without CUDA and ROCm, and does not use them"
        words, prefix = ("--force-reinstall", "torch"), consumer.prefix if consumer else None
        # What somebody has built, or conda has installed, no index can replace.
        of_index = torch.origin is Origin.WHEEL
        return _note("gpu", text, *([install_command(prefix, words, by_uv=False)] if of_index else []))
    strange = [name for name in names if torch is not None and torch.cuda and not _has_code_for(torch, name)]
    if strange and torch is not None:
        known = " ".join(torch.architectures)
        text += f": torch {torch.version} has no code for {', '.join(strange)}, only for {known}"
        return _note("gpu", text)
    return _ok("gpu", text)


def _about_toolkit(hardware: Hardware, asked: Plan, built: Plan) -> Iterator[DoctorLine]:
    for problem in asked.problems:
        if problem.code in _ABOUT_TOOLKITS:
            yield _of_problem("toolkit", problem)
    taken = _taken_toolkit(asked, built)
    if taken:
        yield _ok("toolkit", taken)
    yield from _other_toolkits(hardware, built)
    if _requirement(asked):
        return  # of a toolkit that is not there yet, nothing more is known
    for note in built.notes:
        if not note.startswith("the consumer "):  # that is said where the consumer is
            yield _note("toolkit", note)
    architectures = _variable(built, "TORCH_CUDA_ARCH_LIST")
    if architectures is not None:
        text = f"compiles for {architectures.value or 'what TORCH_CUDA_ARCH_LIST says'}: {architectures.reason}"
        yield _ok("toolkit", text)


def _other_toolkits(hardware: Hardware, built: Plan) -> Iterator[DoctorLine]:
    taken = (built.toolkit.home, *built.toolkit.layers) if built.toolkit else ()
    for toolkit in hardware.toolkits:
        if toolkit.home not in taken:
            also = "also there: " if taken else ""
            yield _ok("toolkit", f"{also}CUDA {toolkit.version} in {toolkit.home} ({toolkit.source})")
    for fault in hardware.toolkit_faults:
        named = re.match(r"(CUDA_HOME|CUDA_PATH|CUDACXX)=", fault)
        yield _note("toolkit", fault, *([f"unset {named[1]}"] if named else []))


def _taken_toolkit(asked: Plan, built: Plan) -> str:
    """Return which toolkit is taken and why, or why none is; "" where that is a problem of its own."""
    requirement, torch = _requirement(asked), asked.torch
    if requirement:
        return requirement
    if built.toolkit is not None:
        layers = built.toolkit.layers
        over = f", with {' and '.join(layers[1:])}" if len(layers) > 1 else ""
        return f"{built.toolkit.reason}: {layers[0] if layers else built.toolkit.home}{over}"
    if torch is not None and torch.accelerator == "cpu":
        return f"none is needed: torch {torch.version} is built without CUDA"
    rocm = _variable(built, "ROCM_HOME")
    return f"{rocm.reason}: {rocm.value or 'as ROCM_HOME says'}" if rocm else ""


def _requirement(asked: Plan) -> str:
    found = (line for line in asked.requirements if line.text.startswith("cuda-toolkit"))
    return next((f"{line.text} is installed for each build: {line.reason}" for line in found), "")


def _about_compilers(hardware: Hardware, built: Plan) -> Iterator[DoctorLine]:
    problems = [problem for problem in built.problems if problem.code in _ABOUT_COMPILERS]
    for problem in problems:
        yield _of_problem("compiler", problem)
    if not hardware.compilers:
        fixes = ("apt-get install g++", "conda install -c conda-forge gxx")
        yield _problem("compiler", "no C++ compiler is on PATH", *fixes)
    variable = _variable(built, "CXX")
    chosen = variable if variable is not None and variable.value else None
    for compiler in hardware.compilers:
        name = f"{compiler.name or 'compiler'} {compiler.version}".rstrip()
        text = f"{name} at {compiler.cxx} ({compiler.source})"
        if chosen is not None and compiler.cxx == chosen.value:
            text += f", used: {chosen.reason}"
        elif chosen is None and compiler is hardware.compilers[0] and not problems:
            text += ", used"
        yield _ok("compiler", text)


def _about_jobs(hardware: Hardware, asked: Plan, built: Plan) -> DoctorLine:
    variable = _variable(built, "CMAKE_BUILD_PARALLEL_LEVEL")
    machine = f"{hardware.cores} processors, {hardware.memory_bytes / 1e9:.1f} GB of memory"
    if variable is None:
        return _ok("jobs", machine)
    text = f"{machine}: {built.jobs} at once ({variable.reason})"
    if asked.ninja == ASKED_NINJA:
        text += "; ninja comes with each isolated build, and without isolation files are compiled one after the other"
    if built.jobs is None or built.jobs >= min(_FEW_JOBS, hardware.cores):
        return _ok("jobs", text)
    return _note("jobs", text, "export TORCHGRAFT_MEMORY_PER_JOB=2GB   (if the package is known to need less)")


def _variable(plan: Plan, name: str) -> PlannedVariable | None:
    return next((variable for variable in plan.variables if variable.name == name), None)


def _has_code_for(torch: Torch, gpu: str) -> bool:
    """Return whether a torch has machine code for a GPU, or code that its driver compiles for it; True if not known.

    Code for 8.0 runs on 8.6, not on 9.0 (CUDA C++ Programming Guide, "Application Compatibility").
    """
    capability = _numbers(gpu)
    matches = map(re.compile(r"(sm|compute)_(\d+)(\d)[a-z]?").fullmatch, torch.architectures)
    known = [(match[1], (int(match[2]), int(match[3]))) for match in matches if match]
    runs = (compiled <= capability and (kind == "compute" or compiled[0] == capability[0]) for kind, compiled in known)
    return not known or any(runs)


def _numbers(version: str) -> tuple[int, int]:
    first, second, *_ = (*numbers_in(version), 0, 0)
    return first, second


def _ok(topic: str, text: str) -> DoctorLine:
    return DoctorLine(topic=topic, verdict=Health.OK, text=text)


def _note(topic: str, text: str, *fixes: str) -> DoctorLine:
    return DoctorLine(topic=topic, verdict=Health.NOTE, text=text, fixes=fixes)


def _problem(topic: str, text: str, *fixes: str, code: str = "") -> DoctorLine:
    return DoctorLine(topic=topic, verdict=Health.PROBLEM, text=text, fixes=fixes, problem=code)


def _of_problem(topic: str, problem: Problem) -> DoctorLine:
    """Return a line that says what a problem of the plan says."""
    found = "; ".join(e.text for e in problem.evidence[:2])
    text = f"{problem.headline} ({found})" if found else problem.headline
    return _problem(topic, text, *problem.fixes, code=problem.code)
