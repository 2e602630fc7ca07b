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
        ("==2.8.0", "index = 'own'", "torch==2.8.0"),
        (">=2.8", "index = 'cu'", "torch>=2.8"),
        ("==2.8.0", "index = 'gone'", None),
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


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("cu", ("--index", "cu=https://download.example/whl/cu128")),
        ("here", ("--find-links", "FOLDER/wheels")),
        ("usual", ()),
    ],
)
def test_where_a_torch_is_that_builds_do_not_see(tmp_path: Path, source: str, options: tuple[str, ...]) -> None:
    text = INDEXES.format(specifier="==2.8.0", source=f"index = '{source}'")
    text += '[[tool.uv.index]]\nname = "here"\nurl = "wheels"\nformat = "flat"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    (asked,) = ask(tmp_path, UV, "tool install .").requirements
    assert asked.options == tuple(option.replace("FOLDER", str(tmp_path)) for option in options)


def test_variables_that_a_named_project_has_for_the_build(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        '[tool.uv.extra-build-variables]\nFlash_Attn = { SKIP = "TRUE", NUMBER = 1 }\nother = { X = "1" }\n'
    )
    building = Project(folder=str(folder / "elsewhere"), name="flash-attn")
    assert ask(folder, UV, "tool install .", building).variables == {"SKIP": "TRUE"}
    assert ask(folder, UV, "tool install flash-attn", building).variables == {}


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


WORKSPACE = """
[project]
name = "root"
dependencies = ["Core[gpu]"]
[tool.uv.workspace]
members = ["members/*", "../*/none", "/absolute/*"]
exclude = ["members/old"]
[tool.uv.sources]
core = { workspace = true }
torch = { index = "cu" }
[[tool.uv.index]]
name = "cu"
url = "https://download.example/whl/cu128"
explicit = true
"""
CORE = """
[project]
name = "core"
dependencies = ["numpy"]
[project.optional-dependencies]
gpu = ["torch==2.8.0"]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    texts_of = {".": WORKSPACE, "members/core": CORE, "members/old": CORE.replace("2.8.0", "2.0.0")}
    texts_of["members/app"] = '[project]\nname = "app"\ndependencies = ["core[gpu]"]\n'
    for name, text in texts_of.items():
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "pyproject.toml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        (UV, "tool install ./members/app", ["torch==2.8.0+cu128"]),
        (UV, "pip install -r pyproject.toml", ["torch==2.8.0+cu128"]),
        (UV, "pip install ./members/core[gpu]", ["torch==2.8.0+cu128"]),
        (UV, "pip install --no-sources ./members/app", []),
        (UV, "pip install ./members/core", []),
        (PIP, "install ./members/app", []),
    ],
)
def test_members_of_a_workspace_have_the_sources_of_its_root(
    workspace: Path, name: FrontEndName, line: str, expected: list[str]
) -> None:
    asked = ask(workspace, name, line)
    assert texts(asked) == expected
    assert asked.faults == ()


SETUP = """
from setuptools import setup
setup(name="app", install_requires=["numpy", "torch==2.8.0"], extras_require={"old": "torch!=2.8.1\\ntorch<2.9"})
"""
STATIC = "[options]\ninstall_requires =\n  torch==2.8.0\n[options.extras_require]\nold = torch!=2.8.1; torch<2.9\n"
BY_FILES = """
[project]
name = "app"
dynamic = ["dependencies", "optional-dependencies"]
[tool.setuptools.dynamic]
dependencies = { file = ["r.txt"] }
optional-dependencies.old = { file = "old.txt" }
"""
POETRY = """
[tool.poetry.dependencies]
torch = "2.8.0"
[build-system]
build-backend = "poetry.core.masonry.api"
"""
BOTH = ["torch==2.8.0", "torch!=2.8.1", "torch<2.9"]
UNCLEAR = ("app says what it requires only when it is built",)


@pytest.mark.parametrize(
    ("files", "expected", "faults"),
    [
        ({"setup.py": SETUP}, BOTH, ()),
        ({"setup.cfg": STATIC}, BOTH, ()),
        ({"setup.py": SETUP, "pyproject.toml": "[build-system]\nbuild-backend = 'torchgraft.build_meta'\n"}, BOTH, ()),
        ({"setup.cfg": STATIC, "setup.py": "from setuptools import setup\nsetup()\n", "pyproject.toml": ""}, BOTH, ()),
        ({"setup.cfg": "[options]\ninstall_requires = file: r.txt\n"}, BOTH[:1], ()),
        ({"pyproject.toml": BY_FILES}, BOTH, ()),
        ({"pyproject.toml": "[project]\nname = 'app'\ndependencies = ['torch==2.7.0']\n"}, ["torch==2.7.0"], ()),
        ({"setup.py": SETUP.replace('==2.8.0"', '==" + VERSION')}, BOTH[1:], UNCLEAR),
        ({"setup.py": SETUP.replace('"old":', "EXTRA:")}, BOTH[:1], UNCLEAR),
        ({"setup.py": "import app.build"}, [], UNCLEAR),
        ({"pyproject.toml": POETRY}, BOTH[:1], UNCLEAR),
        ({"pyproject.toml": POETRY.replace("tool.poetry", "tool.own").replace("poetry.", "own.")}, [], UNCLEAR),
    ],
)
def test_projects_that_state_nothing_in_a_project_table(
    tmp_path: Path, files: dict[str, str], expected: list[str], faults: tuple[str, ...]
) -> None:
    (tmp_path / "app").mkdir()
    written = {"r.txt": "# ours\ntorch==2.8.0\n", "old.txt": "torch!=2.8.1\ntorch<2.9\n", **files}
    for name, text in written.items():
        (tmp_path / "app" / name).write_text(text)
    asked = ask(tmp_path, PIP, "install ./app[old]")
    assert texts(asked) == expected
    assert asked.faults == faults


def test_metadata_of_the_project_that_is_built_say_what_its_extras_require(tmp_path: Path) -> None:
    required = ("torch", 'torch==2.7.0 ; extra == "gpu"', 'einops ; extra == "fast"', 'ext[gpu] ; extra == "all"')
    building = Project(folder=str(tmp_path), name="ext", dependencies=required, in_metadata=True)
    for line, expected in (("ext[gpu]", ["torch==2.7.0"]), ("ext[fast]", []), ("./[All]", ["torch==2.7.0"])):
        asked = ask(tmp_path, PIP, f"install {line}", building)
        assert (texts(asked), asked.faults) == (expected, ())
