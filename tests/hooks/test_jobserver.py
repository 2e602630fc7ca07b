"""Builds that share one budget: hooks in processes of their own, a real ninja, compilers that count each other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from torchgraft.compile.compiler_cache import fixed_folder

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="counts on two processors")
ROOT = Path(__file__).parents[2]
HOOK = """import os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
import torchgraft.build_meta
torchgraft.build_meta.build_wheel(sys.argv[1])
"""
# Its lock goes with it, however it ends.
COMPILER = """#!{python}
import fcntl, os, sys, time
def held(name, how):
    file = open(name, "a")
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return file
folder = os.environ["RUNNING"]
own = held(f"{{folder}}/{{os.getpid()}}", fcntl.LOCK_EX)
for _ in range(3):
    others = set(os.listdir(folder)) - {{str(os.getpid())}}
    count = 1 + sum(held(f"{{folder}}/{{name}}", fcntl.LOCK_SH) is None for name in others)
    with open(os.environ["COUNTS"], "a") as counts:
        counts.write(f"{{count}}\\n")
    time.sleep(float(os.environ["TAKES_S"]) / 3)
os.set_inheritable(own.fileno(), True)
os.execvp("{real}", ["{real}", *sys.argv[1:]])
"""
# As torch's BuildExtension does it, and as far as the syntax tree tells.
BY_NINJA = """
import os, subprocess
from pathlib import Path
from setuptools import setup
if False:
    from torch.utils.cpp_extension import BuildExtension, CppExtension
    CppExtension("ext_c", ["a.c", "b.c"])
rules = [f"build {i}.o: cc ../../more.c" for i in range(int(os.environ.get("FILES", "5")))]
folder = Path("build", "objects")
folder.mkdir(parents=True, exist_ok=True)
(folder / "build.ninja").write_text("rule cc\\n  command = $$CC -c $in -o $out\\n" + "\\n".join(rules) + "\\n")
with open(os.environ["SEEN"], "a") as seen:
    print(*(os.environ.get(name) for name in ("MAX_JOBS", "MAKEFLAGS", "TORCHGRAFT_JOBSERVER")), file=seen)
subprocess.run(["ninja", "-v", "-j", os.environ["MAX_JOBS"]], cwd=folder, check=True)
setup()
"""
SERIAL = """
from setuptools import Extension, setup
setup(ext_modules=[Extension("ext_c", ["ext.c"]), Extension("ext_d", ["ext.c"], define_macros=[("ext_c", "ext_d")])])
"""


class World:
    """Projects that are built at once, all of one user with two processors."""

    def __init__(self, make_project: Any, consumer: Path, folder: Path, ninja: Path) -> None:
        self.folder, self.counts, self.running = folder, folder / "counts", folder / "running"
        self.running.mkdir()
        self.sources = [make_project({"setup.py": BY_NINJA, "more.c": "int more;"})]
        compiler = folder / "compiler"
        compiler.write_text(COMPILER.format(python=sys.executable, real=shutil.which("cc")))
        compiler.chmod(0o755)
        (folder / "bin").mkdir()
        (folder / "bin" / "ninja").symlink_to(ninja)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TORCHGRAFT_")}
        self.variables = {
            **inherited,
            "TORCHGRAFT_CONSUMER": str(consumer),
            "TORCHGRAFT_CACHE_DIR": str(folder / "cache"),
            "PYTHONPATH": str(ROOT / "src"),
            "CC": str(compiler),
            "COUNTS": str(self.counts),
            "RUNNING": str(self.running),
            "SEEN": str(folder / "seen"),
            "TAKES_S": "0.2",
            "PATH": f"{folder / 'bin'}{os.pathsep}{inherited['PATH']}",
        }

    def source(self, number: int) -> Path:
        """Return one of as many projects as are wanted."""
        while len(self.sources) <= number:
            other = self.sources[0].with_name(f"project{len(self.sources)}")
            shutil.copytree(self.sources[0], other, ignore=shutil.ignore_patterns("build"))
            self.sources.append(other)
        return self.sources[number]

    def start(self, number: int, **variables: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", HOOK, str(self.folder / f"wheels{number}")]
        with self.log(number).open("wb") as log:
            variables = {**self.variables, **variables}
            return subprocess.Popen(command, cwd=self.source(number), env=variables, stdout=log, stderr=log)

    def ended(self, timeout_s: float = 120) -> list[int]:
        """Return the statuses of all builds; what they said is shown where a test fails."""
        statuses = [process.wait(timeout_s) for process in self.processes]
        for number in range(len(statuses)):
            sys.stdout.write(self.log(number).read_text(errors="replace"))
        return statuses

    def log(self, number: int) -> Path:
        return self.folder / f"log{number}"

    def most(self) -> int:
        return max(map(int, self.counts.read_text().split()), default=0)

    def shares(self) -> list[Mapping[str, Any]]:
        """Return the shares in the files of builds with this cache folder."""
        found = []
        for path in fixed_folder().glob("jobs/*.json"):
            try:
                share = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            if share["process"] in {process.pid for process in self.processes}:
                found.append(share)
        return found

    processes: tuple[subprocess.Popen[bytes], ...] = ()


@pytest.fixture(scope="session")
def ninja(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ninja that asks jobservers; the environment of the tests has none, for the tests that miss it."""
    folder = tmp_path_factory.mktemp("ninja")
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(folder), "ninja>=1.13"]
    subprocess.run(command, check=True, timeout=120)
    return folder / "bin" / "ninja"


@pytest.fixture
def world(make_project: Any, consumer: Path, tmp_path: Path, ninja: Path) -> Iterator[World]:
    made = World(make_project, consumer, tmp_path, ninja)
    yield made
    for process in made.processes:
        process.kill()
        process.wait(20)


def cores() -> int:
    return min(2, len(os.sched_getaffinity(0)))


def test_four_builds_by_ninja_never_have_more_compilers_than_processors(world: World) -> None:
    world.processes = tuple(world.start(number, FILES="3") for number in range(4))
    assert world.ended() == [0] * 4
    assert world.most() == cores()
    # Each was told what there is for all, and ninja alone was told to ask.
    assert set((world.folder / "seen").read_text().splitlines()) == {f"{cores()} None off"}
    assert world.shares() == []


def test_builds_without_ninja_do_not_either(world: World) -> None:
    (world.sources[0] / "setup.py").write_text(SERIAL)
    world.processes = tuple(world.start(number) for number in range(3))
    assert world.ended() == [0] * 3
    assert world.most() == cores()


def test_who_cannot_ask_takes_a_share(world: World) -> None:
    old = world.folder / "bin" / "ninja"
    real = old.resolve()
    old.unlink()
    old.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo 1.11.1; else exec {real} "$@"; fi\n')
    old.chmod(0o755)
    world.processes = tuple(world.start(number, FILES="2") for number in range(2))
    assert world.ended() == [0] * 2
    assert world.most() == cores()


def test_a_killed_build_gives_its_jobs_back_and_who_waits_says_for_whom(world: World) -> None:
    first = world.start(0, TAKES_S="60", MAX_JOBS=str(cores()))
    world.processes = (first,)
    wait_until(lambda: world.counts.exists() and world.most() == cores())
    second = world.start(1)
    world.processes = (first, second)
    line = f"waiting for ext (process {first.pid}, {cores()} compiler"
    wait_until(lambda: line in world.log(1).read_text())
    assert second.poll() is None
    first.send_signal(signal.SIGKILL)
    assert second.wait(60) == 0
    assert world.most() == cores()


def test_builds_that_are_killed_leave_a_whole_budget(world: World) -> None:
    world.processes = tuple(world.start(number, FILES="3") for number in range(5))
    wait_until(lambda: world.counts.exists() and world.most())
    for number, pause_s in ((3, 0.1), (0, 0.7), (2, 0.4)):
        world.processes[number].kill()
        time.sleep(pause_s)
    statuses = world.ended()
    assert set(statuses) <= {0, -signal.SIGKILL}
    assert statuses.count(0) >= 2
    assert world.most() <= cores()
    assert [path for path in (fixed_folder() / "jobs").iterdir() if f"-{world.processes[3].pid}-" in path.name] == []


def test_the_users_number_of_jobs_and_his_jobserver_count(world: World) -> None:
    world.processes = (world.start(0, MAX_JOBS="3"),)
    assert world.ended() == [0]
    assert world.most() == 3
    outer = "-j7 --jobserver-auth=fifo:/of/an/outer/make"
    world.processes = (world.start(1, MAKEFLAGS=outer, FILES="1"),)
    assert world.ended() == [0]
    assert (world.folder / "seen").read_text().splitlines() == ["3 None off", f"{cores()} {outer} off"]


def wait_until(is_so: Any) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)
