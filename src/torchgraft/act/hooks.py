"""Carry out the plan of one hook call.

May not look or decide: what is done follows from the plan alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..diagnoses import OUT_OF_MEMORY
from ..errors import DelegateError
from ..model import Hook, Way
from ..planned import Plan, StandIn
from .call import Call
from .child import say
from .cuda_home import assemble_cuda_home
from .delegate import run_delegate
from .graft import link_graft
from .record import write_metadata_record, write_wheel_record
from .source_lock import hold_source
from .without_torch import StandInFolder, made_stand_in, source_without_setup_py

_FEWEST_TO_HALVE = 2


def prepare_metadata(call: Call, directory: str) -> str:
    """Return the name of the `.dist-info` folder that was made in `directory`, with the record in it."""
    if call.plan.from_files:
        with source_without_setup_py(call.source) as source:
            name = str(run_hook(replace(call, source=source), (directory, call.config_settings)))
        write_metadata_record(Path(directory) / name, call.plan)
    elif call.plan.stand_in is not None:
        with _stand_in(call, call.plan.stand_in) as (with_stand_in, folder):
            name = str(run_hook(with_stand_in, (directory, call.config_settings)))
            write_metadata_record(Path(directory) / name, call.plan, reads=folder.reads())
    else:
        name = str(run_hook(call, (directory, call.config_settings)))
        if call.plan.way is not Way.OFF:
            write_metadata_record(Path(directory) / name, call.plan)
    return name


def build_sdist(call: Call, directory: str) -> str:
    """Return the name of the sdist that was made in `directory`."""
    if call.plan.stand_in is None:
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


def build_wheel(call: Call, directory: str, metadata_directory: str | None) -> str:
    """Return the name of the wheel that was made in `directory`, with the record in it."""
    name = str(run_hook(call, (directory, call.config_settings, metadata_directory)))
    if call.plan.way is not Way.OFF:
        write_wheel_record(Path(directory) / name, call.plan)
    return name


def run_hook(call: Call, arguments: Sequence[object]) -> Any:
    """Return what the delegate's hook returns, run as the plan says; again with half the jobs if memory gave out."""
    plan = call.plan
    graft = None if plan.graft is None else link_graft(plan.graft)
    variables = delegate_variables(plan, call.variables, graft)
    if plan.toolkit is not None:
        assemble_cuda_home(plan.toolkit, compiler=variables.get("CC", "cc"))
    with _source_held(call):
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
                fewer = _fewer_jobs(plan, variables, error)
                if fewer is None:
                    raise
                # ninja resumes what is done.
                say(f"torchgraft: a compiler was killed for lack of memory; going on with {fewer['MAX_JOBS']} jobs")
                variables = fewer


def _fewer_jobs(plan: Plan, variables: Mapping[str, str], error: DelegateError) -> dict[str, str] | None:
    """Return the variables with half the jobs; None where that cannot help."""
    jobs = variables.get("MAX_JOBS", "")
    killed = any(problem.code == OUT_OF_MEMORY.code for problem in error.problems)
    if plan.jobs is None or not killed or not jobs.isdigit() or int(jobs) < _FEWEST_TO_HALVE:
        return None
    half = str(int(jobs) // 2)
    return {**variables, "MAX_JOBS": half, "CMAKE_BUILD_PARALLEL_LEVEL": half}


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
def _source_held(call: Call) -> Iterator[None]:
    if call.plan.way is Way.OFF or call.plan.hook not in {Hook.BUILD_WHEEL, Hook.BUILD_EDITABLE, Hook.BUILD_SDIST}:
        yield
        return
    with hold_source(call.source, cache_folder=call.cache_folder):
        yield
