from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from support.toolkits import script
from torchgraft.programs import ask_program, find_programs, take_answer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake programs are shell scripts")
SYSTEM = {"PATH": "/usr/bin:/bin"}


def test_both_streams_whatever_the_status(tmp_path: Path) -> None:
    program = script(tmp_path / "x", "#!/bin/sh\necho one\necho two >&2\ncat\nexit 3\n")
    assert ask_program([str(program)], SYSTEM) == "one\ntwo\n"


def test_the_variables_are_those_that_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    program = script(tmp_path / "x", '#!/bin/sh\necho "$OURS$THEIRS"\n')
    assert ask_program([str(program)], {**SYSTEM, "THEIRS": "2", "a=b": "", "c": "\0"}) == "2\n"


@pytest.mark.parametrize("command", [["/nowhere/x"], ["/x\0"], ["."]])
def test_what_cannot_be_run(command: list[str]) -> None:
    assert ask_program(command, SYSTEM) is None


def test_a_program_that_hangs_ends_with_its_children(tmp_path: Path) -> None:
    """A wrapper script's child holds the pipe open after the script itself was killed."""
    program = script(tmp_path / "x", f"#!/bin/sh\nsleep 60 & echo $! > {tmp_path}/child\nsleep 60\n")
    start = time.monotonic()
    assert ask_program([str(program)], SYSTEM, timeout_s=0.3) is None
    assert time.monotonic() - start < 5
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    if Path("/proc/self/stat").exists():
        until = time.monotonic() + 2
        while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < until:
            time.sleep(0.01)
        assert not child.exists() or child.read_text().split()[2] == "Z"


def test_a_program_that_prints_without_end(tmp_path: Path) -> None:
    program = script(tmp_path / "x", "#!/bin/sh\nexec yes\n")
    answer = take_answer([str(program)], SYSTEM)
    assert (answer.text, answer.fault) == ("", "it prints more than 50 MB")


@pytest.mark.parametrize(
    ("body", "text"), [("read line; echo $line", "a line\n"), ("exec <&-; sleep 0.1; echo x", "x\n")]
)
def test_a_program_that_is_given_a_line(tmp_path: Path, body: str, text: str) -> None:
    program = script(tmp_path / "x", f"#!/bin/sh\n{body}\n")
    answer = take_answer([str(program)], SYSTEM, given="a line")
    assert (answer.text, answer.fault) == (text, "")


def test_a_line_that_is_not_read_is_no_fault(tmp_path: Path) -> None:
    # More than fits into a pipe.
    answer = take_answer([str(script(tmp_path / "x", "#!/bin/sh\necho x\n"))], SYSTEM, given="a" * 1_000_000)
    assert (answer.text, answer.fault) == ("x\n", "")


def test_all_programs_of_a_name_in_the_order_of_path(tmp_path: Path) -> None:
    for name in ("a", "b"):
        script(tmp_path / name / "x", "")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "x").touch()
    path = f"{tmp_path}/b:::{tmp_path}/c:{tmp_path}/a:{tmp_path}/b"
    assert find_programs("x", {"PATH": path}) == (f"{tmp_path}/b/x", f"{tmp_path}/a/x")
    assert find_programs("x", {}) == ()
