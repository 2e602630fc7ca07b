"""The environment that the tests run in, made by any Python: this imports nothing that has to be installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PIP = ["-m", "pip", "--disable-pip-version-check"]
GROUPS = ("test", "lint", "docs")


def make_environment() -> Path:
    """Return the interpreter of an environment that has the project, editable, and what its tests need.

    It is kept in .environments/, and made anew when pyproject.toml has changed.
    """
    folder = CHECKOUT / ".environments" / f"test-{_key()}"
    python = _interpreter(folder)
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        run(python, *PIP, "install", "--quiet", "--upgrade", "pip>=25.1")  # the first that knows dependency groups
        run(python, *PIP, "install", "--quiet", "--editable", ".[cli]", *(f"--group={name}" for name in GROUPS))
        done.touch()
    return python


def make_lowest_environment(python: Path) -> Path:
    """Return the interpreter of an environment with the lowest versions that pyproject.toml says will do.

    :param python: the interpreter of an environment that has uv
    """
    folder = CHECKOUT / ".environments" / f"lowest-{_key()}"
    lowest = _interpreter(folder)
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, symlinks=os.name != "nt")
        command = ("-m", "uv", "pip", "install", "--quiet", "--python", lowest, "--resolution", "lowest-direct")
        run(python, *command, "--editable", ".[cli]", "--group", "test")
        done.touch()
    return lowest


def enter_environment() -> None:
    """Go on in the environment of the tests: run this program again there, and end with its exit status."""
    try:
        python = make_environment()
    except subprocess.CalledProcessError as error:
        sys.exit(abs(error.returncode))
    if Path(sys.prefix).resolve() != python.parent.parent.resolve():
        sys.exit(subprocess.run([str(python), *sys.argv], env=inherited(os.environ), check=False).returncode)


def run(*command: str | Path) -> None:
    """Run a command in the checkout, its output to ours.

    :raises subprocess.CalledProcessError: if it fails
    """
    print("$", *(Path(part).name if isinstance(part, Path) else part for part in command), flush=True)
    subprocess.run(list(map(str, command)), cwd=CHECKOUT, env=inherited(os.environ), check=True)


def inherited(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables without an active virtual environment, whose programs (pip, uv) tests would find."""
    active = variables.get("VIRTUAL_ENV")
    path = [
        folder
        for folder in variables.get("PATH", "").split(os.pathsep)
        if not active or Path(folder).parent != Path(active)
    ]
    return {
        **{name: value for name, value in variables.items() if name != "VIRTUAL_ENV"},
        "PATH": os.pathsep.join(path),
    }


def _key() -> str:
    """Return a digest of what an environment is made of."""
    return hashlib.sha256((CHECKOUT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()[:12]


def _interpreter(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
