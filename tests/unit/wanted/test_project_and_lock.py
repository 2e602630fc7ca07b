from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from torchgraft.consumer.front_end import find_caller
from torchgraft.consumer.processes import HookProcess, Process
from torchgraft.model.observation import Python
from torchgraft.model.torch_requirement import Wanted
from torchgraft.wanted.read_wanted import front_end_of, read_wanted

CASES = Path(__file__).parents[2] / "cases" / "locks"
PYTHON = Python(
    version="3.11.7", implementation="cpython", abi="cp311", platform="linux_x86_64", extension_suffix=".so"
)
BUILD = "/cache/builds-v0/.tmpAbc"
HOOK = HookProcess(
    prefix=BUILD, base_prefix="/usr", purelib=BUILD, folder="/src", sys_path=(), pyvenv_cfg="uv = 0.13\n"
)


def want(folder: Path, command: str, **variables: str) -> Wanted:
    process = Process(
        executable="/usr/bin/uv",
        arguments=tuple(command.split()),
        folder=str(folder),
        variables=tuple(variables.items()),
    )
    caller = find_caller(HOOK, (process,))
    assert caller
    return read_wanted(caller, (process,), PYTHON)


def texts(wanted: Wanted) -> tuple[str | None, list[str]]:
    locked = wanted.locked and wanted.locked.requirement
    return locked.text if locked else None, [item.requirement.text for item in wanted.asked_for]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project that pins torch 2.8.0, with a lock that says the same."""
    return Path(shutil.copytree(CASES / "uv_default", tmp_path / "project"))


def pin(project: Path, specifier: str, more: str = "") -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace("==2.8.0", specifier) + more)


LOCKED: tuple[str | None, list[str]] = ("torch==2.8.0", [])
NOTHING: tuple[str | None, list[str]] = (None, [])
PINNED: tuple[str | None, list[str]] = (None, ["torch==2.7.0"])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv sync", LOCKED),
        ("uv run --isolated python", LOCKED),
        ("uv sync --no-install-project", LOCKED),
        ("uv sync --no-install-package numpy", LOCKED),
        ("uv sync --no-install-package torch", NOTHING),
        ("uv sync --no-install-package numpy --no-install-package=Torch", NOTHING),
        ("uv run --no-install-package torch python", NOTHING),
        ("uv sync --only-install-project", NOTHING),
        ("uv run --no-project --with flash-attn python", NOTHING),
        ("uv pip install flash-attn", NOTHING),
    ],
)
def test_a_lock_counts_as_far_as_the_command_installs_it(
    project: Path, command: str, expected: tuple[str | None, list[str]]
) -> None:
    wanted = want(project, command)
    assert texts(wanted) == expected
    if "-install-" in command and expected == NOTHING:
        assert wanted.locked is not None
        assert wanted.locked.said.endswith(" leaves out")


def test_variables_of_uv_mean_what_its_options_mean(project: Path) -> None:
    assert texts(want(project, "uv run --with x python", UV_NO_PROJECT="1")) == NOTHING
    assert texts(want(project, "uv run --with x python", UV_NO_PROJECT="false")) == LOCKED
    groups = CASES / "uv_group"
    for variable in ("UV_NO_DEFAULT_GROUPS", "UV_NO_DEV"):
        assert texts(want(groups, "uv sync --group new", **{variable: "1"})) == ("torch==2.9.0", [])
    pin(project, "==2.7.0")
    assert texts(want(project, "uv sync", UV_FROZEN="1")) == LOCKED
    (project / "uv.lock").unlink()
    assert texts(want(project, "uv run python", UV_ISOLATED="1")) == PINNED


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv sync", PINNED),
        ("uv sync --frozen", LOCKED),
        ("uv run --isolated python", PINNED),
        ("uv run --isolated --frozen python", LOCKED),
        ("uv run --no-project python", NOTHING),
    ],
)
def test_a_lock_older_than_the_pin_of_the_project_does_not_count(
    project: Path, command: str, expected: tuple[str | None, list[str]]
) -> None:
    pin(project, "==2.7.0")
    wanted = want(project, command)
    assert texts(wanted) == expected
    if expected == PINNED:
        assert wanted.locked is not None
        assert wanted.locked.said.endswith("which is older than torch==2.7.0 (pyproject.toml)")


@pytest.mark.parametrize("specifier", [">=2.7", "", "==2.8.*", "==2.7.0; python_version < '3'"])
def test_a_pin_that_the_lock_meets_changes_nothing(project: Path, specifier: str) -> None:
    pin(project, specifier)
    assert texts(want(project, "uv sync")) == LOCKED
    pin(project, "==2.7.0", '[tool.uv]\noverride-dependencies = ["torch==2.8.0"]\n')
    assert texts(want(project, "uv sync")) == LOCKED


def test_an_isolated_run_writes_no_lock_that_could_show_how_far_it_is(project: Path) -> None:
    (project / "uv.lock").unlink()
    for command, resolves in (("uv run python", True), ("uv run --isolated python", False)):
        process = Process(executable="/usr/bin/uv", arguments=tuple(command.split()), folder=str(project))
        caller = find_caller(HOOK, (process,))
        assert front_end_of(caller, read_wanted(caller, (process,), PYTHON)).resolves is resolves


def test_without_a_lock_an_isolated_run_takes_what_the_project_requires(project: Path) -> None:
    (project / "uv.lock").unlink()
    pin(project, "==2.7.0")
    assert texts(want(project, "uv run python")) == NOTHING
    assert texts(want(project, "uv run --isolated python")) == PINNED
    pin(project, "==2.7.0", '[tool.uv.sources]\ntorch = { index = "gone" }\n')
    wanted = want(project, "uv run --isolated python")
    assert texts(wanted) == NOTHING
    assert wanted.faults == ("pyproject.toml has torch from the index gone, which no build sees",)
    assert texts(want(project, "uv run --isolated --no-sources python")) == PINNED


def test_an_isolated_run_of_a_member_takes_what_that_requires(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    workspace = '[project]\nname = "root"\n[tool.uv.workspace]\nmembers = ["core"]\n'
    (tmp_path / "pyproject.toml").write_text(workspace)
    (tmp_path / "core" / "pyproject.toml").write_text('[project]\nname = "core"\ndependencies = ["torch==2.7.0"]\n')
    assert texts(want(tmp_path, "uv run --isolated --package Core python")) == PINNED
    assert texts(want(tmp_path, "uv run --isolated python")) == NOTHING
