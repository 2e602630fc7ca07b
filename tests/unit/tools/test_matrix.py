"""Which wheels a project has to have, and how CI is told."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from torchgraft.cli import main
from torchgraft.tools.matrix.at_once import Turn, made_at_once
from torchgraft.tools.matrix.plan_cells import RELEASES, Cell
from torchgraft.untrusted import load_toml

PROJECT = """
[project]
name = "my-ext"
version = "1.0"
requires-python = ">=3.11.2"
dependencies = ["torch>=2.9,<2.14"]
[tool.torchgraft]
torch = "!=2.10.*"
"""


@pytest.fixture
def project(tmp_path: Path) -> str:
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    return str(tmp_path)


def cells(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, str]]:
    assert main(["matrix", *arguments, "--json"]) == 0
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)
    return found


def test_the_range_is_that_of_the_project(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = cells(capsys, project)
    assert list(dict.fromkeys(cell["torch"].partition("+")[0] for cell in found)) == [
        *("2.13.0", "2.12.1", "2.11.0", "2.9.1"),
    ]
    assert {cell["python"] for cell in found} == {"3.11", "3.12", "3.13", "3.14"}
    every = cells(capsys, project, "--every-patch", "--cuda", "cpu", "--python", "3.12")
    assert [cell["torch"] for cell in every] == [
        *("2.13.0+cpu", "2.12.1+cpu", "2.12.0+cpu", "2.11.0+cpu", "2.9.1+cpu", "2.9.0+cpu"),
    ]


def test_what_pypi_has_comes_from_there(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = cells(capsys, project, "--torch", "2.13", "--python", "3.12", "--index", "https://mirror.test/{build}")
    assert [(cell["torch"], cell["build"], cell["index"]) for cell in found] == [
        ("2.13.0+cpu", "cpu", "https://mirror.test/cpu"),
        ("2.13.0+cu126", "cu126", "https://mirror.test/cu126"),
        ("2.13.0", "cu130", ""),
        ("2.13.0+cu132", "cu132", "https://mirror.test/cu132"),
    ]


def test_a_project_without_cuda_has_cpu_wheels(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(project, "pyproject.toml").write_text(PROJECT + 'cuda = "off"\n', encoding="utf-8")
    assert {cell["build"] for cell in cells(capsys, project)} == {"cpu"}
    assert {cell["build"] for cell in cells(capsys, project, "--cuda", ">=13")} == {"cu130", "cu132"}


def test_the_table_has_a_line_for_each_torch(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", project, "--torch", "2.13.0", "--cuda", ">=13"]) == 0
    assert capsys.readouterr().out == (
        "torch 2.13.0  cu130  Python 3.11 3.12 3.13 3.14  PyPI\n"
        "torch 2.13.0  cu132  Python 3.11 3.12 3.13 3.14  https://download.pytorch.org/whl/cu132\n"
        "8 wheels\n"
    )


def test_for_github_it_is_one_line(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["matrix", project, "--torch", "2.13.0", "--cuda", "13.0", "--python", "3.12", "--format", "github"]) == 0
    )
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"include": [{"python": "3.12", "torch": "2.13.0", "build": "cu130", "index": ""}]}


def test_cibuildwheel_takes_one_torch(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["matrix", project, "--format", "cibuildwheel", "--torch", "2.13.0", "--cuda"]
    assert main([*arguments, ">=13"]) == 2
    assert "torchgraft matrix --format cibuildwheel --torch 2.13.0 --cuda cu130" in capsys.readouterr().err
    assert main([*arguments, "cu132"]) == 0
    said = load_toml(capsys.readouterr().out)["tool"]["cibuildwheel"]
    assert said["build"].split()[0] == "cp311-manylinux_x86_64"
    assert said["environment"] == {
        "TORCHGRAFT_TORCH": "2.13.0+cu132",
        "UV_INDEX": "https://download.pytorch.org/whl/cu132",
    }


def test_a_job_of_the_array_builds_its_cell(project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", project, "--torch", "2.13.0", "--python", "3.12", "--format", "slurm"]) == 0
    script = capsys.readouterr().out
    assert "#SBATCH --array=0-3\n" in script
    (tmp_path / "uv").write_text('#!/bin/sh\necho "$TORCHGRAFT_TORCH from ${UV_INDEX-PyPI}: $*"\n', encoding="utf-8")
    (tmp_path / "uv").chmod(0o755)
    told = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "1"}
    run = subprocess.run(["bash", "-c", script], env=told, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert run.stdout == (
        "2.13.0+cu126 from https://download.pytorch.org/whl/cu126: "
        "build --wheel --python 3.12 --out-dir dist/torch-2.13.0+cu126 dist/*.tar.gz\n"
    )
    run = subprocess.run(
        ["bash", "-c", script], env={**told, "SLURM_ARRAY_TASK_ID": "2"}, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("2.13.0 from PyPI: build --wheel")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--torch", ">=9"], "no torch is left"),
        (["--build", "--torch", "2.13.0"], "there is no uv to make environments"),
    ],
)
def test_what_cannot_be(
    arguments: list[str],
    said: str,
    project: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", project)
    assert main(["matrix", project, *arguments]) in {1, 2}
    assert said in capsys.readouterr().err


def test_why_there_is_no_sdist(
    project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Traceback\n\nerror[needs-torch]: setup.py asks for torch\n\nerror: Failed to build\n  cause: a hook\n"
    (tmp_path / "said").write_text(said, encoding="utf-8")
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\ncat {tmp_path}/said >&2\nexit 1\n", encoding="utf-8")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{project}:/bin:/usr/bin")
    assert main(["matrix", project, "--build", "--torch", "2.13.0"]) == 1
    found = capsys.readouterr().err
    assert "error[needs-torch]: setup.py asks for torch" in found
    assert "cause" not in found


@pytest.mark.parametrize("arguments", [["--torch", "new"], ["--cuda", "best"]])
def test_what_is_no_version(arguments: list[str], project: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["matrix", project, *arguments])


def test_a_requires_python_that_is_none(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(project, "pyproject.toml").write_text(PROJECT.replace(">=3.11.2", "new"), encoding="utf-8")
    assert main(["matrix", project]) == 2
    assert "requires-python = 'new' is no range" in capsys.readouterr().err


def test_more_than_github_runs_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n', encoding="utf-8")
    assert main(["matrix", str(tmp_path), "--format", "github"]) == 0
    assert "cells, and GitHub runs 256" in capsys.readouterr().err


def test_the_wheel_of_pypi_is_a_build() -> None:
    assert all(release.on_pypi in release.builds and "cpu" in release.builds for release in RELEASES)
    assert len({release.version for release in RELEASES}) == len(RELEASES)


def pythons(*versions: str, torch: str = "2.8.0") -> list[Cell]:
    return [Cell(python=version, torch=torch, build="cu128", index="") for version in versions]


def test_the_first_of_a_torch_is_built_alone_and_the_others_at_once() -> None:
    cells, together, over = pythons("3.10", "3.11", "3.12"), threading.Barrier(2, timeout=10), []

    def make(cell: Cell, turn: Turn) -> str:
        with turn:
            if cell is cells[0]:
                time.sleep(0.2)
                assert not over
            else:
                together.wait()
            over.append(cell)
        return cell.python

    assert sorted(made_at_once(cells, make, builders=2)) == ["3.10", "3.11", "3.12"]
    assert over[0] is cells[0]


def test_a_first_one_that_has_no_turn_holds_up_nobody() -> None:
    cells = pythons("3.10", "3.11")

    def make(cell: Cell, turn: Turn) -> str:
        if cell is cells[0]:
            return "there is no Python 3.10"
        with turn:
            return cell.python

    assert sorted(made_at_once(cells, make, builders=1)) == ["3.11", "there is no Python 3.10"]


def test_what_goes_wrong_in_one_is_raised() -> None:
    def make(cell: Cell, turn: Turn) -> str:
        with turn:
            raise OSError(cell.python)

    with pytest.raises(OSError, match=r"3\.10"):
        list(made_at_once(pythons("3.10"), make, builders=2))
