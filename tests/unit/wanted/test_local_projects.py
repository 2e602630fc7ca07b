from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.consumer.command_line import parse_arguments
from torchgraft.model.observation import FrontEndName, Python
from torchgraft.model.source_tree import Project
from torchgraft.wanted.read_wanted import Asked, read_asked_for

PYTHON = Python(
    version="3.11.7", implementation="cpython", abi="cp311", platform="linux_x86_64", extension_suffix=".so"
)
PIP, UV, PIPX = FrontEndName.PIP, FrontEndName.UV, FrontEndName.PIPX
APP = """
[project]
name = "App"
dependencies = ["numpy", "torch==2.8.0; python_version < '3.12'", "torch==2.9.0; python_version >= '3.12'"]
[project.optional-dependencies]
gpu = ["torch!=2.8.1"]
All = ["app[GPU]", "einops"]
[dependency-groups]
ml = ["torch==2.7.0", { include-group = "more" }]
more = ["torch<2.7.1", { include-group = "ml" }]
"""
INDEXES = """
[project]
name = "app"
dependencies = ["torch{specifier}"]
[tool.uv.sources]
torch = [{{ index = "cpu", marker = "sys_platform == 'darwin'" }}, {{ {source} }}]
[[tool.uv.index]]
name = "cu"
url = "https://download.example/whl/cu128"
explicit = true
[[tool.uv.index]]
name = "simple"
url = "https://mirror.example/cu126/simple/"
[[tool.uv.index]]
name = "own"
url = "https://packages.example/pypi"
[[tool.uv.index]]
name = "usual"
url = "https://packages.example/pypi/simple"
default = true
"""


def ask(folder: Path, name: FrontEndName, line: str, building: Project | None = None, **variables: str) -> Asked:
    command = parse_arguments(name, line.split(), stem="uvx" if line.startswith("--from") else "")
    return read_asked_for(command, folder=str(folder), variables=variables, python=PYTHON, building=building)


def texts(asked: Asked) -> list[str]:
    return [item.requirement.text for item in asked.requirements]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "pyproject.toml").write_text(APP)
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "pyproject.toml").write_text('[project]\ndependencies = ["app[gpu] @ file:../app"]\n')
    (tmp_path / "r.txt").write_text("numpy\n-e app[gpu]  # the folder\n")
    (tmp_path / "plain.txt").write_text("./app --no-binary app\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        (PIP, "install ./app", ["torch==2.8.0"]),
        (PIP, "install app", []),
        (PIP, "install app/", ["torch==2.8.0"]),
        (PIP, "install -e app", ["torch==2.8.0"]),
        (PIP, "install --editable=./app[gpu]", ["torch==2.8.0", "torch!=2.8.1"]),
        (PIP, "install ./app[all]", ["torch==2.8.0", "torch!=2.8.1"]),
        (PIP, "install ./app;python_version<'3'", []),
        (PIP, "install file:app", ["torch==2.8.0"]),
        (PIP, "install App@file://{folder}/app", ["torch==2.8.0"]),
        (PIP, "install {folder}/app", ["torch==2.8.0"]),
        (PIP, "install ./user", ["torch==2.8.0", "torch!=2.8.1"]),
        (PIP, "install ./missing ./r.txt .", []),
        (PIP, "install -r r.txt", ["torch==2.8.0", "torch!=2.8.1"]),
        (PIP, "install -r plain.txt", ["torch==2.8.0"]),
        (PIP, "install --group app/pyproject.toml:ml", ["torch==2.7.0", "torch<2.7.1"]),
        (PIP, "install --group ml", []),
        (PIP, "wheel ./app", ["torch==2.8.0"]),
        (PIP, "uninstall ./app", []),
        (UV, "pip install ./app", ["torch==2.8.0"]),
        (UV, "pip install -e ./app", ["torch==2.8.0"]),
        (UV, "pip install -r app/pyproject.toml", ["torch==2.8.0"]),
        (UV, "pip install -r app/pyproject.toml --extra gpu", ["torch==2.8.0", "torch!=2.8.1"]),
        (UV, "pip install --group app/pyproject.toml:more", ["torch<2.7.1", "torch==2.7.0"]),
        (
            UV,
            "pip sync --group app/pyproject.toml:more r.txt",
            ["torch==2.8.0", "torch!=2.8.1", "torch<2.7.1", "torch==2.7.0"],
        ),
        (UV, "tool install ./app", ["torch==2.8.0"]),
        (UV, "tool install -e app", ["torch==2.8.0"]),
        (UV, "tool install --with-editable app x", ["torch==2.8.0"]),
        (UV, "--from ./app[gpu] app --torch", ["torch==2.8.0", "torch!=2.8.1"]),
        (UV, "run --with ./app,numpy python", ["torch==2.8.0"]),
        (UV, "run --with-editable app python", ["torch==2.8.0"]),
        (UV, "add ./app", ["torch==2.8.0"]),
        (UV, "add --editable ./app", ["torch==2.8.0"]),
        (PIPX, "install ./app", ["torch==2.8.0"]),
        (PIPX, "install --editable app", ["torch==2.8.0"]),
    ],
)
def test_projects_that_a_command_names_say_which_torch(
    folder: Path, name: FrontEndName, line: str, expected: list[str]
) -> None:
    asked = ask(folder, name, line.format(folder=folder))
    assert texts(asked) == expected
    assert asked.faults == ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("install ./app", []),
        ("install -e app", []),
        ("install ./app[gpu]", ["torch!=2.8.1"]),
        ("install -e ./app[all]", ["torch!=2.8.1"]),
        ("install app[gpu]", ["torch!=2.8.1"]),
        ("install APP[gpu]>=1", ["torch!=2.8.1"]),
        ("install app[gpu]@git+https://host.example/app", ["torch!=2.8.1"]),
        ("install git+https://host.example/app#egg=app[gpu]", ["torch!=2.8.1"]),
        ("install other[gpu]", []),
        ("install app[none]", []),
    ],
)
def test_only_extras_count_of_the_project_that_is_built(folder: Path, line: str, expected: list[str]) -> None:
    building = Project(folder=str(folder / "app"), name="app")
    for name, words in ((PIP, line), (UV, f"pip {line}")):
        assert texts(ask(folder, name, words, building)) == expected


@pytest.mark.parametrize(
    ("specifier", "source", "expected"),
    [
        ("==2.8.0", "index = 'cu'", "torch==2.8.0+cu128"),
        ("==2.8.0", "index = 'simple'", "torch==2.8.0+cu126"),
        ("==2.8.0", "index = 'usual'", "torch==2.8.0"),
        ("==2.8.0+cu118", "index = 'own'", "torch==2.8.0+cu118"),
        (">=2.8", "url = 'https://x.example/torch-2.8.0-cp311-cp311-linux_x86_64.whl'", "torch @ https://x.example/"),
        ("==2.8.0", "index = 'cu', extra = 'gpu'", "torch==2.8.0"),
        ("==2.8.0", "index = 'own'", None),
        ("==2.8.0", "index = 'gone'", None),
        (">=2.8", "index = 'cu'", None),
        (">=2.8", "git = 'https://x.example/pytorch'", None),
        (">=2.8", "path = '../pytorch'", None),
    ],
)
def test_sources_of_uv_decide_or_are_a_fault(tmp_path: Path, specifier: str, source: str, expected: str | None) -> None:
    (tmp_path / "pyproject.toml").write_text(INDEXES.format(specifier=specifier, source=source))
    asked = ask(tmp_path, UV, "tool install .")
    assert [text[: len(expected or "")] for text in texts(asked)] == ([expected] if expected else [])
    assert len(asked.faults) == (expected is None)
    for ignoring in (ask(tmp_path, PIP, "install ."), ask(tmp_path, UV, "pip install --no-sources .")):
        assert texts(ignoring) == [f"torch{specifier}"]
    assert texts(ask(tmp_path, UV, "pip install .", UV_NO_SOURCES="1")) == [f"torch{specifier}"]


def test_a_project_can_come_from_a_folder_by_a_source(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        '[project]\ndependencies = ["App[gpu]"]\n[tool.uv.sources]\napp = { path = "app" }\n'
    )
    assert texts(ask(folder, UV, "tool install .")) == ["torch==2.8.0", "torch!=2.8.1"]
    assert texts(ask(folder, PIP, "install .")) == []


def test_projects_that_name_each_other_and_broken_ones_end(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / one).mkdir()
        (tmp_path / one / "pyproject.toml").write_text(
            f'[project]\nname = "{one}"\n'
            f'dependencies = ["{other} @ file:../{other}", "torch==2.8.0", "torch ==", "x;"]\n'
        )
    asked = ask(tmp_path, PIP, "install ./a")
    assert texts(asked) == ["torch==2.8.0", "torch==2.8.0"]
    assert asked.faults == ("b/pyproject.toml cannot be read: torch ==", "a/pyproject.toml cannot be read: torch ==")
    (tmp_path / "a" / "pyproject.toml").write_text("[project\n")
    (fault,) = ask(tmp_path, PIP, "install ./a").faults
    assert fault.startswith("a/pyproject.toml does not parse: ")


def test_requirements_on_standard_input_are_a_fault(tmp_path: Path) -> None:
    for file in ("-", "/dev/stdin"):
        assert len(ask(tmp_path, UV, f"pip install -r {file}").faults) == 1
    assert len(ask(tmp_path, UV, "run -").faults) == 1
