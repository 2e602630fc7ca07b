"""What planning costs more where CUDA code is compiled: the same project with and without a .cu file, hook by hook.

    python benchmarks/cuda_plan.py ENVIRONMENT [--times N]

ENVIRONMENT is one with a CUDA build of torch (2.14.1+cu130, say). Run it with the environment of the tests (see
tests/run.py), on an idle machine. Every plan is made by an interpreter of its own, imports included, as front ends
do. The numbers are ms of processor time, nvcc's included, and of wall time; the least of all, since other work can only
add to them. The limit is 200 ms of processor time more in any hook.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_MS = 200
HOOKS = ("get_requires_for_build_wheel", "prepare_metadata_for_build_wheel", "build_wheel")
PYPROJECT = """\
[build-system]
requires = ["torchgraft", "setuptools"]
build-backend = "torchgraft.build_meta"
"""
SETUP = """\
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, {kind}
setup(name="ext", version="1", ext_modules=[{kind}("ext", {sources})], cmdclass={{"build_ext": BuildExtension}})
"""
PLAN = """\
import os, sys, time
from pathlib import Path
began = time.perf_counter(), sum(os.times()[:4])
from torchgraft.hook.plan import plan_build
from torchgraft.hook.plan_text import plan_text
from torchgraft.settings.sources import take_settings
from torchgraft.hook.snapshot import take_snapshot
from torchgraft.model.observation import Hook
settings = take_settings(Path.cwd(), None)
plan = plan_build(settings.config, take_snapshot(settings, Hook(sys.argv[1])))
print((sum(os.times()[:4]) - began[1]) * 1000, (time.perf_counter() - began[0]) * 1000)
print(plan_text(plan), file=sys.stderr)
"""


def main() -> int:
    """Return 0 if no hook costs more than the limit."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("environment", type=Path)
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--show", action="store_true", help="print the plans too")
    options = parser.parse_args()
    slowest = 0.0
    print(f"{'hook':<34}{'C++':>14}{'CUDA':>14}{'more':>14}   processor/wall ms, the least of {options.times}")
    with tempfile.TemporaryDirectory() as folder:
        plain = project(Path(folder, "plain"), kind="CppExtension", sources=("a.cpp",))
        cuda = project(Path(folder, "cuda"), kind="CUDAExtension", sources=("a.cpp", "k.cu"))
        for hook in HOOKS:
            pairs = [(timed(plain, hook, options), timed(cuda, hook, options)) for _ in range(options.times + 1)][1:]
            one, other = (tuple(map(min, zip(*column, strict=True))) for column in zip(*pairs, strict=True))
            more = tuple(b - a for a, b in zip(one, other, strict=True))
            slowest = max(slowest, more[0])
            print(f"{hook:<34}" + "".join(f"{f'{cpu:.0f}/{wall:.0f}':>14}" for cpu, wall in (one, other, more)))
    return int(slowest > LIMIT_MS)


def project(folder: Path, *, kind: str, sources: tuple[str, ...]) -> Path:
    """Return a source tree of an extension."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (folder / "setup.py").write_text(SETUP.format(kind=kind, sources=list(sources)), encoding="utf-8")
    for name in sources:
        (folder / name).touch()
    return folder


def timed(source: Path, hook: str, options: argparse.Namespace) -> tuple[float, float]:
    """Return how many ms of processor and wall time it takes to make the plan of a hook in a new interpreter."""
    variables = {**os.environ, "TORCHGRAFT_CONSUMER": str(options.environment.absolute())}
    done = subprocess.run(
        [sys.executable, "-c", PLAN, hook],
        cwd=source,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    if options.show:
        print(done.stderr)
    processor, wall = map(float, done.stdout.split())
    return processor, wall


if __name__ == "__main__":
    sys.exit(main())
