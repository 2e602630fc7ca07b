"""A hook that is killed ends all that it has started, and leaves nothing behind that the next build stumbles over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.interrupts import interruptible

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals, sessions and process groups")
# As ninja starts compilers: each in a process group of its own.
WRITES = """
import os, subprocess, sys, time
from setuptools import setup

tick = "import os, sys, time\\nwhile os.path.exists(sys.argv[1] + '.wait'):"
tick += " open(sys.argv[1], 'a').write('x'); time.sleep(0.05)"
if os.environ.get("TICKS"):
    subprocess.Popen([sys.executable, "-c", tick, os.environ["TICKS"]], preexec_fn=os.setpgrp)
    while os.path.exists(os.environ["TICKS"] + ".wait"):
        time.sleep(0.05)
setup(py_modules=[])
"""
HOOK = "import sys, torchgraft.build_meta as b; print(getattr(b, sys.argv[1])(*sys.argv[2:]))"


class Hook:
    """A hook in a process group of its own, as a shell starts it."""

    def __init__(self, project: Path, consumer: Path, folder: Path, **variables: str) -> None:
        self.folder, self.ticks, self.log = folder, folder / "ticks", folder / "log"
        (folder / "ticks.wait").touch()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TORCHGRAFT_")}
        told = {"TORCHGRAFT_CONSUMER": str(consumer), "TORCHGRAFT_CACHE_DIR": str(folder / "cache")}
        self.project, self.wheels, self.temporary = project, folder / "wheels", folder / "tmp"
        self.temporary.mkdir()
        told |= {"PYTHONPATH": str(ROOT / "src"), "TICKS": str(self.ticks), "TMPDIR": str(self.temporary)}
        self.variables = {**inherited, **told, **variables}

    def start(self, hook: str = "build_wheel", *, inside: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        command = [sys.executable, *inside, "-c", HOOK, hook, str(self.wheels)]
        with interruptible(), self.log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.project, env=self.variables, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + 60
        while not self.ticks.exists():
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        return process

    def is_writing(self) -> bool:
        before = self.ticks.stat().st_size
        time.sleep(0.5)
        return self.ticks.stat().st_size > before

    def left(self) -> list[str]:
        beside = [path.name for path in self.wheels.iterdir() if path.suffix != ".whl"]
        return sorted(beside + [path.name for path in self.temporary.glob("torchgraft-*")])

    def build(self) -> str:
        """Return what is said by a build that nobody disturbs."""
        command = [sys.executable, "-c", HOOK, "build_wheel", str(self.wheels)]
        variables = {**self.variables, "TICKS": ""}
        done = subprocess.run(
            command, cwd=self.project, env=variables, timeout=120, check=True, stdout=-1, stderr=subprocess.STDOUT
        )
        return done.stdout.decode()


@pytest.fixture
def hook(make_project: Any, consumer: Path, tmp_path: Path) -> Hook:
    return Hook(make_project({"setup.py": WRITES}), consumer, tmp_path)


@POSIX
@pytest.mark.parametrize(
    ("called", "name"),
    [("build_wheel", "SIGINT"), ("build_wheel", "SIGTERM"), ("build_wheel", "SIGHUP"), ("build_sdist", "SIGINT")],
)
def test_who_is_ended_ends_what_it_started_and_cleans_up(hook: Hook, called: str, name: str) -> None:
    number = signal.Signals[name]
    process = hook.start(called)
    process.send_signal(number)
    assert process.wait(20) == 128 + number
    assert not hook.is_writing()
    assert hook.left() == []
    assert "Traceback" not in hook.log.read_text()


@POSIX
def test_what_a_killed_hook_started_ends_and_the_next_build_sweeps(hook: Hook) -> None:
    process = hook.start()
    time.sleep(2)
    process.kill()
    process.wait(20)
    assert "waiting for it" in hook.build() or not hook.is_writing()
    assert not hook.is_writing()
    assert hook.left() == []


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_a_hook_ends_when_the_front_end_has_ended(hook: Hook, name: str) -> None:
    front_end = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], capture_output=True)"
    process = hook.start(inside=("-c", front_end))
    process.send_signal(signal.Signals[name])
    process.wait(20)
    time.sleep(2)
    assert not hook.is_writing()
    assert hook.left() == []


@POSIX
def test_a_delegate_that_fails_leaves_nothing_running(hook: Hook) -> None:
    script = hook.project / "setup.py"
    fails = """
    while not os.path.exists(os.environ["TICKS"]):
        time.sleep(0.05)
    time.sleep(0.2)
    raise SystemExit("no")
"""
    script.write_text(script.read_text().replace("\n    while os.path", f"{fails}    while os.path", 1))
    process = hook.start()
    assert process.wait(60) == 1
    assert not hook.is_writing()


@POSIX
def test_a_build_that_is_killed_with_all_its_processes_leaves_nothing_where_wheels_go(hook: Hook) -> None:
    process = hook.start()
    supervisor = subprocess.run(["pgrep", "-P", str(process.pid)], check=True, stdout=-1, encoding="ascii").stdout
    os.kill(int(supervisor), signal.SIGKILL)
    process.kill()
    process.wait(20)
    (hook.folder / "ticks.wait").unlink()
    assert list(hook.wheels.iterdir()) == []
    (left,) = hook.left()
    foreign = hook.temporary / "torchgraft-draft-link"
    foreign.symlink_to(hook.project)
    time.sleep(2)
    hook.wheels = hook.folder / "other"  # as pip has it, which names a new one each time
    hook.build()
    assert hook.left() == [foreign.name], left
    assert (hook.project / "setup.py").exists()


@POSIX
def test_a_draft_that_was_left_just_now_goes_with_the_next_build(hook: Hook) -> None:
    (hook.project / "setup.py").write_text("import time; time.sleep(2.5)\nfrom setuptools import setup; setup()")
    (hook.temporary / "torchgraft-draft-left").mkdir()
    hook.build()
    assert hook.left() == []


@POSIX
def test_the_draft_of_a_build_that_is_at_work_is_not_swept(hook: Hook, tmp_path: Path, make_caller: Any) -> None:
    process = hook.start()
    time.sleep(2.5)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "setup.py").write_text("from setuptools import setup; setup(name='o', py_modules=[])")
    (tmp_path / "other" / "pyproject.toml").write_text("[build-system]\nrequires = []\n")
    # Nobody knows how many compilers the first one starts: it has them all.
    other = make_caller(tmp_path / "other", TORCHGRAFT_JOBSERVER="off", TMPDIR=str(hook.temporary))
    other.build_wheel(hook.wheels)
    (draft,) = hook.left()
    assert (hook.temporary / draft / "wheel").is_dir()
    (hook.folder / "ticks.wait").unlink()
    assert process.wait(60) == 0, hook.log.read_text()
    assert hook.left() == []


@POSIX
def test_a_delegate_that_a_person_killed_is_not_run_again(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    script = f"import os; open({str(tmp_path / 'runs')!r}, 'a').write('x'); os.kill(os.getpid(), 9)"
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status 1"):
        make_caller(make_project({"setup.py": script}), MAX_JOBS="8").build_wheel(tmp_path)
    said = capfd.readouterr().err
    assert (tmp_path / "runs").read_text() == "x"
    assert "build_wheel: killed by signal 9" in said
    assert "memory" not in said


def test_where_nothing_is_compiled_nothing_is_said_of_memory(
    make_project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    script = "raise SystemExit('g++: fatal error: Killed signal terminated program cc1plus')"
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status 1"):
        make_caller(make_project({"setup.py": script})).build_sdist(tmp_path)
    assert "out-of-memory" not in capfd.readouterr().err


@POSIX
def test_a_time_limit(hook: Hook) -> None:
    hook.variables["TORCHGRAFT_TIMEOUT"] = "3s"
    process = hook.start()
    assert process.wait(30) == 1
    assert not hook.is_writing()
    said = hook.log.read_text()
    assert "error[timed-out]: setuptools.build_meta was ended in build_wheel: it took longer than 0:00:03" in said
    assert hook.left() == []
