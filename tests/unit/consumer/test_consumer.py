from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from torchgraft.consumer.front_end import find_caller
from torchgraft.consumer.processes import HookProcess, Process
from torchgraft.consumer.rules import ConsumerFinding, find_consumer
from torchgraft.model.observation import Consumer, Rule

TORCH = "2.8.0"


def write_environment(
    prefix: Path, *, torch: str | None = TORCH, version: str = "3.11", cfg: str | None = None
) -> Path:
    site = prefix / "lib" / f"python{version}" / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    if torch:
        (site / f"torch-{torch}.dist-info").mkdir()
    (prefix / "pyvenv.cfg").write_text(cfg or f"home = /base/bin\nversion = {version}.1\n")
    (prefix / "bin").mkdir(exist_ok=True)
    (prefix / "bin" / "python").symlink_to(sys.executable)
    (prefix / "bin" / "python3.11").symlink_to("python")
    return prefix


def hook(prefix: Path, *, cfg: str = "", hidden: bool = False, **variables: str) -> HookProcess:
    purelib = str(prefix / "lib" / "python3.11" / "site-packages")
    folder = prefix.parent / "source"
    folder.mkdir(exist_ok=True)
    return HookProcess(
        prefix=str(prefix),
        base_prefix="/base",
        purelib=purelib,
        folder=str(folder),
        sys_path=("", "/base/lib/python3.11", *(() if hidden else (purelib,))),
        variables=tuple(sorted(variables.items())),
        pyvenv_cfg=cfg,
    )


def caller(command: str, folder: Path, *, locks: tuple[str, ...] | None = (), **variables: str) -> tuple[Process, ...]:
    arguments = tuple(command.split())
    process = Process(
        executable=arguments[0],
        arguments=arguments,
        folder=str(folder),
        variables=tuple(sorted(variables.items())),
        locks=locks,
    )
    return (process,)


def find(
    hook: HookProcess, ancestors: tuple[Process, ...] = (), told: str | None = None, *, importable: bool = False
) -> ConsumerFinding:
    return find_consumer(hook, ancestors, caller=find_caller(hook, ancestors), told=told, torch_importable=importable)


def one(finding: ConsumerFinding) -> Consumer:
    (found,) = finding.found
    return found


@pytest.fixture
def uv_build(tmp_path: Path) -> HookProcess:
    prefix = tmp_path / "cache" / "builds-v0" / ".tmpAbC"
    prefix.mkdir(parents=True)
    return hook(prefix, cfg="home = /base/bin\nuv = 0.9.30\n", VIRTUAL_ENV=str(prefix))


@pytest.fixture
def old_uv_build(uv_build: HookProcess) -> HookProcess:
    return HookProcess(**{**vars(uv_build), "pyvenv_cfg": "home = /base/bin\nuv = 0.4.30\n"})


# Told


@pytest.mark.parametrize("told", ["env", "./env/", "env/bin/python", "env/bin/python3.11", "../place/env", "~/env"])
def test_a_told_environment_or_interpreter(tmp_path: Path, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    environment = write_environment(place / "env")
    monkeypatch.setenv("HOME", str(place))
    found = one(find(hook(tmp_path / "own"), caller("pip wheel .", place), told, importable=True))
    assert (found.prefix, found.rule, found.certain) == (str(environment), Rule.TOLD, True)


def test_a_told_environment_that_is_not_the_one_installed_into(tmp_path: Path, uv_build: HookProcess) -> None:
    environment, other = write_environment(tmp_path / "env"), write_environment(tmp_path / "other")
    for command, into, certain in (
        ("uv pip install .", other, False),
        ("uv pip install .", environment, True),
        ("uv build", other, True),
    ):
        found = one(find(uv_build, caller(command, tmp_path, locks=(str(into / ".lock"),)), "env"))
        assert (found.prefix, found.rule, found.certain) == (str(environment), Rule.TOLD, certain)
    assert one(find(uv_build, caller("uv tool install .", tmp_path), "env")).certain
    found = one(find(hook(tmp_path / "other"), caller("pip install --no-build-isolation .", tmp_path), "env"))
    assert found.why == f"a setting names it, and the wheel is installed into {other}"


def test_a_told_interpreter_of_windows(tmp_path: Path) -> None:
    environment = tmp_path / "env"
    (environment / "Scripts").mkdir(parents=True)
    (environment / "Scripts" / "python.exe").touch()
    (environment / "python.exe").touch()
    for told in ("env/Scripts/python.exe", "env/python.exe", "env"):
        assert one(find(hook(tmp_path / "own"), caller("uv sync", tmp_path), told)).prefix == str(environment)


def test_a_told_project_is_its_environment(tmp_path: Path) -> None:
    environment = write_environment(tmp_path / "project" / ".venv")
    assert one(find(hook(tmp_path / "own"), (), str(tmp_path / "project"))).prefix == str(environment)
    outer = write_environment(tmp_path / "project")
    assert one(find(hook(tmp_path / "own"), (), str(tmp_path / "project"))).prefix == str(outer)


def test_a_told_file_that_is_no_interpreter_is_named_itself(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert one(find(hook(tmp_path / "own"), (), str(tmp_path / "notes.txt"))).prefix == str(tmp_path / "notes.txt")


def test_a_told_link_to_an_interpreter_beside_no_environment(tmp_path: Path) -> None:
    (tmp_path / "base" / "bin").mkdir(parents=True)
    (tmp_path / "base" / "bin" / "python3").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "py").symlink_to(tmp_path / "base" / "bin" / "python3")
    assert one(find(hook(tmp_path / "own"), (), str(tmp_path / "bin" / "py"))).prefix == str(tmp_path / "base")


def test_what_is_told_is_relative_to_the_parent_where_no_front_end_is_known(tmp_path: Path) -> None:
    environment = write_environment(tmp_path / "env")
    assert one(find(hook(tmp_path / "own"), caller("bash", tmp_path), "env")).prefix == str(environment)
    beside_source = write_environment(tmp_path / "source" / "own")
    assert one(find(hook(tmp_path / "x"), caller("bash", tmp_path / "gone"), "own")).prefix == str(beside_source)


@pytest.mark.parametrize("told", ["env/nowhere", "env/bin/python3.99", "nowhere"])
def test_what_is_told_and_not_there_is_not_what_is_above_it(tmp_path: Path, told: str) -> None:
    # /nowhere, where /bin/python3 is there: / is an environment, and was not meant.
    write_environment(tmp_path / "env")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").touch()
    found = one(find(hook(tmp_path / "own"), caller("pip install .", tmp_path), told))
    assert found.prefix == str(tmp_path / told)


def test_what_is_told_need_not_exist(tmp_path: Path) -> None:
    found = one(find(hook(tmp_path / "own"), caller("pip install .", tmp_path), "missing"))
    assert found.prefix == str(tmp_path / "missing")
    assert one(find(hook(tmp_path / "own"), (), "~nobody-at-all/env")).prefix.endswith("env")


# R0 and R1


def test_r0_an_importable_torch_is_the_consumers(tmp_path: Path) -> None:
    own = hook(tmp_path / "own", VIRTUAL_ENV=str(write_environment(tmp_path / "other")))
    found = one(find(own, (), importable=True))
    assert (found.prefix, found.rule) == (str(tmp_path / "own"), Rule.IMPORTABLE)


@pytest.mark.parametrize(
    ("command", "variables", "targets"),
    [
        ("pip install .", {}, ()),
        ("pip install --target dest .", {}, ("dest",)),
        ("pip install -t dest .", {}, ("dest",)),
        ("pip install --target=dest --prefix p .", {}, ("dest", "p")),
        ("pip install .", {"PIP_TARGET": "dest"}, ("dest",)),
        ("pip install --prefix a .", {"PIP_PREFIX": "b"}, ("a",)),
        ("pip wheel .", {"PIP_TARGET": "dest"}, ()),
        ("pip install --isolated .", {"PIP_TARGET": "dest"}, ()),
    ],
)
def test_r1_pip_and_its_targets(
    tmp_path: Path, command: str, variables: dict[str, str], targets: tuple[str, ...]
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").touch()
    decoy = write_environment(tmp_path / "decoy")
    path = os.pathsep.join(["", str(tmp_path / "site")])
    own = hook(tmp_path / "env", hidden=True, PYTHONPATH=path, VIRTUAL_ENV=str(decoy))
    found = one(find(own, caller(command, tmp_path, **variables)))
    assert (found.prefix, found.rule, found.certain) == (str(tmp_path / "env"), Rule.PIP_ISOLATION, True)
    assert found.targets == tuple(str(tmp_path / target) for target in targets)


def test_r1_pipx_asks_for_the_name_of_what_it_injects(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").touch()
    own = hook(tmp_path / "moment", hidden=True, PYTHONPATH=str(tmp_path / "site"))
    tool = write_environment(tmp_path / "home" / "venvs" / "app")
    write_environment(tmp_path / "home" / "venvs" / "bare", torch=None)

    def found(pip: str, pipx: str) -> str:
        ancestors = (*caller(pip, tmp_path), *caller(pipx, tmp_path, PIPX_HOME="home"))
        return one(find(own, ancestors)).prefix

    assert found("pip install --no-deps ./ext", "pipx inject app ./ext") == str(tool)
    for commands in (
        ("pip install ./ext", "pipx inject app ./ext"),
        ("pip install --no-deps ./ext", "pipx inject bare ./ext"),
        ("pip install --no-deps ./ext", "pipx install ./ext"),
    ):
        assert found(*commands) == str(tmp_path / "moment")


def test_r1_a_torch_that_was_installed_for_the_build_is_not_the_consumers(tmp_path: Path) -> None:
    """`pip install torch==2.9.0 .` with 2.8.0 there: R0 would name the environment of the old one."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").touch()
    own = hook(tmp_path / "env", hidden=True, PYTHONPATH=str(tmp_path / "site"))
    found = one(find(own, caller("pip install torch==2.9.0 .", tmp_path), importable=True))
    assert (found.prefix, found.rule) == (str(tmp_path / "env"), Rule.PIP_ISOLATION)


def test_r1_needs_pips_sitecustomize(tmp_path: Path) -> None:
    """Debian's own purelib does not exist, and so is on nobody's path."""
    found = one(find(hook(tmp_path / "env", hidden=True, PYTHONPATH=str(tmp_path)), caller("pip install .", tmp_path)))
    assert found.why == "the hook runs in it, not isolated"


def test_not_isolated_and_without_torch_a_decoy_misleads_nobody(tmp_path: Path) -> None:
    own = hook(tmp_path / "env", VIRTUAL_ENV=str(write_environment(tmp_path / "decoy")))
    found = one(find(own, caller("pip install --no-build-isolation .", tmp_path)))
    assert (found.prefix, found.rule) == (str(tmp_path / "env"), Rule.PIP_ISOLATION)


# R2


def test_r2_the_lock_beats_everything_else(tmp_path: Path, uv_build: HookProcess) -> None:
    environment = write_environment(tmp_path / "env", torch=None)
    other = write_environment(tmp_path / "other")
    locks = (str(tmp_path / "cache" / ".lock"), str(environment / ".lock"), str(tmp_path / "uv-zz.lock"))
    found = one(
        find(uv_build, caller("uv pip install --python other .", tmp_path, locks=locks, VIRTUAL_ENV=str(other)))
    )
    assert (found.prefix, found.rule, found.certain) == (str(environment), Rule.UV_LOCK, True)


def test_r2_several_locks_are_several_answers(tmp_path: Path, uv_build: HookProcess) -> None:
    prefixes = [write_environment(tmp_path / name) for name in ("a", "b")]
    finding = find(uv_build, caller("uv sync", tmp_path, locks=tuple(str(p / ".lock") for p in prefixes)))
    assert [found.prefix for found in finding.found] == [str(p) for p in prefixes]


@pytest.mark.parametrize(
    "command", ["uv pip install -p 3.11 .", "uv pip sync r.txt", "uv sync", "uv add .", "uv run x"]
)
def test_r2_what_is_not_locked_is_refused_where_uv_would_hold_a_lock(
    tmp_path: Path, uv_build: HookProcess, command: str
) -> None:
    activated = write_environment(tmp_path / "other")
    write_environment(tmp_path / ".venv")
    (tmp_path / "pyproject.toml").touch()
    finding = find(uv_build, caller(command, tmp_path, VIRTUAL_ENV=str(activated)))
    assert finding.found == ()
    assert "is not locked by uv" in finding.answers[-1].said


def test_r2g_old_uv_locks_no_project_environment(tmp_path: Path, old_uv_build: HookProcess) -> None:
    (tmp_path / "pyproject.toml").touch()
    environment = write_environment(tmp_path / ".venv")
    found = one(find(old_uv_build, caller("uv sync", tmp_path)))
    assert (found.prefix, found.rule, found.certain) == (str(environment), Rule.UV_GUESS, False)
    assert find(old_uv_build, caller("uv pip install .", tmp_path)).found == ()


def test_r2_where_nothing_can_be_tried_it_stays_a_guess(tmp_path: Path, uv_build: HookProcess) -> None:
    environment = write_environment(tmp_path / ".venv")
    (environment / ".lock").symlink_to(".lock")
    found = one(find(uv_build, caller("uv pip install .", tmp_path, locks=None)))
    assert (found.rule, found.certain) == (Rule.UV_GUESS, False)


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ("--target dest --python env", {"VIRTUAL_ENV": "other"}, "env"),
        ("--target dest --python env/bin/python", {}, "env"),
        ("--prefix dest", {"VIRTUAL_ENV": "other"}, "other"),
        ("-t dest", {"CONDA_PREFIX": "other"}, "other"),
        ("-t dest", {"UV_PYTHON": "env"}, "env"),
        ("-t dest --python 3.11", {"VIRTUAL_ENV": "gone"}, ".venv"),
        ("-t dest", {"VIRTUAL_ENV": "old"}, ".venv"),
        ("-t dest --system", {"VIRTUAL_ENV": "other"}, None),
        ("-t dest", {"UV_SYSTEM_PYTHON": "1"}, None),
    ],
)
def test_r2t_targets_and_the_interpreter_that_uv_finds(
    tmp_path: Path, uv_build: HookProcess, arguments: str, variables: dict[str, str], expected: str | None
) -> None:
    for name in ("env", "other", ".venv"):
        write_environment(tmp_path / name)
    write_environment(tmp_path / "old", version="3.10")
    found = one(find(uv_build, caller(f"uv pip install {arguments} .", tmp_path, **variables)))
    assert found.rule is Rule.UV_TARGET
    assert found.prefix == (str(tmp_path / expected) if expected else "/base")
    assert found.targets == (str(tmp_path / "dest"),)


def test_r2s_an_interpreter_that_is_no_venvs(tmp_path: Path, uv_build: HookProcess) -> None:
    found = one(find(uv_build, caller("uv pip install .", tmp_path, locks=(str(tmp_path / "uv-12ab.lock"),))))
    assert (found.prefix, found.rule, found.certain) == ("/base", Rule.UV_SYSTEM, True)
    found = one(find(uv_build, caller("uv pip install --system .", tmp_path, locks=None)))
    assert (found.prefix, found.rule, found.certain) == ("/base", Rule.UV_SYSTEM, False)


def test_not_isolated_by_uv(tmp_path: Path) -> None:
    own = hook(write_environment(tmp_path / "env", torch=None), VIRTUAL_ENV=str(tmp_path / "env"))
    locks = (str(tmp_path / "env" / ".lock"),)
    command = "uv sync --no-build-isolation"
    assert one(find(own, caller(command, tmp_path, locks=locks))).rule is Rule.UV_LOCK
    found = one(find(own, caller("uv build --no-build-isolation", tmp_path)))
    assert (found.prefix, found.rule) == (str(tmp_path / "env"), Rule.UV_GUESS)


@pytest.mark.parametrize(
    ("command", "variables", "expected"),
    [
        ("uv lock", {}, "ws/.venv"),
        ("uv lock", {"VIRTUAL_ENV": "../../../other"}, "ws/.venv"),
        ("uv export --active", {"VIRTUAL_ENV": "../../../other"}, "other"),
        ("uv tree", {"UV_PROJECT_ENVIRONMENT": "penv"}, "ws/penv"),
        ("uv lock --project ../../../alone", {}, "alone/.venv"),
        ("uv lock", {"UV_PROJECT": "../../out"}, "ws/out/.venv"),
        ("uv run --with x python", {}, "ws/.venv"),
        ("uv run --no-project --with x python", {"VIRTUAL_ENV": "../../../other"}, "other"),
        ("uv build", {"VIRTUAL_ENV": "../../../other"}, "other"),
        ("uv build -p ../../../other", {}, "other"),
        ("uv build", {"UV_PROJECT_ENVIRONMENT": "../../../other"}, "other"),
    ],
)
def test_r2g_guesses(
    tmp_path: Path, uv_build: HookProcess, command: str, variables: dict[str, str], expected: str
) -> None:
    write_environment(tmp_path / "other")
    member = tmp_path / "ws" / "packages" / "member"
    for folder in (member, tmp_path / "ws" / "out", tmp_path / "alone"):
        folder.mkdir(parents=True)
        (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "ws" / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['packages/*', 3]\n")
    found = one(find(uv_build, caller(command, member, **variables)))
    assert (found.prefix, found.rule, found.certain) == (str(tmp_path / expected), Rule.UV_GUESS, False)


def test_r2g_the_environment_of_uv_itself_comes_last_where_it_has_no_torch(
    tmp_path: Path, uv_build: HookProcess
) -> None:
    tool = write_environment(tmp_path / "tool", torch=None)
    command = f"{tool}/bin/uv build --wheel"
    assert one(find(uv_build, caller(command, tmp_path, VIRTUAL_ENV=str(tool)))).prefix == str(tool)
    venv = write_environment(tmp_path / ".venv")
    assert one(find(uv_build, caller(command, tmp_path, VIRTUAL_ENV=str(tool)))).prefix == str(venv)
    activated = str(write_environment(tmp_path / "activated", torch=None))
    assert one(find(uv_build, caller(command, tmp_path, VIRTUAL_ENV=activated))).prefix == activated
    (tool / "lib" / "python3.11" / "site-packages" / "torch-2.8.0.dist-info").mkdir()
    assert one(find(uv_build, caller(command, tmp_path, VIRTUAL_ENV=str(tool)))).prefix == str(tool)


def test_a_workspace_that_excludes_or_that_is_no_toml(tmp_path: Path, uv_build: HookProcess) -> None:
    member = tmp_path / "ws" / "packages" / "member"
    member.mkdir(parents=True)
    (member / "pyproject.toml").touch()
    workspace = tmp_path / "ws" / "pyproject.toml"
    for text in ("[tool.uv.workspace]\nmembers = ['**']\nexclude = ['packages/member']\n", "not toml", "tool = 3"):
        workspace.write_text(text)
        assert one(find(uv_build, caller("uv lock", member))).prefix == str(member / ".venv")
    assert one(find(uv_build, caller("uv lock", tmp_path / "ws"))).prefix == str(tmp_path / "ws" / ".venv")


@pytest.mark.parametrize("command", ["uv tool install .", "uvx --from . x", "uv run --no-project --with . x"])
def test_there_is_no_consumer_for_tools(tmp_path: Path, uv_build: HookProcess, command: str) -> None:
    (tmp_path / "pyproject.toml").touch()
    finding = find(uv_build, caller(command, tmp_path, locks=(str(tmp_path / "tools" / ".lock"),)))
    assert finding.found == ()
    assert finding.answers[-1].rule is Rule.UV_GUESS


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv tool install --with x Some.App", ["some-app"]),
        ("uv tool install some-app[gpu]==2", ["some-app"]),
        ("uv tool install some-app@latest", ["some-app"]),
        ("uv tool install ./source", ["some-app"]),
        ("uv tool install --from ./source[gpu] command", ["some-app"]),
        ("uv tool upgrade --reinstall some-app", ["some-app"]),
        ("uv tool upgrade --all", ["other", "some-app"]),
        # What is not there yet, has no torch, or is not known by name.
        ("uv tool install plain", []),
        ("uv tool install git+https://git.example/some-app", []),
        ("uv tool install ./elsewhere", []),
        ("uv tool run some-app", []),
    ],
)
def test_r2g_a_tool_keeps_the_torch_of_its_environment(
    tmp_path: Path, uv_build: HookProcess, command: str, expected: list[str]
) -> None:
    tools = tmp_path / "data" / "uv" / "tools"
    write_environment(tools / "some-app")
    write_environment(tools / "other")
    write_environment(tools / "plain", torch=None)
    (tmp_path / "source").mkdir(exist_ok=True)
    (tmp_path / "source" / "pyproject.toml").write_text("[project]\nname = 'Some_App'\n")
    found = find(uv_build, caller(command, tmp_path, XDG_DATA_HOME=str(tmp_path / "data"))).found
    assert sorted(Path(one.prefix).name for one in found) == expected
    assert not any(one.certain for one in found)
    assert found == find(uv_build, caller(command, tmp_path, UV_TOOL_DIR=str(tools))).found


@pytest.mark.parametrize(
    ("name", "text"), [(".venv", "../far away/env\n"), (".python-envs", "../old\r\n../far away/env\r\n\r\n")]
)
def test_a_file_names_the_environment_of_a_project(tmp_path: Path, uv_build: HookProcess, name: str, text: str) -> None:
    write_environment(tmp_path / "old")
    far = write_environment(tmp_path / "far away" / "env")
    project = tmp_path / "project"
    (project / "below").mkdir(parents=True)
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (project / name).write_text(text)
    for command, told in (("uv build", None), ("uv lock", None), ("uv build", str(project))):
        found = one(find(uv_build, caller(command, project / "below" if command == "uv build" else project), told))
        assert Path(found.prefix).resolve() == far
    # A folder .venv comes last in that list, and is the default.
    if name == ".python-envs":
        write_environment(project / ".venv")
        assert one(find(uv_build, caller("uv build", project))).prefix == str(project / ".venv")


def test_r2g_an_environment_for_another_python_is_no_guess(tmp_path: Path, uv_build: HookProcess) -> None:
    write_environment(tmp_path / ".venv", version="3.12")
    finding = find(uv_build, caller("uv build", tmp_path))
    assert finding.found == ()
    assert "has another Python" in finding.answers[-1].said


# R3


def made_by(python: str) -> str:
    return f"home = /base/bin\ncommand = {python} -m venv --without-pip /tmp/x\n"


@pytest.mark.parametrize("cfg", ["command = {env}/bin/python -m venv /tmp/x", "home = {env}/bin\nversion = 3.9.18"])
def test_r3_pip_venv_isolation(tmp_path: Path, cfg: str) -> None:
    environment = write_environment(tmp_path / "env")
    own = hook(tmp_path / "pip-build-env-x", cfg=cfg.format(env=environment), VIRTUAL_ENV=str(tmp_path / "decoy"))
    found = one(find(own, caller("pip install --target dest .", tmp_path)))
    assert (found.prefix, found.rule, found.certain) == (str(environment), Rule.THROWAWAY, True)
    assert found.targets == (str(tmp_path / "dest"),)


def test_r3_pip_of_a_base_interpreter(tmp_path: Path) -> None:
    own = hook(tmp_path / "pip-build-env-x", cfg=f"home = {tmp_path}/base/bin")
    assert one(find(own, caller("pip install .", tmp_path))).prefix == f"{tmp_path}/base"


@pytest.mark.parametrize(
    ("maker", "activated", "expected"),
    [
        (TORCH, TORCH, ["maker", "activated"]),
        (TORCH, None, ["maker"]),
        (None, TORCH, ["activated"]),
        (None, None, ["activated"]),
    ],
)
def test_r3_build_is_for_where_torch_is(
    tmp_path: Path, maker: str | None, activated: str | None, expected: list[str]
) -> None:
    write_environment(tmp_path / "maker", torch=maker)
    active = str(write_environment(tmp_path / "activated", torch=activated))
    own = hook(tmp_path / "build-env-x", cfg=made_by(f"{tmp_path}/maker/bin/python"))
    finding = find(own, caller("python -m build", tmp_path, VIRTUAL_ENV=active))
    assert [found.prefix for found in finding.found] == [str(tmp_path / name) for name in expected]
    assert not any(found.certain for found in finding.found)


def test_r3_build_without_an_activated_environment(tmp_path: Path) -> None:
    write_environment(tmp_path / "maker", torch=None)
    own = hook(tmp_path / "build-env-x", cfg=made_by(f"{tmp_path}/maker/bin/python"))
    assert one(find(own, caller("python -m build", tmp_path))).prefix == str(tmp_path / "maker")


def test_r3_a_throw_away_venv_that_does_not_say_who_made_it(tmp_path: Path) -> None:
    finding = find(hook(tmp_path / "build-env-x"), caller("python -m build", tmp_path))
    assert finding.found == ()


# A build requirement that is an extension itself: its user is built for the torch of this one's consumer.


def pip_for_a_build(folder: Path, place: str, *, python: str = "/env/bin/python") -> tuple[Process, ...]:
    command = f"{python} /site/pip/__pip-runner__.py install --ignore-installed --prefix {place} -- lib"
    return caller(command, folder)


def hidden_by_pip(tmp_path: Path, prefix: Path, cfg: str = "") -> HookProcess:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").touch()
    return hook(prefix, cfg=cfg, hidden=True, PYTHONPATH=str(tmp_path / "site"))


def test_what_pip_builds_for_a_build_of_its_own_has_the_same_consumer(tmp_path: Path) -> None:
    own = hidden_by_pip(tmp_path, tmp_path / "env")
    inner = pip_for_a_build(tmp_path, f"{tmp_path}/pip-build-env-x/overlay")
    outer = caller("pip install --target dest torch==2.7.0 .", tmp_path)
    found = one(find(own, (*inner, *outer)))
    assert (found.prefix, found.targets) == (str(tmp_path / "env"), (str(tmp_path / "dest"),))
    front_end = find_caller(own, (*inner, *outer))
    assert front_end
    assert front_end.command.positional == ("torch==2.7.0", ".")


def test_what_pip_builds_for_build_has_the_consumer_of_that(tmp_path: Path) -> None:
    write_environment(tmp_path / "maker")
    made = made_by(f"{tmp_path}/maker/bin/python")
    prefix = write_environment(tmp_path / "build-env-x", torch=None, cfg=made)
    inner = pip_for_a_build(tmp_path, str(prefix), python=f"{prefix}/bin/python")
    outer = caller("python -m build --wheel", tmp_path)
    own = hidden_by_pip(tmp_path, prefix, cfg=made)
    found = one(find(own, (*inner, *outer)))
    assert (found.prefix, found.rule) == (str(tmp_path / "maker"), Rule.THROWAWAY)
    # With pip's venv-isolation, in a venv which that one made.
    nested = hook(tmp_path / "pip-build-env-y", cfg=made_by(f"{prefix}/bin/python"))
    assert one(find(nested, (*inner, *outer))).prefix == str(tmp_path / "maker")


def test_what_uv_builds_for_build_has_the_consumer_of_that(tmp_path: Path, uv_build: HookProcess) -> None:
    write_environment(tmp_path / "maker")
    made = made_by(f"{tmp_path}/maker/bin/python")
    prefix = write_environment(tmp_path / "build-env-x", torch=None, cfg=made)
    command = f"uv pip install --python {prefix}/bin/python lib"
    found = one(find(uv_build, caller(command, tmp_path, locks=(str(prefix / ".lock"),))))
    assert (found.prefix, found.rule) == (str(tmp_path / "maker"), Rule.UV_LOCK)


# R4


def write_poetry(folder: Path, answer: str, code: int = 0) -> str:
    script = folder / "poetry"
    script.write_text(f'#!/bin/sh\n[ "$VIRTUAL_ENV" ] && exit 3\necho {answer!r}\nexit {code}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


@pytest.fixture
def poetry_build(tmp_path: Path) -> HookProcess:
    return hook(
        tmp_path / "tmpx" / ".venv", cfg=made_by("/poetry/bin/python"), VIRTUAL_ENV=str(tmp_path / "tmpx/.venv")
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tmpx").mkdir()
    folder = tmp_path / "proj"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    return folder


@pytest.mark.parametrize("options", ["", "-C {project}", "--project=../proj", "-P proj"])
def test_r4_the_projects_venv(project: Path, poetry_build: HookProcess, options: str) -> None:
    environment = write_environment(project / ".venv")
    folder = project if not options else project.parent / "tmpx" if "../" in options else project.parent
    command = f"python /bin/poetry {options.format(project=project)} install"
    found = one(find(poetry_build, caller(command, folder)))
    assert (found.prefix, found.rule, found.certain) == (str(environment), Rule.POETRY, True)


def test_r4_the_activated_environment_but_not_condas_base(project: Path, poetry_build: HookProcess) -> None:
    venv = write_environment(project / ".venv")
    other = str(write_environment(project.parent / "other"))
    assert one(find(poetry_build, caller("poetry install", project, VIRTUAL_ENV=other))).prefix == other
    assert one(find(poetry_build, caller("poetry install", project, CONDA_PREFIX=other))).prefix == other
    base = caller("poetry install", project, CONDA_PREFIX=other, CONDA_DEFAULT_ENV="base")
    assert one(find(poetry_build, base)).prefix == str(venv)


def test_r4_poetry_is_asked_last(project: Path, poetry_build: HookProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "the build's own")
    write_environment(project / ".venv")
    cached = write_environment(project.parent / "cached")
    script = write_poetry(project.parent, str(cached))
    never_in_project = {"POETRY_VIRTUALENVS_IN_PROJECT": "false"}
    found = one(find(poetry_build, caller(f"{script} install", project, **never_in_project)))
    assert found.prefix == str(cached)


@pytest.mark.parametrize(("answer", "code"), [("", 1), ("", 0), ("relative", 0), ("/no/such/folder", 0)])
def test_r4_poetry_may_know_nothing(project: Path, poetry_build: HookProcess, answer: str, code: int) -> None:
    script = write_poetry(project.parent, answer, code)
    assert find(poetry_build, caller(f"{script} install", project)).found == ()
    found = one(find(poetry_build, caller(f"{script} lock", project, POETRY_VIRTUALENVS_IN_PROJECT="true")))
    assert (found.prefix, found.certain) == (str(project / ".venv"), False)


def test_r4_a_poetry_that_cannot_be_started(project: Path, poetry_build: HookProcess) -> None:
    assert find(poetry_build, caller("python -m poetry install", project / "gone")).found == ()
    assert find(poetry_build, caller("/no/python -m poetry install", project)).found == ()


# R5


def tox(work: Path, name: str) -> HookProcess:
    work.mkdir(exist_ok=True)
    return hook(work / name, TOX_WORK_DIR=str(work), TOX_ENV_NAME=name, VIRTUAL_ENV=str(work / name))


@pytest.mark.parametrize(
    ("command", "name", "expected"),
    [
        ("tox", ".pkg", ["a", "b"]),
        ("tox r -e a", ".pkg", ["a"]),
        ("tox r -ea,b", ".pkg", ["a", "b"]),
        ("tox -e=b", ".pkg", ["b"]),
        ("tox -e empty", ".pkg", ["empty"]),
        ("tox -e empty,a", ".pkg", ["a"]),
        ("tox -e gone", ".pkg", ["a", "b"]),
        ("tox -- -e a", ".pkg", ["a", "b"]),
        ("tox", ".pkg-a", ["a"]),
        ("tox", ".pkg-cpython311", ["a", "b"]),
        ("python -m other", ".package", ["a", "b"]),
    ],
)
def test_r5_tox(tmp_path: Path, command: str, name: str, expected: list[str]) -> None:
    work = tmp_path / ".tox"
    for environment in ("a", "b", ".other"):
        write_environment(work / environment)
    write_environment(work / "empty", torch=None)
    write_environment(work / "old", version="3.10")
    finding = find(tox(work, name), caller(command, tmp_path))
    assert [found.prefix for found in finding.found] == [str(work / environment) for environment in expected]
    assert {found.rule for found in finding.found} == {Rule.TOX}


def test_r5_toxenv_and_nothing_that_fits(tmp_path: Path) -> None:
    work = tmp_path / ".tox"
    write_environment(work / "a")
    write_environment(work / "b")
    assert one(find(tox(work, ".pkg"), caller("tox", tmp_path, TOXENV="b"))).prefix == str(work / "b")
    write_environment(tmp_path / "w" / "old", version="3.10")
    assert find(tox(tmp_path / "w", ".pkg"), caller("tox", tmp_path, VIRTUAL_ENV=str(work / "a"))).found == ()


# R6


def test_r6_pixi_sets_conda_prefix(tmp_path: Path) -> None:
    environment = str(write_environment(tmp_path / "env"))
    (tmp_path / "builds-v0").mkdir()
    own = hook(tmp_path / "builds-v0" / ".tmpx", CONDA_PREFIX=environment)
    found = one(find(own, caller("pixi install", tmp_path)))
    assert (found.prefix, found.rule, found.certain) == (environment, Rule.ACTIVATED, False)


@pytest.mark.parametrize(
    ("venv", "conda", "expected"),
    [(TORCH, TORCH, ["venv", "conda"]), (None, TORCH, ["conda"]), (TORCH, None, ["venv"]), (None, None, ["venv"])],
)
def test_r6_two_activated_environments(
    tmp_path: Path, venv: str | None, conda: str | None, expected: list[str]
) -> None:
    variables = {
        "VIRTUAL_ENV": str(write_environment(tmp_path / "venv", torch=venv)),
        "CONDA_PREFIX": str(write_environment(tmp_path / "conda", torch=conda)),
    }
    finding = find(hook(tmp_path / "own"), caller("bash", tmp_path, **variables))
    assert [found.prefix for found in finding.found] == [str(tmp_path / name) for name in expected]


def test_r6_the_nearest_process_counts_and_ones_own_build_environment_does_not(tmp_path: Path) -> None:
    own = write_environment(tmp_path / "build-env-x")
    near, far = (str(write_environment(tmp_path / name)) for name in ("near", "far"))
    ancestors = (*caller("x", tmp_path, VIRTUAL_ENV=near), *caller("bash", tmp_path, VIRTUAL_ENV=far))
    assert one(find(hook(own, VIRTUAL_ENV=str(own)), ancestors)).prefix == near


def test_r6_an_environment_that_hatch_keeps_for_builds_is_not_meant(tmp_path: Path) -> None:
    own = write_environment(tmp_path / "hatch-build", torch=None)
    mine = str(write_environment(tmp_path / "mine"))
    build = hook(own, VIRTUAL_ENV=str(own))
    ancestors = (*caller("python -m hooks", tmp_path, VIRTUAL_ENV=str(own)), *caller("hatch build", tmp_path))
    assert one(find(build, ancestors)).prefix == str(own)
    assert one(find(build, (*ancestors, *caller("bash", tmp_path, VIRTUAL_ENV=mine)))).prefix == mine
    bare = str(write_environment(tmp_path / "bare", torch=None))
    assert one(find(build, (*ancestors, *caller("bash", tmp_path, VIRTUAL_ENV=bare)))).prefix == str(own)


def test_a_shell_without_an_activated_environment(tmp_path: Path) -> None:
    shell = hook(write_environment(tmp_path / "tool", torch=None))
    assert one(find(shell, caller("bash", tmp_path))).prefix == str(tmp_path / "tool")
    venv = write_environment(tmp_path / ".venv")
    found = one(find(shell, caller("bash", tmp_path)))
    assert (found.prefix, found.rule, found.certain) == (str(venv), Rule.ACTIVATED, False)


@pytest.mark.parametrize("name", ["uv-receipt.toml", "pipx_metadata.json"])
def test_the_environment_of_a_tool_is_not_meant(tmp_path: Path, name: str) -> None:
    own = write_environment(tmp_path / "tool", torch=None)
    (own / name).touch()
    finding = find(hook(own), caller("bash", tmp_path))
    assert finding.found == ()
    assert finding.answers[-1].said.startswith(f"{tmp_path / 'source'} and the folders above have no .venv")
    venv = write_environment(tmp_path / ".venv", torch=None)
    assert one(find(hook(own), caller("bash", tmp_path))).prefix == str(venv)


def test_a_shell_in_its_own_environment(tmp_path: Path) -> None:
    write_environment(tmp_path / ".venv")
    own = write_environment(tmp_path / "env")
    assert one(find(hook(own), caller("bash", tmp_path, VIRTUAL_ENV=str(own)))).prefix == str(own)


def test_nothing_at_all(tmp_path: Path) -> None:
    finding = find(hook(tmp_path / "build-env-x"), caller("bash", tmp_path, VIRTUAL_ENV=str(tmp_path / "gone")))
    assert finding.found == ()
    assert [answer.rule for answer in finding.answers] == [
        Rule.TOLD, Rule.IMPORTABLE, Rule.PIP_ISOLATION, Rule.UV_LOCK, Rule.POETRY, Rule.TOX, Rule.THROWAWAY,
        Rule.ACTIVATED, Rule.ACTIVATED,
    ]  # fmt: skip


def test_hatch_and_the_like_use_what_is_activated_and_nothing_else(tmp_path: Path) -> None:
    write_environment(tmp_path / ".venv")
    own = write_environment(tmp_path / "hatch-build", torch=None)
    assert find(hook(own), caller("hatch build", tmp_path)).found == ()
