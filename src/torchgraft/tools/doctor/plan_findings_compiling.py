"""What the doctor says of compiling: driver and GPUs, toolkit, compilers, jobs.

May not look at anything: all of it is in the checkup and its plans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...errors import Problem
from ...model.decision import Plan, PlannedVariable
from ...model.hardware_values import Hardware
from ...model.observation import Consumer, FrontEndName, Torch
from ...shell_words import install_command
from .checkup import Checkup, Finding, Verdict

_ABOUT_COMPILERS = frozenset({"compiler-too-new"})
_ABOUT_TOOLKITS = frozenset({"cuda-mismatch", "no-cuda-toolkit", "no-rocm-toolkit", "no-sycl-compiler"})
ABOUT_COMPILING = _ABOUT_COMPILERS | _ABOUT_TOOLKITS
_FEW_JOBS = 2
# A driver of one minor version runs code of all others with the same major version (CUDA Compatibility, NVIDIA).
_OLDER_TORCH = {12: ("pip install torch --index-url https://download.pytorch.org/whl/cu128   (or a newer driver)",)}


def about_compiling(checkup: Checkup, asked: Plan, built: Plan) -> Iterator[Finding]:
    """Yield what is well and what is not.

    :param asked: what get_requires_for_build_wheel would say
    :param built: what compiling would meet
    """
    hardware = checkup.snapshot.hardware
    yield from _about_driver(checkup, asked.torch)
    if hardware is not None:
        yield _about_gpus(hardware, checkup.snapshot.consumer, asked.torch)
        yield from _about_toolkit(hardware, asked, built)
        yield from _about_compilers(hardware, built)
        yield _about_jobs(hardware, built)


def of_problem(topic: str, problem: Problem) -> Finding:
    """Return a finding that says what a problem of the plan says."""
    found = "; ".join(e.text for e in problem.evidence[:2])
    text = f"{problem.headline} ({found})" if found else problem.headline
    return Finding(topic=topic, verdict=Verdict.PROBLEM, text=text, fixes=problem.fixes, problem=problem.code)


def _about_driver(checkup: Checkup, torch: Torch | None) -> Iterator[Finding]:
    driver = checkup.driver
    if driver is None:
        return
    text = f"NVIDIA {driver.version}" + (f", which runs CUDA up to {driver.cuda}" if driver.cuda else "")
    if torch is not None and torch.cuda and driver.cuda and _numbers(driver.cuda)[0] < _numbers(torch.cuda)[0]:
        text += f": torch {torch.version} can be built for, but finds no GPU when it runs"
        fixes = _OLDER_TORCH.get(_numbers(driver.cuda)[0], ())
        yield Finding(topic="driver", verdict=Verdict.NOTE, text=text, fixes=fixes)
    else:
        yield Finding(topic="driver", verdict=Verdict.OK, text=text)


def _about_gpus(hardware: Hardware, consumer: Consumer | None, torch: Torch | None) -> Finding:
    if not hardware.gpus:
        if torch is None or not torch.cuda:
            return Finding(topic="gpu", verdict=Verdict.OK, text="none is visible")
        text = "none is visible: extensions are compiled for what torch was built for, which takes longer"
        fixes = ("export TORCH_CUDA_ARCH_LIST=9.0   (those of the GPUs that it is for)",)
        return Finding(topic="gpu", verdict=Verdict.NOTE, text=text, fixes=fixes)
    names = dict.fromkeys(hardware.gpus)
    counts = ", ".join(f"{hardware.gpus.count(name)} x {name}" for name in names)
    text = f"{counts} ({hardware.gpus_source})"
    if torch is not None and torch.accelerator == "cpu":
        text += f": torch {torch.version} is built without CUDA and ROCm, and does not use them"
        words = ("--force-reinstall", "torch")
        fixes = (install_command(consumer.prefix if consumer else None, words, front_end=FrontEndName.PIP),)
        return Finding(topic="gpu", verdict=Verdict.NOTE, text=text, fixes=fixes)
    strange = [name for name in names if torch is not None and torch.cuda and not _has_code_for(torch, name)]
    if strange and torch is not None:
        known = " ".join(torch.architectures)
        text += f": torch {torch.version} has no code for {', '.join(strange)}, only for {known}"
        return Finding(topic="gpu", verdict=Verdict.NOTE, text=text)
    return Finding(topic="gpu", verdict=Verdict.OK, text=text)


def _about_toolkit(hardware: Hardware, asked: Plan, built: Plan) -> Iterator[Finding]:
    for problem in asked.problems:
        if problem.code in _ABOUT_TOOLKITS:
            yield of_problem("toolkit", problem)
    taken = _taken_toolkit(asked, built)
    if taken:
        yield Finding(topic="toolkit", verdict=Verdict.OK, text=taken)
    yield from _other_toolkits(hardware, built)
    if _requirement(asked):
        return  # of a toolkit that is not there yet, nothing more is known
    for note in built.notes:
        if "is the consumer is a guess" not in note:  # that is said where the consumer is
            yield Finding(topic="toolkit", verdict=Verdict.NOTE, text=note)
    architectures = _variable(built, "TORCH_CUDA_ARCH_LIST")
    if architectures is not None:
        text = f"compiles for {architectures.value or 'what TORCH_CUDA_ARCH_LIST says'}: {architectures.reason}"
        yield Finding(topic="toolkit", verdict=Verdict.OK, text=text)


def _other_toolkits(hardware: Hardware, built: Plan) -> Iterator[Finding]:
    trees = (built.toolkit.home, *built.toolkit.layers) if built.toolkit else ()
    for toolkit in hardware.toolkits:
        if toolkit.home not in trees:
            also = "also there: " if trees else ""
            text = f"{also}CUDA {toolkit.version} in {toolkit.home} ({toolkit.source})"
            yield Finding(topic="toolkit", verdict=Verdict.OK, text=text)
    for fault in hardware.toolkit_faults:
        named = re.match(r"(CUDA_HOME|CUDA_PATH|CUDACXX)=", fault)
        fixes = (f"unset {named[1]}",) if named else ()
        yield Finding(topic="toolkit", verdict=Verdict.NOTE, text=fault, fixes=fixes)


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


def _about_compilers(hardware: Hardware, built: Plan) -> Iterator[Finding]:
    problems = [problem for problem in built.problems if problem.code in _ABOUT_COMPILERS]
    for problem in problems:
        yield of_problem("compiler", problem)
    if not hardware.compilers:
        text, fixes = "no C++ compiler is on PATH", ("apt-get install g++", "conda install -c conda-forge gxx")
        yield Finding(topic="compiler", verdict=Verdict.PROBLEM, text=text, fixes=fixes)
    variable = _variable(built, "CXX")
    chosen = variable if variable is not None and variable.value else None
    for compiler in hardware.compilers:
        name = f"{compiler.name or 'compiler'} {compiler.version}".rstrip()
        text = f"{name} at {compiler.cxx} ({compiler.source})"
        if chosen is not None and compiler.cxx == chosen.value:
            text += f", taken: {chosen.reason}"
        elif chosen is None and compiler is hardware.compilers[0] and not problems:
            text += ", taken"
        yield Finding(topic="compiler", verdict=Verdict.OK, text=text)


def _about_jobs(hardware: Hardware, built: Plan) -> Finding:
    variable = _variable(built, "MAX_JOBS")
    machine = f"{hardware.cores} processors, {hardware.memory_bytes / 1e9:.1f} GB of memory"
    if variable is None:
        return Finding(topic="jobs", verdict=Verdict.OK, text=machine)
    if variable.value is None:
        return Finding(topic="jobs", verdict=Verdict.OK, text=f"{machine}; MAX_JOBS is set, and stays")
    few = built.jobs is not None and built.jobs < min(_FEW_JOBS, hardware.cores)
    return Finding(
        topic="jobs",
        verdict=Verdict.NOTE if few else Verdict.OK,
        text=f"{machine}: {variable.value} at once ({variable.reason})",
        fixes=("export TORCHGRAFT_MEMORY_PER_JOB=2GB   (if the package is known to need less)",) if few else (),
    )


def _variable(plan: Plan, name: str) -> PlannedVariable | None:
    return next((variable for variable in plan.variables if variable.name == name), None)


def _has_code_for(torch: Torch, gpu: str) -> bool:
    """Return whether a torch has machine code for a GPU, or code that its driver compiles for it; True if not known.

    Code for 8.0 runs on 8.6, not on 9.0 (CUDA C++ Programming Guide, "Application Compatibility").
    """
    capability = _numbers(gpu)
    matches = [re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", name) for name in torch.architectures]
    known = [(match[1], (int(match[2]), int(match[3]))) for match in matches if match]
    runs = (compiled <= capability and (kind == "compute" or compiled[0] == capability[0]) for kind, compiled in known)
    return not known or any(runs)


def _numbers(version: str) -> tuple[int, int]:
    numbers = [*(int(part) for part in re.findall(r"\d+", version)), 0, 0]
    return numbers[0], numbers[1]
