"""Locks and requirements files that cannot be used: the rung says so and the next one answers, or there is one error.

Front ends refuse most of these before they call a hook: the first half is what they do. In the second half a program
of their name calls the hooks all the same, as an older or newer one might.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from .laboratory import Environment, Outcome, Workplace
from .stub_projects import (
    FORBIDDEN,
    UV,
    Package,
    ask,
    assert_built_for,
    assert_clean,
    environment,
    publish,
    write_app,
)
from .stub_torch import Stubs

pytestmark = pytest.mark.e2e

EXT = Package()
NEWEST = "2.9.0+cu126"

# Runs as `uv sync`: an interpreter of that name, a script of the other.
FRONT_END = """\
import fcntl, json, os, subprocess, sys
from pathlib import Path
from pyproject_hooks import BuildBackendHookCaller, default_subprocess_runner

held = [open(Path(prefix) / ".lock", "w") for prefix in json.loads(os.environ["HELD"])]
for lock in held:
    fcntl.flock(lock, fcntl.LOCK_EX)
caller = BuildBackendHookCaller(
    os.environ["SOURCE"], "torchgraft.build_meta", python_executable=os.environ["BUILD_PYTHON"]
)
try:
    print("answer:", json.dumps(caller.get_requires_for_build_wheel()), flush=True)
except subprocess.CalledProcessError as error:
    sys.exit(error.returncode)
"""
ANSWER = "answer: "


@dataclass(frozen=True)
class Impostor:
    """Programs that are named like front ends, and an environment in which their hooks run, as uv makes it."""

    place: Workplace
    driver: Environment
    build: Environment

    def run(self, *command: str, app: Path, held: tuple[Environment, ...] = (), **variables: str) -> Outcome:
        program = self.driver.prefix / "bin" / command[0]
        if not program.exists():
            program.symlink_to(self.driver.python)
        (app / command[1]).write_text(FRONT_END, encoding="utf-8")
        return self.place.run(
            [program, *command[1:]],
            cwd=app,
            SOURCE=str(app / "ext"),
            BUILD_PYTHON=str(self.build.python),
            HELD=json.dumps([str(environment.prefix) for environment in held]),
            **{"TORCHGRAFT_LOG": "plan", **variables},
        )


@pytest.fixture
def place(stubs: Stubs) -> Workplace:
    return stubs.workplace()


@pytest.fixture(scope="module")
def impostor(stubs: Stubs) -> Impostor:
    place = stubs.workplace()
    driver = environment(place, stubs, "torchgraft", name="driver")
    build = environment(place, stubs, "torchgraft", "setuptools", name="cache/uv/builds-v0/.tmpImpostor")
    return Impostor(place, driver, build)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    EXT.write(tmp_path / "app" / "ext")
    return write_app(tmp_path / "app", "torch", "ext", path="ext")


def answer(outcome: Outcome) -> list[str]:
    """Return what the hook answered, which was not noisy about it."""
    outcome.succeeded()
    assert_no_noise(outcome)
    (line,) = (line for line in outcome.said.splitlines() if line.startswith(ANSWER))
    return list(json.loads(line.removeprefix(ANSWER)))


def assert_no_noise(outcome: Outcome) -> None:
    assert "Traceback" not in outcome.said, outcome.said
    assert FORBIDDEN not in outcome.said, outcome.said


def locked_line(outcome: Outcome) -> str:
    """Return what the plan says of the lock."""
    return next(line for line in outcome.said.splitlines() if line.split()[:1] == ["locked"])


def uv_lock(*packages: str) -> str:
    root = '[[package]]\nname = "app"\nversion = "1"\nsource = { virtual = "." }\n'
    dependencies = 'dependencies = [{ name = "ext" }, { name = "torch" }]\n'
    ext = '[[package]]\nname = "ext"\nversion = "1.0"\nsource = { directory = "ext" }\n'
    return "\n".join(['version = 1\nrevision = 3\nrequires-python = ">=3.10"\n', root + dependencies, ext, *packages])


def torch(source: str, *lines: str, version: str = "2.8.0") -> str:
    return "\n".join(
        ["[[package]]", 'name = "torch"', f'version = "{version}"', f"source = {{ {source} }}", *lines, ""]
    )


def wheel(tags: str, version: str = "2.8.0") -> str:
    return f'wheels = [{{ url = "http://127.0.0.1:9/torch-{version}-{tags}.whl", hash = "sha256:{"0" * 64}" }}]'


ELSEWHERE = 'registry = "http://127.0.0.1:9/elsewhere/simple"'


@dataclass(frozen=True)
class Bad:
    """A lock file that is no help, and words that the plan must say of it."""

    name: str
    text: str | bytes
    says: str
    file: str = "uv.lock"
    command: tuple[str, ...] = ("uv", "sync")

    def __str__(self) -> str:
        return self.name


LOCKS = [
    Bad("half_a_table", "version = 1\n[[package", "does not parse"),
    Bad("empty", "", "does not say which format"),
    Bad("not_utf8", b"version = 1\n\xff\xfe", "does not parse"),
    Bad("deeply_nested", "a = " + "[" * 20_000, "does not parse"),
    Bad("merge_conflict", uv_lock() + "<<<<<<< HEAD\n", "does not parse"),
    Bad("newer_format", uv_lock().replace("version = 1", "version = 2", 1), "newer than those known"),
    Bad("format_is_a_table", uv_lock().replace("version = 1", "version = { a = 1 }", 1), "format"),
    Bad("without_torch", uv_lock(), "no torch"),
    Bad("packages_are_numbers", "version = 1\npackage = [1, 2]\n", "no torch"),
    Bad("no_wheel_for_this_platform", uv_lock(torch(ELSEWHERE, wheel("cp311-cp311-win_arm64"))), "no wheel"),
    Bad("no_wheel_for_this_python", uv_lock(torch(ELSEWHERE, wheel("cp27-cp27m-any"))), "no wheel"),
    Bad(
        "torch_twice",
        uv_lock(torch(ELSEWHERE, wheel("py3-none-any")), torch(ELSEWHERE, wheel("py3-none-any"), version="2.9.0")),
        "several torch",
    ),
    Bad("torch_from_git", uv_lock(torch('git = "https://git.example/torch?rev=main#0123456789abcdef"')), "git"),
    Bad("torch_from_a_folder", uv_lock(torch('directory = "../torch"')), "torch"),
    Bad("torch_is_editable", uv_lock(torch('editable = "../torch"')), "torch"),
    Bad("torch_without_source", uv_lock('[[package]]\nname = "torch"\nversion = "2.8.0"\n'), "torch"),
    Bad("torch_without_version", uv_lock(torch(ELSEWHERE).replace('version = "2.8.0"\n', "")), "torch"),
    Bad("version_is_none", uv_lock(torch(ELSEWHERE, version="two")), "version"),
    Bad("half_a_table", "[[package]\n", "does not parse", "poetry.lock", ("poetry", "install")),
    Bad("newer_format", '[metadata]\nlock-version = "9.0"\n', "newer", "poetry.lock", ("poetry", "install")),
    Bad("half_a_table", "[[package]\n", "does not parse", "pdm.lock", ("pdm", "install")),
    Bad("newer_format", '[metadata]\nlock_version = "9.0"\n', "newer", "pdm.lock", ("pdm", "install")),
]


# Those in which nothing stands that could be meant.
WITHOUT_TORCH = ("without_torch", "packages_are_numbers")


@pytest.mark.parametrize("bad", LOCKS, ids=lambda bad: f"{bad.file}-{bad}")
def test_a_lock_that_is_no_help_is_named_and_never_skipped(bad: Bad, app: Path, impostor: Impostor) -> None:
    file = app / bad.file
    file.write_bytes(bad.text if isinstance(bad.text, bytes) else bad.text.encode())
    consumer = app / ".venv"

    outcome = impostor.run(*bad.command, app=app, VIRTUAL_ENV=str(consumer))

    if bad.name in WITHOUT_TORCH:
        # The project requires torch: uv locks it anew, and asks for metadata alone, which need none.
        assert answer(outcome) == []
        said = locked_line(outcome)
    else:
        assert_no_noise(outcome)
        assert "error[torch-unclear]: the lock does not decide" in outcome.said
        said = " ".join(outcome.said.split())
    assert bad.file in said
    assert bad.says in said, said


def test_a_lock_that_is_a_folder(app: Path, impostor: Impostor) -> None:
    # As if there were none: uv is about to write one, and is after metadata.
    (app / "uv.lock").mkdir()

    assert answer(impostor.run("uv", "sync", app=app)) == []


def test_a_good_lock_is_not_among_them(app: Path, impostor: Impostor) -> None:
    # The control: the programs that only look like front ends get an answer where there is one.
    text = uv_lock(torch(ELSEWHERE, wheel("py3-none-any")))
    (app / "uv.lock").write_text(text, encoding="utf-8")
    index = [
        "[[tool.uv.index]]",
        'url = "http://127.0.0.1:9/elsewhere/simple"',
        'name = "elsewhere"',
        "explicit = true",
    ]
    write_app(app, "torch", "ext", path="ext", lines=index)

    (requirement,) = answer(impostor.run("uv", "sync", app=app))

    assert requirement.startswith("torch @ http://127.0.0.1:9/torch-2.8.0-py3-none-any.whl#sha256=")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("-r loop.txt\ntorch==2.8.0\n", "includes itself"),
        ("-r other.txt\ntorch==2.8.0\n", "includes itself"),
        ("-c missing.txt\ntorch==2.8.0\n", "missing.txt"),
        ("torch==2.8 or so\ntorch==2.8.0\n", "2.8 or so"),
    ],
    ids=["itself", "each_other", "missing", "no_requirement"],
)
def test_a_requirements_file_says_what_it_can(text: str, says: str, app: Path, impostor: Impostor) -> None:
    (app / "loop.txt").write_text(text, encoding="utf-8")
    (app / "other.txt").write_text("-r loop.txt\n", encoding="utf-8")

    outcome = impostor.run("uv", "pip", "install", "-r", "loop.txt", app=app)

    assert answer(outcome) == ["torch==2.8.0"]
    assert says in outcome.said


def test_pins_that_contradict_each_other_are_left_to_the_front_end(app: Path, impostor: Impostor) -> None:
    outcome = impostor.run("uv", "pip", "install", "torch==2.8.0", "torch==2.9.0", app=app)

    assert answer(outcome) == ["torch==2.8.0,==2.9.0"]


def test_two_consumers_with_different_torch(stubs: Stubs, place: Workplace, app: Path, impostor: Impostor) -> None:
    both = tuple(environment(place, stubs, f"torch=={v}", name=f"torch-{v}") for v in ("2.8.0", "2.9.0"))

    outcome = impostor.run("uv", "pip", "install", "./ext", app=app, held=both, TORCHGRAFT_LOG="summary")

    assert outcome.status != 0
    assert_no_noise(outcome)
    assert outcome.said.count("error[") == 1, outcome.said
    assert "error[ambiguous-consumer]" in outcome.said
    for consumer in both:
        assert str(consumer.prefix) in outcome.said


def test_two_consumers_with_the_same_torch(stubs: Stubs, place: Workplace, app: Path, impostor: Impostor) -> None:
    both = tuple(environment(place, stubs, "torch==2.8.0", name=name) for name in ("one", "other"))

    assert answer(impostor.run("uv", "pip", "install", "./ext", app=app, held=both)) == []


# The front ends themselves.


def spoil_half(text: str) -> str:
    return text[: len(text) // 2]


def spoil_format(text: str) -> str:
    return text.replace("version = 1\n", "version = 99\n", 1)


def spoil_wheels(text: str) -> str:
    return text.replace("-py3-none-any.whl", "-cp311-cp311-win_arm64.whl")


def spoil_versions(text: str) -> str:
    return text.replace('name = "torch"\nversion = "2.9.0"', 'name = "torch"\nversion = "two"')


SPOILS = [spoil_half, spoil_format, spoil_wheels, spoil_versions]


@pytest.mark.parametrize("command", ["sync", "sync --frozen", "run --locked python -c 0"])
@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_uv_with_a_lock_that_somebody_spoilt(
    spoil: Callable[[str], str], command: str, stubs: Stubs, place: Workplace
) -> None:
    publish(stubs, EXT)
    folder = write_app(place.folder / "app", "torch", "ext")
    place.run([UV, "lock"], cwd=folder).succeeded()
    lock = folder / "uv.lock"
    good = lock.read_text(encoding="utf-8")
    lock.write_text(spoil(good), encoding="utf-8")

    outcome = place.run([UV, *command.split()], cwd=folder)

    # uv refuses, or resolves anew; where it calls us all the same, the package has to be right.
    assert_no_noise(outcome)
    assert "torchgraft has a bug" not in outcome.said
    if outcome.status == 0:
        assert_built_for(ask(place, folder / ".venv/bin/python"), NEWEST)


@pytest.mark.parametrize("front", ["pip", "uv"])
def test_a_requirements_file_that_includes_itself(front: str, stubs: Stubs, place: Workplace) -> None:
    consumer = environment(place, stubs, "pip")
    EXT.write(place.folder / "ext")
    (place.folder / "loop.txt").write_text("-r loop.txt\ntorch==2.8.0\n./ext\n", encoding="utf-8")
    pip = [UV, "pip"] if front == "uv" else [consumer.python, "-m", "pip"]
    options = ["--python", consumer.python] if front == "uv" else []

    outcome = place.run([*pip, "install", *options, "-r", "loop.txt"])

    assert FORBIDDEN not in outcome.said
    assert "error[" not in outcome.said
    if outcome.status == 0:
        assert_built_for(ask(place, consumer.python), "2.8.0+cu126")


def test_no_rung_at_all_is_one_error(stubs: Stubs, place: Workplace) -> None:
    publish(stubs, EXT)
    package = Package(name="lonely", depends="")
    consumer = environment(place, stubs)

    folder = package.write(place.folder / "lonely")
    outcome = place.run([UV, "pip", "install", "--python", consumer.python, folder])

    assert outcome.status != 0
    assert_no_noise(outcome)
    assert outcome.said.count("error[") == 1, outcome.said
    assert "error[no-torch]" in outcome.said


def test_a_project_whose_broken_lock_is_removed_installs(stubs: Stubs, place: Workplace) -> None:
    publish(stubs, EXT)
    folder = write_app(place.folder / "app", "torch", "ext")
    (folder / "uv.lock").write_text("version = 1\n[[package", encoding="utf-8")
    assert_no_noise(place.run([UV, "sync"], cwd=folder))

    (folder / "uv.lock").unlink()
    assert_clean(place.run([UV, "sync"], cwd=folder))

    assert_built_for(ask(place, folder / ".venv/bin/python"), NEWEST)
