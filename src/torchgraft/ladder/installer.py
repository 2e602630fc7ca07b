"""Whether the front end's own program can install into the build environment of this hook.

May not run it.
"""

from __future__ import annotations

from pathlib import Path

from ..consumer.environment import is_uv_build
from ..consumer.front_end import Caller
from ..consumer.processes import HookProcess
from ..model.observation import FrontEndName, Installer

# Where distributions come from, as `uv pip install` understands it too.
_VALUES = frozenset(
    [
        "--allow-insecure-host",
        "--cache-dir",
        "--config-file",
        "--default-index",
        "--exclude-newer",
        "--extra-index-url",
        "--find-links",
        "--index",
        "--index-strategy",
        "--index-url",
        "--keyring-provider",
        "--project",
        "--trusted-host",
        "-f",
        "-i",
    ]
)
_FLAGS = frozenset({"--native-tls", "--no-cache", "--no-config", "--no-index", "--offline", "-n"})


def find_installer(hook: HookProcess, caller: Caller | None) -> Installer | None:
    """Return uv, where it made the build environment; None elsewhere, and where its program is not known."""
    if caller is None or caller.name is not FrontEndName.UV or not is_uv_build(Path(hook.prefix)):
        return None
    program = caller.process.executable
    if not Path(program).is_absolute():
        return None
    options: list[str] = []
    for name, value in caller.command.options:
        if name in _VALUES and value:
            options += [name, value]
        elif name in _FLAGS:
            options.append(name)
    return Installer(program=program, folder=caller.process.folder, options=tuple(options))
