"""Set up an environment and pass the tests: ruff, mypy, Sphinx, then pytest.

Needs Python 3.10 or later and a C++ compiler. The environment is kept in .environments/ and made anew when
pyproject.toml has changed. Arguments go to pytest instead of all tests.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PIP = ["-m", "pip", "--disable-pip-version-check"]
GROUPS = ("test", "lint", "docs")


def main(arguments: list[str]) -> int:
    """Return 0 if everything passes, else the exit status of the first command that failed."""
    try:
        python = make_environment()
        if arguments:
            run(python, "-m", "pytest", *arguments)
            return 0
        run(python, "-m", "ruff", "check")
        run(python, "-m", "ruff", "format", "--check")
        run(python, "-m", "mypy")
        with tempfile.TemporaryDirectory() as pages:
            run(python, "-m", "sphinx", "-q", "-W", "-b", "html", "docs", pages)
        run(python, "-m", "pytest", "-n", "2", *(f"tests/{name}" for name in ("unit", "properties", "hooks")))
        run(python, "-m", "pytest", "-n", "2", "-m", "not slow and not alone", "tests/e2e")
        run(python, "-m", "pytest", "-m", "alone and not slow", "tests/e2e")
    except subprocess.CalledProcessError as error:
        return abs(error.returncode)
    return 0


def make_environment() -> Path:
    """Return the interpreter of an environment that has the project, editable, and what its tests need."""
    key = hashlib.sha256((CHECKOUT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CHECKOUT / ".environments" / f"test-{key}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        run(python, *PIP, "install", "--quiet", "--upgrade", "pip>=25.1")  # the first that knows dependency groups
        run(python, *PIP, "install", "--quiet", "--editable", ".[cli]", *(f"--group={name}" for name in GROUPS))
        done.touch()
    return python


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
