"""A project with a copy of the backend is built with what the copy asks for, and nothing else is installed."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyproject_hooks
import pytest
from packaging.requirements import Requirement

from torchgraft.cli import main
from torchgraft.tools.vendor.vendored_copy import describe_own

from .conftest import PYTHON_FOLDER


def install(environment: Path, requirements: Iterable[str]) -> None:
    """Link distributions of this environment into another one; pip would have to download them."""
    site = environment / "lib" / PYTHON_FOLDER / "site-packages"
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        distribution = importlib.metadata.distribution(requirement.name)
        assert distribution.version in requirement.specifier
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))))


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    venv.create(tmp_path / "build", with_pip=False, symlinks=True)
    return tmp_path / "build"


@pytest.fixture
def caller(make_project: Any, environment: Path, consumer: Path, tmp_path: Path) -> Any:
    project = make_project()
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('"torchgraft", "setup', '"setup'))
    assert main(["vendor", str(project), "--write"]) == 0
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TORCHGRAFT_CONSUMER": str(consumer),
        "TORCHGRAFT_CACHE_DIR": str(tmp_path / "cache"),
    }

    def run(command: list[str], cwd: str | None = None, extra_environ: dict[str, str] | None = None) -> None:
        subprocess.run(command, cwd=cwd, env={**variables, **(extra_environ or {})}, check=True, timeout=120)

    install(environment, ["setuptools>=77", *describe_own().requires])
    return pyproject_hooks.BuildBackendHookCaller(
        str(project),
        "torchgraft.build_meta",
        backend_path=["_torchgraft"],
        runner=run,
        python_executable=str(environment / "bin" / "python"),
    )


def test_a_build_of_a_vendored_copy(caller: Any, environment: Path, tmp_path: Path) -> None:
    install(environment, caller.get_requires_for_build_wheel())
    wheel = tmp_path / caller.build_wheel(tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/torchgraft.json"))
        assert json.loads(archive.read(name))["built"]["link"]["verdict"] == "links"


def test_what_a_copy_may_ask_for() -> None:
    names = {Requirement(text).name for text in describe_own().requires}
    assert names <= {"packaging", "pyproject-hooks", "tomli"}
