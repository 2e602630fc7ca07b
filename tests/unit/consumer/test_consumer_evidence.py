"""Every recorded hook call of a real front end, replayed (FRONTENDS.md has how they were made)."""

from __future__ import annotations

import collections
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from support.evidence import NO_CONSUMER, RULES, Machine, load_recordings
from torchgraft.consumer.environment import read_environment
from torchgraft.consumer.front_end import find_caller
from torchgraft.consumer.processes import Process
from torchgraft.consumer.rules import find_consumer
from torchgraft.model.observation import FrontEndName, Python, Rule
from torchgraft.own_files import is_file_locked

RECORDINGS = load_recordings()
# The front end that calls the hook is not always the program that was started.
NEAREST = {
    "hatch": {FrontEndName.PIP, FrontEndName.UV},
    "nox": {FrontEndName.PIP, FrontEndName.UV},
    "pipx": {FrontEndName.PIP, FrontEndName.UV},
    "py": {FrontEndName.PIP, FrontEndName.UV, FrontEndName.BUILD},
    "extra": {FrontEndName.PIP, FrontEndName.UV, FrontEndName.POETRY, FrontEndName.TOX},
}
INSTALLS_NOTHING = {"wheel", "build", "lock", "compile", "--dry-run", "pyproject-build"}


def name_of(recording: dict[str, Any]) -> str:
    return recording["label"].replace(" :: ", "-").replace(" ", "_")


def python(machine: Machine) -> Python:
    return Python(
        version=f"{machine.minor}.0",
        implementation="cpython",
        abi="cp" + machine.minor.replace(".", ""),
        platform="linux_x86_64",
        extension_suffix=".so",
    )


def test_the_recordings_are_complete() -> None:
    assert len(RECORDINGS) == 243
    assert collections.Counter(r["frontend"] for r in RECORDINGS) == {
        "uv": 109, "pip": 66, "extra": 19, "py": 15, "build": 8, "pdm": 7, "poetry": 7, "tox": 5, "nox": 3,
        "hatch": 2, "pipx": 2,
    }  # fmt: skip


@pytest.mark.parametrize("recording", RECORDINGS, ids=name_of)
def test_the_consumer_of_a_recorded_hook_call(recording: dict[str, Any], tmp_path: Path) -> None:
    machine = Machine(recording, tmp_path)
    hook, ancestors = machine.hook(), machine.ancestors()
    finding = find_consumer(
        hook, ancestors, caller=find_caller(hook, ancestors), told=None, torch_importable=machine.rule == "R0"
    )
    assert finding.answers
    assert all(answer.said.isascii() and "\n" not in answer.said for answer in finding.answers)
    if machine.rule == NO_CONSUMER:
        assert finding.found == ()
        return
    assert [found.prefix for found in finding.found] == [str(machine.expected)]
    (found,) = finding.found
    assert found.rule is RULES[machine.rule]
    assert found.targets == ((str(machine.target),) if machine.is_targeted else ())


@pytest.mark.parametrize("recording", RECORDINGS, ids=name_of)
def test_the_front_end_of_a_recorded_hook_call(recording: dict[str, Any], tmp_path: Path) -> None:
    machine = Machine(recording, tmp_path)
    caller = find_caller(machine.hook(), machine.ancestors())
    assert caller
    front_end = caller.front_end
    allowed = NEAREST.get(recording["frontend"]) or {FrontEndName(recording["frontend"])}
    assert front_end.name in allowed
    assert front_end.command.startswith(front_end.name.value)
    if front_end.name is FrontEndName.UV and machine.rule != "R0":
        assert front_end.version == (recording["version"] if recording["frontend"] == "uv" else "0.13.8")
    words = {Path(argument).name for argument in recording["ancestors"][0]["cmdline"]}
    assert front_end.installs is not bool(words & INSTALLS_NOTHING)


# `uv run --isolated` makes an environment of its own; the torch that was recorded is the project's.
WITH_TORCH = [r for r in RECORDINGS if r["consumer_at_hook_time"]["torch"] and "run --isolated" not in r["label"]]


@pytest.mark.parametrize("recording", WITH_TORCH, ids=name_of)
def test_torch_is_on_the_search_path_that_is_read(recording: dict[str, Any], tmp_path: Path) -> None:
    machine = Machine(recording, tmp_path)
    hook, ancestors = machine.hook(), machine.ancestors()
    finding = find_consumer(
        hook, ancestors, caller=find_caller(hook, ancestors), told=None, torch_importable=machine.rule == "R0"
    )
    caller = find_caller(hook, ancestors)
    front_end: Process | None = caller.process if caller else None
    (found,) = finding.found
    environment = read_environment(found.prefix, python=python(machine), targets=found.targets, front_end=front_end)
    assert environment.exists
    assert environment.python_versions == (machine.minor,)
    assert any(
        Path(folder, name).is_dir()
        for folder in environment.search_path
        for name in recording["consumer_at_hook_time"]["torch"]
    )


# uv names these environments itself, so that nothing but its open files gives them away.
UNGUESSABLE = {
    "uv 0.13.8 :: run --isolated (sdist dep)",
    "uv 0.13.8 :: run script.py (PEP 723)",
}
LOCKED = [r for r in RECORDINGS if RULES.get(r["expected"]["rule"].split()[0]) is Rule.UV_LOCK]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in folders")
def test_a_lock_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    assert is_file_locked(tmp_path / ".lock") is False


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "free"])
@pytest.mark.parametrize("recording", LOCKED, ids=name_of)
def test_the_lock_itself_is_tried_where_open_files_cannot_be_read(
    recording: dict[str, Any], tmp_path: Path, *, is_held: bool
) -> None:
    fcntl = pytest.importorskip("fcntl")
    machine = Machine(recording, tmp_path)
    with (machine.expected / ".lock").open("w") as lock:
        if is_held:
            fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_file_locked(machine.expected / ".lock") is is_held
        hook, ancestors = machine.hook(), machine.ancestors(locks_readable=False)
        finding = find_consumer(hook, ancestors, caller=find_caller(hook, ancestors), told=None, torch_importable=False)
    if is_held and recording["label"] not in UNGUESSABLE:
        assert [Path(found.prefix).resolve() for found in finding.found] == [machine.expected]
        assert finding.found[0].rule is Rule.UV_LOCK
    else:
        assert finding.found == ()
