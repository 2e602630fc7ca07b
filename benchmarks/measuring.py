"""What the benchmarks of whole wheels share: environments, times that take turns, and a table with a column a wheel."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "tests"))

from support.environment import enter_environment, inherited  # noqa: E402 - it is no package

BACKEND = 'requires = ["torchgraft", "setuptools>=77"]\nbuild-backend = "torchgraft.build_meta"\n'
SETUPTOOLS = 'requires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
TIMEOUT_S = 3600


@dataclass
class Table:
    """Rows with a value for each wheel."""

    columns: Sequence[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, title: str, values: Sequence[object]) -> None:
        """Add a row."""
        self.rows.append((title, *map(str, values)))

    def text(self) -> str:
        """Return the table as Markdown."""
        lines = [("", *self.columns), tuple("---" for _ in range(len(self.columns) + 1)), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(measure: Callable[[list[Path], Path, argparse.Namespace], Table], doc: str, **options: object) -> None:
    """Read the arguments, run in the environment of the tests, print the table.

    :param measure: gets the wheels, a folder that is removed afterwards, and the options
    :param options: names and defaults of options that the benchmark has besides
    """
    enter_environment()
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("wheels", type=Path, nargs="+", metavar="WHEEL", help="of torchgraft; a column for each")
    for name, default in options.items():
        parser.add_argument(f"--{name}", default=default, type=type(default), help="(%(default)s)")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        print(measure([wheel.resolve() for wheel in parsed.wheels], Path(folder), parsed).text())


def columns(wheels: Sequence[Path]) -> list[str]:
    """Return a name for each wheel: that of its folder."""
    return [wheel.parent.name for wheel in wheels]


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """Return what a command says; it has to succeed.

    :raises RuntimeError: with what it said
    """
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        # Hooks leave .pyc files for the next one, unless somebody has told Python not to.
        env={**inherited(os.environ), "PYTHONDONTWRITEBYTECODE": "", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def uv(*arguments: str | Path, **variables: str) -> str:
    """Run uv, that of the environment."""
    return run(uv_program(), *arguments, **variables)


def uv_program() -> str:
    """Return uv's program, without the Python that `python -m uv` starts first."""
    from uv import find_uv_bin  # of the environment of the tests

    return str(find_uv_bin())


def make_environment(folder: Path, *requirements: str | Path, options: Sequence[str] = ()) -> Path:
    """Return the interpreter of a new environment with these requirements."""
    uv("venv", "--quiet", "--python", sys.executable, folder)
    if requirements:
        uv("pip", "install", "--quiet", "--python", folder, *options, *requirements)
    return folder / "bin" / "python"


def site_packages(python: Path) -> Path:
    """Return where an environment has its distributions."""
    (found,) = python.parent.parent.glob("lib/python*/site-packages")
    return found


def write_project(folder: Path, build_system: str = BACKEND) -> Path:
    """Return a source tree of a package that only imports torch."""
    folder.mkdir()
    project = '[project]\nname = "ext"\nversion = "1"\ndependencies = ["torch"]\n[tool.setuptools]\npy-modules = []\n'
    (folder / "pyproject.toml").write_text(f"[build-system]\n{build_system}{project}", encoding="utf-8")
    (folder / "setup.py").write_text("import torch\nfrom setuptools import setup\n\nsetup()\n", encoding="utf-8")
    return folder


def in_turns(works: Sequence[Callable[[], float]], times: int) -> list[list[float]]:
    """Return how long each takes, A B A B: a busy minute falls on all of them. The first round does not count."""
    rounds = [[work() for work in works] for _ in range(times + 1)][1:]
    return [list(column) for column in zip(*rounds, strict=True)]


def ratio(found: Sequence[float], against: Sequence[float]) -> str:
    """Return the median of the ratios of each round, and the median time."""
    pairs = [one / other for one, other in zip(found, against, strict=True)]
    return f"{statistics.median(pairs):.2f} x ({statistics.median(found):.2f} s)"


def timed(*command: str | Path, cwd: Path | None = None, **variables: str) -> float:
    """Return how many seconds a command takes."""
    began = time.perf_counter()
    run(*command, cwd=cwd, **variables)
    return time.perf_counter() - began
