from __future__ import annotations

import json
from pathlib import Path

from support import snapshots
from torchgraft.hook.plan import plan_build
from torchgraft.settings.config import Config
from torchgraft.wheel.record import record_text, write_metadata_record

PLAN = plan_build(Config(env={"SECRET": "hunter2"}), snapshots.snapshot())


def test_the_record_has_the_torch_and_no_secret_and_no_path() -> None:
    text = record_text(PLAN)
    data = json.loads(text)
    assert data["torch"]["version"] == "2.13.0+cpu"
    assert data["torch"]["cxx11_abi"] is True
    assert (data["rung"], data["way"], data["rule"]) == ("installed", "graft", "R1")
    assert "SECRET" in data["variables"]
    assert "hunter2" not in text
    for path in ("/env", "/src", "/cache"):
        assert path not in text


def test_prepared_metadata_gets_the_same_record(tmp_path: Path) -> None:
    write_metadata_record(tmp_path, PLAN)
    assert (tmp_path / "torchgraft.json").read_text() == record_text(PLAN)


def test_the_record_of_a_wheel_is_the_prepared_one_and_what_was_built() -> None:
    record = json.loads(record_text(PLAN, built={"jobs": 4}))
    assert record.pop("built") == {"jobs": 4}
    assert record == json.loads(record_text(PLAN))
