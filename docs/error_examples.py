"""Real messages for docs/reference/errors.md: each is what the code says of some settings, a snapshot or a log."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from support import compiling, snapshots  # noqa: E402
from torchgraft.errors import Problem, TorchgraftError  # noqa: E402
from torchgraft.hook.diagnoses import DIAGNOSES, diagnose  # noqa: E402
from torchgraft.hook.plan import plan_build  # noqa: E402
from torchgraft.model.observation import FrontEnd, FrontEndName, Hook, Rule  # noqa: E402
from torchgraft.settings.config import Config  # noqa: E402
from torchgraft.settings.sources import parse_pyproject, resolve_config  # noqa: E402

_SETTINGS = (
    "[tool.torchgraft]\nmax-job = 4",
    "[tool.torchgraft]\nmax-jobs = [4]",
    '[tool.torchgraft]\ntorch = "newest"',
    '[tool.torchgraft]\nconsumer = "/home/me/.venv"',
    '[project]\nname = "ext"\nversion = "1"\n[tool.torchgraft]\nruntime-torch = "minor"',
)
_UV = FrontEnd(name=FrontEndName.UV, command="uv sync")
_BUILDS = FrontEnd(name=FrontEndName.UV, command="uv build", installs=False)
_OTHER = dataclasses.replace(snapshots.CPU_TORCH, version="2.12.0")
_SNAPSHOTS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({}, {"consumer": snapshots.consumer(None), "front_end": _UV, "project": snapshots.project(dependencies=())}),
    ({"torch": ">=2.14"}, {}),
    (
        {},
        {
            "consumer": snapshots.consumer(None),
            "asked_faults": ("requirements on standard input cannot be read",),
            "front_end": dataclasses.replace(_UV, command="uv pip install"),
            "hook": Hook.GET_REQUIRES_FOR_BUILD_WHEEL,
        },
    ),
    ({}, {"front_end": _BUILDS, "project": snapshots.project(dependencies=("torch==2.8.0",))}),
    ({}, {"consumer": snapshots.consumer(None, customized=f"{snapshots.SITE}/sitecustomize.py"), "front_end": _UV}),
    ({}, {"consumer": snapshots.consumer(python_versions=("3.12",))}),
    (
        {"consumer": "/train", "origins": {"consumer": "-C torchgraft.consumer"}},
        {"consumer": snapshots.consumer(None, prefix="/train", rule=Rule.TOLD, exists=False)},
    ),
    ({}, {"rivals": (snapshots.consumer(_OTHER, prefix="/other", rule=Rule.ACTIVATED, why="VIRTUAL_ENV names it"),)}),
)


def error_examples() -> Mapping[str, Problem]:
    """Return the first message of each code that has one here."""
    found: dict[str, Problem] = {}
    for problem in (*_of_settings(), *_of_plans(), *_of_logs()):
        found.setdefault(problem.code, problem)
    return found


def _of_settings() -> Iterator[Problem]:
    for text in _SETTINGS:
        try:
            resolve_config(parse_pyproject(text), variables={}, arguments={})
        except TorchgraftError as error:
            yield from error.problems


def _of_plans() -> Iterator[Problem]:
    yield from compiling.plan(compiling.CU128, compiling.hardware(), hook=Hook.BUILD_WHEEL).problems
    yield from compiling.plan(compiling.CU128, compiling.hardware(compiling.NVCC_13_0)).problems
    for settings, changes in _SNAPSHOTS:
        yield from plan_build(Config(**settings), snapshots.snapshot(**changes)).problems


def _of_logs() -> Iterator[Problem]:
    for row in DIAGNOSES:
        log = min((TESTS / "cases" / "logs").glob(f"{row.code}*.txt"), key=lambda path: len(path.stem))
        yield from diagnose(log.read_text(encoding="utf-8").splitlines())
