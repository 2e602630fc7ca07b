"""What a hook would see that is started from this shell, before anything is built.

May not start one.
"""

from __future__ import annotations

import dataclasses

from ..consumer.processes import take_ancestors, take_hook_process, take_python
from ..hook.snapshot import Place, names_required, take_snapshot_at
from ..model.observation import BuildEnvironment, Consumer, Hook, Python, Snapshot
from ..model.source_tree import Project
from ..project.read_project import read_project
from ..settings.sources import Settings


def take_shell_snapshot(
    settings: Settings, *, project: Project | None = None, hook: Hook = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
) -> Snapshot:
    """Return what an isolated build would look like that is started from this shell.

    Its build environment has what the project requires for its build, and its Python is the consumer's.

    :param project: an imaginary one, instead of the one that the settings name
    :param hook: the one that would be called
    """
    project = read_project(settings.source, settings.pyproject) if project is None else project
    required = tuple(sorted((name, "") for name in names_required(project.requires)))
    build = BuildEnvironment(prefix="", distributions=required)
    place = Place(process=take_hook_process(), ancestors=take_ancestors(), build=build, project=project)
    snapshot = take_snapshot_at(settings, hook, place, take_python(), own_torch=True)
    consumer = snapshot.consumer
    if consumer is None or not consumer.python_versions or snapshot.python.minor_version in consumer.python_versions:
        return snapshot
    return dataclasses.replace(snapshot, python=_python_of(consumer, snapshot.python))


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
