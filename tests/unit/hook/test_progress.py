"""How far a build is: what its output says, what is written and said of it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from support import snapshots
from torchgraft.cli import main
from torchgraft.codec import json_text
from torchgraft.hook.call import Call
from torchgraft.hook.plan import plan_build
from torchgraft.hook.progress import (
    FOLDER,
    BuildState,
    Counting,
    Telling,
    counted,
    duration_text,
    read_state,
    state_text,
    sweep,
)
from torchgraft.hook.terminal_line import clearing_at_interruption, fitted, write_terminal
from torchgraft.model.observation import Hook
from torchgraft.settings.config import Config
from torchgraft.tools.watch_command import SeenBuild, read_builds, watch_text

NINJA = b"[%d/%d] c++ -MMD -MF /b/%s.o.d -I/include -c -c /src/%s -o /b/%s.o -O3\n"
SERIAL = b"gcc -Wall -fPIC -I/include/x.c -c csrc/%s -o build/temp/%s.o -O3\n"
NVCC = b"/usr/local/cuda/bin/nvcc -I/x -c csrc/k.cu -o build/k.o --expt-relaxed-constexpr\n"


def seen(*lines: bytes, **state: object) -> BuildState:
    counting = Counting(BuildState(name="ext", **state))  # type: ignore[arg-type]
    for line in lines:
        counting.see(line)
    return counting.state


def ninja(done: int, total: int, file: bytes = b"a.cpp") -> bytes:
    return NINJA % (done, total, file, file, file)


def test_ninja_says_how_many_there_are() -> None:
    state = seen(ninja(1, 3), ninja(2, 3, b"b.cu"))
    assert (state.done, state.total, state.file) == (2, 3, "b.cu")


def test_ninja_runs_once_for_each_extension() -> None:
    state = seen(ninja(1, 2), ninja(2, 2), ninja(1, 3), ninja(2, 3))
    assert (state.done, state.total) == (4, 5)


def test_cmake_says_a_share() -> None:
    state = seen(b"[ 42%] Building CXX object CMakeFiles/x.dir/src/a.cpp.o\n")
    assert (state.per_cent, state.file, state.share) == (42, "a.cpp", 0.42)


def test_compilers_that_are_called_one_after_the_other() -> None:
    state = seen(b"building 'ext' extension\n", SERIAL % (b"a.c", b"a"), SERIAL % (b"b.c", b"b"), NVCC)
    assert (state.done, state.total, state.file) == (2, 0, "k.cu")


@pytest.mark.parametrize("line", [b"", b"[", b"[1/", b"[x/y] a -c", b"\xff -c \xff", b"copying -c", b"[999999999/1] "])
def test_what_says_nothing(line: bytes) -> None:
    assert seen(line) == BuildState(name="ext")


def test_a_long_line_costs_little() -> None:
    line = b"g++ " + b"-Iaaaa " * 500_000 + b" -c a.cpp"
    began = time.perf_counter()
    seen(line)
    assert time.perf_counter() - began < 0.5


def test_the_line_of_a_build() -> None:
    state = BuildState(name="ext", began_s=100, done=17, total=73, jobs=2)
    assert state_text(state, 280) == "ext: 17 of 73 files, 2 at once, 3 min; about 10 min left"
    last = dataclasses.replace(state, last_s=660)
    assert state_text(last, 280) == "ext: 17 of 73 files, 2 at once, 3 min; about 8 min left (11 min last time)"
    linking = dataclasses.replace(last, done=73)
    assert state_text(linking, 280) == "ext: 73 of 73 files, 2 at once, 3 min (11 min last time)"
    serial = BuildState(name="ext", began_s=100, done=1, file="b.cpp")
    assert state_text(serial, 130) == "ext: 1 file, at b.cpp, 30 s"
    assert state_text(BuildState(name="ext", began_s=100), 130) == "ext: at work, 30 s"
    alone = BuildState(name="ext", began_s=100, total=9, done=1, jobs=1, shared=True)
    assert ": 1 of 9 files, one at a time (shared), 30 s" in state_text(alone, 130)
    waits = dataclasses.replace(alone, total=0, done=0, jobs=0)
    assert state_text(waits, 130) == "ext: waiting for other builds, 30 s"


def test_the_time_that_is_left_is_not_that_of_other_builds() -> None:
    state = BuildState(name="ext", began_s=100, done=4, total=10, jobs=2, shared=True, waited_s=90)
    assert state_text(state, 214) == "ext: 4 of 10 files, 2 at once (shared), 2 min; about 35 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (5400, "90 min"), (7200, "2 h 0 min")],
)
def test_a_time_is_said_as_one_says_it(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"name": 1}', '{"name": "x", "other": 1}', '{"name": "x", "done": "1"}'],
)
def test_a_file_that_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert read_state(tmp_path / "x.json") is None


def test_a_line_goes_as_soon_as_somebody_interrupts() -> None:
    said: list[str] = []
    # A shell that starts something in the background has it ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            pytest.raises(KeyboardInterrupt),  # of Python's own handler, which comes then
            clearing_at_interruption(lambda: said.append("cleared")),
        ):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert said == ["cleared"]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, "ext: 4 of 10 files, 2 at once (shared), 2 min; about 36 s left (3 min last time)"),
        (79, "ext: 4 of 10 files, 2 at once (shared), 2 min; about 36 s left"),
        (59, "ext: 4 of 10 files, 2 at once (shared), 2 min"),
        (30, "ext: 4 of 10 files, 2 at once"),
        (12, "ext: 4 of 10"),
    ],
)
def test_a_line_that_is_too_long_ends_where_a_part_of_it_ends(width: int, shown: str) -> None:
    text = "ext: 4 of 10 files, 2 at once (shared), 2 min; about 36 s left (3 min last time)"
    assert fitted(text, width) == shown


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are something else there")
@pytest.mark.parametrize("text", ["how far", "ext: " + "4 of 10 files, " * 9])
def test_a_line_is_written_below_what_a_front_end_draws(text: str) -> None:
    import fcntl
    import pty
    import struct
    import termios

    child, terminal = pty.fork()
    if child == 0:  # it has a terminal of its own, and is in its foreground
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        write_terminal(text)
        os._exit(0)
    assert os.read(terminal, 1000) == f"\x1bD\x1b[A\x1b7\x1b[B\r\x1b[J{fitted(text, 79)}\x1b8".encode()
    os.waitpid(child, 0)
    os.close(terminal)


def test_a_short_build_writes_nothing(tmp_path: Path) -> None:
    plan = plan_build(Config(), snapshots.snapshot(hook=Hook.BUILD_WHEEL))
    call = Call(plan=plan, source=tmp_path, cache_folder=tmp_path, config_settings=None, variables={})
    with counted(call) as counting:
        counting.see(b"[1/2] c++ -c a.cpp")
    assert list(tmp_path.iterdir()) == []


def test_before_anything_is_counted_it_is_as_last_time(tmp_path: Path) -> None:
    plan = plan_build(Config(), snapshots.snapshot(hook=Hook.BUILD_WHEEL))
    call = Call(plan=plan, source=tmp_path, cache_folder=tmp_path, config_settings=None, variables={})
    last = BuildState(name="ext", began_s=100, ended_s=160, done=10, total=10)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "ext.json").write_text(json_text(last))
    counting = Counting(BuildState(name="ext"))
    telling = Telling(call, counting)
    state = telling.state()
    assert (state.done, state.total, state.last_s) == (0, 10, 60)
    counting.see(ninja(1, 3))
    state = telling.state()
    assert (state.done, state.total, state.last_s) == (1, 3, 0)  # of another build than the last one
    (tmp_path / FOLDER / "ext.json").write_text(json_text(dataclasses.replace(last, failed=True)))
    assert telling.state().last_s == 0


def test_what_is_left_of_builds_is_swept(tmp_path: Path) -> None:
    now = time.time()
    states = {
        "killed.1.json": BuildState(name="killed", seen_s=now - 1000),
        "live.2.json": BuildState(name="live", seen_s=now),
        **{f"e{i}.json": BuildState(name=f"e{i}", seen_s=now, ended_s=now - i) for i in range(40)},
    }
    for name, state in states.items():
        (tmp_path / name).write_text(json_text(state))
    sweep(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert "killed.1.json" not in left
    assert {"live.2.json", "e0.json", "e29.json"} <= left
    assert "e30.json" not in left


def test_watch_shows_builds_and_the_last_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHGRAFT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["watch"]) == 0
    assert capsys.readouterr().out == "no build is running\n"
    now = time.time()
    (tmp_path / FOLDER).mkdir()
    live = BuildState(
        name="ext", process=os.getpid(), began_s=now - 60, seen_s=now, done=5, total=10, jobs=2, torch="2.9.0"
    )
    ended = BuildState(name="other", began_s=now - 700, seen_s=now - 100, ended_s=now - 100, done=4, total=4)
    pure = BuildState(name="pure", began_s=now - 900, seen_s=now - 800, ended_s=now - 800)
    for name, state in {"ext.1.json": live, "other.json": ended, "pure.json": pure}.items():
        (tmp_path / FOLDER / name).write_text(json_text(state))
    assert main(["watch", "--once"]) == 0
    text = capsys.readouterr().out
    assert "[######......]  50%  5 of 10 files  60 s, ~60 s left" in text
    assert "2 jobs, 0.1 GB, torch 2.9.0" in text or "GB, torch 2.9.0" in text
    assert "other" in text
    assert "10 min" in text
    assert re.search(r"^  pure .* 13 minutes ago +done$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) < 80
    assert main(["watch", "--json"]) == 0
    assert [build["state"]["name"] for build in json.loads(capsys.readouterr().out)] == ["ext", "other", "pure"]


def test_a_build_that_says_nothing_any_more_is_not_shown(tmp_path: Path) -> None:
    now = time.time()
    (tmp_path / "x.1.json").write_text(json_text(BuildState(name="x", seen_s=now - 1000)))
    assert read_builds(tmp_path, now_s=now) == ()


def test_nothing_is_longer_than_the_terminal() -> None:
    state = BuildState(name="x" * 300, source="/y" * 200, file="z" * 300, done=1, total=2)
    text = watch_text((SeenBuild(state=state, files=("a" * 100,) * 3),), now_s=10, width=60)
    assert max(map(len, text.splitlines())) < 60
