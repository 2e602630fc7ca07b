"""A snapshot gives the same plan on any machine and under any Python: tests/cases/plans, here and elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.elsewhere import WORLDS
from support.recorded_plans import RECORDED, read_recording, replayed

TESTS = Path(__file__).parents[2]


def test_there_are_recordings_of_many_worlds() -> None:
    seen = {read_recording(path)["snapshot"]["python"]["platform"].partition("_")[0] for path in RECORDED}
    assert seen == {"linux", "macosx", "win"}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_plan_is_the_recorded_one(path: Path) -> None:
    recording = read_recording(path)
    assert replayed(recording) == recording["plan"], "if that is meant: python tests/record_plans.py"


@pytest.mark.parametrize("world", WORLDS)
def test_no_plan_depends_on_where_it_is_made(world: str) -> None:
    path = os.pathsep.join(map(str, (TESTS, TESTS.parent / "src")))
    done = subprocess.run(
        [sys.executable, "-m", "support.elsewhere", world],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    made = json.loads(done.stdout)
    assert made == {path.stem: read_recording(path)["plan"] for path in RECORDED}
