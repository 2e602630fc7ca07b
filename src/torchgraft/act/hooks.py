"""Carry out the plan of one hook call.

May not look or decide: what is done follows from the plan alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model import Hook, Plan, Way
from .delegate import run_delegate
from .graft import link_graft
from .record import write_metadata_record, write_wheel_record
from .source_lock import hold_source


@dataclass(frozen=True, kw_only=True)
class Call:
    """A hook call with its plan. `config_settings` are the delegate's part; `variables` what the process inherited."""

    plan: Plan
    source: Path
    cache_folder: Path
    config_settings: dict[str, Any] | None
    variables: Mapping[str, str]


def answer_requires(call: Call) -> list[str]:
    """Return the build requirements: the plan's, then what the delegate adds where it has to be asked."""
    requirements = [line.text for line in call.plan.requirements]
    if call.plan.delegate.asked:
        for requirement in _run(call, (call.config_settings,)):
            if requirement not in requirements:
                requirements.append(requirement)
    return requirements


def prepare_metadata(call: Call, directory: str) -> str:
    """Return the name of the `.dist-info` folder that was made in `directory`, with the record in it."""
    name = str(_run(call, (directory, call.config_settings)))
    if call.plan.way is not Way.OFF:
        write_metadata_record(Path(directory) / name, call.plan)
    return name


def build_sdist(call: Call, directory: str) -> str:
    """Return the name of the sdist that was made in `directory`."""
    return str(_run(call, (directory, call.config_settings)))


def build_wheel(call: Call, directory: str, metadata_directory: str | None) -> str:
    """Return the name of the wheel that was made in `directory`, with the record in it."""
    name = str(_run(call, (directory, call.config_settings, metadata_directory)))
    if call.plan.way is not Way.OFF:
        write_wheel_record(Path(directory) / name, call.plan)
    return name


def delegate_variables(plan: Plan, inherited: Mapping[str, str], graft: Path | None) -> dict[str, str]:
    """Return all variables of the delegate's process."""
    variables = dict(inherited)
    variables.update({v.name: v.value for v in plan.variables if v.value is not None})
    if graft is not None:
        # In front of everything: pip's isolation keeps its own sitecustomize in PYTHONPATH, which is found all the same.
        others = [variables["PYTHONPATH"]] if variables.get("PYTHONPATH") else []
        variables["PYTHONPATH"] = os.pathsep.join([str(graft), *others])
    return variables


def _run(call: Call, arguments: Sequence[object]) -> Any:
    plan = call.plan
    graft = None if plan.graft is None else link_graft(plan.graft)
    with _source_held(call):
        return run_delegate(
            plan.delegate,
            plan.hook,
            arguments,
            source=call.source,
            variables=delegate_variables(plan, call.variables, graft),
            rephrase=plan.way is not Way.OFF,
        )


@contextlib.contextmanager
def _source_held(call: Call) -> Iterator[None]:
    if call.plan.way is Way.OFF or call.plan.hook not in {Hook.BUILD_WHEEL, Hook.BUILD_EDITABLE, Hook.BUILD_SDIST}:
        yield
        return
    with hold_source(call.source, cache_folder=call.cache_folder):
        yield
