"""Dockerfiles and workflows of the pages, carried out on this machine: each stage and each job in a folder of its own.

What an image or an action brings (uv, Python, a checkout, artifacts) is there already. May not start a container.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from .how_to_worlds import World

_MOUNT = re.compile(r"--mount=(\S+)\s+")
_JOB = re.compile(r"^  (?P<name>[\w-]+):\n(?P<text>(?:    .*\n)+)", re.MULTILINE)
_STEP = re.compile(
    r"^ {6}- (?:run: (?P<run>.+)|uses: (?P<uses>[^@\n]+)@\S+(?: # \S+)?(?:\n {8}with: \{ (?P<with>.+) \})?)$",
    re.MULTILINE,
)
_NOT_COMMITTED = shutil.ignore_patterns(".venv", "build", "dist", "*.egg-info")
_MATRIX = re.compile(r"matrix: \{ (?P<name>\w+): \[(?P<values>[^\]]*)\] \}")


def run_dockerfile(text: str, context: Path, make: Callable[[], World]) -> None:
    """Carry out every instruction; `make` returns the machine of a stage.

    :raises AssertionError: if a command fails
    :raises ValueError: if there is an instruction that nobody here knows
    """
    stages: dict[str, World] = {}
    world = None
    for number, (instruction, rest) in enumerate(_instructions(text)):
        if instruction == "FROM":
            world = make()
            stages[rest.partition(" AS ")[2]] = world
        elif world is None:
            raise ValueError("a stage begins with FROM")
        elif instruction == "ENV":
            world.variables.update(word.split("=", 1) for word in shlex.split(rest))
        elif instruction == "COPY" and not rest.startswith("--from="):
            name, _, to = rest.partition(" ")
            shutil.copy(context / name, world.folder / to)
        elif instruction == "RUN":
            succeed(world, _in_stage(rest, world, stages), number)
        elif (instruction, rest) not in {
            ("WORKDIR", "/app"),
            ("COPY", "--from=ghcr.io/astral-sh/uv:latest /uv /uvx /bin/"),
        }:
            raise ValueError(f"{instruction} {rest}: nobody knows what it does")


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    for line in text.replace("\\\n", " ").splitlines():
        instruction, _, rest = line.partition(" ")
        if line and not line.startswith("#"):
            yield instruction, rest.strip()


def _in_stage(command: str, world: World, stages: dict[str, World]) -> str:
    """Return a command of which absolute paths lead into folders of the stages."""
    for mount in _MOUNT.findall(command):
        options = dict(option.partition("=")[::2] for option in mount.split(","))
        if "from" in options:
            place = stages[options["from"]].root / options["source"].lstrip("/")
            command = re.sub(rf"(?<=\s){re.escape(options['target'])}\b", str(place), command)
    return re.sub(r"(?<= -w )/", f"{world.root}/", _MOUNT.sub("", command))


def run_workflow(text: str, sources: Path, make: Callable[[], World], values: Callable[[str], bool]) -> None:
    """Carry out the jobs in their order, for each value of a matrix that `values` takes.

    :raises AssertionError: if a command fails, or no value is taken
    """
    artifacts: dict[str, Path] = {}
    for job in _JOB.finditer(text.partition("jobs:\n")[2]):
        matrix = _MATRIX.search(job["text"])
        taken = [value for value in re.findall(r'"([^"]+)"', matrix["values"]) if values(value)] if matrix else [""]
        assert taken, f"{job['name']}: nothing of the matrix is there"
        for value in taken:
            _run_job(job["text"].replace("${{ matrix.torch }}", value), sources, make(), artifacts)


def _run_job(text: str, sources: Path, world: World, artifacts: dict[str, Path]) -> None:
    for number, step in enumerate(_STEP.finditer(text)):
        given = dict(re.findall(r"(\w+): (\S+?)(?:,|$)", step["with"] or ""))
        if step["run"]:
            succeed(world, step["run"], number)
        elif step["uses"] == "actions/checkout":
            shutil.copytree(sources, world.folder, dirs_exist_ok=True, ignore=_NOT_COMMITTED)
        elif step["uses"] == "actions/upload-artifact":
            artifacts[given["name"]] = world.folder / given["path"]
        elif step["uses"] == "actions/download-artifact":
            shutil.copytree(artifacts[given["name"]], world.folder / given["path"])
        elif step["uses"] != "astral-sh/setup-uv":
            raise ValueError(f"{step['uses']}: nobody knows what it does")
    assert len(_STEP.findall(text)) == text.count("      - "), "a step that nobody here can read"


def succeed(world: World, command: str, number: int) -> None:
    """Type a command that has to succeed."""
    status, said = world.run(command, number)
    assert status == 0, f"exit status {status}: {command}\n{said}"
