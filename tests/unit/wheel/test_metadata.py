from __future__ import annotations

import dataclasses
import json
from email import message_from_bytes
from pathlib import Path

import pytest

from support import snapshots
from torchgraft.errors import ActError
from torchgraft.hook.plan import plan_build
from torchgraft.model.decision import Plan, RuntimeRequirement
from torchgraft.settings.config import Config
from torchgraft.wheel.metadata import (
    add_requirement,
    as_prepared,
    delegates_metadata,
    with_requirement,
    without_requirement,
)
from torchgraft.wheel.record import write_metadata_record

PIN = "torch==2.8.*"
HEAD = b"Metadata-Version: 2.4\nName: ext\nVersion: 1.0\n"
FILES = {
    "no requirement": HEAD,
    "no newline at the end": HEAD.rstrip(b"\n"),
    "a description": HEAD + b"Requires-Python: >=3.10\n\n# ext\n\nRequires-Dist: not this\n",
    "requirements": HEAD + b"Requires-Dist: numpy\nRequires-Dist: torch>=2.4\nDynamic: requires-dist\n\nText\n",
    "upper case": HEAD + b"REQUIRES-DIST: numpy\nSummary: x\n\n",
    "continued lines": HEAD + b"License: a\n  Requires-Dist: no\nRequires-Dist: numpy\n  >=2\nSummary: x\n",
    "windows": HEAD.replace(b"\n", b"\r\n") + b"Requires-Dist: numpy\r\nSummary: x\r\n\r\ntext\r\n",
    "an extra": HEAD + b"Provides-Extra: a\nRequires-Dist: torch==2.8.*; extra == 'a'\n",
    "not UTF-8": HEAD + b"Author: \xff\nRequires-Dist: \xff\n\n\xff",
}


@pytest.mark.parametrize("metadata", FILES.values(), ids=FILES)
def test_one_line_more_and_nothing_else(metadata: bytes) -> None:
    made = with_requirement(metadata, PIN)
    line = b"Requires-Dist: torch==2.8.*"
    old, new = metadata.splitlines(keepends=True), made.splitlines(keepends=True)
    added = [text for text in new if text.strip() == line]
    assert len(added) == 1
    new.remove(added[0])
    assert b"".join(new).rstrip(b"\r\n") == b"".join(old).rstrip(b"\r\n")
    assert made.endswith(b"\n") == metadata.endswith(b"\n")
    assert made.count(b"\r\n") - metadata.count(b"\r\n") == (1 if b"\r\n" in metadata else 0)
    assert PIN in message_from_bytes(made).get_all("Requires-Dist", [])
    assert message_from_bytes(made).get_payload() == message_from_bytes(metadata).get_payload()


def test_the_requirement_stands_after_the_others() -> None:
    lines = with_requirement(FILES["requirements"], PIN).splitlines()
    assert lines[3:7] == [
        b"Requires-Dist: numpy",
        b"Requires-Dist: torch>=2.4",
        b"Requires-Dist: torch==2.8.*",
        b"Dynamic: requires-dist",
    ]


@pytest.mark.parametrize("metadata", FILES.values(), ids=FILES)
def test_twice_is_once(metadata: bytes) -> None:
    once = with_requirement(metadata, PIN)
    assert with_requirement(once, PIN) == once


@pytest.mark.parametrize("metadata", FILES.values(), ids=FILES)
def test_what_was_added_can_be_taken_out(metadata: bytes) -> None:
    assert without_requirement(with_requirement(metadata, PIN), PIN) == metadata
    assert without_requirement(metadata, PIN) == metadata


def test_a_requirement_that_says_the_same_is_enough() -> None:
    metadata = HEAD + b"Requires-Dist: Torch (==2.8.*)\n"
    assert with_requirement(metadata, PIN) == metadata


def plan(text: str | None) -> Plan:
    made = plan_build(Config(), snapshots.snapshot())
    return dataclasses.replace(made, runtime_torch=RuntimeRequirement(text=text, reason="told"))


def prepared(folder: Path, text: str | None, metadata: bytes = HEAD) -> str:
    (folder / "METADATA").write_bytes(metadata)
    write_metadata_record(folder, add_requirement(folder, plan(text)))
    return str(folder)


def test_prepared_metadata_say_it_in_both_files(tmp_path: Path) -> None:
    prepared(tmp_path, PIN)
    assert (tmp_path / "METADATA").read_bytes() == HEAD + b"Requires-Dist: torch==2.8.*\n"
    assert json.loads((tmp_path / "torchgraft.json").read_text())["runtime_torch"] == PIN


def test_prepared_metadata_without_it(tmp_path: Path) -> None:
    prepared(tmp_path, None)
    assert (tmp_path / "METADATA").read_bytes() == HEAD
    assert json.loads((tmp_path / "torchgraft.json").read_text())["runtime_torch"] is None


def test_a_package_that_has_the_requirement_itself(tmp_path: Path) -> None:
    metadata = HEAD + b"Requires-Dist: torch==2.8.*\n"
    prepared(tmp_path, PIN, metadata)
    assert (tmp_path / "METADATA").read_bytes() == metadata
    assert json.loads((tmp_path / "torchgraft.json").read_text())["runtime_torch"] is None
    with delegates_metadata(str(tmp_path)) as folder:
        assert folder == str(tmp_path)


def test_the_delegate_gets_back_what_it_had_made(tmp_path: Path) -> None:
    info = tmp_path / "ext-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[x]\n")
    prepared(info, PIN)
    with delegates_metadata(str(info)) as folder:
        assert folder
        made = Path(folder)
        assert made.name == info.name
        assert (made / "METADATA").read_bytes() == HEAD
        assert (made / "entry_points.txt").read_text() == "[x]\n"
    assert not made.exists()
    assert (info / "METADATA").read_bytes() != HEAD


def test_what_nobody_has_prepared_is_not_handed_on() -> None:
    with delegates_metadata(None) as folder:
        assert folder is None


@pytest.mark.parametrize(
    ("then", "now", "wheel"), [(PIN, PIN, PIN), (None, PIN, None), (PIN, None, PIN), (None, None, None)]
)
def test_a_wheel_has_what_was_prepared(tmp_path: Path, then: str | None, now: str | None, wheel: str | None) -> None:
    made = as_prepared(plan(now), prepared(tmp_path, then)).runtime_torch
    assert made
    assert made.text == wheel


def test_a_wheel_for_which_nothing_was_prepared(tmp_path: Path) -> None:
    assert as_prepared(plan(PIN), None) == plan(PIN)
    assert as_prepared(plan(PIN), str(tmp_path)) == plan(PIN)
    (tmp_path / "torchgraft.json").write_text("[]")
    assert as_prepared(plan(PIN), str(tmp_path)) == plan(PIN)


def test_torch_that_changed_between_the_hooks(tmp_path: Path) -> None:
    with pytest.raises(ActError, match="prepared with torch") as caught:
        as_prepared(plan("torch==2.9.*"), prepared(tmp_path, PIN))
    assert [problem.code for problem in caught.value.problems] == ["torch-changed"]
