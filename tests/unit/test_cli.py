from __future__ import annotations

import json
from pathlib import Path

import pytest

from support import snapshots
from torchgraft import __version__
from torchgraft.cli import main
from torchgraft.codec import from_json_text, json_text
from torchgraft.config import Config
from torchgraft.decide.plan import plan_build, plan_text
from torchgraft.planned import Plan


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "snapshot.json"
    path.write_text(json_text(snapshots.snapshot()))
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[tool.torchgraft]\ntorch = '>=2.4'\n")
    return folder


def test_a_recorded_snapshot_is_planned_as_anywhere(
    recorded: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(project), "--snapshot", str(recorded)]) == 0
    expected = plan_build(Config(torch=">=2.4", origins={"torch": "pyproject.toml"}), snapshots.snapshot())
    assert capsys.readouterr().out == plan_text(expected) + "\n"


def test_json_round_trips(recorded: Path, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(project), "--json", "--snapshot", str(recorded)]) == 0
    text = capsys.readouterr().out
    assert json_text(from_json_text(Plan, text, source="stdout")) == text
    assert json.loads(text)["way"] == "graft"


def test_a_plan_with_problems_is_shown_and_exits_with_1(
    recorded: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.write_text(json_text(snapshots.snapshot(consumer=snapshots.consumer(writable_by_others=("/x",)))))
    assert main(["plan", str(project), "--snapshot", str(recorded)]) == 1
    assert "error[writable-by-others]" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", "\0", "[1]"])
def test_a_file_that_is_no_snapshot(
    recorded: Path, project: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    recorded.write_text(text)
    assert main(["plan", str(project), "--snapshot", str(recorded)]) == 2
    assert "error[bad-snapshot]" in capsys.readouterr().err


def test_a_snapshot_file_that_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(project), "--snapshot", "/nowhere.json"]) == 2
    assert "error[bad-snapshot]" in capsys.readouterr().err


def test_wrong_settings_exit_with_2(project: Path, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(project), "--snapshot", str(recorded), "-C", "torchgraft.nonsense=1"]) == 2
    assert "error[unknown-key]" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["plan", "/nowhere/at/all"]])
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: torchgraft" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"torchgraft {__version__}\n"
