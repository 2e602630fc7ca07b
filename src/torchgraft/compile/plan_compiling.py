"""What compiling needs besides torch: toolkit, architectures, host compiler, jobs, and the variables that carry them.

May not decide any of these but the jobs: it asks the modules beside it, which are imported where code for GPUs is
compiled, and puts their answers together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..errors import Problem
from ..ladder.torch_problems import install_fix
from ..model.decision import Compiling, Planned, PlannedToolkit, PlannedVariable
from ..model.observation import Hook, Rule, Snapshot
from ..model.torch_values import Torch
from ..settings.config import Config, Cuda
from .plan_needs import RESERVE_BYTES, TOOLKIT_VARIABLES, cuda_need, of_machine, outlives_build, rocm_need, sycl_need

if TYPE_CHECKING:
    from .plan_compilers import Architectures
    from .plan_toolkit import ToolkitChoice

# Peaks that were measured, one architecture a job (docs/how-it-works.md): a .cu with torch's headers and cub 3.4 GB, a
# .cpp with torch's headers 1.6 GB.
_CUDA_JOB_BYTES = 4_000_000_000
_CPP_JOB_BYTES = 2_000_000_000
_PRECOMPILED = "precompiled-headers"
_FEWEST_USERS = 4  # making the header takes about as long as compiling two files


class Count(NamedTuple):
    """How many jobs, or how many threads each of them has, and what says so; `threads` fit beside these jobs.

    Each job may need `memory_bytes`.
    """

    number: int
    reason: str
    threads: int = 1
    memory_bytes: int = 0


def plan_compiling(config: Config, snapshot: Snapshot, torch: Torch | None) -> Compiling:
    """Return what this hook has to know of compilers; for metadata and sdists the toolkit alone, if there is one."""
    hook, project = snapshot.hook, snapshot.project
    if hook is Hook.GET_REQUIRES_FOR_BUILD_SDIST or torch is None:
        return Compiling()
    if any(need(config, project, torch) for need in (cuda_need, rocm_need, sycl_need)):
        compiling = _accelerated(config, snapshot, torch)
    else:
        jobs = plan_jobs(config, snapshot, cuda=False) if hook.builds else None
        compiling = _with_jobs(Compiling(), jobs, snapshot)
    if hook.builds:
        from .plan_compiler_cache import with_compiler_cache
        from .plan_jobserver import plan_budget

        compiling = with_compiler_cache(compiling, config, snapshot, torch)
        compiling = replace(compiling, budget=plan_budget(config, snapshot, compiling))
    if hook.builds and config.precompiled_headers:
        compiling = _with_precompiled_header(compiling, config, snapshot)
    # torch refuses code for GPUs where setup.py does not ask whether it has any.
    if hook.asks and project.cuda_sources and torch.accelerator == "cpu" and config.cuda is not Cuda.OFF:
        note = f"torch {torch.version} is built without CUDA: no code for it can be compiled ({project.cuda_sources})"
        return replace(compiling, notes=(*compiling.notes, note))
    return compiling


def _with_precompiled_header(compiling: Compiling, config: Config, snapshot: Snapshot) -> Compiling:
    """Return what compiling needs, with the header that is precompiled where that is asked for and pays."""
    from .compilation import HEADER

    compilers = snapshot.hardware.compilers if snapshot.hardware else ()
    script, count = snapshot.project.setup_script, snapshot.project.header_users
    if script is not None and script.torch_sources:
        count = min(count, script.torch_sources)  # those of one extension have the same flags
    asked = f"{_PRECOMPILED} ({config.origin(_PRECOMPILED)})"
    if not snapshot.python.platform.startswith("linux") or not compilers or compilers[0].name != "gcc":
        why_not = "only gcc on Linux is known to do it"
    elif outlives_build(config, snapshot.hook):
        why_not = "the compiler that is found is called again by what is installed"
    elif count < _FEWEST_USERS:
        why_not = f"of {_FEWEST_USERS} C++ files that have to begin with it there are {count}"
    else:
        return replace(compiling, precompiled=Planned(text=HEADER, reason=f"{asked}; {count} files begin with it"))
    return replace(compiling, notes=(*compiling.notes, f"{asked}: {HEADER} is not precompiled: {why_not}"))


def _accelerated(config: Config, snapshot: Snapshot, torch: Torch) -> Compiling:
    """Return what code for GPUs needs.

    Where metadata and sdists are made, a toolkit that is missing is no problem yet: setup.py runs, and torch's
    CUDAExtension raises where it finds no CUDA_HOME, but nothing is compiled, and many a setup.py does without. Some
    ask for a GPU of the machine, unless TORCH_CUDA_ARCH_LIST says what they want to know.
    """
    from ..settings.vocabulary import job_bytes_of
    from .plan_compilers import plan_architectures, plan_rocm, plan_sycl
    from .plan_toolkit import is_other_minor, plan_toolkit

    choice, rocm = plan_toolkit(config, snapshot, torch), plan_rocm(config, snapshot, torch)
    toolkit = choice.toolkit
    compiling = replace(rocm, overrides=(*choice.overrides, *rocm.overrides), notes=(), problems=())
    notes: tuple[str, ...] = ()
    if toolkit is not None:
        architectures = plan_architectures(
            config, snapshot, torch=torch, known=choice.architectures, toolkit_version=toolkit.version
        )
        notes = architectures.notes
        compiling = replace(
            compiling,
            toolkit=toolkit,
            other_minor=is_other_minor(toolkit.version, torch),
            architectures=architectures.names,
            variables=(*rocm.variables, *_of_toolkit(toolkit), *_of_architectures(config, architectures)),
            forced=(*_forced(snapshot, toolkit, choice.overrides), *rocm.forced),
        )
    compiling = replace(compiling, variables=tuple(replace(v, of_machine=True) for v in compiling.variables))
    if not (snapshot.hook.asks or snapshot.hook.builds):
        return compiling
    found = (choice.problem, *rocm.problems, plan_sycl(config, snapshot, torch))
    problems = tuple(problem for problem in found if problem is not None)
    compiling = replace(compiling, requirement=choice.requirement, notes=choice.notes, problems=problems)
    if snapshot.hook.asks:
        # A front end that is after metadata asks too, and they can be had without a compiler.
        return replace(compiling, problems=()) if snapshot.front_end.resolves else compiling
    if choice.requirement and snapshot.installer is None:
        problems = (*problems, _not_installed(snapshot, torch, choice.requirement))
    cuda = bool(cuda_need(config, snapshot.project, torch))
    jobs = plan_jobs(
        config,
        snapshot,
        cuda=cuda or compiling.rocm,
        job_bytes=job_bytes_of(snapshot.project.name, config.vocabulary) if cuda else 0,
        threads=plan_threads(snapshot, compiling.architectures) if toolkit else None,
    )
    threads_note = "MAX_JOBS counts one thread for each nvcc, and NVCC_THREADS is set: each may need several times that"
    says_threads = cuda and "NVCC_THREADS" in snapshot.variables_set
    compiling = replace(
        compiling,
        notes=(*choice.notes, *rocm.notes, *((threads_note,) if says_threads else ()), *notes),
        problems=problems,
    )
    return _with_host(_with_jobs(compiling, jobs, snapshot, cuda=cuda), snapshot, choice)


def _with_jobs(compiling: Compiling, jobs: Count | None, snapshot: Snapshot, *, cuda: bool = False) -> Compiling:
    if jobs is None:
        return compiling
    names = ("MAX_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL")
    variables = [of_machine(name, str(jobs.number), jobs.reason) for name in names]
    if cuda:
        threads = max(1, min(jobs.threads, len(compiling.architectures)))
        why = "MAX_JOBS leaves room for them" if threads > 1 else "jobs are a better use of memory than threads"
        variables.append(of_machine("NVCC_THREADS", str(threads), why))
    # torch hands 0 to ninja, which then starts all at once, and leaves to ninja what is no number.
    if "MAX_JOBS" in snapshot.variables_set and snapshot.hardware and not snapshot.hardware.users_jobs:
        compiling = replace(
            compiling,
            forced=(*compiling.forced, "MAX_JOBS"),
            overrides=(*compiling.overrides, "MAX_JOBS is not used: it is not a whole number from 1"),
        )
    variables += compiling.variables
    return replace(compiling, jobs=jobs.number, job_bytes=jobs.memory_bytes, variables=tuple(variables))


def _with_host(compiling: Compiling, snapshot: Snapshot, choice: ToolkitChoice) -> Compiling:
    from .plan_compilers import plan_host_compiler

    if compiling.toolkit is None:
        return compiling
    host = plan_host_compiler(snapshot, choice)
    pair = (("CC", host.compiler.cc), ("CXX", host.compiler.cxx)) if host.compiler else ()
    return replace(
        compiling,
        variables=(*compiling.variables, *(of_machine(name, value, host.reason) for name, value in pair)),
        forced=(*compiling.forced, *(("CC", "CXX") if host.forced else ())),
        overrides=(*compiling.overrides, *((host.reason,) if host.forced else ())),
        problems=(*compiling.problems, *((host.problem,) if host.problem else ())),
    )


def _of_toolkit(toolkit: PlannedToolkit) -> Iterator[PlannedVariable]:
    # torch's own guess is dirname(dirname(which nvcc)): wrong for a wrapper script, so it is never left to that.
    for name in ("CUDA_HOME", "CUDA_PATH", "CUDAToolkit_ROOT"):
        yield of_machine(name, toolkit.home, toolkit.reason)
    yield of_machine("CUDACXX", f"{toolkit.home}/bin/nvcc", toolkit.reason)


def _of_architectures(config: Config, architectures: Architectures) -> Iterator[PlannedVariable]:
    from .plan_compilers import arch_list_text

    if not architectures.names:
        return
    yield of_machine("TORCH_CUDA_ARCH_LIST", ";".join(architectures.names), architectures.reason)
    if config.cuda_arch_variable:
        text = arch_list_text(architectures.names, config.cuda_arch_format)
        yield of_machine(config.cuda_arch_variable, text, architectures.reason)


def _forced(snapshot: Snapshot, toolkit: PlannedToolkit, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Return the toolkit's variables where those of the user lead to a toolkit that cannot work."""
    found = snapshot.hardware.toolkits if snapshot.hardware else ()
    named = [t for t in found if t.source in TOOLKIT_VARIABLES]
    if all(t.home == toolkit.home for t in named) and not toolkit.layers and not overrides:
        return ()
    return ("CUDA_HOME", "CUDA_PATH", "CUDAToolkit_ROOT", "CUDACXX")


def _not_installed(snapshot: Snapshot, torch: Torch, requirement: Planned) -> Problem:
    """Return why a toolkit that PyPI has is not here: nothing was installed, or nobody knew which one it had to be."""
    consumer = snapshot.consumer
    faults = snapshot.hardware.toolkit_faults if snapshot.hardware else ()
    if consumer is None or consumer.rule is Rule.IMPORTABLE or consumer.torch is not None:
        return Problem.of(
            code="no-cuda-toolkit",
            headline=f"the front end did not install {requirement.text} for the build",
            unfit=faults[:3],
            why=f"{requirement.reason}; without build isolation nothing is installed",
            fixes=(install_fix(snapshot, consumer, requirement.text), "leave out --no-build-isolation"),
        )
    torch_first = install_fix(snapshot, consumer, f"torch=={torch.version.partition('+')[0]}")
    return Problem.of(
        code="no-cuda-toolkit",
        headline=f"no CUDA toolkit to compile for torch {torch.version}, which came with the build requirements",
        torch=f"{torch.version}, CUDA {torch.cuda}, in {torch.folder}",
        needed=requirement.text,
        why="it had to be asked for together with torch, when nothing said yet which CUDA that torch would have",
        fixes=(f"{torch_first}   (first; then the same command)", f"-C 'torchgraft.requires={requirement.text}'"),
    )


def plan_jobs(
    config: Config, snapshot: Snapshot, *, cuda: bool, job_bytes: int = 0, threads: Count | None = None
) -> Count | None:
    """Return the user's MAX_JOBS, else the smaller of what processors and memory allow; None if neither was looked at.

    ninja counts processors alone, and a machine of 64 cores and 128 GB dies at the 30th nvcc.

    :param job_bytes: what a package is known to need for each, 0 if nothing is known
    :param threads: those of each nvcc, which needs about as many times the memory of one (measured: 3.7 times with 4)
    """
    hardware = snapshot.hardware
    if hardware is None:
        return None
    need, counted = config.memory_per_job, ""
    if not need:
        need = job_bytes or (_CUDA_JOB_BYTES if cuda else _CPP_JOB_BYTES)
        if threads is not None and threads.number > 1:
            need *= threads.number
            counted = f" of {threads.number} nvcc threads ({threads.reason})"
    by_memory = max(1, (hardware.memory_bytes - RESERVE_BYTES) // need)
    if hardware.users_jobs:
        fitting = min(hardware.cores, by_memory) // hardware.users_jobs
        return Count(hardware.users_jobs, "as MAX_JOBS says", fitting, need)
    if config.max_jobs and config.max_jobs <= min(hardware.cores, by_memory):
        return Count(config.max_jobs, f"max-jobs ({config.origin('max-jobs')})", memory_bytes=need)
    if by_memory < hardware.cores:
        reason = f"{hardware.memory_limit} leaves {_gb(hardware.memory_bytes)}, {_gb(need)} a job{counted}"
        return Count(by_memory, reason, memory_bytes=need)
    return Count(max(1, hardware.cores), hardware.cores_limit, memory_bytes=need)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def plan_threads(snapshot: Snapshot, architectures: tuple[str, ...]) -> Count | None:
    """Return the threads of each nvcc, as far as flags say it: the user's, else those in setup.py; else None.

    A thread is for an architecture (nvcc --help, `--threads`). Where setup.py has flags of its own for these, or the
    user has set them, how many there are is not known: then every thread counts.
    """
    script, hardware = snapshot.project.setup_script, snapshot.hardware
    if hardware is None:
        return None
    said, source = hardware.appended_threads, "NVCC_APPEND_FLAGS"
    if said is None and script is not None:
        said, source = script.nvcc_threads, "setup.py"
    if said is None:
        return None
    threads = said or hardware.cores
    named = script is not None and script.names_gencode
    unknown = named or not architectures or "TORCH_CUDA_ARCH_LIST" in snapshot.variables_set
    return Count(max(1, threads if unknown else min(threads, len(architectures))), source)
