"""All that a plan may depend on, looked at once.

May not decide: where two environments may be the consumer, both are reported.
"""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ..config import Config
from ..model import (
    BuildEnvironment,
    Consumer,
    Found,
    FrontEnd,
    Hook,
    HookProcess,
    Process,
    Project,
    Python,
    Snapshot,
)
from .consumer import find_consumer
from .distributions import list_distributions, read_distributions
from .environment import read_environment, writable_by_others
from .front_end import find_front_end
from .interpreter import take_python
from .processes import take_ancestors, take_hook_process
from .project import read_project
from .settings import Settings
from .torch import read_torch


def take_snapshot(settings: Settings, hook: Hook) -> Snapshot:
    """Return what this hook's machine looks like."""
    process = take_hook_process()
    ancestors = take_ancestors()
    python = take_python()
    project = read_project(settings.source, settings.pyproject)
    build = _take_build_environment(process, settings.source)
    front_end = find_front_end(process, ancestors)
    finding = find_consumer(
        process,
        ancestors,
        told=settings.config.consumer or None,
        torch_importable=build.torch is not None and not _names_torch(project.requires),
    )
    consumers = _read_consumers(finding.found, settings.config, python, process, ancestors)
    return Snapshot(
        hook=hook,
        python=python,
        front_end=front_end,
        rules=finding.answers,
        consumer=consumers[0] if consumers else None,
        rivals=_rivals(consumers),
        build=build,
        project=project,
        variables_set=_variables_set(settings),
        cache_folder=str(settings.cache_folder),
    )
