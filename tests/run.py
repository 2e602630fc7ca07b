"""Set up an environment and pass the tests: ruff, mypy, Sphinx, pytest, and pytest with the lowest versions.

    python tests/run.py [ARGUMENT ...]            arguments go to pytest instead of all tests
    python tests/run.py --lowest [ARGUMENT ...]   with the lowest versions that pyproject.toml says will do

Needs Python 3.10 or later and a C++ compiler. The environments are kept in .environments/ and made anew when
pyproject.toml has changed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from support.environment import make_environment, make_lowest_environment, run

LOWEST = ("tests/unit", "tests/hooks")


def main(arguments: list[str]) -> int:
    """Return 0 if everything passes, else the exit status of the first command that failed."""
    try:
        python = make_environment()
        if arguments[:1] == ["--lowest"]:
            run(make_lowest_environment(python), "-m", "pytest", "-n", "2", *(arguments[1:] or LOWEST))
            return 0
        if arguments:
            run(python, "-m", "pytest", *arguments)
            return 0
        run(python, "-m", "ruff", "check")
        run(python, "-m", "ruff", "format", "--check")
        run(python, "-m", "mypy")
        with tempfile.TemporaryDirectory() as pages:
            run(python, "-m", "sphinx", "-q", "-W", "-b", "html", "docs", pages)
        run(python, "-m", "pytest", "-n", "2", *(f"tests/{name}" for name in ("unit", "properties", "hooks")))
        run(make_lowest_environment(python), "-m", "pytest", "-n", "2", *LOWEST)
        run(python, "-m", "pytest", "-n", "2", "-m", "not slow and not alone", "tests/e2e")
        run(python, "-m", "pytest", "-m", "alone and not slow", "tests/e2e")
    except subprocess.CalledProcessError as error:
        return abs(error.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
