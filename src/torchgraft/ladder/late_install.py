"""Install a requirement into the build environment, by the front end that made it, where that can be told to.

May not install into any other environment: the plan names the throw-away one that this hook runs in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..consumer.environment import is_uv_build
from ..consumer.front_end import Caller
from ..consumer.processes import HookProcess
from ..errors import ActError, Problem
from ..model.decision import LateInstall
from ..model.observation import FrontEndName, Installer

# A torch of several gigabytes over a slow line.
_TIMEOUT_S = 3600
_SHOWN_LINES = 4
# Where distributions come from, as `uv pip install` understands it too.
_VALUES = frozenset(
    [
        *("--allow-insecure-host", "--cache-dir", "--config-file", "--default-index", "--exclude-newer"),
        *("--extra-index-url", "--find-links", "--index", "--index-strategy", "--index-url"),
        *("--keyring-provider", "--project", "--torch-backend", "--trusted-host", "-f", "-i"),
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


def install_late(late: LateInstall, *, python: str, variables: Mapping[str, str]) -> None:
    """Run `uv pip install` for the interpreter of this build.

    :param variables: what the hook inherited: uv passes its own settings on in them
    :raises ActError: if uv fails
    """
    from ..programs import take_answer  # not to be imported for asking

    installer = late.installer
    command = [installer.program, "pip", "install", "--python", python]
    command += [*installer.options, *late.options, late.requirement]
    answer = take_answer(command, variables, timeout_s=_TIMEOUT_S, folder=installer.folder)
    if answer.fault or answer.status:
        raise ActError(_problem(late, answer.fault or answer.text))


def _problem(late: LateInstall, said: str) -> Problem:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    is_torch = late.requirement.startswith("torch")
    return Problem.of(
        code="torch-not-installed" if is_torch else "no-cuda-toolkit",
        headline=f"uv could not install {late.requirement} for the build",
        uv=lines[-_SHOWN_LINES:],
        why=late.reason,
        fixes=("run the same command again   (uv.lock is there now, and uv asks what the build requires)",)
        if is_torch
        else (f"uv pip install '{late.requirement}'   (to see why)",),
    )
