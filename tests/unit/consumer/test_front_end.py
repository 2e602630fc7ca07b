from __future__ import annotations

from dataclasses import replace

import pytest

from torchgraft.consumer.front_end import find_caller
from torchgraft.consumer.processes import HookProcess, Process
from torchgraft.model.observation import FrontEnd, FrontEndName

UV_BUILD = "/cache/builds-v0/.tmpAbc"


def process(command: str, executable: str = "") -> Process:
    return Process(
        executable=executable or command.split(maxsplit=1)[0], arguments=tuple(command.split()), folder="/work"
    )


def hook(prefix: str = UV_BUILD, cfg: str = "home = /usr/bin\nuv = 0.9.2\n") -> HookProcess:
    return HookProcess(
        prefix=prefix,
        base_prefix="/usr",
        purelib=f"{prefix}/lib/python3.11/site-packages",
        folder="/src",
        sys_path=(),
        pyvenv_cfg=cfg,
    )


def nearest(hook: HookProcess, ancestors: tuple[Process, ...]) -> FrontEnd:
    caller = find_caller(hook, ancestors)
    return FrontEnd(name=FrontEndName.UNKNOWN) if caller is None else caller.front_end


def front_end(*commands: str) -> FrontEnd:
    return nearest(hook(), tuple(process(command) for command in commands))


# command line -> (name, command, installs)
COMMANDS = {
    "/env/bin/python /env/bin/pip install .": ("pip", "pip install", True),
    "python -m pip wheel .": ("pip", "pip wheel", False),
    "python3.11 -I -X utf8 -W error -m pip install .": ("pip", "pip install", True),
    "python -Im pip install .": ("pip", "pip install", True),
    "python -mpip install .": ("pip", "pip install", True),
    "python --check-hash-based-pycs never -m pip download .": ("pip", "pip download", False),
    "/v/bin/pip-compile requirements.in": ("pip", "pip compile", False),
    "/v/bin/python -m piptools compile": ("pip", "pip compile", False),
    "python /x/pip/__pip-runner__.py --python env install .": ("pip", "pip install", True),
    "python /x/site-packages/pip/__main__.py install .": ("pip", "pip install", True),
    "python pip.pyz install .": ("pip", "pip install", True),
    "python /env/bin/pip3.11 install .": ("pip", "pip install", True),
    "python -Impip install .": ("pip", "pip install", True),
    "python -X utf8 -mpip install .": ("pip", "pip install", True),
    "python -Xutf8 -W ignore -m pip install .": ("pip", "pip install", True),
    "python -I -X dev /usr/bin/pip install .": ("pip", "pip install", True),
    "python3.13_d -m pip install .": ("pip", "pip install", True),
    "python3.13t -m pip install .": ("pip", "pip install", True),
    "/usr/bin/python3.14td -m pip install .": ("pip", "pip install", True),
    "python3-dbg -m pip install .": ("pip", "pip install", True),
    "pypy3 -m pip install .": ("pip", "pip install", True),
    "C:\\env\\pythonw.exe -m pip install .": ("pip", "pip install", True),
    "python /x/site-packages/pip install .": ("pip", "pip install", True),
    "python -m pip.__main__ install .": ("pip", "pip install", True),
    "pip3 install .": ("pip", "pip install", True),
    "pip-3.11 install .": ("pip", "pip install", True),
    "./pip.pyz install .": ("pip", "pip install", True),
    "python -m uv sync": ("uv", "uv sync", True),
    "uv.exe tool uvx --from . x": ("uv", "uv tool run", True),
    "C:\\bin\\uvx.exe --from . x": ("uv", "uv tool run", True),
    "python -m pipx install x": ("pipx", "pipx install", True),
    "python -I -m poetry -C proj add x": ("poetry", "poetry add", True),
    "python3.12 -mpdm add x": ("pdm", "pdm add", True),
    "C:\\env\\Scripts\\pip.exe install .": ("pip", "pip install", True),
    "C:\\env\\python.exe C:\\env\\Scripts\\pip-script.py install .": ("pip", "pip install", True),
    "pip --log install.txt install --dry-run .": ("pip", "pip install", False),
    "pip secret-argument": ("pip", "pip", True),
    "uv pip install .": ("uv", "uv pip install", True),
    "uv pip compile r.in": ("uv", "uv pip compile", False),
    "uv --directory pip sync": ("uv", "uv sync", True),
    "uv sync --dry-run": ("uv", "uv sync", False),
    "uv add --no-sync .": ("uv", "uv add", False),
    "uv run --with . python --dry-run": ("uv", "uv run", True),
    "uv run --no-sync --with . x": ("uv", "uv run", True),
    "uv build": ("uv", "uv build", False),
    "uv lock": ("uv", "uv lock", False),
    "uv export": ("uv", "uv export", False),
    "uv tool install .": ("uv", "uv tool install", True),
    "uvx --from . x": ("uv", "uv tool run", True),
    "python -m build": ("build", "build", False),
    "python /x/build/__main__.py": ("build", "build", False),
    "python /env/bin/pyproject-build -w": ("build", "build", False),
    "python /env/bin/poetry -C proj install": ("poetry", "poetry install", True),
    "python /env/bin/poetry lock": ("poetry", "poetry lock", False),
    "python /env/bin/poetry add --lock x": ("poetry", "poetry add", False),
    "python /env/bin/pdm install": ("pdm", "pdm install", True),
    "python /env/bin/pdm build": ("pdm", "pdm build", False),
    "python /env/bin/hatch env create": ("hatch", "hatch env create", True),
    "python /env/bin/hatch build": ("hatch", "hatch build", False),
    "python /env/bin/tox r -e t": ("tox", "tox r", True),
    "python /env/bin/tox -e t": ("tox", "tox", True),
    "python /env/bin/nox -s t": ("nox", "nox", True),
    "python /env/bin/pipx install x": ("pipx", "pipx install", True),
}
NONE = (
    "bash",
    "make build",
    "./build",
    "python",
    "python -",
    "python -c pip",
    "python -X",
    "python -m",
    "python build",
    "python setup.py install",
    "python -m pipeline",
    "python3-config pip",
    "pythonic -m pip",
    "python --check-hash-based-pycs",
    "poetry run make",
    "pdm run make",
    "hatch run make",
    "",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_front_end_is_known_by_its_arguments(command: str) -> None:
    name, words, installs = COMMANDS[command]
    found = front_end(command)
    assert (found.name.value, found.command, found.installs) == (name, words, installs)
    assert found.version == ("0.9.2" if name == "uv" else None)


def test_a_command_that_leaves_the_project_alone_installs_all_the_same_what_it_is_given() -> None:
    assert front_end("uv add --no-sync .").resolves
    assert not front_end("uv run --no-sync --with . x").resolves


@pytest.mark.parametrize("command", NONE)
def test_other_programs_are_none(command: str) -> None:
    other = Process(executable="/bin/x", arguments=tuple(command.split()), folder="/work")
    assert nearest(hook(), (other,)) == FrontEnd(name=FrontEndName.UNKNOWN)


@pytest.mark.parametrize("parents", [("python -c pip",), ("python ide.py install .", "python /x/nox"), ("nox",)])
def test_a_program_that_calls_pip_as_a_function_is_pip_that_says_nothing(parents: tuple[str, ...]) -> None:
    ours = replace(hook("/v", ""), by_pip=True)
    caller = find_caller(ours, tuple(map(process, parents)))
    assert caller
    assert (caller.front_end.name, caller.front_end.command, caller.front_end.installs) == (
        FrontEndName.PIP,
        "pip",
        True,
    )
    assert caller.process == process(parents[0])
    assert nearest(ours, (process("python -m pip wheel ."),)).command == "pip wheel"
    assert nearest(ours, ()).name is FrontEndName.UNKNOWN


def test_the_executable_counts_where_the_first_argument_was_changed() -> None:
    assert nearest(hook(), (process("renamed sync", "/bin/uv"),)).command == "uv sync"
    assert nearest(hook(), (Process(executable="/bin/uv", arguments=(), folder=""),)).command == "uv"


def test_the_nearest_front_end_is_the_one() -> None:
    found = front_end("python -m pip install .", "python /x/nox", "uv run nox")
    assert found.name is FrontEndName.PIP
    assert front_end("sh -c x", "make", "python -m build").name is FrontEndName.BUILD


def test_uv_has_to_be_the_direct_parent() -> None:
    assert front_end("make", "uv run make").name is FrontEndName.UNKNOWN
    assert front_end("make", "uv sync", "python -m pip install .").name is FrontEndName.PIP


@pytest.mark.parametrize("command", ["uv run torchgraft plan", "uvx torchgraft plan", "uv tool run torchgraft plan"])
def test_a_command_that_uv_starts_is_no_hook(command: str) -> None:
    ours = hook(prefix="/cache/archive-v0/abc")
    assert nearest(ours, (process(command),)).name is FrontEndName.UNKNOWN
    assert nearest(hook(), (process(command),)).name is FrontEndName.UV


def test_ones_own_pyvenv_cfg_says_uvs_version_only_where_uv_made_it_for_this_build() -> None:
    assert nearest(hook(prefix="/place/.venv"), (process("uv sync"),)).version is None
    assert nearest(hook(cfg=""), (process("uv sync"),)).version is None


def test_options_of_the_caller() -> None:
    caller = find_caller(hook(), (process("uv pip install --target=a -t b --python 3.11 --system ."),))
    assert caller
    assert caller.command.value("--target", "-t") == "b"
    assert caller.command.value("--prefix") is None
    assert caller.command.has("--system")
    assert not caller.command.runs_with


def test_what_uv_run_starts_has_options_of_its_own() -> None:
    caller = find_caller(hook(), (process("uv run --with ./pkg python --python x --target y"),))
    assert caller
    assert caller.command.runs_with
    assert caller.command.value("--python", "--target") is None


@pytest.mark.parametrize(
    ("command", "flags"),
    [("python -I -m pip", "I"), ("python -sm pip", "s"), ("python -X dev /x/pip i", ""), ("uv sync", ""), ("sh", "")],
)
def test_flags_of_the_interpreter(command: str, flags: str) -> None:
    found = process(command).command_line
    assert (found.python_flags if found else "") == flags


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv tool upgrade --all", True),
        ("uv tool install -U app", True),
        ("uv tool install app", False),
        ("uv pip install --upgrade ext", True),
        ("uv pip install -P torch ext", True),
        ("uv pip install -P torchvision ext", False),
        ("uv pip install --reinstall-package torch ext", True),
        # pip upgrades what it is given, unless it is told to be eager.
        ("pip install -U ext", False),
        ("pip install -U torch>=2 ext", True),
        ("pip install -U torch ext", True),
        ("pip install -U torch-scatter", False),
        ("pip install torch ext", False),
        ("pip install -U --upgrade-strategy=eager ext", True),
        ("pip install -U --no-deps torch ext", False),
        ("uv tool install --reinstall ext", True),
    ],
)
def test_who_takes_the_newest_torch_whatever_is_installed(command: str, *, expected: bool) -> None:
    assert front_end(command).ignores_installed is expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"PIP_TARGET": "folder"}, True),
        ({"PIP_FORCE_REINSTALL": "1"}, True),
        ({"PIP_IGNORE_INSTALLED": "yes"}, True),
        ({"PIP_IGNORE_INSTALLED": "off"}, False),
        ({"PIP_UPGRADE": "1"}, True),
    ],
)
def test_variables_of_pip_count_as_its_options(variables: dict[str, str], *, expected: bool) -> None:
    for command, anew in (
        ("pip install torch .", expected),
        ("pip --isolated install torch .", False),
        ("uv pip install torch .", False),
    ):
        words = command.split()
        one = Process(
            executable=words[0], arguments=tuple(words), folder="/work", variables=tuple(sorted(variables.items()))
        )
        assert nearest(hook(), (one,)).ignores_installed is anew


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python -m pip install .", True),
        ("python -m pip install -vv .", False),
        ("python -m pip install -qr pins.txt .", False),
        ("uv sync", True),
        ("uv sync --no-progress", False),
        ("uv build", False),
        ("poetry install", True),
        ("python -m build", False),
    ],
)
def test_where_what_a_build_says_is_hidden(command: str, *, expected: bool) -> None:
    assert front_end(command).hides_output is expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv sync", True),
        ("uv sync --inexact", False),
        ("uv pip sync requirements.txt", True),
        ("uv pip install .", False),
        ("uv pip install --exact .", True),
        ("uv run --exact python", True),
        ("uv run python --exact", False),
        ("poetry sync", True),
        ("poetry install", False),
        ("poetry install --sync", True),
        ("pdm sync", False),
        ("pdm sync --clean", True),
        ("pip install .", False),
    ],
)
def test_what_takes_away_what_it_does_not_install(command: str, *, expected: bool) -> None:
    assert front_end(command).removes_others is expected


def test_an_option_beats_its_variable() -> None:
    one = Process(
        executable="pip",
        arguments=("pip", "install", "-t", "mine", "."),
        folder="/work",
        variables=(("PIP_GROUP", "gpu"), ("PIP_NO_DEPS", "1"), ("PIP_TARGET", "theirs")),
    )
    caller = find_caller(hook(), (one,))
    assert caller is not None
    assert caller.command.value("--target", "-t") == "mine"
    assert caller.command.values("--group") == ("gpu",)
    assert caller.front_end.leaves_dependencies
