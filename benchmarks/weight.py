"""What a build carries: distributions, files, bytes, the time to make its environment, and what a vendored copy is.

    python benchmarks/weight.py WHEEL [WHEEL ...] [--times N]

The environments have what the index has now. Making one is timed with uv's cache warm, against one of setuptools and
wheel, taking turns.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from measuring import (
    Table,
    columns,
    in_turns,
    main,
    make_environment,
    ratio,
    run,
    site_packages,
    timed,
    uv_program,
    write_project,
)

DELEGATE = ("setuptools>=77",)


def measure(wheels: list[Path], folder: Path, options: argparse.Namespace) -> Table:
    """Return the table."""
    table = Table(columns(wheels))
    installed = [installation(wheel, folder / f"installed-{i}") for i, wheel in enumerate(wheels)]
    table.add("distributions that `pip install torchgraft` brings, itself included", [one[0] for one in installed])
    table.add("bytes without .pyc, files", [f"{one[1] / 1e6:.1f} MB, {one[2]}" for one in installed])
    plain = making(folder / "timed", "setuptools>=77", "wheel")
    ours = [making(folder / "timed", str(wheel), *DELEGATE) for wheel in wheels]
    least, *times = in_turns([plain, *ours], options.times)
    table.add("a build environment with uv's warm cache, against setuptools + wheel", [ratio(t, least) for t in times])
    copies = [vendored_copy(wheel, folder / f"vendored-{i}") for i, wheel in enumerate(wheels)]
    table.add(
        "vendored copy: files, bytes, requirements beside setuptools",
        [f"{files}, {size / 1e6:.2f} MB, {requires}" for files, size, requires in copies],
    )
    return table


def installation(wheel: Path, folder: Path) -> tuple[int, int, int]:
    """Return distributions, bytes and files of an environment that has the wheel and what it requires."""
    site = site_packages(make_environment(folder, wheel))
    own = {"_virtualenv.py", "_virtualenv.pth"}
    files = [path for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc" and path.name not in own]
    return len(list(site.glob("*.dist-info"))), sum(path.stat().st_size for path in files), len(files)


def making(folder: Path, *requirements: str) -> Callable[[], float]:
    """Return what makes an environment and says how long it took."""
    uv = uv_program()

    def work() -> float:
        shutil.rmtree(folder, ignore_errors=True)
        made = timed(uv, "venv", "--quiet", "--python", sys.executable, folder)
        return made + timed(uv, "pip", "install", "--quiet", "--python", folder, *requirements)

    return work


def vendored_copy(wheel: Path, folder: Path) -> tuple[int, int, int]:
    """Return files, bytes and requirements but setuptools of a project that has a copy."""
    python = make_environment(folder, f"torchgraft[cli] @ {wheel.as_uri()}")
    project = write_project(folder / "project")
    run(python, "-m", "torchgraft", "vendor", "--write", project)
    files = [path for path in (project / "_torchgraft").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    import tomlkit  # of the environment of the tests

    pyproject = tomlkit.parse((project / "pyproject.toml").read_text(encoding="utf-8")).unwrap()
    others = [name for name in pyproject["build-system"]["requires"] if not name.startswith("setuptools")]
    return len(files), sum(path.stat().st_size for path in files), len(others)


if __name__ == "__main__":
    main(measure, str(__doc__), times=5)
