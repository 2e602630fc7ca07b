from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from torchgraft.consumer.front_end import Caller, find_caller
from torchgraft.consumer.processes import HookProcess, Process
from torchgraft.model.observation import Python
from torchgraft.model.torch_values import Wanted
from torchgraft.wanted.read_wanted import front_end_of, read_wanted, with_settings

CASES = Path(__file__).parents[2] / "cases" / "locks"
PYTHON = Python(
    version="3.11.7", implementation="cpython", abi="cp311", platform="linux_x86_64", extension_suffix=".so"
)
BUILD = "/cache/builds-v0/.tmpAbc"
HOOK = HookProcess(
    prefix=BUILD, base_prefix="/usr", purelib=BUILD, folder="/src", sys_path=(), pyvenv_cfg="uv = 0.13\n"
)


def start(folder: Path, command: str, **variables: str) -> tuple[Caller, Process]:
    process = Process(
        executable=f"/usr/bin/{command.split(maxsplit=1)[0]}",
        arguments=tuple(command.split()),
        folder=str(folder),
        variables=tuple(variables.items()),
    )
    caller = find_caller(HOOK, (process,))
    assert caller
    return caller, process


def want(folder: Path, command: str, **variables: str) -> Wanted:
    caller, process = start(folder, command, **variables)
    return read_wanted(caller, (process,), PYTHON)


def texts(wanted: Wanted) -> tuple[str | None, list[str]]:
    locked = wanted.locked and wanted.locked.requirement
    return locked.text if locked else None, [item.requirement.text for item in wanted.asked_for]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project that pins torch 2.8.0, with a lock that says the same."""
    return Path(shutil.copytree(CASES / "uv_default", tmp_path / "project"))


def pin(project: Path, specifier: str, more: str = "") -> None:
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace("==2.8.0", specifier) + more)


LOCKED: tuple[str | None, list[str]] = ("torch==2.8.0", [])
NOTHING: tuple[str | None, list[str]] = (None, [])
PINNED: tuple[str | None, list[str]] = (None, ["torch==2.7.0"])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv sync", LOCKED),
        ("uv run --isolated python", LOCKED),
        ("uv sync --no-install-project", LOCKED),
        ("uv sync --no-install-package numpy", LOCKED),
        ("uv sync --no-install-package torch", NOTHING),
        ("uv sync --no-install-package numpy --no-install-package=Torch", NOTHING),
        ("uv run --no-install-package torch python", NOTHING),
        ("uv sync --only-install-project", NOTHING),
        ("uv run --no-project --with flash-attn python", NOTHING),
        ("uv pip install flash-attn", NOTHING),
    ],
)
def test_a_lock_counts_as_far_as_the_command_installs_it(
    project: Path, command: str, expected: tuple[str | None, list[str]]
) -> None:
    wanted = want(project, command)
    assert texts(wanted) == expected
    if "-install-" in command and expected == NOTHING:
        assert wanted.locked is not None
        assert wanted.locked.said.endswith(" leaves out")


def test_variables_of_uv_mean_what_its_options_mean(project: Path) -> None:
    assert texts(want(project, "uv run --with x python", UV_NO_PROJECT="1")) == NOTHING
    assert texts(want(project, "uv run --with x python", UV_NO_PROJECT="false")) == LOCKED
    groups = CASES / "uv_group"
    for variable, value in (("UV_NO_DEFAULT_GROUPS", "1"), ("UV_NO_DEV", "1"), ("UV_NO_GROUP", "other dev")):
        assert texts(want(groups, "uv sync --group new", **{variable: value})) == ("torch==2.9.0", [])
    assert texts(want(project, "uv sync", UV_ONLY_INSTALL_PROJECT="1")) == NOTHING
    pin(project, "==2.7.0")
    assert texts(want(project, "uv sync", UV_FROZEN="1")) == LOCKED
    (project / "uv.lock").unlink()
    assert texts(want(project, "uv run python", UV_ISOLATED="1")) == PINNED


def test_variables_of_pdm_mean_what_its_options_mean(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CASES / "pdm_default", tmp_path / "project"))
    shutil.copy(CASES / "pdm_fork" / "pdm.lock", folder / "other.lock")
    (folder / "pyproject.toml").write_text("[project]\ndependencies = ['torch']\n")
    assert texts(want(folder, "pdm sync")) == LOCKED
    assert texts(want(tmp_path, "pdm sync", PDM_PROJECT="project")) == LOCKED
    assert texts(want(folder, "pdm sync", PDM_LOCKFILE="other.lock")) == ("torch==2.9.0", [])
    assert texts(want(folder, "pdm sync -L pdm.lock", PDM_LOCKFILE="other.lock")) == LOCKED


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv sync", PINNED),
        ("uv sync --frozen", LOCKED),
        ("uv run --isolated python", PINNED),
        ("uv run --isolated --frozen python", LOCKED),
        ("uv run --no-project python", NOTHING),
    ],
)
def test_a_lock_older_than_the_pin_of_the_project_does_not_count(
    project: Path, command: str, expected: tuple[str | None, list[str]]
) -> None:
    pin(project, "==2.7.0")
    wanted = want(project, command)
    assert texts(wanted) == expected
    if expected == PINNED:
        assert wanted.locked is not None
        assert wanted.locked.said.endswith("which is older than torch==2.7.0 (pyproject.toml)")


@pytest.mark.parametrize("specifier", [">=2.7", "", "==2.8.*", "==2.7.0; python_version < '3'"])
def test_a_pin_that_the_lock_meets_changes_nothing(project: Path, specifier: str) -> None:
    pin(project, specifier)
    assert texts(want(project, "uv sync")) == LOCKED
    pin(project, "==2.7.0", '[tool.uv]\noverride-dependencies = ["torch==2.8.0"]\n')
    assert texts(want(project, "uv sync")) == LOCKED


def test_an_isolated_run_writes_no_lock_that_could_show_how_far_it_is(project: Path) -> None:
    (project / "uv.lock").unlink()
    for option, resolves in (("", True), (" --isolated", False), (" --no-sync", False)):
        command = f"uv run --with ext{option} python"
        caller, process = start(project, command)
        assert front_end_of(caller, read_wanted(caller, (process,), PYTHON)).resolves is resolves


@pytest.mark.parametrize(
    ("command", "upgrades"),
    [
        ("pip install -U -r a.txt ./ext", True),
        ("pip install -r a.txt ./ext", False),
        ("pip install -U ./ext", False),
        ("pip install -U -c a.txt ./ext", False),
        ("pip install -U --no-deps ./ext", False),
        ("pip install -U --no-deps -r a.txt ./ext", True),
        ("pip install -U --no-deps torch ./ext", True),
        ("pip install --force-reinstall --no-deps torch ./ext", True),
        ("pip install --no-deps torch ./ext", False),
        ("uv pip install -U --no-deps torch ./ext", True),
        ("uv pip install -U --no-deps ./ext", False),
    ],
)
def test_who_upgrades_a_torch_that_the_command_names(tmp_path: Path, command: str, *, upgrades: bool) -> None:
    (tmp_path / "a.txt").write_text("torch\n")
    process = Process(executable="/usr/bin/pip", arguments=tuple(command.split()), folder=str(tmp_path))
    caller = find_caller(HOOK, (process,))
    assert caller is not None
    assert front_end_of(caller, read_wanted(caller, (process,), PYTHON)).ignores_installed is upgrades


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("uv pip install ext", "[pip]\nno-deps = true\n"),
        ("pip install ext", "[install]\nno-deps = true\n"),
        # Nothing can bring a torch that is excluded.
        ("uv pip install ext", 'exclude-dependencies = ["torch"]\n'),
        ("uv pip install ext --excludes names.txt", ""),
        ("UV_EXCLUDE uv tool install ext", ""),
    ],
)
def test_settings_that_leave_dependencies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, settings: str
) -> None:
    (tmp_path / "names.txt").write_text("numpy\nTorch\n")
    (tmp_path / "settings").write_text(settings)
    variables = {"UV_EXCLUDE": "names.txt"} if command.startswith("UV_EXCLUDE") else {}
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "settings"))
    words = command.removeprefix("UV_EXCLUDE ")
    caller, _ = start(tmp_path, words, UV_CONFIG_FILE=str(tmp_path / "settings"), **variables)
    caller = with_settings(caller)
    assert caller.front_end.leaves_dependencies
    assert caller.command.leaves_dependencies


@pytest.mark.parametrize("setting", ['extra = ["gpu"]', "all-extras = true", 'group = ["old"]', "all-extras = true #"])
def test_extras_and_groups_of_uvs_settings(tmp_path: Path, setting: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"{UV}{EXTRAS}[tool.uv.pip]\n{setting}\n")
    command = f"uv pip install -r pyproject.toml ext{' --no-extra gpu' if '#' in setting else ''}"
    caller, process = start(tmp_path, command)
    wanted = read_wanted(with_settings(caller), (process,), PYTHON)
    pinned = {"e": "torch==2.7.0", "a": "torch==2.7.0", "g": "torch==2.6.0"}[setting[0]]
    expected = ["torch>=2.6", pinned] if "#" not in setting else ["torch>=2.6"]
    assert texts(wanted) == (None, expected)


def test_uvs_settings_say_where_it_installs_unless_an_argument_does(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text("[pip]\ntarget = 'there'\n")
    for command, place in (("uv pip install ext", "there"), ("uv pip install ext --target here", "here")):
        caller, _ = start(tmp_path, command)
        assert with_settings(caller).command.value("--target") == place


def test_no_pin_of_a_torch_that_is_excluded_counts(project: Path) -> None:
    pin(project, "==2.7.0", '[tool.uv]\nexclude-dependencies = ["Torch"]\n')
    assert texts(want(project, "uv sync")) == LOCKED
    (project / "uv.lock").unlink()
    assert texts(want(project, "uv sync")) == NOTHING


def test_pips_settings_say_where_it_installs_unless_an_argument_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.conf").write_text("[install]\ntarget = there\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    for command, place in (("pip install ext", "there"), ("pip install ext --target here", "here")):
        caller, _ = start(tmp_path, command)
        assert with_settings(caller).command.value("--target") == place
        assert with_settings(caller).front_end.ignores_installed


def test_without_a_lock_an_isolated_run_takes_what_the_project_requires(project: Path) -> None:
    (project / "uv.lock").unlink()
    pin(project, "==2.7.0")
    assert texts(want(project, "uv run --isolated python")) == PINNED
    pin(project, "==2.7.0", '[tool.uv.sources]\ntorch = { index = "gone" }\n')
    wanted = want(project, "uv run --isolated python")
    assert texts(wanted) == NOTHING
    assert wanted.faults == ("pyproject.toml has torch from the index gone, which no build sees",)
    assert texts(want(project, "uv run --isolated --no-sources python")) == PINNED


def test_an_isolated_run_takes_what_all_of_the_workspace_requires(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    workspace = '[project]\nname = "root"\n[tool.uv.workspace]\nmembers = ["core"]\n'
    (tmp_path / "pyproject.toml").write_text(workspace)
    (tmp_path / "core" / "pyproject.toml").write_text('[project]\nname = "core"\ndependencies = ["torch==2.7.0"]\n')
    assert texts(want(tmp_path, "uv run --isolated --package Core python")) == PINNED
    # uv resolves its members together.
    assert texts(want(tmp_path, "uv run --isolated python")) == PINNED


POETRY = """
[tool.poetry]
name = "app"
[[tool.poetry.source]]
name = "cu"
url = "https://download.example/whl/cu128"
priority = "explicit"
[tool.poetry.dependencies]
python = "^3.11"
numpy = "*"
torch = {torch}
"""
PDM = """
[project]
name = "app"
dependencies = ["torch>=2.5"]
[tool.pdm.resolution.overrides]
torch = "2.7.0"
"""
UV = """
[project]
name = "app"
dependencies = ["torch>=2.6; sys_platform == 'linux'", "torch==1.0; sys_platform == 'win32'"]
"""
EXTRAS = """
[project.optional-dependencies]
gpu = ["torch==2.7.0"]
[dependency-groups]
old = ["torch==2.6.0"]
"""
INDEX = """
[tool.uv.sources]
torch = { index = "cu" }
[[tool.uv.index]]
name = "cu"
url = "https://download.example/whl/cu128"
explicit = true
"""


def test_of_a_project_its_own_file_limits_versions_whatever_a_uv_toml_says(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(UV + '[tool.uv]\nconstraint-dependencies = ["torch<2.8"]\n')
    (tmp_path / "uv.toml").write_text('constraint-dependencies = ["torch<2.7"]\noverride-dependencies = ["torch==2"]\n')
    assert texts(want(tmp_path, "uv lock")) == (None, ["torch>=2.6", "torch<2.8"])


@pytest.mark.parametrize(
    ("command", "settings", "upgrades"),
    [
        ("uv pip install ext", "upgrade = true", True),
        ("uv pip install ext", "[pip]\nreinstall = true", True),
        ("uv pip install ext", 'upgrade-package = ["torch"]', True),
        ("uv pip install ext", 'reinstall-package = ["ext"]', False),
        ("uv pip install ext", "upgrade = true\n[pip]\nupgrade = false", False),
        ("uv pip install --no-deps ext", "upgrade = true", False),
        ("uv tool install ext", "upgrade = true", True),
        ("uv tool install ext", "[pip]\nupgrade = true", False),
        ("pip install ext", "[install]\nforce-reinstall = yes", True),
        ("pip install torch ext", "[global]\nupgrade = true", True),
        ("pip install ext", "[global]\nupgrade = true", False),
        ("pip install torch ext", "[global]\nupgrade = true\n[install]\nupgrade = no", False),
    ],
)
def test_settings_that_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, settings: str, *, upgrades: bool
) -> None:
    file = tmp_path / "settings"
    file.write_text(settings)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    name, *words = command.split()
    words += ["--config-file", str(file)] if name == "uv" else []
    process = Process(executable=f"/usr/bin/{name}", arguments=(name, *words), folder=str(tmp_path))
    caller = find_caller(HOOK, (process,))
    assert caller is not None
    caller = with_settings(caller)
    assert front_end_of(caller, read_wanted(caller, (process,), PYTHON)).ignores_installed is upgrades


@pytest.mark.parametrize(
    ("command", "text", "expected"),
    [
        ("uv lock", UV, ["torch>=2.6"]),
        ("uv sync", UV + '[dependency-groups]\ndev = ["torch==2.7.0"]', ["torch>=2.6", "torch==2.7.0"]),
        ("uv lock --project .", UV + '[tool.uv]\nconstraint-dependencies = ["torch<2.8"]', ["torch>=2.6", "torch<2.8"]),
        ("uv add flash-attn", UV + '[tool.uv]\noverride-dependencies = ["torch==2.7.0", "x"]', ["torch==2.7.0"]),
        # All extras and groups are resolved together, unless they contradict each other: then those of the command.
        ("uv lock", UV + EXTRAS, ["torch>=2.6"]),
        ("uv sync --extra gpu", UV + EXTRAS, ["torch>=2.6", "torch==2.7.0"]),
        ("uv lock", UV.replace(">=2.6", "==2.7.0") + INDEX, ["torch==2.7.0+cu128"]),
        ("uv lock --no-sources", UV.replace(">=2.6", "==2.7.0") + INDEX, ["torch==2.7.0"]),
        # Metadata need no index: what cannot be built for can be told.
        ("uv lock", UV.replace(">=2.6", "==2.7.0") + INDEX.replace("cu128", "own"), ["torch==2.7.0"]),
        ("uv pip install flash-attn", UV, []),
        ("poetry lock", UV, ["torch>=2.6"]),
        ("poetry install", POETRY.format(torch='"2.7.0"'), ["torch==2.7.0"]),
        ("poetry install", POETRY.format(torch='"^2.6"'), ["torch<3,>=2.6"]),
        ("poetry install", POETRY.format(torch='">= 2.6 <2.9"'), ["torch<2.9,>=2.6"]),
        ("poetry install", POETRY.format(torch='"~2.6.1"'), ["torch<2.7,>=2.6.1"]),
        ("poetry install", POETRY.format(torch='"*"'), ["torch"]),
        ("poetry install", POETRY.format(torch='{ version = "2.7.0", source = "cu" }'), ["torch==2.7.0+cu128"]),
        (
            "poetry install",
            POETRY.format(
                torch="""[
                { version = "2.6.0", markers = "sys_platform == 'win32'" },
                { version = "2.7.0", markers = "sys_platform == 'linux'" }]"""
            ).replace("    ", ""),
            ["torch==2.7.0"],
        ),
        # Beside [project], poetry's table says only where from.
        (
            "poetry lock",
            POETRY.format(torch='{ source = "cu" }') + '[project]\ndependencies = ["torch==2.7.0"]\n',
            ["torch==2.7.0+cu128"],
        ),
        (
            "poetry lock",
            POETRY.format(torch='"*"') + '[tool.poetry.group.ml.dependencies]\ntorch = "2.7.0"\n',
            ["torch", "torch==2.7.0"],
        ),
        ("poetry build", POETRY.format(torch='"2.7.0"'), []),
        ("pdm lock", PDM, ["torch==2.7.0"]),
        ("pdm install", PDM.replace("[tool.pdm.resolution.overrides]", "[other]"), ["torch>=2.5"]),
        (
            "pdm install",
            UV.replace(">=2.6", "==2.7.0")
            + '[[tool.pdm.source]]\nname = "cu"\nurl = "https://x.example/whl/cu128"\ninclude_packages = ["torch*"]\n',
            ["torch==2.7.0+cu128"],
        ),
        ("pdm build", PDM, []),
    ],
)
def test_without_a_lock_the_project_says_which_torch(
    tmp_path: Path, command: str, text: str, expected: list[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    wanted = want(tmp_path, command)
    assert texts(wanted) == (None, expected)
    assert wanted.resolves is (bool(expected) and not command.endswith("build"))


def test_members_of_a_workspace_are_resolved_together(tmp_path: Path) -> None:
    (tmp_path / "packages" / "app").mkdir(parents=True)
    (tmp_path / "packages" / "left").mkdir()
    workspace = '[tool.uv.workspace]\nmembers = ["packages/*", "/"]\nexclude = ["packages/left"]\n'
    (tmp_path / "pyproject.toml").write_text(workspace + INDEX)
    (tmp_path / "packages" / "app" / "pyproject.toml").write_text('[project]\ndependencies = ["torch==2.7.0"]\n')
    (tmp_path / "packages" / "left" / "pyproject.toml").write_text('[project]\ndependencies = ["torch==2.6.0"]\n')
    assert texts(want(tmp_path, "uv lock")) == (None, ["torch==2.7.0+cu128"])


def test_a_lock_without_the_torch_of_the_project_is_not_current(tmp_path: Path) -> None:
    project = Path(shutil.copytree(CASES / "uv_none", tmp_path / "project"))
    before = want(project, "uv sync")
    assert (before.resolves, texts(before)) == (False, NOTHING)
    (project / "pyproject.toml").write_text('[project]\nname = "app"\ndependencies = ["torch==2.7.0"]\n')
    after = want(project, "uv add flash-attn")
    assert (after.resolves, texts(after)) == (True, PINNED)


@pytest.mark.parametrize(
    ("command", "variables", "comes_first", "expected"),
    [
        ("uv sync", {}, False, True),
        ("uv sync", {"UV_FROZEN": "1"}, False, False),
        ("pdm install", {}, False, True),
        ("pdm install --frozen-lockfile", {}, False, False),
        ("pdm install", {"PDM_NO_LOCK": "1"}, False, False),
        # poetry writes its lock when all is installed.
        ("poetry install", {}, False, False),
        ("poetry install", {}, True, True),
        ("poetry lock", {}, False, True),
    ],
)
def test_who_resolves_before_a_lock_is_there(
    tmp_path: Path, command: str, variables: dict[str, str], *, comes_first: bool, expected: bool
) -> None:
    (tmp_path / "pyproject.toml").write_text(UV)
    caller, process = start(tmp_path, command, **variables)
    found = front_end_of(caller, read_wanted(caller, (process,), PYTHON), torch_comes_first=comes_first)
    assert found.resolves is expected


@pytest.mark.parametrize(
    ("command", "own", "works_on_project"),
    [
        ("uv run plain.py", False, True),
        ("uv run script.py", True, False),
        ("uv run https://host/script.py", True, False),
        ("uv sync --script script.py", True, False),
        ("uv run --with ext plain.py", True, True),
        ("uv run -m plain", False, True),
        ("uv sync", False, True),
        ("uvx --with torch==2.8.0 ext", True, False),
        ("uv tool install ext", True, False),
        ("uv pip install ext", False, False),
        ("pip install ext", False, False),
    ],
)
def test_whose_environment_it_is(tmp_path: Path, command: str, *, own: bool, works_on_project: bool) -> None:
    (tmp_path / "pyproject.toml").write_text(UV)
    (tmp_path / "plain.py").write_text("import ext\n")
    (tmp_path / "script.py").write_text('# /// script\n# dependencies = ["ext"]\n# ///\n')
    caller, process = start(tmp_path, command)
    wanted = read_wanted(caller, (process,), PYTHON)
    assert front_end_of(caller, wanted).own_environment is own
    assert wanted.resolves is works_on_project


def test_pipx_makes_the_environment_and_pip_keeps_the_wheel_for_the_next(tmp_path: Path) -> None:
    caller, process = start(tmp_path, "pip install ext")
    _, pipx = start(tmp_path, "pipx install ext")
    assert front_end_of(caller, read_wanted(caller, (process, pipx), PYTHON)).own_environment
    assert not front_end_of(caller, read_wanted(caller, (process,), PYTHON)).own_environment
