"""What it costs to be asked for requirements: modules of ours, and the time against `import setuptools.build_meta`.

    python benchmarks/hook_cost.py WHEEL [WHEEL ...] [--times N]

Each answer is given by a new interpreter, for an environment with a stub named torch; all has .pyc files. The time is
that of the import and the call, and that of the whole process, as a front end waits for it.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path

from measuring import Table, columns, in_turns, main, make_environment, ratio, run, timed, write_project

TIMED = """
import sys, time
began = time.perf_counter()
{work}
spent = time.perf_counter() - began
print(spent, sum(name.partition(".")[0] == "torchgraft" for name in sys.modules))
"""
ASK = "import torchgraft.build_meta; assert torchgraft.build_meta.get_requires_for_build_wheel() == []"
IMPORT = "import setuptools.build_meta"


def measure(wheels: list[Path], folder: Path, options: argparse.Namespace) -> Table:
    """Return the table."""
    table = Table(columns(wheels))
    consumer, source = stub_consumer(folder / "consumer"), write_project(folder / "source")
    pythons = [
        make_environment(folder / f"tools-{i}", wheel, "setuptools>=77", options=("--compile-bytecode",))
        for i, wheel in enumerate(wheels)
    ]

    variables = {"TORCHGRAFT_CONSUMER": str(consumer), "TORCHGRAFT_CACHE_DIR": str(folder / "cache")}

    def inside(python: Path, work: str) -> list[str]:
        return run(python, "-c", TIMED.format(work=work), cwd=source, **variables).split()

    def outside(python: Path, work: str) -> float:
        return timed(python, "-c", work, cwd=source, **variables)

    works = [(pythons[0], IMPORT), *((python, ASK) for python in pythons)]
    table.add("modules of ours that are imported for the answer", [inside(*work)[1] for work in works[1:]])
    ways: dict[str, Callable[[Path, str], float]] = {
        "its time": lambda python, work: float(inside(python, work)[0]),
        "its whole process": outside,
    }
    for title, way in ways.items():
        least, *times = in_turns([functools.partial(way, *work) for work in works], options.times)
        table.add(f"{title}, against `{IMPORT}`", [ratio(found, least) for found in times])
    return table


def stub_consumer(folder: Path) -> Path:
    """Return an environment with files that say what a torch's do."""
    python = make_environment(folder)
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    info = site / "torch-2.8.0+cu128.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.8.0+cu128\n", encoding="utf-8")
    files = ("torch/__init__.py", "torch/version.py", f"{info.name}/METADATA", f"{info.name}/RECORD")
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files), encoding="utf-8")
    (site / "torch").mkdir()
    (site / "torch" / "__init__.py").write_text("from .version import __version__\n", encoding="utf-8")
    text = "__version__ = '2.8.0+cu128'\ncuda = '12.8'\ndebug = False\n"
    (site / "torch" / "version.py").write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    sys.exit(main(measure, str(__doc__), times=15))
