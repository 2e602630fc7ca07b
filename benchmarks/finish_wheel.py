"""What it costs to finish a wheel, beside copying it: with and without what setuptools leaves in build/.

    python benchmarks/finish_wheel.py WHEEL ENVIRONMENT [--times N]

WHEEL is a large one of which the modules need torch; ENVIRONMENT has a torch. Run it with the environment of the tests
(see tests/run.py), on an idle machine. The numbers are seconds of wall time, the least of all, and multiples of what
copying takes. The limit is 3 with build/. A module that does not link takes 0.15 s more, to say why.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torchgraft.hook.call import Call
from torchgraft.hook.finish import finish_wheel
from torchgraft.hook.plan import plan_build
from torchgraft.hook.snapshot import take_snapshot
from torchgraft.model.observation import Hook
from torchgraft.settings.sources import take_settings

LIMIT = 3
PYPROJECT = """\
[build-system]
requires = ["torchgraft", "setuptools"]
build-backend = "torchgraft.build_meta"
[project]
name = "any"
version = "1"
"""


def main() -> int:
    """Return 0 if finishing with build/ stays under the limit."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("environment", type=Path)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        source = Path(folder, "source")
        source.mkdir()
        (source / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        os.environ["TORCHGRAFT_CONSUMER"] = str(options.environment)
        settings = take_settings(source, None)
        plan = plan_build(settings.config, take_snapshot(settings, Hook.BUILD_WHEEL))
        call = Call(
            plan=replace(plan, link_check=False),
            source=source,
            cache_folder=Path(folder, "cache"),
            config_settings=None,
            variables=dict(os.environ),
        )
        wheel = Path(folder, options.wheel.name)
        copying = least(options.times, lambda: shutil.copyfile(options.wheel, wheel), lambda: None)

        def finishing() -> float:
            return least(
                options.times, lambda: finish_wheel(call, wheel), lambda: shutil.copyfile(options.wheel, wheel)
            )

        packed = finishing()
        with zipfile.ZipFile(options.wheel) as archive:
            archive.extractall(source / "build" / "lib.any")
        built = finishing()
    size = options.wheel.stat().st_size
    print(f"{options.wheel.name}: {size / 1e6:.0f} MB")
    print(f"copied in                   {copying:6.2f} s")
    print(f"finished without build/ in  {packed:6.2f} s, {packed / copying:4.1f} times that")
    print(f"finished with build/ in     {built:6.2f} s, {built / copying:4.1f} times that")
    return int(built > LIMIT * copying)


def least(times: int, work: Callable[[], object], before: Callable[[], object]) -> float:
    """Return the least time that something takes, in seconds; the first time does not count."""
    found = []
    for _ in range(times + 1):
        before()
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found[1:])


if __name__ == "__main__":
    sys.exit(main())
