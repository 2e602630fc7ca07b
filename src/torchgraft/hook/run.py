"""Carry out the plan of one hook call.

May not look or decide: what is done follows from the plan alone.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..child import say
from ..compile.cuda_home import assemble_cuda_home
from ..errors import DelegateError, PlanError
from ..ladder.graft import link_graft
from ..ladder.without_torch import StandInFolder, lack_of_torch_told, made_stand_in, metadata_alone, source_of_metadata
from ..model.decision import Plan, StandIn
from ..model.observation import Hook, Way
from ..settings.vocabulary import JOB_VARIABLES
from ..wheel.metadata import add_requirement, as_prepared, delegates_metadata
from ..wheel.record import write_metadata_record
from .call import Call
from .delegate import run_delegate
from .diagnoses import CUDA_HOME_UNSET, OUT_OF_MEMORY
from .source_lock import hold_source, noted_build

# What is done with a wheel that was built; the bytes are what its METADATA has to be, None where it is right.
Finish = Callable[[Call, Path, "bytes | None"], None]

_FEWEST_TO_HALVE = 2
_JOBS = ("MAX_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL", *JOB_VARIABLES)


def prepare_metadata(call: Call, directory: str) -> str:
    """Return the name of the `.dist-info` folder that was made in `directory`, with the record in it."""
    if call.plan.way is Way.OFF:
        return str(run_hook(call, (directory, call.config_settings)))
    with metadata_alone(Path(directory)):
        name, reads = _delegates_metadata(call, directory)
    info = Path(directory) / name
    write_metadata_record(info, add_requirement(info, call.plan), reads=reads)
    return name


def _delegates_metadata(call: Call, directory: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of the folder that the delegate made, and what it asked of a stand-in for torch."""
    arguments = (directory, call.config_settings)
    if call.plan.from_files:
        with source_of_metadata(call.source) as source:
            return str(run_hook(replace(call, source=source), arguments)), ()
    if call.plan.stand_in is not None:
        with _stand_in(call, call.plan.stand_in) as (with_stand_in, folder):
            return str(run_hook(with_stand_in, arguments)), folder.reads()
    return str(run_hook(call, arguments)), ()


def build_sdist(call: Call, directory: str) -> str:
    """Return the name of the sdist that was made in `directory`."""
    if call.plan.stand_in is None:
        with lack_of_torch_told(call.plan):
            return str(run_hook(call, (directory, call.config_settings)))
    with _stand_in(call, call.plan.stand_in) as (with_stand_in, _):
        return str(run_hook(with_stand_in, (directory, call.config_settings)))


@contextlib.contextmanager
def _stand_in(call: Call, facts: StandIn) -> Iterator[tuple[Call, StandInFolder]]:
    """Put the stand-in on the delegate's import path, and explain a failure that it caused."""
    with made_stand_in(facts) as folder:
        variables = _with_import_path(call.variables, folder.path)
        try:
            yield replace(call, variables=variables), folder
        except DelegateError as error:
            problem = folder.problem()
            raise error if problem is None else DelegateError(problem) from None


@contextlib.contextmanager
def _asked_metadata(call: Call) -> Iterator[str]:
    """Yield a `.dist-info` folder that the delegate makes, to learn what the distribution is called."""
    plan = replace(call.plan, hook=Hook.PREPARE_METADATA_FOR_BUILD_WHEEL)
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as folder:
        yield str(Path(folder) / run_hook(replace(call, plan=plan), (folder, call.config_settings)))


def build_wheel(
    call: Call,
    directory: str,
    metadata_directory: str | None,
    *,
    finish: Finish,
    again: Callable[[str], Call] | None = None,
) -> str:
    """Return the name of the wheel that was made in `directory`, with the record in it.

    :param finish: checks a wheel and writes the record into it
    :param again: plans this call once more, with metadata that say what the distribution is called
    """
    if call.plan.asks_identity and again is not None:
        with _asked_metadata(call) as asked:
            call = again(asked)
    call = replace(call, plan=as_prepared(call.plan, metadata_directory))
    if call.plan.prebuilt:
        from ..prebuilt.take import take_prebuilt

        def finish_prebuilt(plan: Plan, wheel: Path, metadata: bytes | None) -> None:
            finish(replace(call, plan=plan), wheel, metadata)

        plan, taken = take_prebuilt(call.plan, directory, metadata_directory, finish=finish_prebuilt)
        if taken is not None:
            return taken
        if plan.compile_problems:
            raise PlanError(*plan.compile_problems)
        call = replace(call, plan=plan)
    if call.plan.way is Way.OFF:
        return str(run_hook(call, (directory, call.config_settings, metadata_directory)))
    # In a folder of its own: what is not finished never gets where the front end looks for it.
    Path(directory).mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".torchgraft-", dir=directory) as draft,
        delegates_metadata(metadata_directory) as prepared,
    ):
        name = str(run_hook(call, (draft, call.config_settings, prepared)))
        finish(call, Path(draft) / name, None)
        for made in sorted(Path(draft).iterdir()):
            made.replace(Path(directory) / made.name)
    return name


def run_hook(call: Call, arguments: Sequence[object]) -> Any:
    """Return what the delegate's hook returns, run as the plan says; again where it fails of what can be helped."""
    plan = call.plan
    graft = None if plan.graft is None else link_graft(plan.graft)
    variables = delegate_variables(plan, call.variables, graft)
    if plan.toolkit is not None:
        assemble_cuda_home(plan.toolkit, compiler=variables.get("CC", "cc"))
    with _source_held(call) as more:
        variables.update(more)
        while True:
            try:
                return run_delegate(
                    plan.delegate,
                    plan.hook,
                    arguments,
                    source=call.source,
                    variables=variables,
                    rephrase=plan.way is not Way.OFF,
                )
            except DelegateError as error:
                changed = _fewer_jobs(plan, variables, error) or _named_home(call, variables, error)
                if changed is None:
                    raise
                variables = changed


def _fewer_jobs(plan: Plan, variables: Mapping[str, str], error: DelegateError) -> dict[str, str] | None:
    """Return the variables with half the jobs; None where that cannot help.

    Each is halved by itself: the user may have set one of them.
    """
    killed = any(problem.code == OUT_OF_MEMORY.code for problem in error.problems)
    counts = {name: int(variables[name]) for name in _JOBS if variables.get(name, "").isdecimal()}
    if plan.jobs is None or not killed or max(counts.values(), default=0) < _FEWEST_TO_HALVE:
        return None
    fewer = {name: str(max(1, count // 2)) for name, count in counts.items()}
    # ninja resumes what is done.
    jobs = max(map(int, fewer.values()))
    say(f"torchgraft: a compiler was killed for lack of memory; going on with {jobs} jobs")
    return {**variables, **fewer}


def _named_home(call: Call, variables: Mapping[str, str], error: DelegateError) -> dict[str, str] | None:
    """Return the variables with a CUDA_HOME where there is none, if only torch's CUDAExtension wants to hear of one.

    Metadata and sdists can then be had without a toolkit: nothing is compiled for them.
    """
    unset = any(problem.code == CUDA_HOME_UNSET.code for problem in error.problems)
    # A CPU build of torch does not look at it.
    useless = call.plan.torch is not None and call.plan.torch.accelerator == "cpu"
    if call.plan.hook.builds or not unset or useless or variables.get("CUDA_HOME"):
        return None
    say("torchgraft: there is no CUDA toolkit, and nothing is compiled here; once more with a CUDA_HOME that is none")
    return {**variables, "CUDA_HOME": str(call.cache_folder / "no-cuda-toolkit")}


def delegate_variables(plan: Plan, inherited: Mapping[str, str], graft: Path | None) -> dict[str, str]:
    """Return all variables of the delegate's process."""
    variables = dict(inherited)
    variables.update({v.name: v.value for v in plan.variables if v.value is not None})
    if plan.toolkit is not None:
        path = [str(Path(plan.toolkit.home) / "bin"), variables.get("PATH", "")]
        variables["PATH"] = os.pathsep.join(filter(None, path))
    return variables if graft is None else _with_import_path(variables, graft)


def _with_import_path(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    # In front of everything: pip's isolation keeps its own sitecustomize in PYTHONPATH, which is found all the same.
    others = [variables["PYTHONPATH"]] if variables.get("PYTHONPATH") else []
    return {**variables, "PYTHONPATH": os.pathsep.join([str(folder), *others])}


@contextlib.contextmanager
def _source_held(call: Call) -> Iterator[dict[str, str]]:
    """Yield further variables of the delegate, with the source tree held for as long as it is written into."""
    plan = call.plan
    if plan.way is Way.OFF or not (plan.hook.builds or plan.hook is Hook.BUILD_SDIST):
        yield {}
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(hold_source(call.source, cache_folder=call.cache_folder))
        in_place = plan.hook is Hook.BUILD_EDITABLE
        anew = plan.hook is not Hook.BUILD_SDIST and stack.enter_context(
            noted_build(call.source, plan.rebuild, cache_folder=call.cache_folder, in_place=in_place)
        )
        yield {"DIST_EXTRA_CONFIG": plan.rebuild.config} if plan.rebuild and anew else {}
