from __future__ import annotations

import importlib.machinery
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from packaging.tags import sys_tags
from packaging.version import Version

from torchgraft.codec import json_text
from torchgraft.consumer.processes import (
    VARIABLES,
    Process,
    ask_for_ancestors,
    read_ancestors,
    take_ancestors,
    take_hook_process,
    take_python,
)
from torchgraft.model.observation import Python
from torchgraft.tools.from_json import from_json_text

SRC = Path(__file__).parents[3] / "src"
PRINT_PARENT = "from torchgraft.consumer.processes import take_ancestors; print(repr(take_ancestors()[0]))"


def test_nothing_that_may_hold_credentials_is_read() -> None:
    for word in ("URL", "INDEX", "TOKEN", "PASSWORD", "KEY", "CONFIG"):
        assert not [name for name in VARIABLES if word in name]


def test_a_requirements_file_at_a_url_loses_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONSTRAINT", "c.txt https://me:my@secret@host/a@b.txt")
    assert take_hook_process().variable("PIP_CONSTRAINT") == "c.txt https://host/a@b.txt"


def test_the_hook_process_sees_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:secret@example.org/")
    hook = take_hook_process()
    assert hook.prefix == sys.prefix
    assert hook.sys_path == tuple(sys.path)
    assert hook.folder == str(Path.cwd())
    assert hook.variable("VIRTUAL_ENV") == "/somewhere"
    assert "secret" not in repr(hook)
    assert ("home" in hook.pyvenv_cfg) is (sys.prefix != sys.base_prefix)


def test_ancestors_are_nearest_first_and_only_the_parent_is_asked_for_locks() -> None:
    ancestors = take_ancestors()
    assert 0 < len(ancestors) <= 12
    assert {name for process in ancestors for name, _ in process.variables} <= VARIABLES
    assert all(process.locks is None for process in ancestors[1:])


def test_looking_at_the_ancestors_is_quick() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        take_ancestors()
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.02


def run_below(parent: str, folder: Path) -> str:
    """Return what a process prints whose parent runs the code `parent`, as uv runs a hook."""
    code = f"{parent}\nimport subprocess, sys\nsubprocess.run([sys.executable, '-c', {PRINT_PARENT!r}], check=True)"
    environment = {**os.environ, "PYTHONPATH": str(SRC), "UV_PYTHON": "here", "UV_INDEX_URL": "https://u:secret@h/"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60, capture_output=True, text=True)
    return done.stdout


def test_a_lock_that_the_parent_holds_shows_up(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    for name in (".lock", "uv-1a2b.lock", "uv.lock.txt"):
        (tmp_path / name).touch()
    said = run_below(
        "import fcntl\nfiles = [open(name, 'r+') for name in ('.lock', 'uv-1a2b.lock', 'uv.lock.txt')]\n"
        "fcntl.flock(files[0], fcntl.LOCK_EX)",
        tmp_path,
    )
    assert f"locks=({str(tmp_path / '.lock')!r}, {str(tmp_path / 'uv-1a2b.lock')!r})" in said
    assert f"folder={str(tmp_path)!r}" in said
    assert "('UV_PYTHON', 'here')" in said
    assert "secret" not in said


def test_a_launcher_with_the_same_arguments_is_left_out(tmp_path: Path) -> None:
    """As a venv's python.exe on Windows, which starts the base interpreter with its own arguments."""
    script = tmp_path / "hook.py"
    script.write_text(
        "import os, subprocess, sys\n"
        "if os.environ.pop('LAUNCH', None):\n"
        "    sys.exit(subprocess.run([sys.executable, *sys.orig_argv[1:]], timeout=60).returncode)\n"
        "from torchgraft.consumer.processes import take_ancestors\n"
        "print(take_ancestors()[0].arguments == tuple(eval(os.environ['EXPECTED'])))\n"
    )
    expected = repr(tuple(Path("/proc/self/cmdline").read_text().split("\0")[:-1]))
    environment = {**os.environ, "PYTHONPATH": str(SRC), "LAUNCH": "1", "EXPECTED": expected}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout.strip() == "True"


def test_psutil_says_the_same_as_proc() -> None:
    """It is what macOS and Windows have instead."""
    pytest.importorskip("psutil")
    assert ask_for_ancestors() == take_ancestors()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
class TestProc:
    """A /proc of our own making."""

    PARENT = str(os.getppid()) if sys.platform == "linux" else ""

    @pytest.fixture
    def proc(self, tmp_path: Path) -> Path:
        (tmp_path / "self").symlink_to(str(os.getpid()))
        self.write(tmp_path, self.PARENT, uid=os.getuid(), parent=7, arguments=b"uv\0sync\0\0")
        self.write(tmp_path, "7", uid=os.getuid(), parent=1, arguments=b"sh\0")
        self.write(tmp_path, "1", uid=os.getuid() + 1, parent=0, arguments=b"init\0")
        return tmp_path

    def write(self, proc: Path, process: str, *, uid: int, parent: int, arguments: bytes) -> None:
        folder = proc / process
        folder.mkdir()
        (folder / "status").write_text(f"Name:\tUid:\\n0\nPPid:\t{parent}\nUid:\t{uid}\t0\t0\t0\n")
        (folder / "cmdline").write_bytes(arguments)
        (folder / "environ").write_bytes(b"UV_PYTHON=a=b\0\xff\0PASSWORD=secret\0")
        (folder / "cwd").symlink_to("/work")
        (folder / "exe").symlink_to("/bin/uv (deleted)")
        (folder / "fd").mkdir()
        for name, target in {"0": "pipe:[1]", "1": "/v/.lock", "2": "/w/.lock (deleted) ", "3": "x.lock"}.items():
            (folder / "fd" / name).symlink_to(target)

    def test_ancestors_of_the_same_user(self, proc: Path) -> None:
        first, second = read_ancestors(proc)
        assert first == Process(
            executable="/bin/uv",
            arguments=("uv", "sync", ""),
            folder="/work",
            variables=(("UV_PYTHON", "a=b"),),
            locks=("/v/.lock",),
        )
        assert (second.arguments, second.locks) == (("sh",), None)

    def test_without_proc_nothing_is_known(self, tmp_path: Path) -> None:
        assert read_ancestors(tmp_path / "proc") == ()

    def test_the_proc_of_another_namespace_says_nothing(self, proc: Path) -> None:
        (proc / "self").unlink()
        (proc / "self").symlink_to("1")
        assert read_ancestors(proc) == ()

    def test_what_is_hidden_is_not_known(self, proc: Path) -> None:
        for name in ("cmdline", "environ", "cwd", "exe", "fd/0", "fd/1", "fd/2", "fd/3"):
            (proc / self.PARENT / name).unlink()
        (proc / self.PARENT / "fd").rmdir()
        assert read_ancestors(proc)[0] == Process(executable="", arguments=(), folder="", locks=None)

    def test_processes_that_are_their_own_ancestors_come_to_an_end(self, proc: Path) -> None:
        (proc / "7" / "status").write_text(f"PPid:\t7\nUid:\t{os.getuid()}\n")
        assert len(read_ancestors(proc)) == 12


def test_the_python_is_the_running_one() -> None:
    python = take_python()
    assert Version(python.version).release == Version(platform.python_version().rstrip("+")).release
    assert platform.python_version().startswith(python.minor_version + ".")
    assert python.implementation == platform.python_implementation().lower()
    assert python.extension_suffix == importlib.machinery.EXTENSION_SUFFIXES[0]


def test_abi_and_platform_of_the_python_are_as_in_the_names_of_wheels() -> None:
    python = take_python()
    assert python.abi == next(sys_tags()).abi
    if platform.system() != "Darwin":  # there a wheel may be for an older release
        assert python.platform in {tag.platform for tag in sys_tags()}


def test_the_python_round_trips() -> None:
    assert from_json_text(Python, json_text(take_python()), source="test") == take_python()
