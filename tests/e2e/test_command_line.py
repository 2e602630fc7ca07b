"""The command line as a shell sees it: pipes, interrupts, completion."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.interrupts import interruptible
from support.toolkits import script
from torchgraft.tools.commands import GROUPS
from torchgraft.tools.completion import completion_text

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and shells of POSIX"),
]

SOURCES = Path(__file__).parents[2] / "src"
COMMAND = [sys.executable, "-m", "torchgraft"]


@pytest.fixture
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    cache = tmp_path_factory.mktemp("cache") / "torchgraft"  # not in the source tree, where it is refused
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TORCHGRAFT_", "CUDA", "UV_"))}
    return {**kept, "PYTHONPATH": str(SOURCES), "TORCHGRAFT_CACHE_DIR": str(cache), "TERM": "xterm"}


def run(*arguments: str, variables: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=variables, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--json"], ["completion", "zsh"]])
def test_a_reader_that_has_seen_enough(arguments: list[str], variables: dict[str, str], tmp_path: Path) -> None:
    build_system = '[build-system]\nrequires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n'
    (tmp_path / "pyproject.toml").write_text(build_system)
    process = subprocess.Popen(
        [*COMMAND, *arguments], env=variables, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=30) in {0, 1}


def test_an_interrupted_command_ends_at_once_and_in_silence(variables: dict[str, str], tmp_path: Path) -> None:
    started = tmp_path / "started"
    script(tmp_path / "bin" / "uv", f"#!/bin/sh\ntouch {started}\nexec sleep 4\n")
    with interruptible():
        process = subprocess.Popen(
            [*COMMAND, "doctor"],
            env={**variables, "PATH": f"{tmp_path}/bin:{variables['PATH']}"},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    since_s = time.monotonic()
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (130, b"", b"")
    assert time.monotonic() - since_s < 3


def test_the_doctor_changes_nothing_and_says_all(variables: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "work"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True, timeout=60)
    folder.mkdir()
    before = sorted(tmp_path.rglob("*"))
    done = run("doctor", "--consumer", str(tmp_path / "env"), "--json", variables=variables, folder=folder)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert (done.returncode, report["well"]) == (1, False)
    assert "no-torch" in {finding["problem"] for finding in report["findings"]}
    assert {"python", "consumer", "torch", "gpu", "compiler", "jobs", "cache"} <= {
        finding["topic"] for finding in report["findings"]
    }
    assert sorted(tmp_path.rglob("*")) == before


def test_a_report_has_no_home_folder_and_no_colours(variables: dict[str, str], tmp_path: Path) -> None:
    home = tmp_path / "people" / "ada"
    home.mkdir(parents=True)
    known = {**variables, "HOME": str(home), "USER": "ada", "VIRTUAL_ENV": str(home / "gone")}
    done = run("doctor", "--report", variables=known, folder=home)
    assert "VIRTUAL_ENV is ~/gone" in " ".join(done.stdout.split())
    assert "ada" not in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tmp_path: Path) -> None:
    (tmp_path / "completion").write_text(completion_text("bash"))
    lines = [
        f"source {tmp_path}/completion",
        "function=$(complete -p torchgraft | sed 's/.*-F \\([^ ]*\\).*/\\1/')",
        'complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()',
        '  $function torchgraft "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[*]}"; }',
        "complete_words torchgraft do",
        "complete_words torchgraft cache pr",
        "complete_words torchgraft plan --ag",
        "complete_words torchgraft completion zs",
    ]
    done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["doctor", "prune", "--against", "zsh"], done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_takes_the_completion(tmp_path: Path) -> None:
    (tmp_path / "_torchgraft").write_text(completion_text("zsh"))
    lines = f"fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[torchgraft]"
    known = subprocess.run(["zsh", "-f", "-c", lines], capture_output=True, text=True, timeout=30, check=False)
    assert known.stdout.split() == ["_torchgraft"], known.stderr
    read = ["zsh", "-f", "-n", tmp_path / "_torchgraft"]
    assert subprocess.run(read, capture_output=True, text=True, timeout=30, check=True).stderr == ""


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes(tmp_path: Path) -> None:
    (tmp_path / "torchgraft.fish").write_text(completion_text("fish"))
    asked = ("torchgraft do", "torchgraft cache pr", "torchgraft plan --ag", "torchgraft completion zs")
    lines = [f"source {tmp_path}/torchgraft.fish", *(f"complete -C '{words}'" for words in asked)]
    command = ["fish", "--no-config", "-c", "\n".join(lines)]
    # It would make folders in the home.
    variables = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30, check=False)
    said = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in said] == ["doctor", "prune", "--against", "zsh"], done.stderr
    assert said[0][1] == GROUPS["look"]["doctor"].said
