"""`torchgraft snapshot`: all that a plan depends on, as JSON, to decide from elsewhere, and the names to keep out.

It is what a hook would see that is started from this shell, before anything is built. May not start one.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..codec import to_json
from ..consumer.processes import take_ancestors, take_hook_process, take_python
from ..hook.snapshot import Place, names_required, take_snapshot_at
from ..model.observation import BuildEnvironment, Consumer, Hook, Python, Snapshot
from ..model.source_tree import Project
from ..project.read_project import read_project
from ..redaction import Names, redacted_json
from ..settings.sources import Settings, take_settings
from .shared_options import add_project_arguments, config_settings

if sys.platform != "win32":
    import pwd

DESCRIPTION = """Print everything that a plan for PATH depends on, as JSON, for 'torchgraft plan --snapshot FILE' on
another machine.

It contains: the front end and its command (no arguments); the environment that was found, and how; its torch,
the packages that torch needs, and their folders; what a lock file or the arguments say about torch; name,
version and build requirements of the project; toolkits, compilers, GPUs, processors and memory if the build
needs them; which of the variables that a build sets are set already. It does not contain: values of variables,
credentials in URLs (they are removed), other packages, or source code."""
EPILOG = """examples:
  torchgraft snapshot > snapshot.json
  torchgraft snapshot --redact > snapshot.json   to be sent: without home folder, names of user and host
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_project_arguments(parser)
    parser.add_argument("--redact", action="store_true", help="without home folder and names of user and host")
    parser.add_argument("--json", action="store_true", help="the default: the output is always JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the snapshot."""
    settings = take_settings(arguments.path, config_settings(arguments))
    names = take_names(os.environ) if arguments.redact else None
    print(json.dumps(redacted_json(to_json(take_shell_snapshot(settings)), names), indent=2))
    return 0


def take_shell_snapshot(
    settings: Settings, *, project: Project | None = None, hook: Hook = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
) -> Snapshot:
    """Return what an isolated build would look like that is started from this shell.

    Its build environment has what the project requires for its build, and its Python is the consumer's.

    :param project: an imaginary one, instead of the one that the settings name
    """
    project = read_project(settings.source, settings.pyproject) if project is None else project
    required = tuple(sorted((name, "") for name in names_required(project.requires)))
    build = BuildEnvironment(prefix="", distributions=required)
    place = Place(process=take_hook_process(), ancestors=take_ancestors(), build=build, project=project)
    snapshot = take_snapshot_at(settings, hook, place, take_python(), own_torch=True)
    consumer = snapshot.consumer
    if consumer is None or not consumer.python_versions or snapshot.python.minor_version in consumer.python_versions:
        return snapshot
    return replace(snapshot, python=_python_of(consumer, snapshot.python))


def _python_of(consumer: Consumer, python: Python) -> Python:
    """Return the consumer's Python as far as its folders tell: a build would run on that one."""
    version = consumer.python_versions[0]
    suffix = (consumer.torch and consumer.torch.extension_suffix) or ""
    return replace(
        python,
        version=version,
        abi="cp" + version.replace(".", ""),
        extension_suffix=suffix or python.extension_suffix.replace(python.abi[2:], version.replace(".", "")),
    )


def take_names(variables: Mapping[str, str]) -> Names:
    """Return the home folders, account names and host names of whoever runs this process."""
    people = [variables.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")]
    homes = [variables.get(name, "") for name in ("HOME", "USERPROFILE")]
    with contextlib.suppress(KeyError, OSError, ImportError):
        people.append(getpass.getuser())
    if sys.platform != "win32":
        with contextlib.suppress(KeyError):
            account = pwd.getpwuid(os.getuid())
            homes.append(account.pw_dir)
            people.append(account.pw_name)
    homes += [os.path.realpath(home) for home in homes if home]
    # Homes are often /home/NAME or /cluster/home/NAME, whatever the account is called.
    people += [Path(home).name for home in homes if home]
    host = platform.node()
    hosts = [host, host.partition(".")[0], variables.get("HOSTNAME", ""), variables.get("COMPUTERNAME", "")]
    return Names(homes=_longest_first(homes), people=_longest_first(people), hosts=_longest_first(hosts))


def _longest_first(texts: list[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts) - {""}, key=lambda text: (-len(text), text)))
