from __future__ import annotations

import argparse
import dataclasses
import errno
import json
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import snapshots
from torchgraft import __version__
from torchgraft.codec import json_text
from torchgraft.hook.plan import plan_build
from torchgraft.hook.plan_text import plan_text
from torchgraft.model.decision import Plan
from torchgraft.model.observation import Rule, RuleAnswer
from torchgraft.settings.config import Config
from torchgraft.tools.commands import GROUPS, command_parser, main
from torchgraft.tools.completion import completion_text
from torchgraft.tools.from_json import from_json_text
from torchgraft.tools.plan_result import result_text
from torchgraft.tools.show_plan import columns_text, words_text
from torchgraft.tools.terminal import Colour, painted


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


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
    printed = capsys.readouterr().out
    assert printed == result_text(expected, folder=str(Path.cwd()), width=80) + "\n"
    assert printed.startswith("Will build against torch 2.13.0+cpu of ")
    assert main(["plan", str(project), "--snapshot", str(recorded), "-v"]) == 0
    whole = capsys.readouterr().out
    assert whole.startswith(printed.rpartition("\n\n")[0])
    assert set(plan_text(expected).split()) <= set(whole.split())


def test_what_the_rules_for_finding_the_consumer_said(
    recorded: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = (
        RuleAnswer(rule=Rule.IMPORTABLE, said="the hook cannot import torch"),
        RuleAnswer(rule=Rule.UV_LOCK, said="it"),
    )
    recorded.write_text(json_text(dataclasses.replace(snapshots.snapshot(), rules=said)))
    command = ["plan", str(project), "--snapshot", str(recorded)]
    assert main(command) == 0
    more = "\nhow the consumer was looked for\n  the hook cannot import torch\n  it\n"
    assert more not in capsys.readouterr().out
    assert main([*command, "--verbose"]) == 0
    assert capsys.readouterr().out.endswith(more)


def test_json_round_trips(recorded: Path, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(project), "--json", "--snapshot", str(recorded)]) == 0
    text = capsys.readouterr().out
    assert json_text(from_json_text(Plan, text, source="stdout")) == text
    assert json.loads(text)["way"] == "graft"


def test_a_plan_with_problems_is_shown_and_exits_with_1(
    recorded: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.write_text(
        json_text(snapshots.snapshot(consumer=snapshots.consumer(writable_by_others=(snapshots.OPEN,))))
    )
    assert main(["plan", str(project), "--snapshot", str(recorded)]) == 1
    assert "error[writable-by-others]" in capsys.readouterr().out


_NO_VERSION = dataclasses.replace(snapshots.CPU_TORCH, version="2.8 ;")


@pytest.mark.parametrize(
    "text", ["", "{}", "\0", "[1]", json_text(snapshots.snapshot(consumer=snapshots.consumer(_NO_VERSION)))]
)
def test_a_file_that_is_no_snapshot(
    recorded: Path, project: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    recorded.write_text(text)
    assert main(["plan", str(project), "--snapshot", str(recorded)]) == 2
    assert "error[bad-snapshot]" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["doctor", "plan", "snapshot", "check"])
def test_an_empty_consumer_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([command, "--consumer", ""])
    assert "--consumer: the path is empty" in capsys.readouterr().err


def test_a_snapshot_file_that_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(project), "--snapshot", "/nowhere.json"]) == 2
    assert "error[bad-snapshot]" in capsys.readouterr().err


def test_wrong_settings_exit_with_2(project: Path, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(project), "--snapshot", str(recorded), "-C", "torchgraft.nonsense=1"]) == 2
    assert "error[unknown-key]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "there is no command 'nonsense'"),
        (["docter"], "did you mean 'doctor'?"),
        (["--nonsense"], "required: COMMAND"),
        (["plan", "--cosumer", "x"], "there is no option --cosumer; did you mean --consumer?"),
        (["cache", "prune", "--dryrun=1"], "there is no option --dryrun; did you mean --dry-run?"),
        (["check", "--write"], "there is no option --write\n"),
        (["plan", "/nowhere/at/all"], "'/nowhere/at/all' is not there"),
        (["plan", __file__], "is no folder"),
        (["plan", "-C", "torchgraft.torch"], "is not KEY=VALUE"),
        (["plan", "-C", "max-jobs=4"], "torchgraft.max-jobs="),
    ],
)
def test_wrong_arguments_exit_with_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    error = capsys.readouterr().err
    assert "usage: torchgraft" in error
    assert said in error


def test_settings_of_the_delegate_pass(recorded: Path, project: Path) -> None:
    assert main(["plan", str(project), "--snapshot", str(recorded), "-C", "cmake.define.MAX=4"]) == 0


@pytest.mark.parametrize("command", ["doctor", "plan", "matrix", "adopt", "cache", "cache prune", "vendor"])
def test_help_fits_a_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(("command", "said"), [([], "torchgraft COMMAND ..."), (["plan"], "torchgraft plan [-h]")])
def test_help_is_a_word_too(command: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["help", *command])
    assert capsys.readouterr().out.startswith(f"usage: {said}")


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr().err
    assert "examples:" in said
    assert max(map(len, said.splitlines())) <= 80


def test_help_has_every_command_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 120
    for title, commands in GROUPS.items():
        assert f"\n{title}:\n" in text
        assert all(f"  {name:<12}{command.said}\n" in text for name, command in commands.items())


def _subparsers(parser: argparse.ArgumentParser) -> Any:
    return next(action for action in parser._actions if isinstance(action.choices, dict))


def test_commands_say_of_themselves_what_the_help_says() -> None:
    commands = _subparsers(command_parser())
    said = {action.dest: action.help for action in commands._choices_actions}
    assert said == {name: command.said for group in GROUPS.values() for name, command in group.items()}


def test_every_command_has_json_where_it_says_something() -> None:
    parsers = dict(_subparsers(command_parser()).choices)
    for above in ("cache", "prebuilt"):
        parsers.update({f"{above} {name}": below for name, below in _subparsers(parsers.pop(above)).choices.items()})
    without = {name for name, parser in parsers.items() if "--json" not in parser._option_string_actions}
    assert without == {"completion"}


def test_other_commands_are_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torchgraft.tools.check.check_command", "torchgraft.tools.adopt.adopt_command"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert "plan" in _subparsers(command_parser("plan")).choices
    assert not {"torchgraft.tools.check.check_command", "torchgraft.tools.adopt.adopt_command"} & set(sys.modules)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    def run(error: BaseException) -> int:
        def fail(_: object) -> int:
            raise error

        monkeypatch.setattr("torchgraft.tools.completion.run", fail)
        return main(["completion", "bash"])

    return run


def test_what_ends_a_command_early(failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(KeyboardInterrupt()) == 130
    assert failing(BrokenPipeError()) == 0
    assert capsys.readouterr().err == ""
    assert failing(OSError(errno.ENOSPC, "No space left on device")) == 1
    assert capsys.readouterr().err.startswith("error[disk-full]: a disk is full: /")
    assert failing(PermissionError(errno.EACCES, "Permission denied", "/x")) == 1
    assert capsys.readouterr().err.startswith("error[machine-refuses]: Permission denied: /x\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["completion", "bash"]])
def test_an_output_that_is_lost(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error[disk-full]: the output cannot be written: [Errno 28] No space left on device\n")
    assert "TMPDIR" not in said


@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "Invalid argument"), ZeroDivisionError("oops")])
def test_a_bug_keeps_its_traceback(
    error: Exception, failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(error) == 3
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "torchgraft has a bug" in text


@pytest.mark.parametrize("command", [["plan"], ["adopt", "--write"], ["vendor", "--write"]])
def test_a_folder_that_is_no_project(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    # Something below it looks for torch.
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "CMakeLists.txt").write_text("find_package(Torch)\n")
    assert main([*command, str(tmp_path)]) == 2
    assert "error[no-project]" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["below"]


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ("", "setuptools.build_meta:__legacy__ builds this project"),
        ('[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n', "hatchling.build builds this project"),
        ('[build-system]\nrequires = []\nbuild-backend = "torchgraft.build_meta"\n', ""),
        ('[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n', ""),
    ],
)
def test_a_plan_of_a_project_that_does_not_name_torchgraft_says_so(
    project: Path, capsys: pytest.CaptureFixture[str], system: str, said: str
) -> None:
    (project / "pyproject.toml").write_text(system)
    main(["plan", str(project), "-C", "torchgraft.provide=off"])
    printed = capsys.readouterr()
    assert "torchgraft does nothing here: provide (-C torchgraft.provide) is off." in printed.out
    assert ("after `torchgraft adopt --write`" in printed.err) == bool(said)
    assert ("need no torch (nothing in it asks for torch" in printed.err) == bool(said)
    assert said in printed.err


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_was_closed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, name, None)
    assert main(["completion", "bash"]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is in use cannot be deleted there")
def test_a_working_folder_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["plan"]) == 1
    monkeypatch.chdir(tmp_path)
    assert "error[no-working-folder]" in capsys.readouterr().err


def test_two_snapshots_side_by_side(
    recorded: Path, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    other.write_text(json_text(snapshots.snapshot(consumer=snapshots.consumer(snapshots.CUDA_TORCH))))
    arguments = ["plan", str(project), "--snapshot", str(recorded), "--against"]
    assert main([*arguments, str(other)]) == 0
    printed = capsys.readouterr().out
    assert "2.13.0+cpu" in printed
    assert "2.8.0+cu128" in printed
    for internal in ("seen.", "planned.", "of_machine"):
        assert internal not in printed
    assert main([*arguments, str(other), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {"path": "seen.consumer.torch.cuda", "one": "", "other": "12.8"} in report["differences"]
    assert main([*arguments, str(recorded)]) == 0
    assert capsys.readouterr().out.startswith("no difference between")
    assert main([*arguments, "/nowhere.json"]) == 2


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("seen.consumer.torch.version", "torch"),
        ("seen.consumer.torch.cuda", "torch: cuda"),
        ("seen.hardware.cores", "processors"),
        ("planned.variables[MAX_JOBS].value", "variable MAX_JOBS"),
        ("planned.requirements[ninja]", "requirement ninja"),
        ("seen.python.version", "python version"),
    ],
)
def test_what_differs_is_named_in_words(path: str, words: str) -> None:
    assert words_text(path) == words


def test_no_difference_is_invented(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    for folder in (one, other):
        venv.create(folder, with_pip=False)
    assert main(["plan", str(project), "--consumer", one, "--against", other]) == 0
    assert capsys.readouterr().out == f"no difference between {one} and {other}\n"


def test_a_path_in_a_column_is_not_broken() -> None:
    text = columns_text([("", "a", "b"), ("folder", "-", "/x" * 50)], width=60)
    assert text.splitlines()[1:] == ["folder", "    a: -", f"    b: {'/x' * 50}"]


def test_columns_that_are_too_narrow_go_on_below() -> None:
    text = columns_text([("a", "x " * 40, "y"), ("b", "1", "2")], width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.splitlines()[0].split() == ["a", *["x"] * (len(text.splitlines()[0].split()) - 2), "y"]
    assert text.splitlines()[-1].split() == ["b", "1", "2"]


def test_a_snapshot_that_can_be_sent(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(project.parent))
    assert main(["snapshot", str(project), "--redact"]) == 0
    text = capsys.readouterr().out
    assert str(project.parent) not in text
    assert json.loads(text)["project"]["folder"] == "~/project"
    assert main(["snapshot", str(project)]) == 0
    assert json.loads(capsys.readouterr().out)["project"]["folder"] == str(project)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell: str) -> None:
    text = completion_text(shell)
    for word in ("doctor", "prune", "against", "older-than"):
        assert word in text
    if shell != "bash":  # which shows no descriptions
        assert "find packages that do not fit the installed torch" in text
        assert "Nothing is imported" not in text


def test_completion_completes_paths() -> None:
    assert "_torchgraft_plan___against_COMPGEN=_shtab_compgen_files" in completion_text("bash")


class _Terminal:
    def __init__(self, *, is_terminal: bool) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.skipif(sys.platform == "win32", reason="only in Windows Terminal")
def test_colours_on_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal: Any = _Terminal(is_terminal=True)
    pipe: Any = _Terminal(is_terminal=False)
    assert painted("ok", Colour.GREEN, stream=terminal) == "\x1b[32mok\x1b[0m"
    assert painted("ok", Colour.GREEN, stream=pipe) == "ok"
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert painted("ok", Colour.GREEN, stream=terminal) == "ok"


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"torchgraft {__version__}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows always knows a home")
@pytest.mark.parametrize("command", [["doctor"], ["plan", "~nobody-of-this-name/x"]])
def test_a_user_without_a_home(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Containers run as user ids that have no entry in the user database."""
    import pwd

    def nobody(uid: object) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(pwd, "getpwnam", nobody)
    monkeypatch.chdir(tmp_path)
    try:
        status = main(command)
    except SystemExit as end:  # argparse says that there is no such folder
        status = int(str(end.code))
    assert status in {0, 1, 2}
    assert "has a bug" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
