"""Kill builds, fill disks, build often and at once; see that nothing is changed, left, locked, or half-made.

    python tests/faults/run.py [kills] [disks] [once] [row] [--part N] [--seed N] [--write]

Real pip and uv build a package with one C file, against two environments with a stub named torch. Each wheel has to be
whole and for the torch of its environment, whatever happened before in the same tree and the same cache. --part 10
does a tenth of it; --write puts the table into docs/security.md. Full disks are small file systems in a mount
namespace: who may make none skips them, and is told so. The environment is that of tests/run.py. Linux; at most 20
minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from support.environment import enter_environment  # noqa: E402 - it is no package

if __name__ == "__main__":
    enter_environment()

from faults.full_disks import NO_NAMESPACE, PLACES, namespace, steps_of  # noqa: E402
from faults.world import CHECKOUT, FRONT_ENDS, PATIENCE_S, TORCHES, Place, World  # noqa: E402

from support.interrupts import interruptible  # noqa: E402

PAGE = CHECKOUT / "docs" / "security.md"
BEGIN, END = "<!-- table of tests/faults/run.py -->\n", "<!-- end of the table -->\n"
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)
WORKERS = 2


@dataclass
class Result:
    """A kind of fault: how many builds, what became of them, and what was wrong afterwards."""

    name: str
    builds: int = 0
    became: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, what: str, faults: list[str]) -> None:
        self.builds += 1
        self.became[what] += 1
        for fault in faults:
            print(f"  FAULT {self.name}: {fault}", flush=True)
        self.faults += faults

    def row(self) -> str:
        became = ", ".join(f"{count} {what}" for what, count in sorted(self.became.items()))
        return f"| {self.name} | {self.builds} | {became} | {len(self.faults)} | {self.seconds:.0f} s |"


def kill(world: World, count: int, seed: int) -> Iterator[Result]:
    """Kill builds at random moments; build again after each, for the other torch and by the other front end."""
    results = {number: Result(f"killed by {number.name}") for number in SIGNALS}
    usual_s = {front: _usual_s(world, front) for front in FRONT_ENDS}

    def work(worker: int) -> None:
        chance = random.Random(f"{seed} {worker}")
        place = world.place(f"kills-{worker}")
        numbers = cycle(SIGNALS)
        for _ in range(worker, count, WORKERS):
            number, front, torch = next(numbers), chance.choice(FRONT_ENDS), chance.choice(TORCHES)
            start = time.monotonic()
            place.empty()
            after_s = chance.random() * usual_s[front] * 1.5
            what = _killed(world, place, place.command(front, torch), number, after_s, chance)
            result = results[number]
            result.add(what.partition(":")[0], place.faults(None) + ([what] if ":" in what else []))
            other = TORCHES[1 - TORCHES.index(torch)]
            faults = place.build(chance.choice(FRONT_ENDS), other)
            result.add("built afterwards", [f"after {what}: {line}" for line in faults])
            result.seconds += (time.monotonic() - start) / WORKERS

    _in_threads(work, range(WORKERS))
    time.sleep(3)  # a draft that is newer may be one of a build that has not locked it
    faults = world.place("after").build("pip", TORCHES[0]) + world.faults()
    faults += [f"left: {path.name}" for path in (world.folder / "tmp").glob("torchgraft-draft-*")]
    left = world.entries()
    results[signal.SIGKILL].faults += faults + ([f"{left} entries in the cache"] if left > 40 else [])
    print(f"  {left} entries in the cache, {len(list((world.folder / 'tmp').glob('torchgraft-*')))} temporary folders")
    yield from results.values()


def _usual_s(world: World, front: str) -> float:
    place = world.place(f"usual-{front}")
    for _ in range(2):
        start = time.monotonic()
        faults = place.build(front, TORCHES[0])
        if faults:
            raise SystemExit(f"an undisturbed build is wrong: {faults}")
    return time.monotonic() - start


def _killed(
    world: World, place: Place, command: list[str], number: signal.Signals, after_s: float, chance: random.Random
) -> str:
    """Kill one process of a build, or all in its process group; return whom, and after a colon what was wrong.

    Half the builds have a compiler that does not come to an end.
    """
    trial = os.urandom(4).hex()
    log = place.tree.parent / "log"
    slow = {"CC": str(world.slow_compiler)} if chance.random() < 0.5 else {}
    process = world.start(command, log, trial, place.tree.parent, **slow)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        below = [one for one, _ in world.processes(trial) if one != process.pid]
        whom = chance.choice(["front end", "group", "process of it"] if below else ["front end", "group"])
        try:
            if whom == "group":
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid if whom == "front end" else chance.choice(below), number)
        except ProcessLookupError:
            whom = "nobody"
    else:
        return "ended before" if process.returncode == 0 else f"failed: {log.read_text(errors='replace')[-600:]}"
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return f"{whom} killed: went on for {PATIENCE_S} s"
    orphans = _settled(world, trial)
    said = log.read_text(errors="replace")
    # One of a front end, or of its words around our imports, is none of ours.
    traces = "Traceback (most recent call last)" in said and "in guarded\n" in said
    wrong = [f"orphan {text}" for text in orphans] + ([f"traceback {said[-1500:]}"] if traces else [])
    return f"{whom} killed" + (f": {number.name} after {after_s:.2f} s: {wrong}" if wrong else "")


def _settled(world: World, trial: str) -> list[str]:
    until = time.monotonic() + 15
    while (found := [text for _, text in world.processes(trial)]) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def fill(world: World, part: int) -> Iterator[Result]:
    """Fill each disk that a hook writes to so that each of its steps is once the first to find it full."""
    start = namespace()
    if start is None:
        print(f"  full disks are skipped: {NO_NAMESPACE}")
        return
    for name in PLACES:
        result = Result(f"full disk of the {name}")
        began = time.monotonic()
        place = world.place(f"full-{name.replace(' ', '-')}")
        told = {
            "folder": str(place.tree.parent),
            "name": name,
            "part": part,
            "torches": TORCHES,
            "consumers": [str(world.consumers[torch]) for torch in TORCHES],
            "variables": world.variables,
        }
        command = [*start, sys.executable, str(Path(__file__).with_name("full_disks.py")), json.dumps(told)]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, encoding="utf-8")
        steps = list(steps_of(done.stdout))
        for step in steps:
            result.add(step.what, step.faults)
        result.faults += [] if steps and done.returncode == 0 else [f"the trial ended with {done.returncode}"]
        result.faults += world.faults()
        result.seconds = time.monotonic() - began
        yield result


def build_at_once(world: World, count: int) -> Iterator[Result]:
    """Build one tree, and as many trees as builds, at once: by pip and uv, for two torches."""
    for name, places in (
        ("at once, one tree", [world.place("one")] * count),
        ("at once, a tree each", [world.place(f"each-{number}") for number in range(count)]),
    ):
        result = Result(name)
        began = time.monotonic()

        def work(number: int, places: list[Place] = places, result: Result = result) -> None:
            place = places[number]
            own = Place(world, place.tree, place.wheels / str(number), place.source, place.before)
            own.wheels.mkdir()
            front = FRONT_ENDS[number % 2]
            result.add(f"by {front}", own.build(front, TORCHES[number // 2 % 2]))

        _in_threads(work, range(count))
        result.faults += world.faults()
        result.seconds = time.monotonic() - began
        yield result


def build_in_a_row(world: World, count: int) -> Iterator[Result]:
    """Build again and again: trees that stay, and sdists, each of which a front end unpacks into a folder that goes."""
    result = Result("in a row")
    began = time.monotonic()

    def work(worker: int) -> None:
        places = {"tree": world.place(f"row-{worker}"), "sdist": world.place(f"row-sdist-{worker}", sdist=True)}
        for turn in range(worker, count, WORKERS):
            kind = "sdist" if turn // 2 % 2 else "tree"
            front, torch = FRONT_ENDS[turn // 4 % 2], TORCHES[turn // 8 % 2]
            result.add(f"{kind} by {front}", places[kind].build(front, torch))

    _in_threads(work, range(WORKERS))
    result.faults += world.faults()
    left = world.entries()
    result.faults += [f"{left} entries in the cache"] if left > 120 else []
    print(f"  {left} entries in the cache")
    result.seconds = time.monotonic() - began
    yield result


def _in_threads(work: Callable[[int], None], numbers: range) -> None:
    with ThreadPoolExecutor(len(numbers)) as threads:
        for done in [threads.submit(work, number) for number in numbers]:
            done.result()


def table(results: list[Result]) -> str:
    """Return what came out as a table of Markdown."""
    total = sum(result.seconds for result in results)
    lines = ["| what was done | builds | what became of them | faults | time |", "| --- | --- | --- | --- | --- |"]
    lines += [result.row() for result in results]
    where = (
        f"{os.cpu_count()} processors, Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    )
    return "\n".join([*lines, "", f"{time.strftime('%Y-%m-%d')}, {where}, {total / 60:.0f} minutes.", ""])


def main() -> int:
    """Return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="kills, disks, once, row; all if none is named")
    parser.add_argument("--part", type=int, default=1, metavar="N", help="do only the N-th part of the builds")
    parser.add_argument("--seed", type=int, default=14, help="of the random moments")
    parser.add_argument("--write", action="store_true", help="write the table into docs/security.md")
    given = parser.parse_args()
    results: list[Result] = []
    with interruptible(), tempfile.TemporaryDirectory(prefix="faults-") as folder:
        world = World(Path(folder))
        trials = {
            "kills": lambda: kill(world, 100 // given.part, given.seed),
            "disks": lambda: fill(world, given.part),
            "once": lambda: build_at_once(world, 20 // given.part),
            "row": lambda: build_in_a_row(world, 200 // given.part),
        }
        for kind in given.kinds or trials:
            print(kind, flush=True)
            for result in trials[kind]():
                print(" ", result.row(), flush=True)
                results.append(result)
    print(table(results))
    if given.write:
        text = PAGE.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}", encoding="utf-8")
    return 1 if any(result.faults for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
