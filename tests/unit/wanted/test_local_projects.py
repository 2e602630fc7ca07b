from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.wheels import write_wheel
from torchgraft.consumer.command_line import parse_arguments
from torchgraft.model.observation import FrontEndName, Python
from torchgraft.model.source_tree import Project
from torchgraft.wanted.arguments import Asked, read_asked_for

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
        (UV, "tool install x --with-executables-from ./app,y", ["torch==2.8.0"]),
        (UV, "pip install -r app/pyproject.toml --all-extras", ["torch==2.8.0", "torch!=2.8.1"]),
        (UV, "pip compile app/pyproject.toml --extra gpu", ["torch==2.8.0", "torch!=2.8.1"]),
        (UV, "add ./app --extra gpu", ["torch==2.8.0", "torch!=2.8.1"]),
        (FrontEndName.PDM, "add -e ./app", ["torch==2.8.0"]),
        (FrontEndName.POETRY, "add --editable ./app", ["torch==2.8.0"]),
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


SDIST = """
[project]
name = "app"
dynamic = [{dynamic}]
dependencies = ["torch==2.8.0", "app[gpu]"]
optional-dependencies.gpu = ["torch!=2.8.1"]
[tool.uv.sources]
torch = {{ path = "none" }}
"""


def write_sdist(file: Path, version: str = "2.4", *lines: str, pyproject: str = "") -> None:
    texts = {"PKG-INFO": "\n".join([f"Metadata-Version: {version}", "Name: app", *lines, ""])}
    texts |= {"pyproject.toml": pyproject} if pyproject else {}
    texts["sub/PKG-INFO"] = "Metadata-Version: 2.4\nName: other\nRequires-Dist: torch==1.0\n"
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w") as archive:
            for name, text in texts.items():
                archive.writestr(f"app-1.0/{name}", text)
        return
    with tarfile.open(file, "w:gz") as tar:
        for name, text in texts.items():
            member = tarfile.TarInfo(f"app-1.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))


REQUIRED = (
    "Requires-Dist: torch==2.8.0 ; python_version < '3.12'",
    "Requires-Dist: torch==2.9.0 ; python_version >= '3.12'",
    "Requires-Dist: torch!=2.8.1 ; extra == 'gpu'",
    "Requires-Dist: App[gpu] ; extra == 'all'",
    "Requires-Dist: numpy",
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("./app-1.0-py3-none-any.whl", ["torch==2.8.0"]),
        ("file:app-1.0-py3-none-any.whl", ["torch==2.8.0"]),
        ("app[gpu]@file:app-1.0-py3-none-any.whl", ["torch==2.8.0", "torch!=2.8.1"]),
        ("./app-1.0-py3-none-any.whl[all]", ["torch==2.8.0", "torch!=2.8.1"]),
        ("./app-1.0.tar.gz", ["torch==2.8.0"]),
        ("./app-1.0.zip[gpu]", ["torch==2.8.0", "torch!=2.8.1"]),
        ("./old-1.0.tar.gz", ["torch==2.8.0", "torch!=2.8.1"]),
    ],
)
def test_archives_that_a_command_names_say_which_torch(tmp_path: Path, line: str, expected: list[str]) -> None:
    wheel = tmp_path / "app-1.0-py3-none-any.whl"
    write_wheel(wheel, name="app", version="1.0", tags=("py3-none-any",), metadata=REQUIRED)
    for name in ("app-1.0.tar.gz", "app-1.0.zip"):
        write_sdist(tmp_path / name, "2.4", *REQUIRED)
    write_sdist(tmp_path / "old-1.0.tar.gz", "2.1", pyproject=SDIST.format(dynamic=""))
    for program, words in ((PIP, "install"), (UV, "pip install"), (UV, "tool install")):
        asked = ask(tmp_path, program, f"{words} {line}")
        assert (texts(asked), asked.faults) == (expected, ())
        assert ("numpy" in asked.others) is not line.startswith("./old")
        # That is for whoever builds it.
        own = ask(tmp_path, program, f"{words} {line}", Project(folder=str(tmp_path / "x"), name="app"))
        assert texts(own) == []
    assert texts(ask(tmp_path, PIP, f"install --no-deps {line}")) == []


def test_archives_that_do_not_say_it(tmp_path: Path) -> None:
    write_sdist(tmp_path / "a.tar.gz", "2.1", "Requires-Dist: torch==2.8.0")
    write_sdist(
        tmp_path / "b.tar.gz", "2.4", "Dynamic: Requires-Dist", pyproject=SDIST.format(dynamic='"dependencies"')
    )
    (tmp_path / "c.whl").write_bytes(b"PK")
    (tmp_path / "d.tar.gz").write_bytes(b"")
    for name, fault in (
        ("a.tar.gz", "says what it requires only when it is built"),
        ("b.tar.gz", "says what it requires only when it is built"),
        ("c.whl", "is no wheel"),
        ("d.tar.gz", "is no sdist"),
    ):
        asked = ask(tmp_path, PIP, f"install ./{name}")
        assert (asked.requirements, asked.faults) == ((), (f"{name} {fault}",))


def test_without_dependencies_a_project_says_nothing(folder: Path) -> None:
    for name, words in ((PIP, "install"), (UV, "pip install")):
        asked = ask(folder, name, f"{words} --no-deps ./app[gpu] -r r.txt")
        assert (texts(asked), asked.faults) == ([], ())
    # uv takes what the file lists for requirements of the command.
    assert texts(ask(folder, UV, "pip install --no-deps -r app/pyproject.toml")) == ["torch==2.8.0"]


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
        (UV, "pip install --no-sources-package Torch ./members/app", ["torch==2.8.0"]),
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


SCRIPT = """\
# /// script
# dependencies = ["app", "torch"]
# [tool.uv]
# constraint-dependencies = ["torch!=2.8.2"]
# override-dependencies = [{overrides}]
# [tool.uv.sources]
# app = {{ path = "app" }}
# ///
"""


@pytest.mark.parametrize("line", ["run script.py", "run --script script.py", "sync --script script.py"])
def test_a_script_says_where_its_requirements_come_from(folder: Path, line: str) -> None:
    (folder / "script.py").write_text(SCRIPT.format(overrides=""))
    assert texts(ask(folder, UV, line)) == ["torch==2.8.0", "torch", "torch!=2.8.2"]
    (folder / "script.py").write_text(SCRIPT.format(overrides='"torch==2.7.0"'))
    assert texts(ask(folder, UV, line)) == ["torch==2.7.0"]
