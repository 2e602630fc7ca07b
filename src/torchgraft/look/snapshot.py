"""All that a plan may depend on, looked at once.

May not decide: where two environments may be the consumer, both are reported.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ..config import Config
from ..errors import Problem, SnapshotError
from ..model import (
    DECIDED_VARIABLES,
    BuildEnvironment,
    Consumer,
    Found,
    Hook,
    HookProcess,
    Process,
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
    """Return what the machine of this hook call looks like."""
    process = take_hook_process()
    ancestors = take_ancestors()
    search_path = tuple(p for p in process.sys_path if os.path.isdir(p) and not _is_same(p, settings.source))
    torch = read_torch(search_path, architectures=False).torch
    build = BuildEnvironment(prefix=process.prefix, distributions=list_distributions(search_path), torch=torch)
    return _snapshot(settings, hook, process=process, ancestors=ancestors, build=build, python=take_python())


def take_shell_snapshot(settings: Settings) -> Snapshot:
    """Return what an isolated build would look like that is started from this shell.

    Its build environment is empty, and its Python is the consumer's.
    """
    build = BuildEnvironment(prefix="")
    hook = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
    process, ancestors = take_hook_process(), take_ancestors()
    snapshot = _snapshot(settings, hook, process=process, ancestors=ancestors, build=build, python=take_python())
    consumer = snapshot.consumer
    if consumer is None or snapshot.python.minor_version in (*consumer.python_versions, ""):
        return snapshot
    return dataclasses.replace(snapshot, python=_python_of(consumer, snapshot.python))


def read_snapshot_text(path: Path) -> str:
    """Return the text of a recorded snapshot.

    :raises SnapshotError: if it cannot be read
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SnapshotError(
            Problem(
                code="bad-snapshot",
                headline=f"{path}: {error.strerror or error}",
                why="there is nothing to decide from",
                fixes=("torchgraft snapshot > snapshot.json",),
            )
        ) from None


def _snapshot(
    settings: Settings,
    hook: Hook,
    *,
    process: HookProcess,
    ancestors: tuple[Process, ...],
    build: BuildEnvironment,
    python: Python,
) -> Snapshot:
    project = read_project(settings.source, settings.pyproject)
    finding = find_consumer(
        process,
        ancestors,
        told=settings.config.consumer or None,
        torch_importable=build.torch is not None and not _names_torch(project.requires),
    )
    consumers = [_read_consumer(found, settings.config, python, ancestors) for found in finding.found]
    consumer = next((c for c in consumers if c.torch), consumers[0] if consumers else None)
    return Snapshot(
        hook=hook,
        python=python,
        front_end=find_front_end(process, ancestors),
        rules=finding.answers,
        consumer=consumer,
        rivals=tuple(c for c in consumers if c is not consumer and _is_rival(c, consumer)),
        build=build,
        project=project,
        variables_set=tuple(
            sorted(n for n in {*DECIDED_VARIABLES, *settings.config.env} if settings.variables.get(n))
        ),
        cache_folder=str(settings.cache_folder),
    )


def _read_consumer(found: Found, config: Config, python: Python, ancestors: tuple[Process, ...]) -> Consumer:
    environment = read_environment(
        found.prefix, python=python, targets=found.targets, front_end=ancestors[0] if ancestors else None
    )
    reading = read_torch(environment.search_path, architectures=False)
    distributions = read_distributions(environment.search_path, (*config.match, *config.borrow), python=python)
    # A graft links from these; who can write there can make the build run anything.
    linked = {str(Path(link.target).parent) for d in distributions for link in d.links}
    return Consumer(
        prefix=found.prefix,
        rule=found.rule,
        certain=found.certain,
        why=found.why,
        exists=environment.exists,
        python_versions=environment.python_versions,
        targets=found.targets,
        search_path=environment.search_path,
        distributions=distributions,
        torch=reading.torch,
        torch_fault=reading.fault,
        writable_by_others=writable_by_others(tuple(sorted(linked))),
    )


def _is_rival(one: Consumer, chosen: Consumer | None) -> bool:
    if chosen is None or one.torch is None or chosen.torch is None:
        return False
    return not one.torch.is_same_build(chosen.torch)


def _names_torch(requirements: tuple[str, ...]) -> bool:
    for text in requirements:
        try:
            if canonicalize_name(Requirement(text).name) == "torch":
                return True
        except InvalidRequirement:
            continue
    return False


def _is_same(path: str, folder: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(folder)


def _python_of(consumer: Consumer, python: Python) -> Python:
    """Return the consumer's Python as far as its folders tell: a build would run on that one."""
    version = consumer.python_versions[0]
    suffix = (consumer.torch and consumer.torch.extension_suffix) or ""
    return dataclasses.replace(
        python,
        version=version,
        abi="cp" + version.replace(".", ""),
        extension_suffix=suffix or python.extension_suffix.replace(python.abi[2:], version.replace(".", "")),
    )
