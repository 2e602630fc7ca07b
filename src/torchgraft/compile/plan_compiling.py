"""What compiling needs besides torch: toolkit, architectures, host compiler, jobs, and the variables that carry them.

May not decide any of these itself: it asks the rooms beside it, and puts their answers together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ..errors import Evidence, Problem
from ..model.decision import Planned, PlannedToolkit, PlannedVariable
from ..model.observation import Hook, Rule, Snapshot, Torch
from ..settings.config import Config, Cuda
from .plan_compilers import Architectures, arch_list_text, plan_architectures, plan_host_compiler
from .plan_needs import cuda_need
from .plan_rocm_and_sycl import RocmChoice, plan_rocm, plan_sycl
from .plan_toolkit import ToolkitChoice, is_other_minor, plan_toolkit

# Peaks that were measured, one architecture a job (docs/how-it-works.md): a .cu with torch's headers and cub 3.4 GB, a
# .cpp with torch's headers 1.6 GB.
_CUDA_JOB_BYTES = 4_000_000_000
_CPP_JOB_BYTES = 2_000_000_000
_RESERVE_BYTES = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """A number of jobs, with what limits it."""

    count: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Threads:
    """How many compilations one nvcc does at once, and who has it do so."""

    count: int
    source: str


@dataclass(frozen=True, kw_only=True)
class Compiling:
    """The answers. `forced` are names of variables in which the user's own value cannot work.

    `requirement` is a toolkit that is not there yet. `architectures` are as in TORCH_CUDA_ARCH_LIST, `gfx` as in
    PYTORCH_ROCM_ARCH. `other_minor` says that the toolkit's minor version is not that of torch's CUDA.
    """

    toolkit: PlannedToolkit | None = None
    other_minor: bool = False
    requirement: Planned | None = None
    architectures: tuple[str, ...] = ()
    rocm: bool = False
    gfx: tuple[str, ...] = ()
    variables: tuple[PlannedVariable, ...] = ()
    forced: tuple[str, ...] = ()
    jobs: int | None = None
    notes: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def plan_compiling(config: Config, snapshot: Snapshot, torch: Torch | None) -> Compiling:
    """Return what this hook has to know of compilers; for metadata and sdists the toolkit alone, if there is one.

    :param torch: what the build sees, or will see as far as that is certain
    """
    if snapshot.hook is Hook.GET_REQUIRES_FOR_BUILD_SDIST or torch is None:
        return Compiling()
    choice = plan_toolkit(config, snapshot, torch)
    rocm = plan_rocm(config, snapshot, torch)
    if snapshot.hook.prepares or snapshot.hook is Hook.BUILD_SDIST:
        return _without_jobs(config, snapshot, torch, choice=choice, rocm=rocm)
    found = (choice.problem, rocm.problem, plan_sycl(config, snapshot, torch))
    problems = [problem for problem in found if problem is not None]
    if snapshot.hook.asks:
        # A front end that is after metadata asks too, and they can be had without a compiler.
        return replace(
            _without_jobs(config, snapshot, torch, choice=choice, rocm=rocm),
            requirement=choice.requirement,
            notes=(*choice.notes, *_without_gpus(config, snapshot, torch)),
            problems=() if snapshot.front_end.resolves else tuple(problems),
        )
    if choice.requirement and snapshot.installer is None:
        problems.append(_not_installed(snapshot, torch, choice.requirement))
    cuda = bool(cuda_need(config, snapshot.project, torch))
    toolkit = choice.toolkit
    architectures = Architectures()
    if toolkit is not None:
        architectures = plan_architectures(
            config, snapshot, torch=torch, known=choice.architectures, toolkit_version=toolkit.version
        )
    jobs = plan_jobs(
        config,
        snapshot,
        cuda=cuda or rocm.toolkit is not None,
        job_bytes=_job_bytes(config, snapshot) if cuda else 0,
        threads=plan_threads(snapshot, architectures.names) if toolkit else None,
    )
    notes, overrides = [*choice.notes, *rocm.notes], [*choice.overrides, *rocm.overrides]
    if cuda and "NVCC_THREADS" in snapshot.variables_set:
        notes.append(
            "MAX_JOBS counts one thread for each nvcc, and NVCC_THREADS is set: each may need several times that"
        )
    variables = [*(_of_jobs(jobs, cuda=cuda) if jobs else ()), *rocm.variables]
    forced: tuple[str, ...] = ()
    if toolkit is not None:
        host = plan_host_compiler(
            snapshot, highest_gcc=choice.highest_gcc, toolkit=toolkit.version, highest_libc=choice.highest_libc
        )
        problems += [host.problem] if host.problem else []
        notes += architectures.notes
        variables += [*_of_toolkit(toolkit), *_of_architectures(config, architectures)]
        if host.compiler:
            variables.append(PlannedVariable(name="CC", value=host.compiler.cc, reason=host.reason))
            variables.append(PlannedVariable(name="CXX", value=host.compiler.cxx, reason=host.reason))
        forced = (*_forced(snapshot, choice), *(("CC", "CXX") if host.forced else ()))
        overrides += [host.reason] if host.forced else []
    return Compiling(
        toolkit=toolkit,
        other_minor=toolkit is not None and is_other_minor(toolkit.version, torch),
        requirement=choice.requirement,
        architectures=architectures.names,
        rocm=rocm.toolkit is not None,
        gfx=rocm.gfx,
        variables=_of_machine(variables),
        forced=(*forced, *rocm.forced),
        jobs=jobs.count if jobs else None,
        notes=tuple(notes),
        overrides=tuple(overrides),
        problems=tuple(problems),
    )


def _job_bytes(config: Config, snapshot: Snapshot) -> int:
    from ..settings.vocabulary import job_bytes_of

    return job_bytes_of(snapshot.project.name, config.vocabulary)


def _without_gpus(config: Config, snapshot: Snapshot, torch: Torch) -> Iterator[str]:
    """Yield that code for GPUs is there, and torch is built for none: torch refuses it where setup.py does not ask."""
    if snapshot.project.cuda_sources and torch.accelerator == "cpu" and config.cuda is not Cuda.OFF:
        yield f"{snapshot.project.cuda_sources} is not compiled: torch {torch.version} is built without CUDA"


def _of_machine(variables: Iterable[PlannedVariable]) -> tuple[PlannedVariable, ...]:
    return tuple(replace(variable, of_machine=True) for variable in variables)


def _without_jobs(
    config: Config, snapshot: Snapshot, torch: Torch, *, choice: ToolkitChoice, rocm: RocmChoice
) -> Compiling:
    """Return the toolkit: setup.py runs, and torch's CUDAExtension raises where it finds no CUDA_HOME.

    Where there is none, that is no problem yet: nothing is compiled, and many a setup.py does without. Some ask for a
    GPU of the machine, unless TORCH_CUDA_ARCH_LIST says what they want to know.
    """
    toolkit = choice.toolkit
    variables, architectures = list(rocm.variables), Architectures()
    if toolkit is not None:
        architectures = plan_architectures(
            config, snapshot, torch=torch, known=choice.architectures, toolkit_version=toolkit.version
        )
        variables += [*_of_toolkit(toolkit), *_of_architectures(config, architectures)]
    return Compiling(
        toolkit=toolkit,
        other_minor=toolkit is not None and is_other_minor(toolkit.version, torch),
        architectures=architectures.names,
        rocm=rocm.toolkit is not None,
        gfx=rocm.gfx,
        variables=_of_machine(variables),
        forced=(*(_forced(snapshot, choice) if toolkit else ()), *rocm.forced),
        overrides=(*choice.overrides, *rocm.overrides),
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
        yield PlannedVariable(name="NVCC_THREADS", value="1", reason="jobs are a better use of memory than threads")


def _forced(snapshot: Snapshot, choice: ToolkitChoice) -> tuple[str, ...]:
    """Return the toolkit's variables where those of the user lead to a toolkit that cannot work."""
    toolkits = snapshot.hardware.toolkits if snapshot.hardware else ()
    home = choice.toolkit.home if choice.toolkit else ""
    named = [t for t in toolkits if t.source in {"CUDA_HOME", "CUDA_PATH", "CUDACXX"}]
    layers = choice.toolkit.layers if choice.toolkit else ()
    if all(t.home == home for t in named) and not layers and not choice.overrides:
        return ()
    return ("CUDA_HOME", "CUDA_PATH", "CUDAToolkit_ROOT", "CUDACXX")


def _not_installed(snapshot: Snapshot, torch: Torch, requirement: Planned) -> Problem:
    """Return why a toolkit that PyPI has is not here: nothing was installed, or nobody knew which one it had to be."""
    consumer = snapshot.consumer
    faults = snapshot.hardware.toolkit_faults if snapshot.hardware else ()
    if consumer is None or consumer.rule is Rule.IMPORTABLE or consumer.torch is not None:
        return Problem(
            code="no-cuda-toolkit",
            headline=f"the front end did not install {requirement.text} for the build",
            evidence=tuple(Evidence(label="unfit", text=fault) for fault in faults[:3]),
            why=f"{requirement.reason}; without build isolation nothing is installed",
            fixes=(
                f"pip install '{requirement.text}'   (into {snapshot.build.prefix}), or leave out --no-build-isolation",
            ),
        )
    return Problem(
        code="no-cuda-toolkit",
        headline=f"no CUDA toolkit to compile for torch {torch.version}, which came with the build requirements",
        evidence=(
            Evidence(label="torch", text=f"{torch.version}, CUDA {torch.cuda}, in {torch.folder}"),
            Evidence(label="needed", text=requirement.text),
        ),
        why="it had to be asked for together with torch, when nothing said yet which CUDA that torch would have",
        fixes=(
            f"pip install 'torch=={torch.version.partition('+')[0]}'   (first; then {snapshot.project.name or 'this'})",
            f"-C 'torchgraft.requires={requirement.text}'",
        ),
    )


def plan_jobs(
    config: Config, snapshot: Snapshot, *, cuda: bool, job_bytes: int = 0, threads: Threads | None = None
) -> Jobs | None:
    """Return the smaller of what processors and memory allow, at least one; None if neither was looked at.

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
        if threads is not None and threads.count > 1:
            need *= threads.count
            counted = f" of {threads.count} nvcc threads ({threads.source})"
    by_memory = max(1, (hardware.memory_bytes - _RESERVE_BYTES) // need)
    if config.max_jobs and config.max_jobs <= min(hardware.cores, by_memory):
        return Jobs(count=config.max_jobs, reason=f"max-jobs ({config.origin('max-jobs')})")
    if by_memory < hardware.cores:
        reason = f"{hardware.memory_limit} leaves {_gb(hardware.memory_bytes)}, {_gb(need)} a job{counted}"
        return Jobs(count=by_memory, reason=reason)
    return Jobs(count=max(1, hardware.cores), reason=hardware.cores_limit)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def plan_threads(snapshot: Snapshot, architectures: tuple[str, ...]) -> Threads | None:
    """Return the threads of each nvcc, as far as flags say it: the user's, else those in setup.py; else None.

    A thread is for an architecture (nvcc --help, `--threads`). Where setup.py has flags of its own for these, or the
    user has set them, how many there are is not known: then every thread counts.

    :param architectures: those of TORCH_CUDA_ARCH_LIST, as they were decided
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
    return Threads(count=max(1, threads if unknown else min(threads, len(architectures))), source=source)
