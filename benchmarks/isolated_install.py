"""What isolation costs: a package that only imports torch, installed by pip and by uv, against --no-build-isolation.

    python benchmarks/isolated_install.py WHEEL [WHEEL ...] --torch ENVIRONMENT [--times N]

ENVIRONMENT has a torch; what is installed goes into a copy of it, of hard links where that works. Build requirements
come from a folder of wheels and from uv's warm cache, no index is asked. The two ways take turns; without isolation the
same package is built by setuptools alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from measuring import (
    SETUPTOOLS,
    Table,
    columns,
    in_turns,
    main,
    make_environment,
    ratio,
    run,
    site_packages,
    timed,
    uv,
    uv_program,
    write_project,
)


def measure(wheels: list[Path], folder: Path, options: argparse.Namespace) -> Table:
    """Return the table."""
    table = Table(columns(wheels))
    python = copied_environment(Path(options.torch).absolute() / "bin" / "python", folder / "consumer")
    plain = write_project(folder / "plain", SETUPTOOLS)
    sources = [write_project(folder / f"source-{i}") for i in range(len(wheels))]
    houses = [wheelhouse(wheel, folder / f"wheels-{i}") for i, wheel in enumerate(wheels)]
    cache = {"TORCHGRAFT_CACHE_DIR": str(folder / "cache")}

    def pip(source: Path, *more: str) -> Callable[[], float]:
        command = [python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", "--no-index", *more]
        return lambda: timed(*command, source, **cache)

    def by_uv(source: Path, *more: str) -> Callable[[], float]:
        command = [uv_program(), "pip", "install", "--quiet", "--python", python, "--reinstall"]
        # uv would hand out the wheel that it has built before.
        fresh = ["--refresh-package", "ext", "--no-deps", "--no-index", *more]
        return lambda: timed(*command, *fresh, source, **cache)

    for title, way in (("pip install", pip), ("uv pip install", by_uv)):
        isolated = [way(source, f"--find-links={house}") for source, house in zip(sources, houses, strict=True)]
        least, *times = in_turns([way(plain, "--no-build-isolation"), *isolated], options.times)
        table.add(f"isolated `{title}`, against --no-build-isolation", [ratio(found, least) for found in times])
    return table


def copied_environment(python: Path, folder: Path) -> Path:
    """Return the interpreter of an environment that has what another has, and what builds without isolation need."""
    base = run(python, "-c", "import sys; print(sys.base_prefix)").strip()
    if Path(base).resolve() != Path(sys.base_prefix).resolve():
        raise SystemExit(f"{python} is of {base}: run this with that Python")
    made = make_environment(folder)
    shutil.copytree(site_packages(python), site_packages(made), copy_function=_link, dirs_exist_ok=True)
    uv("pip", "install", "--quiet", "--python", made, "pip", "setuptools>=77", "wheel")
    return made


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def wheelhouse(wheel: Path, folder: Path, *more: str) -> Path:
    """Return a folder with all that an isolated build needs."""
    run(sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder, wheel, "setuptools>=77", *more)
    return folder


if __name__ == "__main__":
    main(measure, str(__doc__), torch="", times=7)
