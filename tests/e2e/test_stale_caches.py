"""What the caches of pip and uv hand out after torch has changed: wheels that were built for the old one.

No hook is called then, so no backend can prevent it. The first half writes down how it is, and would fail if a front
end got better; the second half runs the cures of docs/how-to/stale-caches.md.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from .front_ends.tools import PDM, POETRY, program
from .laboratory import CHECKOUT, Environment, Workplace
from .stub_projects import UV, VERSION, Package, ask, assert_built_for, environment, publish, write_app
from .stub_torch import DEFAULT, Stubs, make_sdist

pytestmark = pytest.mark.e2e

EXT = Package()
OLD, NEW = "2.8.0+cu126", "2.9.0+cu126"


@dataclass(frozen=True)
class Ground:
    """One test: an environment, where nothing but a changing torch is ever installed besides the package."""

    stubs: Stubs
    place: Workplace
    consumer: Environment

    @property
    def work(self) -> Path:
        return self.place.folder / "work"

    def pip(self, *words: str | Path) -> str:
        command = [self.consumer.python, "-m", "pip", *words]
        return self.place.run(command, cwd=self.work).succeeded().said

    def uv_pip(self, *words: str | Path) -> str:
        command = [UV, "pip", words[0], "--python", self.consumer.python, *words[1:]]
        return self.place.run(command, cwd=self.work).succeeded().said

    def uv(self, *words: str | Path) -> str:
        return self.place.run([UV, *words], cwd=self.work).succeeded().said

    def torch(self, version: str) -> None:
        self.uv_pip("install", f"torch=={version}")

    def report(self) -> tuple[str, str]:
        """Return the torch that the package was built for, and the one that is there."""
        report = ask(self.place, self.consumer.python)
        return report.built[0], report.meets[0]


@pytest.fixture
def ground(stubs: Stubs) -> Ground:
    publish(stubs, EXT)
    place = stubs.workplace()
    (place.folder / "work").mkdir()
    return Ground(stubs, place, environment(place, stubs, "pip", "torch==2.8.0"))


# How a package is named to pip or uv; what it returns is what they are told.


def index_sdist(_ground: Ground) -> list[str]:
    return ["ext"]


def name_at_url(ground: Ground) -> list[str]:
    url = ground.stubs.indexes.file_url(DEFAULT, f"ext-{VERSION}.tar.gz")
    return [f"ext @ {url}"]


def links_sdist(ground: Ground) -> list[str]:
    folder = ground.place.folder / "links"
    make_sdist(EXT.write(ground.place.folder / "source"), folder, "ext", VERSION)
    return ["--find-links", str(folder), "--no-index", "--no-deps", "--no-build-isolation", "ext"]


def git_commit(ground: Ground) -> list[str]:
    folder = EXT.write(ground.place.folder / "repository")
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "all")):
        git(ground, folder, *identity, *words)
    commit = git(ground, folder, "rev-parse", "HEAD").strip()
    return [f"ext @ git+{folder.as_uri()}@{commit}"]


def folder(ground: Ground) -> list[str]:
    EXT.write(ground.work / "ext")
    return ["./ext"]


def path_sdist(ground: Ground) -> list[str]:
    make_sdist(EXT.write(ground.place.folder / "source"), ground.work, "ext", VERSION)
    return [f"./ext-{VERSION}.tar.gz"]


def git(ground: Ground, folder: Path, *words: str) -> str:
    if shutil.which("git", path=ground.place.path) is None:
        pytest.skip("there is no git")
    command = ["git", "-C", str(folder), *words]
    variables = {**ground.place.variables, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(command, env=variables, check=True, capture_output=True, text=True, timeout=60).stdout


Naming = Callable[[Ground], list[str]]


def built_twice(ground: Ground, install: Callable[..., str], uninstall: Callable[[], str], words: list[str]) -> None:
    """Install a package, change torch, and install it anew."""
    install("install", *words)
    assert ground.report() == (OLD, OLD)
    ground.torch("2.9.0")
    uninstall()
    install("install", *words)


@pytest.mark.parametrize(
    ("naming", "stale"),
    [
        pytest.param(index_sdist, True, id="index_sdist"),
        pytest.param(name_at_url, True, id="name_at_url", marks=pytest.mark.slow),
        pytest.param(links_sdist, True, id="links_sdist", marks=pytest.mark.slow),
        pytest.param(git_commit, True, id="git_commit"),
        pytest.param(folder, False, id="folder"),
        pytest.param(path_sdist, False, id="path_sdist", marks=pytest.mark.slow),
    ],
)
def test_what_pip_hands_out_after_torch_changed(naming: Naming, stale: bool, ground: Ground) -> None:  # noqa: FBT001
    words = naming(ground)
    if naming is links_sdist:
        ground.pip("install", "torchgraft", "setuptools")

    built_twice(ground, ground.pip, lambda: ground.pip("uninstall", "-y", "ext"), words)

    assert ground.report() == (OLD if stale else NEW, NEW)


@pytest.mark.parametrize(
    ("naming", "stale"),
    [
        (index_sdist, True),
        (name_at_url, True),
        (links_sdist, True),
        (git_commit, True),
        (folder, False),
        (path_sdist, True),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_uv_hands_out_after_torch_changed(naming: Naming, stale: bool, ground: Ground) -> None:  # noqa: FBT001
    words = naming(ground)
    if naming is links_sdist:
        ground.uv_pip("install", "torchgraft", "setuptools")

    built_twice(ground, ground.uv_pip, lambda: ground.uv_pip("uninstall", "ext"), words)

    assert ground.report() == (OLD if stale else NEW, NEW)


def stale_project(ground: Ground, *, path: str | None, lines: tuple[str, ...] = ()) -> Path:
    """Return a uv project whose torch has changed from 2.8.0 to 2.9.0 since it was synced."""
    if path:
        EXT.write(ground.work / "ext")
    write_app(ground.work, "torch==2.8.0", "ext", path=path, lines=lines)
    ground.uv("sync")
    write_app(ground.work, "torch==2.9.0", "ext", path=path, lines=lines)
    return ground.work / ".venv/bin/python"


@pytest.mark.parametrize("path", [None, "ext"], ids=["index_sdist", "folder"])
def test_uv_sync_keeps_a_package_that_was_built_for_the_old_torch(path: str | None, ground: Ground) -> None:
    python = stale_project(ground, path=path)

    ground.uv("sync")

    report = ask(ground.place, python)
    assert (report.built[0], report.meets[0]) == (OLD, NEW)


def test_uv_sync_in_a_new_environment_takes_the_stale_wheel_of_a_folder(ground: Ground) -> None:
    python = stale_project(ground, path="ext")
    shutil.rmtree(ground.work / ".venv")

    ground.uv("sync")

    report = ask(ground.place, python)
    assert (report.built[0], report.meets[0]) == (OLD, NEW)


@pytest.mark.parametrize(
    "cure",
    [
        [("install", "--no-cache-dir", "--force-reinstall", "--no-deps", "ext")],
        [("cache", "remove", "ext"), ("install", "--force-reinstall", "--no-deps", "ext")],
    ],
    ids=["no_cache_dir", "cache_remove"],
)
def test_cures_for_pip(cure: list[tuple[str, ...]], ground: Ground) -> None:
    ground.pip("install", "ext")
    ground.torch("2.9.0")
    ground.pip("install", "--force-reinstall", "--no-deps", "ext")
    assert ground.report() == (OLD, NEW)

    for words in cure:
        ground.pip(*words)

    assert ground.report() == (NEW, NEW)


@pytest.mark.parametrize(
    "cure",
    [
        [("pip", "install", "--no-cache", "--reinstall-package", "ext", "ext")],
        [("cache", "clean", "ext"), ("pip", "install", "--reinstall-package", "ext", "ext")],
    ],
    ids=["no_cache", "cache_clean"],
)
def test_cures_for_uv_pip(cure: list[tuple[str, ...]], ground: Ground) -> None:
    ground.uv_pip("install", "ext")
    ground.torch("2.9.0")

    for words in cure:
        if words[0] == "pip":
            ground.uv_pip(*words[1:])
        else:
            ground.uv(*words)

    assert ground.report() == (NEW, NEW)


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        (None, [("sync", "--no-cache", "--reinstall-package", "ext")]),
        (None, [("cache", "clean", "ext"), ("sync", "--reinstall-package", "ext")]),
        ("ext", [("sync", "--reinstall-package", "ext")]),
    ],
    ids=["no_cache-index_sdist", "cache_clean-index_sdist", "reinstall_package-folder"],
)
def test_cures_for_uv_sync(path: str | None, cure: list[tuple[str, ...]], ground: Ground) -> None:
    python = stale_project(ground, path=path)

    for words in cure:
        ground.uv(*words)

    assert_built_for(ask(ground.place, python), NEW)


def test_reinstall_package_alone_is_no_cure_for_an_sdist_of_an_index_that_says_it_has_not_changed(
    ground: Ground,
) -> None:
    # uv asks the index again, hears 304 as from PyPI, and keeps what it built. From an index that does not know
    # If-None-Match it would build anew.
    python = stale_project(ground, path=None)

    ground.uv("sync", "--reinstall-package", "ext")

    report = ask(ground.place, python)
    assert (report.built[0], report.meets[0]) == (OLD, NEW)


def test_cache_keys_make_uv_rebuild_a_folder_when_the_lock_changes(ground: Ground) -> None:
    EXT.write(ground.work / "ext")
    pyproject = ground.work / "ext" / "pyproject.toml"
    keys = '[tool.uv]\ncache-keys = [{ file = "pyproject.toml" }, { file = "setup.py" }, { file = "../uv.lock" }]\n'
    pyproject.write_text(f"{pyproject.read_text(encoding='utf-8')}\n{keys}", encoding="utf-8")
    write_app(ground.work, "torch==2.8.0", "ext", path="ext")
    ground.uv("sync")
    write_app(ground.work, "torch==2.9.0", "ext", path="ext")

    ground.uv("sync")

    assert_built_for(ask(ground.place, ground.work / ".venv/bin/python"), NEW)


@pytest.mark.parametrize("path", [None, "ext"], ids=["index_sdist", "folder"])
def test_match_runtime_puts_torch_into_the_key_of_uvs_cache(path: str | None, ground: Ground) -> None:
    lines = (
        "[tool.uv.extra-build-dependencies]",
        'ext = [{ requirement = "torch", match-runtime = true }]',
    )
    python = stale_project(ground, path=path, lines=lines)

    ground.uv("sync")

    report = ask(ground.place, python)
    assert_built_for(report, NEW)
    assert report.record["rule"] == "R0"
    assert report.record["way"] == "present"


APP = """[project]
name = "app"
version = "1"
requires-python = ">=3.10,<4"
dependencies = ["torch==2.8.0", "ext"]

"""
OF_POETRY = """[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "local"
url = "{index}"
priority = "primary"
"""
REINSTALL = ("--no-cache-dir", "--force-reinstall", "--no-deps", "ext")


def poetry_project(ground: Ground) -> Callable[..., str]:
    """Return what runs poetry in a project that it has installed for torch 2.8.0."""
    command = program(POETRY, CHECKOUT / ".environments")
    variables = {"POETRY_NO_INTERACTION": "1", "POETRY_VIRTUALENVS_IN_PROJECT": "1"}
    text = APP + OF_POETRY.format(index=ground.stubs.indexes.url())
    (ground.work / "pyproject.toml").write_text(text, encoding="utf-8")

    def poetry(*words: str) -> str:
        return ground.place.run([command, *words], cwd=ground.work, **variables).succeeded().said

    poetry("install")
    return poetry


def pdm_project(ground: Ground) -> Callable[..., str]:
    """Return what runs pdm in a project that it has installed for torch 2.8.0."""
    command = program(PDM, CHECKOUT / ".environments")
    variables = {"PDM_PYPI_URL": ground.stubs.indexes.url(), "PDM_CHECK_UPDATE": "0"}
    text = APP + "[tool.pdm]\ndistribution = false\n"
    (ground.work / "pyproject.toml").write_text(text, encoding="utf-8")

    def pdm(*words: str) -> str:
        return ground.place.run([command, *words], cwd=ground.work, **variables).succeeded().said

    pdm("install")
    return pdm


def in_app(ground: Ground) -> tuple[str, str]:
    report = ask(ground.place, ground.work / ".venv/bin/python")
    return report.built[0], report.meets[0]


@pytest.mark.slow
def test_the_cure_for_poetry(ground: Ground) -> None:
    poetry = poetry_project(ground)
    assert in_app(ground) == (OLD, OLD)
    poetry("add", "torch==2.9.0")
    assert in_app(ground) == (OLD, NEW)

    poetry("run", "pip", "install", *REINSTALL)

    assert in_app(ground) == (NEW, NEW)


@pytest.mark.slow
def test_the_cure_for_pdm(ground: Ground) -> None:
    pdm = pdm_project(ground)
    assert in_app(ground) == (OLD, OLD)
    pdm("add", "torch==2.9.0")
    assert in_app(ground) == (OLD, NEW)

    pdm("sync", "--reinstall")
    assert in_app(ground) == (OLD, NEW)  # from the cache
    pdm("cache", "clear", "wheels")
    pdm("sync", "--reinstall")

    assert in_app(ground) == (NEW, NEW)
