"""Builds in a mount namespace, one place of which is on a file system that has room for so many files or pages.

    unshare --mount python full_disks.py JSON

A program of its own, which `run.py` starts; it prints a line of JSON for each build.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

PLACES = ("cache", "temporary files", "wheels", "source tree")
NO_NAMESPACE = "this system lets us mount nothing in a namespace of our own"
HOOK = "import sys, torchgraft.build_meta as b; print(b.build_wheel(sys.argv[1]))"
PAGE_BYTES = 4096
MOST_STEPS = 40
# Each file that is made is once the one for which there is no room; of what is written into files, ever more fits.
PAGES = (0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 90, 128)
ROOMY = "size=64m,nr_inodes=10000,mode=700"


@dataclass(frozen=True)
class Step:
    """One build: what became of it, and what was wrong."""

    what: str
    faults: list[str]


def namespace() -> list[str] | None:
    """Return what starts a command that may mount, None where nothing does."""
    for command in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        trial = [*command, "sh", "-c", "mount -t tmpfs none /mnt"]
        if shutil.which("unshare") and subprocess.run(trial, check=False, capture_output=True).returncode == 0:
            return command
    return None


def steps_of(text: str) -> Iterator[Step]:
    """Yield what was printed."""
    for line in text.splitlines():
        yield Step(**json.loads(line))


class Trial:
    """One place."""

    def __init__(self, told: dict[str, Any]) -> None:
        from faults.world import hashes

        folder = Path(told["folder"])
        self.tree, self.wheels = folder / "ext", folder / "wheels"
        self.cache, self.temporary = folder / "cache", folder / "tmp"
        self.consumers = dict(zip(told["torches"], told["consumers"], strict=True))
        self.place = {"cache": self.cache, "temporary files": self.temporary, "wheels": self.wheels}.get(
            told["name"], self.tree
        )
        kept = {file.name: file.read_bytes() for file in self.tree.iterdir()}
        for path in (self.cache, self.temporary):
            path.mkdir()
        mount("-t", "tmpfs", "-o", ROOMY, "none", self.place)
        for name, content in kept.items():
            (self.tree / name).write_bytes(content)
        self.before = hashes(self.tree)
        self.variables = {
            **told["variables"],
            "TMPDIR": str(self.temporary),
            "TORCHGRAFT_CACHE_DIR": str(self.cache),
        }
        self.torch = told["torches"][0]

    def room(self, *, files: int | None = None, pages: int | None = None) -> None:
        """Leave room for so many files, or so many pages."""
        now = os.statvfs(self.place)
        size = (now.f_blocks - now.f_bfree) * now.f_frsize + (pages or 0) * PAGE_BYTES
        options = (
            f"size={size or PAGE_BYTES}" if pages is not None else f"nr_inodes={now.f_files - now.f_ffree + files}"
        )
        mount("-o", f"remount,{options}", self.place)

    def build(self) -> tuple[int, str]:
        command = [sys.executable, "-c", HOOK, str(self.wheels)]
        done = subprocess.run(
            command,
            cwd=self.tree,
            env={**self.variables, "TORCHGRAFT_CONSUMER": self.consumers[self.torch]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    def step(self, **room: int) -> Iterator[Step]:
        """Build where there is so much room, and again where there is enough, both for another torch than before."""
        self.torch = next(torch for torch in self.consumers if torch != self.torch)
        for wheel in self.wheels.glob("*.whl"):
            wheel.unlink()
        if self.place == self.tree:
            shutil.rmtree(self.tree / "build", ignore_errors=True)
            shutil.rmtree(self.tree / "ext.egg-info", ignore_errors=True)
        self.room(**room)
        status, said = self.build()
        mount("-o", f"remount,{ROOMY}", self.place)
        faults = self.faults(is_built=status == 0)
        if status not in {0, 1, 2} or (status and not _names_the_disk(said, self.place)):
            faults.append(f"exit status {status}: {said[-1200:]}")
        elif status and "Traceback" in said and "torchgraft/" in said.rpartition("Traceback")[2].partition("error[")[0]:
            faults.append(f"a traceback of ours: {said[-1200:]}")
        left = " and ".join(f"{count} {what}" for what, count in room.items())
        yield Step(
            "built anyway" if status == 0 else "stopped with a message", [f"{left} free: {fault}" for fault in faults]
        )
        status, said = self.build()
        faults = self.faults(is_built=True) if status == 0 else [f"exit status {status}: {said[-600:]}"]
        yield Step("built afterwards", [f"after {left} free: {fault}" for fault in faults])

    def faults(self, *, is_built: bool) -> list[str]:
        from faults.world import Place

        place = Place(None, self.tree, self.wheels, self.tree, self.before)
        return place.faults(self.torch if is_built else None)


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, timeout=30)


def _names_the_disk(said: str, place: Path) -> bool:
    return "error[" in said and f"{place} has " in said.rpartition("error[")[2]


def main(told: dict[str, Any]) -> None:
    """Print each step."""
    trial = Trial(told)
    status, said = trial.build()
    if status:
        sys.exit(f"an undisturbed build fails: {said}")
    for kind, amounts in (("files", range(MOST_STEPS)), ("pages", PAGES)):
        for amount in [*amounts][:: told["part"]]:
            steps = list(trial.step(**{kind: amount}))
            for step in steps:
                print(json.dumps(asdict(step)), flush=True)
            if steps[0].what == "built anyway" and amount > 1:
                break


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
