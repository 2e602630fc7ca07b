"""What is there before a command is typed: files, environments, variables. Their names stand in the page of results.

May not run a front end whose behaviour is looked at.
"""

from __future__ import annotations

from collections.abc import Callable

from .bench import Bench
from .model import Situation, Tool

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
    """The front end lives in an environment that has no torch; the activated one has it."""
    bench.package()
    tools = bench.environment("tools", *_own(tool))
    bench.environment(CONSUMER, "torch==2.8.0", "pip", activate=True)
    (bench.work / "bin").mkdir()
    for name in ("python", "pyproject-build"):
        (bench.work / "bin" / f"{name}-of-tools").symlink_to(tools.prefix / "bin" / name)


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
