"""Whether uv's settings say which torch a build has."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import sites, snapshots
from torchgraft.consumer.front_end import find_caller
from torchgraft.consumer.processes import HookProcess, Process
from torchgraft.wanted.arguments import read_asked_for
from torchgraft.wanted.read_wanted import with_settings
from torchgraft.wanted.settings_files import chooses_torch

PYTHON = snapshots.PYTHON
BUILD = "/cache/builds-v0/.tmpAbc"
HOOK = HookProcess(
    prefix=BUILD, base_prefix="/usr", purelib=BUILD, folder="/src", sys_path=(), pyvenv_cfg="uv = 0.13\n"
)
MATCHED = '{ requirement = "torch", match-runtime = true }'


def chooses(folder: Path, command: str, **variables: str) -> bool:
    process = Process(executable="/usr/bin/uv", arguments=tuple(command.split()), folder=str(folder))
    caller = find_caller(HOOK, (process,))
    assert caller
    return chooses_torch(caller, {"XDG_CONFIG_HOME": str(folder / "config"), **variables}, "flash-attn")


def table(*requirements: str) -> str:
    return f"[extra-build-dependencies]\nflash_attn = [{', '.join(requirements)}]\n"


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ((MATCHED,), True),
        (("'torch==2.8.0'",), True),
        (('{ requirement = "torch" }',), False),
        (("'torch>=2.4'", "'numpy==2.0'"), False),
        (("'torchvision==0.23'",), False),
    ],
)
def test_which_ones_say_it(tmp_path: Path, requirements: tuple[str, ...], *, expected: bool) -> None:
    sites.write(tmp_path, {"pyproject.toml": f"[tool.uv.{table(*requirements)[1:]}"})
    assert chooses(tmp_path, "uv sync") is expected
    assert not chooses(tmp_path, "uv sync --no-config")
    assert not chooses(tmp_path, "uv sync", UV_NO_CONFIG="1")
    assert not chooses(tmp_path, "uv tool install flash-attn")


def test_which_files_say_it(tmp_path: Path) -> None:
    texts = {"config/uv/uv.toml": table(MATCHED), "other.toml": table("'torch'"), "project/pyproject.toml": ""}
    sites.write(tmp_path, texts)
    assert chooses(tmp_path, "uv sync --project project")
    assert not chooses(tmp_path, "uv sync --config-file other.toml")
    assert not chooses(tmp_path, "uv sync", UV_CONFIG_FILE="other.toml")
    assert chooses(tmp_path, "uv sync", UV_CONFIG_FILE="config/uv/uv.toml", XDG_CONFIG_HOME="/nowhere")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv pip install ext", ["torch==2.8.0"]),
        ("uv pip install torch ./ext", ["torch", "torch==2.8.0"]),
        ("uv pip install --no-config ext", []),
        ("uv pip sync ext.txt", []),
        ("uv tool install ext", []),
    ],
)
def test_constraints_among_uvs_settings(tmp_path: Path, command: str, expected: list[str]) -> None:
    constraints = '[tool.uv]\nconstraint-dependencies = ["torch==2.8.0", "numpy<3"]\n'
    sites.write(tmp_path, {"pyproject.toml": constraints, "ext.txt": "ext\n"})
    line = Process(executable="/usr/bin/uv", arguments=tuple(command.split()), folder="/").command_line
    assert line
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    asked = read_asked_for(line, folder=str(tmp_path), variables=variables, python=PYTHON)
    assert [item.requirement.text for item in asked.requirements] == expected
    sites.write(tmp_path, {"uv.toml": 'override-dependencies = ["torch==2.9.0"]\n'})
    asked = read_asked_for(line, folder=str(tmp_path), variables=variables, python=PYTHON)
    replaced = ["torch==2.9.0"] if "torch==2.8.0" in expected else expected
    assert [item.requirement.text for item in asked.requirements] == replaced


def test_what_the_settings_say_that_the_package_requires(tmp_path: Path) -> None:
    stated = '[[dependency-metadata]]\nname = "EXT"\nrequires-dist = ["torch==2.7.0", "numpy"]\n'
    sites.write(tmp_path, {"uv.toml": stated})
    for command, name, expected in (
        ("uv pip install ./ext", "ext", ["torch==2.7.0"]),
        ("uv run --with ./ext python", "ext", ["torch==2.7.0"]),
        ("uv pip install ./ext", "other", []),
        ("uv sync", "ext", []),  # the lock has it
    ):
        line = Process(executable="/usr/bin/uv", arguments=tuple(command.split()), folder="/").command_line
        assert line
        variables = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
        building = snapshots.project(name=name)
        asked = read_asked_for(line, folder=str(tmp_path), variables=variables, python=PYTHON, building=building)
        assert [item.requirement.text for item in asked.requirements] == expected


def test_where_the_settings_are_is_what_the_hook_has_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sites.write(tmp_path, {"own.toml": 'constraint-dependencies = ["torch==2.8.0"]\n'})
    line = Process(executable="/usr/bin/uv", arguments=("uv", "pip", "install", "ext"), folder="/").command_line
    assert line
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "own.toml"))
    for off, expected in (("", ["torch==2.8.0"]), ("1", [])):
        monkeypatch.setenv("UV_NO_CONFIG", off)
        asked = read_asked_for(line, folder=str(tmp_path), variables={}, python=PYTHON)
        assert [item.requirement.text for item in asked.requirements] == expected


@pytest.mark.parametrize(
    ("settings", "command", "names", "expected"),
    [
        ('prefix = "pre"', "uv pip install ext", ("--prefix",), "pre"),
        ('prefix = "pre"', "uv pip install --prefix own ext", ("--prefix",), "own"),
        ('prefix = "pre"', "uv sync", ("--prefix",), None),
        ('python = "c/bin/python"', "uv pip install ext", ("--python", "-p"), "c/bin/python"),
        ('python = "c/bin/python"', "uv pip install -p d/bin/python ext", ("--python", "-p"), "d/bin/python"),
    ],
)
def test_where_uv_installs_by_its_settings(
    tmp_path: Path, settings: str, command: str, names: tuple[str, ...], expected: str | None
) -> None:
    sites.write(tmp_path, {"pyproject.toml": f"[tool.uv.pip]\n{settings}\nsystem = true\n"})
    process = Process(executable="/usr/bin/uv", arguments=tuple(command.split()), folder=str(tmp_path))
    caller = find_caller(HOOK, (process,))
    assert caller
    found = with_settings(caller).command
    assert found.value(*names) == expected
    assert found.has("--system") is (found.words[0] == "pip")
