from __future__ import annotations

import os
import sys
import time
from typing import Any

import pytest

from torchgraft.child import run_child

SHELL = pytest.mark.skipif(sys.platform == "win32", reason="the children are shell scripts")


def run(script: str, each_line: Any = bytes) -> int:
    return run_child(["sh", "-c", script], folder=None, environment=dict(os.environ), each_line=each_line)


@SHELL
def test_output_is_passed_on_and_the_status_returned(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("echo out; echo err >&2; exit 7") == 7
    captured = capfd.readouterr()
    assert "out" in captured.out + captured.err
    assert "err" in captured.out + captured.err


@SHELL
def test_each_line_can_be_put_differently(capfd: pytest.CaptureFixture[str]) -> None:
    run("echo one; echo two", lambda line: line.upper())
    assert capfd.readouterr().out == "ONE\nTWO\n"


@SHELL
def test_a_signal_is_a_negative_status() -> None:
    assert run("kill -9 $$") == -9


@SHELL
def test_a_server_that_the_child_leaves_behind_does_not_hold_us() -> None:
    """sccache starts one at the first compilation, with our pipe as its output."""
    start = time.monotonic()
    assert run("sleep 20 & echo started") == 0
    assert time.monotonic() - start < 10


@SHELL
def test_exactly_these_variables(capfd: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-I", "-c", "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"]
    run_child(command, folder=None, environment={"ONLY": "1"}, each_line=bytes)
    assert capfd.readouterr().out == "['ONLY']\n"
