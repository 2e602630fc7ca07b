"""What `torchgraft check` says of a package that was not built by torchgraft, and that its commands cure it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from .laboratory import Environment
from .stub_projects import UV
from .stub_torch import DEFAULT, Stubs, make_sdist
from .test_guard import NEW, OLD, Ground, assert_cured, cures, ground, index, write_package

__all__ = ["ground", "index"]
pytestmark = pytest.mark.e2e

# As packages are built that say nothing of torch.
WITHOUT_ISOLATION = "--no-build-isolation"


def write_foreign(folder: Path, name: str = "stale-ext") -> Path:
    write_package(folder)
    pyproject = folder / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    head, table = text.index("requires"), text.index("[tool.torchgraft]")
    own = 'requires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n[project]\n'
    text = text[:head] + own + text[text.index("name =") : table]
    pyproject.write_text(text.replace('name = "stale-ext"', f'name = "{name}"'), encoding="utf-8")
    return folder


# The others stand in the matrix of cures by their front end and their source.
FAST = {("pip", "editable"), ("uv", "index")}


def publish_foreign(stubs: Stubs, ground: Ground) -> None:
    if not (stubs.indexes.folder / DEFAULT / "foreign_ext-1.0.tar.gz").exists():
        source = write_foreign(ground.work / "published", "foreign-ext")
        make_sdist(source, stubs.indexes.folder / DEFAULT, "foreign_ext", "1.0")


@pytest.mark.parametrize(
    ("tool", "where"),
    [
        pytest.param(*row, marks=[] if row in FAST else pytest.mark.slow)
        for row in itertools.product(("pip", "uv"), ("folder", "editable", "sdist", "index"))
    ],
)
def test_a_package_of_another_backend(tool: str, where: str, ground: Ground, stubs: Stubs) -> None:
    ground.uv("install", "setuptools")
    source = write_foreign(ground.work / "source")
    sdist = make_sdist(source, ground.work, "stale_ext", "1.0")
    publish_foreign(stubs, ground)
    words = {"folder": [source], "editable": ["-e", source], "sdist": [sdist], "index": ["foreign-ext"]}[where]
    getattr(ground, tool)("install", WITHOUT_ISOLATION, *words)
    ground.check().succeeded()
    ground.torch(NEW)

    checked = ground.check()

    assert checked.status == 1, checked.said
    commands = cures(checked.said)
    assert commands[-1][0] == tool
    assert_cured(ground, commands)


@pytest.mark.slow
def test_a_package_of_another_backend_in_a_uv_project(ground: Ground, stubs: Stubs) -> None:
    publish_foreign(stubs, ground)
    project = ground.work / "app"
    project.mkdir()
    pyproject = project / "pyproject.toml"
    text = (
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
        f'dependencies = ["torch=={OLD}", "setuptools"]\n'
        f'[[tool.uv.index]]\nname = "native"\nurl = "{ground.index}"\nexplicit = true\n'
        '[tool.uv]\nno-build-isolation-package = ["foreign-ext"]\n'
        '[tool.uv.sources]\ntorch = { index = "native" }\n'
    )
    pyproject.write_text(text, encoding="utf-8")
    ground.run(UV, "sync", "--project", project).succeeded()
    with_package = text.replace('"setuptools"', '"setuptools", "foreign-ext"')
    for version in (OLD, NEW):
        pyproject.write_text(with_package.replace(OLD, version), encoding="utf-8")
        ground.run(UV, "sync", "--project", project).succeeded()
    there = Ground(ground.place, Environment(project / ".venv"), ground.index)

    checked = there.check()

    assert checked.status == 1, checked.said
    commands = cures(checked.said)
    assert [command[:2] for command in commands] == [["uv", "sync"]]
    assert_cured(there, commands)
