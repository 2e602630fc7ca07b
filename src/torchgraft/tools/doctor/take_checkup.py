"""What `torchgraft doctor` sees, and the lines that it says, as values; the looking.

May not judge, nor change anything, nor ask a front end anything but its version.
"""

from __future__ import annotations

import ctypes
import dataclasses
import enum
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path

from ... import __version__
from ...compile.gpus import NVML_NAMES, opened_nvml
from ...compile.hardware import take_hardware
from ...compile.plan_needs import Looking
from ...consumer.environment import is_environment
from ...consumer.ownership import who_may
from ...consumer.processes import take_python
from ...errors import ConfigError, Problem
from ...model.observation import FrontEndName, Hook, Python, Snapshot
from ...model.source_tree import Project, SetupScript
from ...programs import ask_program, find_programs
from ...settings.config import VARIABLE_PREFIX, Config, Cuda
from ...settings.sources import Settings, take_shell_settings
from ...values import dataclass
from ..cache.cache_folder import CacheState, read_cache_state
from ..front_end_settings import FrontEndSetting, find_front_end_settings
from ..show_snapshot import take_shell_snapshot

_CUDA_SOURCES = "a project with CUDA code"
_VERSION_BYTES = 80  # NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE
_PROGRAMS = {FrontEndName.BUILD: "pyproject-build"}
_VERSION = re.compile(r"\b\d+(?:\.\d+)+(?:\.?(?:a|b|rc|dev|post)\d+)*\b")
_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class FrontEndProgram:
    """A front end on PATH. `version` is "" where it does not say one in time."""

    name: FrontEndName
    program: str
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """NVIDIA's driver: its version, and the CUDA release that it can run (13.0), "" where it does not say."""

    version: str
    cuda: str = ""


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """All that the doctor's findings depend on.

    `snapshot` is that of an imaginary project with CUDA code; `python` runs torchgraft. `stray` are variables that
    name an environment where there is none, with that name. `settings_faults` are mistakes in TORCHGRAFT_* variables.
    """

    torchgraft: str
    python: Python
    snapshot: Snapshot
    front_ends: tuple[FrontEndProgram, ...] = ()
    front_end_settings: tuple[FrontEndSetting, ...] = ()
    driver: Driver | None = None
    cache: CacheState
    stray: tuple[tuple[str, str], ...] = ()
    settings_faults: tuple[Problem, ...] = ()


class Health(enum.Enum):
    """How it stands with one thing. Only a problem keeps a build from working."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True)
class DoctorLine:
    """One line of the doctor. `fixes` run as typed; `problem` is a heading in docs/reference/errors.md, or ""."""

    topic: str
    verdict: Health
    text: str
    fixes: tuple[str, ...] = ()
    problem: str = ""


def take_checkup(told: str | None) -> tuple[Config, Checkup]:
    """Return what a build of a project with CUDA code would find that is started from this shell."""
    settings, faults = _settings(told)
    # Without a CUDA build of torch, too: somebody may wonder why none is taken.
    looking = dataclasses.replace(settings, config=dataclasses.replace(settings.config, cuda=Cuda.REQUIRED))
    script = SetupScript(imports=("torch",), needs_torch=True, torch_sources=2)
    project = Project(folder=str(settings.source), cuda_sources=_CUDA_SOURCES, dependencies=(), setup_script=script)
    snapshot = take_shell_snapshot(looking, project=project, hook=Hook.BUILD_WHEEL)
    consumer = snapshot.consumer
    if consumer is None or consumer.torch is None:
        # Without a torch, no hook would look at more than processors and memory.
        looking_at = Looking(
            search_paths=consumer.search_path if consumer else (),
            prefixes=(consumer.prefix,) if consumer else (),
            cuda=True,
            guess=consumer is not None and not consumer.is_named,
            trusting=who_may(settings.config.trust, settings.source),
        )
        snapshot = dataclasses.replace(snapshot, hardware=take_hardware(settings.variables, looking_at))
    return settings.config, Checkup(
        torchgraft=__version__,
        python=take_python(),
        snapshot=snapshot,
        front_ends=find_front_ends(settings.variables),
        front_end_settings=find_front_end_settings(settings.variables, settings.source),
        driver=find_driver(),
        cache=read_cache_state(settings.cache_folder, trusted=settings.config.trust),
        stray=stray_environments(settings.variables),
        settings_faults=faults,
    )


def stray_environments(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables that name an environment where there is none."""
    named = ((name, variables.get(name, "")) for name in ("VIRTUAL_ENV", "CONDA_PREFIX"))
    return tuple((name, path) for name, path in named if path and not is_environment(Path(path)))


def _settings(consumer: str | None) -> tuple[Settings, tuple[Problem, ...]]:
    """Return the settings of this shell; without its own variables where these are wrong, and what is wrong."""
    arguments = {"torchgraft.consumer": [consumer]} if consumer is not None else {}
    try:
        return take_shell_settings(arguments, os.environ), ()
    except ConfigError as error:
        others = {name: value for name, value in os.environ.items() if not name.startswith(VARIABLE_PREFIX)}
        return take_shell_settings(arguments, others), error.problems


def find_driver(names: tuple[str, ...] = NVML_NAMES) -> Driver | None:
    """Return the driver, None where there is none that works."""
    try:
        with opened_nvml(names) as library:
            return _ask(library) if library else None
    except (OSError, ValueError, AttributeError):  # one without these functions
        return None


def _ask(library: ctypes.CDLL) -> Driver | None:
    text, cuda = ctypes.create_string_buffer(_VERSION_BYTES), ctypes.c_int()
    if library.nvmlSystemGetDriverVersion(text, ctypes.c_uint(_VERSION_BYTES)) != 0:
        return None
    known = library.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(cuda)) == 0
    version = text.value.decode("ascii", errors="replace")
    # NVML_CUDA_DRIVER_VERSION_MAJOR and _MINOR: 12040 is 12.4.
    return Driver(version=version, cuda=f"{cuda.value // 1000}.{cuda.value % 1000 // 10}" if known else "")


def find_front_ends(variables: Mapping[str, str]) -> tuple[FrontEndProgram, ...]:
    """Return the first program of each name on PATH, with its version."""
    programs = [(name, _PROGRAMS.get(name, name.value)) for name in FrontEndName if name is not FrontEndName.UNKNOWN]
    found = [(name, program) for name, text in programs for program in find_programs(text, variables)[:1]]
    answers: dict[str, str] = {}

    def ask(program: str) -> None:
        answers[program] = ask_program([program, "--version"], variables, timeout_s=_TIMEOUT_S) or ""

    # All at once: an interpreter takes half a second to start. Who interrupts us does not wait for them.
    threads = [threading.Thread(target=ask, args=(program,), daemon=True) for _, program in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = {program: first_version(answer) for program, answer in answers.items()}
    return tuple(FrontEndProgram(name=name, program=path, version=versions.get(path, "")) for name, path in found)


def first_version(text: str) -> str:
    """Return the first version in what a program says of itself, "" if there is none."""
    match = _VERSION.search(text)
    return match[0] if match else ""
