"""What is there before a command is typed: files, environments, variables. Their names stand in the page of results.

May not run a front end whose behaviour is looked at.
"""

from __future__ import annotations

from collections.abc import Callable

from .bench import Bench
from .model import Situation, Tool
from .tools import UV

CONSUMER = "consumer"


def _own(tool: Tool) -> list[str]:
    """Return what has to be in the consumer for the command to be there at all."""
    return [] if tool.requires else sorted({f"{tool.name}=={tool.version}", "pip"})


def _installed(*more: str, version: str = "2.8.0", dynamic: bool = False) -> Callable[[Bench, Tool], None]:
    def lay_out(bench: Bench, tool: Tool) -> None:
        bench.package(dynamic=dynamic)
        torch = [f"torch=={version}"] if version else []
        bench.environment(CONSUMER, *torch, *more, *_own(tool), activate=True)

    return lay_out


def _user_site(*, torch_too: bool) -> Callable[[Bench, Tool], None]:
    def lay_out(bench: Bench, tool: Tool) -> None:
        bench.package()
        torch = [] if torch_too else ["torch==2.8.0"]
        made = bench.environment(CONSUMER, *torch, *_own(tool), activate=True, system=True)
        bench.variables["PYTHONUSERBASE"] = str(bench.work / "user")
        if torch_too:
            site = bench.work / "user" / made.site_packages.relative_to(made.prefix)
            bench.install(["--python", str(made.python), "--target", str(site)], "torch==2.8.0")

    return lay_out


def _in_target(bench: Bench, tool: Tool) -> None:
    bench.package()
    made = bench.environment(CONSUMER, *_own(tool), activate=True)
    bench.install(["--python", str(made.python), "--target", str(bench.work / "target")], "torch==2.8.0")


def _decoy(bench: Bench, tool: Tool) -> None:
    bench.package()
    bench.environment(CONSUMER, "torch==2.8.0")
    bench.environment("decoy", "torch==2.9.0", *_own(tool), activate=True)


def _maker_elsewhere(bench: Bench, tool: Tool) -> None:
    bench.package()
    bench.environment("tools", *_own(tool))
    bench.environment(CONSUMER, "torch==2.8.0", "pip", activate=True)


def _with_uv(bench: Bench, tool: Tool) -> None:
    _installed()(bench, tool)
    bench.provide(UV)


def _pdm_with_uv(bench: Bench, tool: Tool) -> None:
    _installed("pip")(bench, tool)
    bench.provide(UV)
    bench.write("ext/pdm.toml", "use_uv = true\n")


def _requirements(text: str) -> Callable[[Bench, Tool], None]:
    def lay_out(bench: Bench, tool: Tool) -> None:
        _installed(version="")(bench, tool)
        bench.write("requirements.txt", text)

    return lay_out


THERE = Situation(name="2.8.0 is installed", lay_out=_installed())
LOCAL = Situation(
    name="2.8.0+cu128 is installed, the index does not have it", lay_out=_installed(version="2.8.0+cu128")
)
NEXT = Situation(name="2.8.0 is installed, torchgraft too", lay_out=_installed("torchgraft", "setuptools", "wheel"))
EMPTY = Situation(name="not there", lay_out=_installed(version=""))
DYNAMIC = Situation(name="2.8.0 is installed; dynamic metadata", lay_out=_installed(dynamic=True))
DYNAMIC_EMPTY = Situation(name="not there; dynamic metadata", lay_out=_installed(version="", dynamic=True))
USER = Situation(name="2.8.0 is installed", lay_out=_user_site(torch_too=False))
USER_TOO = Situation(name="2.8.0 is in the user site too", lay_out=_user_site(torch_too=True))
IN_TARGET = Situation(name="2.8.0 is in the target folder", lay_out=_in_target)
DECOY = Situation(name="2.8.0 is installed; 2.9.0 is in the activated environment", lay_out=_decoy)
ELSEWHERE = Situation(name="2.8.0 is in the activated environment, build in another", lay_out=_maker_elsewhere)
WITH_UV = Situation(name="2.8.0 is installed", lay_out=_with_uv)
ACTIVATED = Situation(name="2.8.0 is in the activated environment", lay_out=_installed("pip"))
BY_UV = Situation(name="2.8.0 is in the activated environment; use_uv", lay_out=_pdm_with_uv)
PINNED = Situation(name="not there; requirements.txt pins 2.8.0", lay_out=_requirements("torch==2.8.0\n"))
PINNED_WITH_EXT = Situation(
    name="not there; requirements.txt pins 2.8.0 and names ./ext",
    lay_out=_requirements("torch==2.8.0\next @ file://{work}/ext\n"),
)


APP = """
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["torch==2.8.0", "ext"]
"""
FROM_FOLDER = """
[tool.uv.sources]
ext = { path = "../ext" }
"""
FROM_CU128 = """
[tool.uv.sources]
torch = { index = "cu128" }

[[tool.uv.index]]
name = "cu128"
url = "{cu128}"
explicit = true
"""
WORKSPACE_ROOT = """
[tool.uv.workspace]
members = ["packages/*"]
"""


def _project(text: str = APP, *, folder: str = "", dynamic: bool = False) -> Callable[[Bench, Tool], None]:
    def lay_out(bench: Bench, tool: Tool) -> None:
        del tool
        bench.write("app/pyproject.toml", text)
        if folder:
            bench.package(folder, dynamic=dynamic)

    return lay_out


def _project_with_torch(bench: Bench, tool: Tool) -> None:
    del tool
    bench.write("app/pyproject.toml", APP.replace(', "ext"', ""))
    bench.package()


def _workspace(bench: Bench, tool: Tool) -> None:
    del tool
    bench.write("app/pyproject.toml", WORKSPACE_ROOT)
    bench.package("app/packages/ext")
    member = APP + "\n[tool.uv.sources]\next = { workspace = true }\n"
    bench.write("app/packages/main/pyproject.toml", member.replace('"app"', '"main"'))


def _changed(bench: Bench, tool: Tool) -> None:
    _project(APP + FROM_FOLDER, folder="ext")(bench, tool)
    bench.write("next.toml", (APP + FROM_FOLDER).replace("2.8.0", "2.9.0"))


PROJECT = Situation(name="not there; no lock; the project pins 2.8.0, the package is an sdist", lay_out=_project())
PROJECT_FOLDER = Situation(
    name="not there; no lock; the project pins 2.8.0, the package is a folder",
    lay_out=_project(APP + FROM_FOLDER, folder="ext"),
)
PROJECT_DYNAMIC = Situation(
    name="not there; no lock; the project pins 2.8.0, the package is a folder with dynamic metadata",
    lay_out=_project(APP + FROM_FOLDER, folder="ext", dynamic=True),
)
PROJECT_CU128 = Situation(
    name="not there; no lock; the project takes 2.8.0+cu128 from an explicit index",
    lay_out=_project(APP.replace("2.8.0", "2.8.0+cu128") + FROM_CU128),
)
SYNCED = Situation(name="2.8.0 is installed by uv sync", lay_out=_project(APP + FROM_FOLDER, folder="ext"))
CHANGED = Situation(name="2.8.0 is installed by uv sync, then the project pins 2.9.0", lay_out=_changed)
ONLY_TORCH = Situation(name="not there; the project pins 2.8.0, not the package", lay_out=_project_with_torch)
ONLY_TORCH_SYNCED = Situation(name="2.8.0 is installed by uv sync", lay_out=_project_with_torch)
WORKSPACE = Situation(name="not there; no lock; a workspace, a member pins 2.8.0", lay_out=_workspace)
WORKSPACE_SYNCED = Situation(name="2.8.0 is installed by uv sync in a workspace", lay_out=_workspace)

POETRY_APP = """
[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "local"
url = "{default}"
priority = "primary"
"""
POETRY_FOLDER = """
[tool.poetry.dependencies]
ext = { path = "../ext" }
"""
PDM_APP = APP.replace('"ext"', '"ext @ file:///${PROJECT_ROOT}/../ext"')
ONLY_TORCH_TEXT = APP.replace(', "ext"', "")
HATCH = """
[tool.hatch.envs.default]
dependencies = ["torch==2.8.0"]
"""
INSTALLABLE_APP = """[build-system]
requires = ["flit_core>=3.11"]
build-backend = "flit_core.buildapi"

[project]
name = "app"
version = "1.0"
description = "Uses the package"
requires-python = ">=3.10"
dependencies = [{dependencies}]

[project.scripts]
app = "{script}"
"""
TOOL_APP = INSTALLABLE_APP.format(dependencies='"torch==2.8.0"', script="app:main")
TOX = """
[tox]
env_list = main

[testenv]
package = {package}
deps = torch==2.8.0
commands = ext
"""
NOX = """
import nox


@nox.session(venv_backend="{backend}")
def main(session):
    session.install("torch==2.8.0")
    session.install("./ext")
    session.run("ext")
"""


def _beside(name: str, text: str, *more: tuple[str, str], dynamic: bool = False) -> Callable[[Bench, Tool], None]:
    """Lay out the package with files that name it, or that are its own."""

    def lay_out(bench: Bench, tool: Tool) -> None:
        del tool
        bench.package(dynamic=dynamic)
        for file, content in ((name, text), *more):
            old = bench.work / file
            bench.write(file, (old.read_text(encoding="utf-8") if old.exists() else "") + content)

    return lay_out


def _nox_uv(bench: Bench, tool: Tool) -> None:
    _beside("noxfile.py", NOX.replace("{backend}", "uv"))(bench, tool)
    bench.provide(UV)


POETRY_PROJECT = Situation(
    name="not there; no lock; the project pins 2.8.0",
    lay_out=_beside("app/pyproject.toml", APP + POETRY_FOLDER + POETRY_APP),
)
POETRY_DYNAMIC = Situation(
    name="not there; no lock; the project pins 2.8.0, the package has dynamic metadata",
    lay_out=_beside("app/pyproject.toml", APP + POETRY_FOLDER + POETRY_APP, dynamic=True),
)
POETRY_TORCH = Situation(
    name="2.8.0 is installed by poetry install", lay_out=_beside("app/pyproject.toml", ONLY_TORCH_TEXT + POETRY_APP)
)
PDM_PROJECT = Situation(
    name="not there; no lock; the project pins 2.8.0", lay_out=_beside("app/pyproject.toml", PDM_APP)
)
PDM_DYNAMIC = Situation(
    name="not there; no lock; the project pins 2.8.0, the package has dynamic metadata",
    lay_out=_beside("app/pyproject.toml", PDM_APP, dynamic=True),
)
PDM_TORCH = Situation(name="2.8.0 is installed by pdm install", lay_out=_beside("app/pyproject.toml", ONLY_TORCH_TEXT))
HATCH_ENVIRONMENT = Situation(
    name="not there; the environment's dependencies pin 2.8.0", lay_out=_beside("ext/pyproject.toml", HATCH)
)
TOX_SDIST, TOX_WHEEL, TOX_EDITABLE = (
    Situation(
        name=f"deps pin 2.8.0; package = {package}",
        lay_out=_beside("ext/tox.ini", TOX.replace("{package}", package)),
    )
    for package in ("sdist", "wheel", "editable")
)
NOX_PIP = Situation(
    name="the session installs 2.8.0 first", lay_out=_beside("noxfile.py", NOX.replace("{backend}", "virtualenv"))
)
NOX_UV = Situation(name="the session installs 2.8.0 first; backend uv", lay_out=_nox_uv)
FOLDER = Situation(name="not there", lay_out=_beside("notes.txt", ""))
TOOL = Situation(
    name="2.8.0 is installed by pipx install",
    lay_out=_beside(
        "app/pyproject.toml",
        TOOL_APP,
        ("app/app.py", "from ext.__main__ import main\n"),
    ),
)
