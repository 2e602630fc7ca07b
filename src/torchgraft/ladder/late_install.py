"""Install a requirement into the build environment, by the front end that made it.

May not install into any other environment: the plan names the throw-away one that this hook runs in.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from ..errors import ActError, Evidence, Problem
from ..model.decision import LateInstall

# A torch of several gigabytes over a slow line.
_TIMEOUT_S = 3600
_SHOWN_LINES = 4


def install_late(late: LateInstall, *, python: str, variables: Mapping[str, str]) -> None:
    """Run `uv pip install` for the interpreter of this build.

    :param variables: what the hook inherited: uv passes its own settings on in them
    :raises ActError: if uv fails
    """
    installer = late.installer
    command = [installer.program, "pip", "install", "--python", python, *installer.options, late.requirement]
    try:
        done = subprocess.run(
            command,
            cwd=installer.folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ActError(_problem(late, str(error))) from None
    if done.returncode:
        raise ActError(_problem(late, done.stdout.decode("utf-8", "replace")))


def _problem(late: LateInstall, said: str) -> Problem:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    is_torch = late.requirement.startswith("torch")
    return Problem(
        code="torch-not-installed" if is_torch else "no-cuda-toolkit",
        headline=f"uv could not install {late.requirement} for the build",
        evidence=tuple(Evidence(label="uv", text=line) for line in lines[-_SHOWN_LINES:]),
        why=late.reason,
        fixes=("run the same command again   (uv.lock is there now, and uv asks what the build requires)",)
        if is_torch
        else (f"uv pip install '{late.requirement}'   (to see why)",),
    )
