from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.cli import main

FILE = "my_ext-1.0+cu{cuda_digits}torch{torch_minor}-{python}-{abi}-linux_x86_64.whl"


def make_project(folder: Path, wheels: Path) -> Path:
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n'
        '[project]\nname = "my-ext"\nversion = "1.0"\n'
        f'[[tool.torchgraft.prebuilt]]\nurl = "{wheels.as_uri()}/{FILE}"\n',
        encoding="utf-8",
    )
    return folder


def test_every_combination_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path, tmp_path / "dist")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "my_ext-1.0+cu128torch2.8-cp311-cp311-linux_x86_64.whl").touch()
    versions = ["--torch", "2.8.0+cu128", "2.9.0+cu130", "--python", "3.11", "3.12"]
    assert main(["prebuilt", "check", str(project), *versions]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:5] for line in lines[:-1]] == [
        ["there", "torch", "2.8.0+cu128", "Python", "3.11"],
        ["missing", "torch", "2.8.0+cu128", "Python", "3.12"],
        ["missing", "torch", "2.9.0+cu130", "Python", "3.11"],
        ["missing", "torch", "2.9.0+cu130", "Python", "3.12"],
    ]
    assert "/my_ext-1.0+cu130torch2.9-cp312-cp312-linux_x86_64.whl (there is no such file)" in lines[3]
    assert lines[-1] == "1 of 4 combinations are there"
    assert main(["prebuilt", "check", str(project), "--torch", "2.8.0+cu128", "--python", "3.11"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--torch", "2.8.0"], "--torch 2.8.0 does not say for which CUDA"),
        (["--torch", "2.8.0+cpu", "--python", "3"], "--python 3 is no version"),
    ],
)
def test_a_version_that_does_not_say_enough(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prebuilt", "check", str(make_project(tmp_path, tmp_path)), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_settings_on_its_command_line_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path, tmp_path)
    assert main(["prebuilt", "check", str(project), "-C", "torchgraft.max-jobs=none"]) == 2
    assert "max-jobs has a wrong value" in capsys.readouterr().err


def test_a_project_without_such_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n', encoding="utf-8")
    assert main(["prebuilt", "check", str(tmp_path)]) == 2
    assert "the project has no [[tool.torchgraft.prebuilt]]" in capsys.readouterr().err
