"""All that the doctor's findings depend on.

May not judge, nor change anything.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from ... import __version__
from ...compile.hardware import take_hardware
from ...consumer.interpreter import take_python
from ...consumer.prefixes import is_environment
from ...errors import ConfigError, Problem
from ...hook.snapshot import take_shell_snapshot
from ...model.hardware_values import Hardware
from ...model.observation import Hook, Snapshot
from ...model.source_tree import Project
from ...settings.config import VARIABLE_PREFIX, Config, Cuda
from ...settings.taken import Settings, take_shell_settings
from ..cache.cache_folder import read_cache_state
from .checkup import Checkup
from .driver import find_driver
from .front_end_programs import find_front_end_settings, find_front_ends

_CUDA_SOURCES = "a project with CUDA code"


def take_checkup(consumer: str | None) -> tuple[Config, Checkup]:
    """Return what a build of a project with CUDA code would find that is started from this shell.

    :param consumer: the environment, or its interpreter; found by the rules where None
    """
    settings, faults = _settings(consumer)
    # Without a CUDA build of torch, too: somebody may wonder why none is taken.
    looking = dataclasses.replace(settings, config=dataclasses.replace(settings.config, cuda=Cuda.REQUIRED))
    project = Project(folder=str(settings.source), cuda_sources=_CUDA_SOURCES)
    snapshot = take_shell_snapshot(looking, project=project, hook=Hook.BUILD_WHEEL)
    if snapshot.consumer is None or snapshot.consumer.torch is None:
        # Without a torch, no hook would look at more than processors and memory.
        snapshot = dataclasses.replace(snapshot, hardware=_take_hardware(settings, snapshot))
    return settings.config, Checkup(
        torchgraft=__version__,
        python=take_python(),
        snapshot=snapshot,
        front_ends=find_front_ends(settings.variables),
        front_end_settings=find_front_end_settings(settings.variables, settings.source),
        driver=find_driver(),
        cache=read_cache_state(settings.cache_folder),
        stray=stray_environments(settings.variables),
        settings_faults=faults,
    )


def stray_environments(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables that name an environment where there is none."""
    named = ((name, variables.get(name, "")) for name in ("VIRTUAL_ENV", "CONDA_PREFIX"))
    return tuple((name, path) for name, path in named if path and not is_environment(Path(path)))


def _take_hardware(settings: Settings, snapshot: Snapshot) -> Hardware:
    consumer = snapshot.consumer
    return take_hardware(
        settings.variables,
        search_paths=consumer.search_path if consumer else (),
        prefixes=(consumer.prefix,) if consumer else (),
        cuda=True,
    )


def _settings(consumer: str | None) -> tuple[Settings, tuple[Problem, ...]]:
    """Return the settings of this shell; without its own variables where these are wrong, and what is wrong."""
    arguments = {"torchgraft.consumer": [consumer]} if consumer is not None else {}
    try:
        return take_shell_settings(arguments, os.environ), ()
    except ConfigError as error:
        others = {name: value for name, value in os.environ.items() if not name.startswith(VARIABLE_PREFIX)}
        return take_shell_settings(arguments, others), error.problems
