"""What compiling needs besides torch: toolkit, architectures, host compiler, jobs, and the variables that carry them.

May not decide any of these itself: it asks the rooms beside it, and puts their answers together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..config import Config
from ..errors import Problem
from ..model import Hook, Snapshot, Torch
from ..needs import cuda_need
from ..planned import Planned, PlannedToolkit, PlannedVariable
from .architectures import Architectures, arch_list_text, plan_architectures
from .host_compiler import plan_host_compiler
from .jobs import Jobs, plan_jobs
from .toolkit import ToolkitChoice, plan_toolkit

_ASKS = frozenset({Hook.GET_REQUIRES_FOR_BUILD_WHEEL, Hook.GET_REQUIRES_FOR_BUILD_EDITABLE})
_COMPILES = frozenset({Hook.BUILD_WHEEL, Hook.BUILD_EDITABLE})


@dataclass(frozen=True, kw_only=True)
class Compiling:
    """The answers. `forced` are names of variables in which the user's own value cannot work."""

    toolkit: PlannedToolkit | None = None
    requirement: Planned | None = None
    variables: tuple[PlannedVariable, ...] = ()
    forced: tuple[str, ...] = ()
    jobs: int | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def plan_compiling(config: Config, snapshot: Snapshot, torch: Torch | None) -> Compiling:
    """Return what this hook has to know of compilers; nothing for one that compiles nothing."""
    if snapshot.hook not in _ASKS | _COMPILES or torch is None:
        return Compiling()
    choice = plan_toolkit(config, snapshot, torch)
    problems = [choice.problem] if choice.problem else []
    if choice.requirement and snapshot.hook in _COMPILES:
        problems.append(_not_installed(snapshot, choice.requirement))
    if snapshot.hook in _ASKS:
        return Compiling(requirement=choice.requirement, notes=choice.notes, problems=tuple(problems))
    cuda = bool(cuda_need(config, snapshot.project, torch))
    jobs = plan_jobs(config, snapshot, cuda=cuda)
    notes = list(choice.notes)
    variables = list(_of_jobs(jobs, cuda=cuda)) if jobs else []
    toolkit = choice.toolkit
    forced: tuple[str, ...] = ()
    if toolkit is not None:
        host = plan_host_compiler(snapshot, highest_gcc=choice.highest_gcc, toolkit=toolkit.version)
        problems += [host.problem] if host.problem else []
        architectures = plan_architectures(
            config, snapshot, torch=torch, known=choice.architectures, toolkit_version=toolkit.version
        )
        notes += architectures.notes
        variables += [*_of_toolkit(toolkit), *_of_architectures(config, architectures)]
        if host.compiler:
            variables.append(PlannedVariable(name="CC", value=host.compiler.cc, reason=host.reason))
            variables.append(PlannedVariable(name="CXX", value=host.compiler.cxx, reason=host.reason))
        forced = (*_forced(snapshot, choice), *(("CC", "CXX") if host.forced else ()))
    return Compiling(
        toolkit=toolkit,
        variables=tuple(replace(variable, of_machine=True) for variable in variables),
        forced=forced,
        jobs=jobs.count if jobs else None,
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _of_toolkit(toolkit: PlannedToolkit) -> Iterator[PlannedVariable]:
    # torch's own guess is dirname(dirname(which nvcc)): wrong for a wrapper script, so it is never left to that.
    for name in ("CUDA_HOME", "CUDA_PATH", "CUDAToolkit_ROOT"):
        yield PlannedVariable(name=name, value=toolkit.home, reason=toolkit.reason)
    yield PlannedVariable(name="CUDACXX", value=f"{toolkit.home}/bin/nvcc", reason=toolkit.reason)


def _of_architectures(config: Config, architectures: Architectures) -> Iterator[PlannedVariable]:
    if not architectures.names:
        return
    text = ";".join(architectures.names)
    yield PlannedVariable(name="TORCH_CUDA_ARCH_LIST", value=text, reason=architectures.reason)
    if config.cuda_arch_variable:
        text = arch_list_text(architectures.names, config.cuda_arch_format)
        yield PlannedVariable(name=config.cuda_arch_variable, value=text, reason=architectures.reason)


def _of_jobs(jobs: Jobs, *, cuda: bool) -> Iterator[PlannedVariable]:
    for name in ("MAX_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL"):
        yield PlannedVariable(name=name, value=str(jobs.count), reason=jobs.reason)
    if cuda:
        # Memory grows with min(threads, architectures); jobs are the better use of it.
        yield PlannedVariable(name="NVCC_THREADS", value="1", reason="the jobs are counted with one thread each")


def _forced(snapshot: Snapshot, choice: ToolkitChoice) -> tuple[str, ...]:
    """Return the toolkit's variables where those of the user lead to a toolkit that cannot work."""
    toolkits = snapshot.hardware.toolkits if snapshot.hardware else ()
    home = choice.toolkit.home if choice.toolkit else ""
    named = [t for t in toolkits if t.source in {"CUDA_HOME", "CUDA_PATH", "CUDACXX"}]
    if all(t.home == home for t in named) and not (choice.toolkit and choice.toolkit.layers):
        return ()
    return ("CUDA_HOME", "CUDA_PATH", "CUDAToolkit_ROOT", "CUDACXX")


def _not_installed(snapshot: Snapshot, requirement: Planned) -> Problem:
    return Problem(
        code="no-cuda-toolkit",
        headline=f"the front end did not install {requirement.text} for the build",
        why=f"{requirement.reason}; without build isolation nothing is installed",
        fixes=(
            f"pip install '{requirement.text}'   (into {snapshot.build.prefix}), or leave out --no-build-isolation",
        ),
    )
