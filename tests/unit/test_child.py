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


@SHELL
def test_a_progress_bar_is_passed_on_as_it_moves() -> None:
    seen: list[bytes] = []
    run("printf '10%%\\r'; sleep 0.2; printf '20%%\\r'; sleep 0.2; echo done", lambda line: seen.append(line) or line)
    assert seen == [b"10%\r", b"20%\r", b"done\n"]


@SHELL
def test_the_cost_of_a_line_does_not_grow_with_its_square(capfd: pytest.CaptureFixture[str]) -> None:
    start = time.process_time()
    longest = 0

    def measure(line: bytes) -> bytes:
        nonlocal longest
        longest = max(longest, len(line))
        return line

    run("head -c 30000000 /dev/zero | tr '\\0' y; echo", measure)
    assert len(capfd.readouterr().out) == 30_000_001
    assert longest <= 2 * 65_536
    assert time.process_time() - start < 3
