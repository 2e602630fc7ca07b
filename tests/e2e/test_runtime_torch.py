"""What pip and uv make of a wheel that requires the torch that it was built for."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import pytest

from .laboratory import Environment, Workplace
from .stub_projects import UV, Package, ask, environment, publish, write_app
from .stub_torch import Stubs

pytestmark = pytest.mark.e2e

OLD, NEW = "2.8.0+cu126", "2.9.0+cu126"
PIN = "torch==2.8.*"


@dataclass(frozen=True)
class PinnedPackage(Package):
    """Has dynamic dependencies, and requires the minor version of torch that it was built for."""

    def write(self, folder: Path) -> Path:
        super().write(folder)
        with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write('[tool.torchgraft]\nruntime-torch = "minor"\n')
        return folder


EXT = PinnedPackage(name="pinned", dynamic=True)


@dataclass(frozen=True)
class Ground:
    place: Workplace
    consumer: Environment

    def run(self, *words: str | Path) -> str:
        return self.place.run(words).succeeded().said

    def pip(self, *words: str) -> str:
        return self.run(self.consumer.python, "-m", "pip", *words)

    def uv_pip(self, *words: str) -> str:
        return self.run(UV, "pip", words[0], "--python", self.consumer.python, *words[1:])

    def requires(self) -> list[str]:
        return requires(self.consumer.site_packages)


def requires(site: Path) -> list[str]:
    (found,) = importlib.metadata.distributions(name="pinned", path=[str(site)])
    return found.requires or []


@pytest.fixture
def ground(stubs: Stubs) -> Ground:
    publish(stubs, EXT)
    place = stubs.workplace()
    return Ground(place, environment(place, stubs, "pip", "torch==2.8.0"))


@pytest.mark.parametrize("tool", ["pip", "uv_pip"])
def test_a_cached_wheel_brings_its_old_torch_with_it(tool: str, ground: Ground) -> None:
    run = getattr(ground, tool)
    run("install", "pinned")
    assert ground.requires() == ["torch", PIN]
    run("install", "torch==2.9.0")
    run("uninstall", *(["-y"] if tool == "pip" else []), "pinned")

    run("install", "pinned")

    # Nothing was compiled, and torch was replaced.
    report = ask(ground.place, ground.consumer.python, EXT)
    assert (report.built[0], report.meets[0]) == (OLD, OLD)


@pytest.mark.parametrize("tool", ["pip", "uv_pip"])
def test_a_wheel_of_an_index_is_installed(tool: str, stubs: Stubs, ground: Ground) -> None:
    # uv reads a wheel from an index as it comes, from its first byte; one on disk by its directory.
    served = stubs.indexes.folder / f"built-{tool}"
    ground.pip("wheel", "--no-deps", "--wheel-dir", str(served), "pinned")

    stubs.indexes.forget()

    option = "--index-url" if tool == "pip" else "--default-index"
    index = (option, stubs.indexes.url(f"built-{tool}"), "--only-binary", "pinned")
    getattr(ground, tool)("install", "--no-deps", "--no-cache", *index, "pinned")

    assert stubs.indexes.downloads("pinned") == [f"built-{tool}/pinned-1.0-py3-none-any.whl"]
    assert ground.requires() == ["torch", PIN]


@pytest.mark.slow
def test_a_lock_stays_free_of_it(stubs: Stubs) -> None:
    publish(stubs, EXT)
    place = stubs.workplace()
    app = write_app(place.folder / "app", "torch==2.8.0", "pinned")

    place.run([UV, "sync"], cwd=app).succeeded()

    site = Environment(app / ".venv").site_packages
    assert requires(site) == ["torch"]
    assert "2.8.*" not in (app / "uv.lock").read_text(encoding="utf-8")
    place.run([UV, "sync", "--locked"], cwd=app).succeeded()


def test_a_folder_in_a_lock_is_locked_once(stubs: Stubs) -> None:
    place = stubs.workplace()
    app = write_app(place.folder / "app", "torch==2.8.0", "pinned", path="pinned", name="pinned")
    EXT.write(app / "pinned")

    place.run([UV, "sync"], cwd=app).succeeded()

    place.run([UV, "sync", "--locked"], cwd=app).succeeded()
    place.run([UV, "cache", "clean"], cwd=app).succeeded()
    place.run([UV, "sync", "--locked"], cwd=app).succeeded()


def test_a_lock_cannot_have_another_torch_until_the_cached_metadata_are_gone(ground: Ground) -> None:
    ground.uv_pip("install", "pinned")
    app = write_app(ground.place.folder / "app", "torch==2.9.0", "pinned")

    refused = ground.place.run([UV, "lock"], cwd=app)

    assert refused.status == 1
    assert "all versions of pinned depend on torch<2.9" in refused.said
    ground.run(UV, "cache", "clean", "pinned")
    ground.place.run([UV, "lock"], cwd=app).succeeded()


# scikit-build-core takes entries in `dependencies` besides a dynamic field (PEP 808), and compares the metadata that
# were prepared with those of the wheel.
BOTH = """
[build-system]
requires = ["torchgraft", "scikit-build-core>=1"]
build-backend = "torchgraft.build_meta"
[project]
name = "pinned"
version = "2.0"
dynamic = ["dependencies"]
dependencies = ["torch>=2.4"]
[tool.torchgraft]
backend = "scikit_build_core.build"
runtime-torch = "minor"
"""
NO_LANGUAGE = "cmake_minimum_required(VERSION 3.15)\nproject(pinned LANGUAGES NONE)\n"


@pytest.mark.parametrize("tool", ["pip", pytest.param("uv_pip", marks=pytest.mark.slow)])
def test_what_is_dynamic_and_has_static_entries_too(tool: str, ground: Ground) -> None:
    source = ground.place.folder / "both"
    (source / "src" / "pinned").mkdir(parents=True)
    (source / "src" / "pinned" / "__init__.py").touch()
    (source / "pyproject.toml").write_text(BOTH, encoding="utf-8")
    (source / "CMakeLists.txt").write_text(NO_LANGUAGE, encoding="utf-8")

    getattr(ground, tool)("install", str(source))

    assert ground.requires() == ["torch>=2.4", PIN]
