"""Which front ends, at which versions, and environments with one of them each.

They are the only thing here that the network is needed for: fetched with the user's own settings, once, and kept.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from ..laboratory import making
from .model import Tool

PIP_OLD = Tool(name="pip", version="23.2")
PIP_MIDDLE = Tool(name="pip", version="25.3")
PIP = Tool(name="pip", version="26.3")
UV = Tool(name="uv", version="0.13.8", requires=("uv==0.13.8",))
BUILD = Tool(name="build", version="1.6.1")
POETRY = Tool(name="poetry", version="2.5.1", requires=("poetry==2.5.1",))
# Without these pins the newest pdm does not start: it was released against libraries that have changed since.
PDM = Tool(name="pdm", version="2.29.3", requires=("pdm==2.29.3", "hishel[httpx]==1.1.9", "unearth<0.18"))
HATCH = Tool(name="hatch", version="1.18.2", requires=("hatch==1.18.2",))
TOX = Tool(name="tox", version="4.67.13", requires=("tox==4.67.13",))
NOX = Tool(name="nox", version="2026.10.20", requires=("nox==2026.10.20",))
PIPX = Tool(name="pipx", version="1.18.4", requires=("pipx==1.18.4",))

# What a consumer has in it, and the local index therefore.
IN_CONSUMER = (PIP_OLD, PIP_MIDDLE, PIP, BUILD)


def program(tool: Tool, keep: Path) -> Path:
    """Return the command of a tool that has an environment of its own, which is made if it is not there."""
    folder = keep / f"tool-{tool}-{sys.implementation.cache_tag}"
    found = folder / "bin" / tool.name
    done = folder / "done"
    with making(keep):
        if not done.exists():
            # Scripts name their interpreter: the environment cannot be made elsewhere and moved.
            shutil.rmtree(folder, ignore_errors=True)
            venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
            pip(sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", *tool.requires)
            done.touch()
    return found


def pip(*command: str | Path) -> None:
    """Run pip with the user's own settings: this is how a machine is told where its packages are.

    :raises RuntimeError: if it fails
    """
    texts = list(map(str, command))
    done = subprocess.run(
        texts,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {' '.join(texts)}\n{done.stdout}")
