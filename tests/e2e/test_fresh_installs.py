"""The first installation: torch is not there yet when the package is built, and has to be the one that will be.

Real front ends, a stub named torch, and no setting but where the indexes are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from .laboratory import OLD_PIP, Workplace
from .stub_projects import (
    FORBIDDEN,
    UV,
    Package,
    ask,
    assert_built_for,
    assert_clean,
    environment,
    publish,
    read_report,
    write_app,
)
from .stub_torch import NOWHERE, Stubs

pytestmark = pytest.mark.e2e

STATIC = Package()
DYNAMIC = Package(name="ext-dynamic", dynamic=True)
COMPUTED = Package(name="ext-computed", computed=True)
WITH_TORCH = Package(name="ext-with-torch", requires=("torchgraft", "setuptools>=77", "torch"))
DYNAMIC_WITH_TORCH = Package(name="ext-dynamic-with-torch", dynamic=True, requires=WITH_TORCH.requires)
ALL = [STATIC, DYNAMIC, COMPUTED, WITH_TORCH, DYNAMIC_WITH_TORCH]

NEWEST = "2.9.0+cu126"
OLDER = "2.8.0+cu126"
OTHER_INDEX = "2.8.0+cu128"

LOCK_LIMIT_S = 3

# What others stand for most of the time.
DYNAMIC_SLOW = pytest.param(DYNAMIC, marks=pytest.mark.slow)
OLD_PIP_SLOW = pytest.param(f"pip=={OLD_PIP}", marks=pytest.mark.slow)


@pytest.fixture
def place(stubs: Stubs) -> Workplace:
    return stubs.workplace()


def name(package: object) -> str:
    return package.name if isinstance(package, Package) else str(package)


def second_index(stubs: Stubs) -> list[str]:
    return [
        "[[tool.uv.index]]",
        'name = "cu128"',
        f'url = "{stubs.indexes.url("cu128")}"',
        "explicit = true",
        "[tool.uv.sources]",
        'torch = { index = "cu128" }',
    ]


@pytest.mark.parametrize("package", ALL, ids=name)
def test_first_uv_sync_with_an_sdist_of_the_index(package: Package, stubs: Stubs, place: Workplace) -> None:
    publish(stubs, package)
    app = write_app(place.folder / "app", "torch", package.name)

    assert_clean(place.run([UV, "sync"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", package), NEWEST)


@pytest.mark.parametrize("package", ALL, ids=name)
def test_first_uv_sync_with_a_folder(package: Package, stubs: Stubs, place: Workplace) -> None:
    package.write(place.folder / "app" / "ext")
    app = write_app(place.folder / "app", "torch==2.8.0", package.name, path="ext", name=package.name)

    assert_clean(place.run([UV, "sync"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", package), OLDER)
    if package.requires == STATIC.requires:
        assert stubs.indexes.torch_downloads() == ["default/torch-2.8.0-py3-none-any.whl"]


def test_first_uv_sync_of_the_package_itself(place: Workplace) -> None:
    folder = STATIC.write(place.folder / "ext")

    assert_clean(place.run([UV, "sync"], cwd=folder))

    assert_built_for(ask(place, folder / ".venv/bin/python"), NEWEST)


@pytest.mark.parametrize("package", [STATIC, DYNAMIC], ids=name)
def test_first_uv_sync_of_a_workspace_with_the_package_as_a_member(package: Package, place: Workplace) -> None:
    root = place.folder / "root"
    package.write(root / "packages" / "ext")
    lines = [
        "[tool.uv.workspace]",
        'members = ["packages/*"]',
        "[tool.uv.sources]",
        f"{package.name} = {{ workspace = true }}",
    ]
    write_app(root, "torch==2.8.0", package.name, lines=lines)

    assert_clean(place.run([UV, "sync"], cwd=root))

    assert_built_for(ask(place, root / ".venv/bin/python", package), OLDER)


@pytest.mark.parametrize("package", [STATIC, DYNAMIC], ids=name)
def test_the_torch_of_another_index_reaches_the_build_by_its_address(
    package: Package, stubs: Stubs, place: Workplace
) -> None:
    publish(stubs, package)
    app = write_app(place.folder / "app", "torch==2.8.0", package.name, lines=second_index(stubs))

    assert_clean(place.run([UV, "sync"], cwd=app))

    report = ask(place, app / ".venv/bin/python", package)
    assert_built_for(report, OTHER_INDEX)
    assert {download.partition("/")[0] for download in stubs.indexes.torch_downloads()} == {"cu128"}
    assert "cu128/files/torch-2.8.0%2Bcu128" not in json.dumps(report.record), "the record holds no address"


def test_a_second_sync_builds_nothing(stubs: Stubs, place: Workplace) -> None:
    publish(stubs, STATIC)
    app = write_app(place.folder / "app", "torch", "ext")
    place.run([UV, "sync"], cwd=app).succeeded()

    again = place.run([UV, "sync", "-v"], cwd=app).succeeded()

    assert "get_requires_for_build_wheel" not in again.said
    assert_built_for(ask(place, app / ".venv/bin/python"), NEWEST)


def test_a_sync_that_changes_torch_builds_for_the_new_one(stubs: Stubs, place: Workplace) -> None:
    # uv would keep the package that is installed, and take its wheel from the cache: see test_stale_caches.
    publish(stubs, STATIC)
    app = write_app(place.folder / "app", "torch==2.8.0", "ext")
    place.run([UV, "sync"], cwd=app).succeeded()
    write_app(app, "torch==2.9.0", "ext")
    place.run([UV, "cache", "clean", "ext"]).succeeded()

    assert_clean(place.run([UV, "sync", "--reinstall-package", "ext"], cwd=app))

    # The installed torch was 2.8.0 while the package was built: the lock wins.
    assert_built_for(ask(place, app / ".venv/bin/python"), NEWEST)


@pytest.mark.parametrize("package", [DYNAMIC, COMPUTED, DYNAMIC_WITH_TORCH], ids=name)
def test_metadata_that_is_made_by_an_old_lock_does_not_decide(package: Package, place: Workplace) -> None:
    # uv makes the metadata while the lock still says 2.8.0, and builds in the same environment when it says 2.9.0.
    package.write(place.folder / "app" / "ext")
    app = write_app(place.folder / "app", "torch==2.8.0", package.name, path="ext", name=package.name)
    place.run([UV, "sync"], cwd=app).succeeded()
    write_app(app, "torch==2.9.0", package.name, path="ext", name=package.name)

    assert_clean(place.run([UV, "sync", "--reinstall-package", package.name], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python", package), NEWEST)


def test_what_uv_was_told_of_indexes_holds_for_what_it_installs_late(stubs: Stubs, place: Workplace) -> None:
    # Neither a variable nor a setting names an index that has torch.
    DYNAMIC.write(place.folder / "app" / "ext")
    app = write_app(place.folder / "app", "torch==2.8.0", DYNAMIC.name, path="ext", name=DYNAMIC.name)
    variables = {"UV_DEFAULT_INDEX": NOWHERE}

    assert_clean(place.run([UV, "sync", "--default-index", stubs.indexes.url()], cwd=app, **variables))

    assert_built_for(ask(place, app / ".venv/bin/python", DYNAMIC), OLDER)


def test_a_package_that_is_added_to_a_project_with_torch(stubs: Stubs, place: Workplace) -> None:
    publish(stubs, STATIC)
    app = write_app(place.folder / "app", "torch==2.8.0")
    place.run([UV, "sync"], cwd=app).succeeded()
    stubs.indexes.forget()

    assert_clean(place.run([UV, "add", "ext"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python"), OLDER)
    assert stubs.indexes.torch_downloads() == []


def test_torch_and_the_package_are_added_at_once(stubs: Stubs, place: Workplace) -> None:
    publish(stubs, STATIC)
    app = write_app(place.folder / "app")

    assert_clean(place.run([UV, "add", "torch==2.8.0", "ext"], cwd=app))

    assert_built_for(ask(place, app / ".venv/bin/python"), OLDER)


def test_uv_run_in_a_fresh_project(stubs: Stubs, place: Workplace) -> None:
    publish(stubs, STATIC)
    app = write_app(place.folder / "app", "torch==2.8.0", "ext")

    outcome = assert_clean(place.run([UV, "run", "python", "-m", "ext"], cwd=app))

    assert_built_for(read_report(outcome), OLDER)


@dataclass(frozen=True)
class Command:
    """One command of uv that makes an environment of its own. `runs`: it runs the package at once."""

    words: str
    version: str
    runs: bool = False

    def __str__(self) -> str:
        return self.words.replace(" ", "_").replace("/", "")


@pytest.mark.parametrize("package", [STATIC, DYNAMIC_SLOW], ids=name)
@pytest.mark.parametrize(
    "command",
    [
        Command("tool install ./{name}", NEWEST),
        Command("tool install ./{name} --with torch==2.8.0", OLDER),
        Command("tool install {name} --with torch<2.9", OLDER),
        Command("tool run --from ./{name} {name}", NEWEST, runs=True),
        Command("tool run --from ./{name} --with torch==2.8.0 {name}", OLDER, runs=True),
        Command("run --no-project --with ./{name} {name}", NEWEST, runs=True),
        Command("run --no-project --with ./{name} --with torch==2.8.0 {name}", OLDER, runs=True),
        Command("run --no-project --with {name} --with-requirements requirements.txt {name}", OLDER, runs=True),
        Command("run --script script.py", OLDER, runs=True),
    ],
    ids=str,
)
def test_uv_with_an_environment_of_its_own(command: Command, package: Package, stubs: Stubs, place: Workplace) -> None:
    publish(stubs, package)
    work = place.folder / "work"
    package.write(work / package.name)
    (work / "requirements.txt").write_text("torch==2.8.0\n", encoding="utf-8")
    script = ["# /// script", f'# dependencies = ["torch==2.8.0", "{package.name}"]', "# ///"]
    script += [f"from {package.module}.__main__ import main", "main()", ""]
    (work / "script.py").write_text("\n".join(script), encoding="utf-8")

    words = command.words.format(name=package.name).split()
    tools = {"UV_TOOL_DIR": str(place.folder / "tools"), "UV_TOOL_BIN_DIR": str(place.folder / "bin")}
    outcome = assert_clean(place.run([UV, *words], cwd=work, **tools))
    if not command.runs:
        outcome = place.run([place.folder / "bin" / package.name])

    assert_built_for(read_report(outcome), command.version)


@dataclass(frozen=True)
class Pip:
    """One `pip install` into an environment without torch. `wanted` holds names of files that `install` writes."""

    wanted: tuple[str, ...]
    version: str

    def __str__(self) -> str:
        return "_".join(self.wanted).replace("./", "")


FILES = {
    "pins.txt": "torch==2.8.0\n",
    "all.txt": "torch==2.8.0\n./{name}\n",
    "nested.txt": "-r pins.txt\n{name}\n",
}
INSTALLS = [
    Pip(("torch", "./{name}"), NEWEST),
    Pip(("./{name}",), NEWEST),
    Pip(("torch==2.8.0", "./{name}"), OLDER),
    Pip(("torch==2.8.0", "{name}"), OLDER),
    Pip(("torch", "-c", "pins.txt", "./{name}"), OLDER),
    Pip(("-r", "all.txt"), OLDER),
    Pip(("-r", "nested.txt"), OLDER),
]


def write_files(package: Package, work: Path) -> None:
    package.write(work / package.name)
    for file, text in FILES.items():
        (work / file).write_text(text.format(name=package.name), encoding="utf-8")


def wanted_by(install: Pip, package: Package) -> Sequence[str]:
    return [word.format(name=package.name) for word in install.wanted]


@pytest.mark.parametrize("install", INSTALLS, ids=str)
def test_pip_into_an_environment_without_torch(install: Pip, stubs: Stubs, place: Workplace) -> None:
    publish(stubs, STATIC)
    consumer = environment(place, stubs, "pip")
    write_files(STATIC, place.folder / "work")

    command = [consumer.python, "-m", "pip", "install", *wanted_by(install, STATIC)]
    assert_clean(place.run(command, cwd=place.folder / "work"))

    assert_built_for(ask(place, consumer.python), install.version)


@pytest.mark.parametrize("package", [DYNAMIC, COMPUTED], ids=name)
@pytest.mark.parametrize("pip", ["pip", OLD_PIP_SLOW])
def test_pip_with_other_packages(pip: str, package: Package, stubs: Stubs, place: Workplace) -> None:
    publish(stubs, package)
    consumer = environment(place, stubs, pip)
    write_files(package, place.folder / "work")

    command = [consumer.python, "-m", "pip", "install", "torch==2.8.0", f"./{package.name}"]
    assert_clean(place.run(command, cwd=place.folder / "work"))

    assert_built_for(ask(place, consumer.python, package), OLDER)


@pytest.mark.parametrize("pip", ["pip", OLD_PIP_SLOW])
def test_pip_with_a_package_that_requires_torch_for_its_build(pip: str, stubs: Stubs, place: Workplace) -> None:
    consumer = environment(place, stubs, pip)
    package = WITH_TORCH.write(place.folder / WITH_TORCH.name)
    install = [consumer.python, "-m", "pip", "install"]

    # The newest torch is in the build, and nothing that a backend answers makes pip replace it.
    refused = place.run([*install, "torch==2.8.0", package])
    assert refused.status != 0
    assert "error[torch-required-twice]" in refused.said, refused.said
    assert FORBIDDEN not in refused.said
    # What the message says.
    assert_clean(place.run([*install, "torch==2.8.0"]))
    assert_clean(place.run([*install, package]))

    assert_built_for(ask(place, consumer.python, WITH_TORCH), OLDER)


@pytest.mark.parametrize("package", [STATIC, DYNAMIC_SLOW], ids=name)
@pytest.mark.parametrize("install", INSTALLS, ids=str)
def test_uv_pip_into_an_environment_without_torch(
    install: Pip, package: Package, stubs: Stubs, place: Workplace
) -> None:
    publish(stubs, package)
    consumer = environment(place, stubs)
    write_files(package, place.folder / "work")

    command = [UV, "pip", "install", "--python", consumer.python, *wanted_by(install, package)]
    assert_clean(place.run(command, cwd=place.folder / "work"))

    assert_built_for(ask(place, consumer.python, package), install.version)


@pytest.mark.alone
@pytest.mark.parametrize("package", [STATIC, DYNAMIC, COMPUTED], ids=name)
@pytest.mark.parametrize("source", ["index", "folder"])
def test_uv_lock_downloads_no_torch_and_is_quick(
    source: str, package: Package, stubs: Stubs, place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(stubs, package)
    # What a build requires is in the cache of whoever has locked anything before.
    environment(place, stubs, "torchgraft", "setuptools", name="warm")
    folder = place.folder / "app"
    package.write(folder / "ext")
    app = write_app(folder, package.name, path="ext" if source == "folder" else None, name=package.name)

    start = time.monotonic()
    outcome = place.run([UV, "lock"], cwd=app)
    took_s = time.monotonic() - start

    assert_clean(outcome)
    with capsys.disabled():
        print(f"\n  uv lock, {package.name} from {source}: {took_s:.2f} s")  # noqa: T201 - a measurement
    assert 'name = "torch"' in (app / "uv.lock").read_text(encoding="utf-8")
    assert stubs.indexes.torch_downloads() == []
    assert took_s < LOCK_LIMIT_S


@pytest.mark.parametrize("command", ["lock", "pip compile pyproject.toml", "export", "tree"])
def test_commands_that_only_resolve_download_no_torch(command: str, stubs: Stubs, place: Workplace) -> None:
    folder = DYNAMIC.write(place.folder / "ext")

    assert_clean(place.run([UV, *command.split()], cwd=folder))

    assert stubs.indexes.torch_downloads() == []


def test_an_sdist_is_made_without_torch(stubs: Stubs, place: Workplace) -> None:
    folder = DYNAMIC.write(place.folder / "ext")

    assert_clean(place.run([UV, "build", "--sdist", "--out-dir", place.folder / "dist"], cwd=folder))

    assert [file.name for file in (place.folder / "dist").glob("*.tar.gz")] == ["ext_dynamic-1.0.tar.gz"]
    assert stubs.indexes.torch_downloads() == []
