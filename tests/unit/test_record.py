from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from support import snapshots
from torchgraft.act.record import built_text, record_text, write_metadata_record
from torchgraft.config import Config
from torchgraft.decide.plan import plan_build
from torchgraft.model import Way
from torchgraft.planned import Planned

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


def test_the_address_of_a_direct_url_is_left_out() -> None:
    line = Planned(text="torch @ https://user:word@host.example/torch-2.8.0-cp311-cp311-linux_x86_64.whl#x", reason="")
    text = record_text(dataclasses.replace(PLAN, requirements=(line,), torch=None, way=Way.INSTALL))
    assert json.loads(text)["requirements"] == ["torch @ torch-2.8.0-cp311-cp311-linux_x86_64.whl"]
    assert "word" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo @ https://bucket.example/foo.whl?X-Amz-Signature=SECRET", "foo @ foo.whl"),
        ("foo @ https://bucket.example/foo.whl?path=/SECRET#sha256=77", "foo @ foo.whl"),
        ("foo @ git+https://me:SECRET@x.example/foo.git@main", "foo @ foo.git@main"),
        ("foo @ https://me:SECRET@x.example", "foo"),
        ("foo @ https://me:SECRET@[x/foo.whl", "foo @ https://...@[x/foo.whl"),
        ("foo>=1", "foo>=1"),
    ],
)
def test_what_signs_an_address_is_left_out(text: str, expected: str) -> None:
    record = record_text(dataclasses.replace(PLAN, requirements=(Planned(text=text, reason=""),)))
    assert json.loads(record)["requirements"] == [expected]


def test_prepared_metadata_gets_the_same_record(tmp_path: Path) -> None:
    write_metadata_record(tmp_path, PLAN)
    assert (tmp_path / "torchgraft.json").read_text() == record_text(PLAN)


def test_the_record_of_a_wheel_is_the_prepared_one_and_what_was_built() -> None:
    record = json.loads(built_text(record_text(PLAN), {"jobs": 4}))
    assert record.pop("built") == {"jobs": 4}
    assert record == json.loads(record_text(PLAN))
