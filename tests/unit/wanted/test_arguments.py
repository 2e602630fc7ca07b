from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support import sites
from torchgraft.consumer.command_line import parse_arguments, parse_command_line
from torchgraft.consumer.front_end import Caller
from torchgraft.consumer.processes import HookProcess, Process
from torchgraft.model.observation import FrontEnd, FrontEndName, Python
from torchgraft.model.source_tree import Project
from torchgraft.wanted.arguments import Asked, read_asked_for
from torchgraft.wanted.read_wanted import read_wanted

PYTHON = Python(
    version="3.11.7", implementation="cpython", abi="cp311", platform="linux_x86_64", extension_suffix=".so"
)
HOOK = HookProcess(prefix="/v", base_prefix="/v", purelib="/v", folder="/", sys_path=())
WHEEL = "torch-2.8.0+cu128-cp311-cp311-manylinux_2_28_x86_64.whl"
QUOTED = WHEEL.replace("+", "%2B")
URL = f"https://wheels.example/whl/{QUOTED}"
PIP, UV, PIPX = FrontEndName.PIP, FrontEndName.UV, FrontEndName.PIPX
POETRY, PDM = FrontEndName.POETRY, FrontEndName.PDM


def ask(folder: Path, name: FrontEndName, *arguments: str, **variables: str) -> Asked:
    whole = parse_command_line(arguments)
    command = whole if whole and whole.program is name else parse_arguments(name, arguments)
    asked = read_asked_for(command, folder=str(folder), variables=variables, python=PYTHON)
    for item in asked.requirements:
        assert Requirement(item.requirement.text).name == "torch"
    return asked


def requirements(asked: Asked) -> list[str]:
    return [item.requirement.text for item in asked.requirements]


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        (PIP, "install torch==2.6.0 flash-attn", ["torch==2.6.0"]),
        (PIP, "install torch flash-attn", ["torch"]),
        (PIP, "install torch[opt-einsum]>=2,<3", ["torch<3,>=2"]),
        (PIP, "install Torch~=2.6 torch!=2.6.1", ["torch~=2.6", "torch!=2.6.1"]),
        (PIP, "install torchvision torch_geometric pytorch", []),
        (PIP, "/v/bin/python3.11 -I /v/bin/pip install torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "/v/bin/python -m pip --no-input install torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "python -mpip install torch==2.6.0 .", ["torch==2.6.0"]),
        (PIP, "python -Impip install torch==2.6.0 .", ["torch==2.6.0"]),
        (PIP, "python -Xutf8 -W ignore -m pip install torch==2.6.0 .", ["torch==2.6.0"]),
        (PIP, "python3.13_d /v/site-packages/pip install torch==2.6.0 .", ["torch==2.6.0"]),
        (UV, "python -m uv add torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "/v/bin/python -X utf8 /v/site-packages/pip/__main__.py install torch==2.6", ["torch==2.6"]),
        (PIP, "/v/bin/pip3.11 install torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "C:\\v\\Scripts\\pip.exe install torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "install pip torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "wheel torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "uninstall torch", []),
        (PIP, "list torch", []),
        (PIP, "install --target torch flash-attn", []),
        (PIP, "install -t torch --no-binary torch --index-url=https://index.example/torch ext", []),
        (PIP, "install -U -qq --no-deps torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "install -- torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "install -vtfolder torch==2.6.0", ["torch==2.6.0"]),
        (PIP, "install torch==2.6.0;sys_platform=='win32' torch==2.7.0;sys_platform=='linux'", ["torch==2.7.0"]),
        (PIP, f"install {URL}", [f"torch @ {URL}"]),
        (PIP, f"install {URL}#sha256=00ff", [f"torch @ {URL}#sha256=00ff"]),
        (PIP, f"install torch@{URL}", [f"torch @ {URL}"]),
        (PIP, f"install ./{WHEEL}", [f"torch @ {{folder}}/{QUOTED}"]),
        (PIP, f"install ../dist/{WHEEL}", [f"torch @ {{folder}}/../dist/{QUOTED}"]),
        (PIP, f"install file:///srv/{QUOTED}", [f"torch @ file:///srv/{QUOTED}"]),
        (PIP, "install ./torch ./torch-2.8.0.tar.gz https://wheels.example/torchvision-0.1-py3-none-any.whl", []),
        (UV, "/usr/bin/uv pip install torch==2.6.0 -e .", ["torch==2.6.0"]),
        (UV, "-q --project x pip --offline install --reinstall-package torch torch==2.6.0", ["torch==2.6.0"]),
        (UV, "pip uninstall torch", []),
        (UV, "add torch==2.6.0 --index torch=https://wheels.example/whl", ["torch==2.6.0"]),
        (UV, "run --with torch==2.8 torchrun --with torch==1.0", ["torch==2.8"]),
        (UV, "run --with numpy,torch>=2,<3,einops python", ["torch<3,>=2"]),
        (UV, "run -w torch[x,y]==2.8,einops python", ["torch==2.8"]),
        (UV, "run python -m pip install torch==1.0", []),
        (UV, "tool install . --with torch==2.8.0", ["torch==2.8.0"]),
        (UV, "tool install torch@2.8.0", ["torch==2.8.0"]),
        (UV, "tool run --with torch==2.8.0 --from app cmd torch==1.0", ["torch==2.8.0"]),
        (UV, "/usr/bin/uvx --with torch==2.8.0 app", ["torch==2.8.0"]),
        (UV, "/usr/bin/uvx torch@latest", ["torch"]),
        (UV, "/usr/bin/uv tool uvx --with torch==2.8.0 app --with torch==2.6.0", ["torch==2.8.0"]),
        (UV, "sync", []),
        (PIPX, "install app --preinstall torch==2.8.0", ["torch==2.8.0"]),
        (PIPX, "/v/bin/python /v/bin/pipx inject app torch==2.8.0 einops", ["torch==2.8.0"]),
        (PIPX, "inject torch einops", []),
        (PIPX, "run --spec torch==2.8.0 torchrun", ["torch==2.8.0"]),
        (PIPX, "list", []),
        (POETRY, "add torch@^2.8 -G gpu", ["torch<3,>=2.8"]),
        (POETRY, "add torch@~2.8.1", ["torch<2.9,>=2.8.1"]),
        (POETRY, "add torch@^0.4.1", ["torch<0.5,>=0.4.1"]),
        (POETRY, "add torch@2.8.0", ["torch==2.8.0"]),
        (POETRY, "add torch@>=2.8", ["torch>=2.8"]),
        (POETRY, "add torch==2.8.0 --source torch", ["torch==2.8.0"]),
        (POETRY, "install torch==1.0", []),
        (PDM, "add -d torch==2.8.0", ["torch==2.8.0"]),
        (FrontEndName.BUILD, "-m build torch==1.0", []),
        (FrontEndName.UNKNOWN, "torch==1.0", []),
    ],
)
def test_arguments(tmp_path: Path, name: FrontEndName, line: str, expected: list[str]) -> None:
    asked = ask(tmp_path, name, *line.split(" "))
    folder = tmp_path.as_uri()
    parent = tmp_path.parent.as_uri()
    shown = [item.format(folder=folder).replace(f"{folder}/..", parent) for item in expected]
    assert [str(Requirement(item)) for item in requirements(asked)] == [str(Requirement(item)) for item in shown]
    assert asked.faults == ()


@pytest.mark.parametrize(
    "line",
    [
        "pip install -qr pins.txt ext",
        "pip install -Urpins.txt ext",
        "pip install -vvc=pins.txt ext",
        "pip install --pre --upgrade --constr pins.txt ext",
        "uv pip install -qr pins.txt ext",
        "uv run -qw torch==2.6.0 ext",
    ],
)
def test_options_in_one_word_and_beginnings_of_options(tmp_path: Path, line: str) -> None:
    (tmp_path / "pins.txt").write_text("torch==2.6.0\n")
    program, *arguments = line.split()
    assert requirements(ask(tmp_path, FrontEndName(program), *arguments)) == ["torch==2.6.0"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/v/bin/pip-compile --strip-extras -o torch.txt pinned.in", "torch==2.6.0"),
        ("/v/bin/pip-compile", "torch==2.4.0"),
        ("/v/bin/python -m piptools compile --upgrade-package torch pinned.in", "torch==2.6.0"),
    ],
)
def test_what_pip_tools_compiles(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / "pinned.in").write_text("torch==2.6.0\n")
    (tmp_path / "requirements.in").write_text("torch==2.4.0\n")
    assert requirements(ask(tmp_path, PIP, *line.split())) == [expected]


def test_the_arguments_are_named_as_the_source(tmp_path: Path) -> None:
    (item,) = ask(tmp_path, UV, "pip", "install", "torch==2.6.0").requirements
    assert item.source == "the arguments of uv"


def test_pipx_run_brings_no_other_torch_than_the_package(tmp_path: Path) -> None:
    command = parse_arguments(PIPX, ("run", "--with", "torch==2.8.0", "--spec", "./ext", "ext"))
    for own, expected in ((("torch",), []), (("numpy",), ["torch==2.8.0"]), (None, ["torch==2.8.0"])):
        building = Project(folder=str(tmp_path / "ext"), name="ext", dependencies=own)
        asked = read_asked_for(command, folder=str(tmp_path), variables={}, python=PYTHON, building=building)
        assert requirements(asked) == expected


def test_arguments_of_pipx_for_pip(tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text("torch==2.8.0\n")
    assert requirements(ask(tmp_path, PIPX, "install", "app", "--pip-args", "-c 'pins.txt'")) == ["torch==2.8.0"]
    assert requirements(ask(tmp_path, PIPX, "install", "app", "--pip-args=-c pins.txt '")) == ["torch==2.8.0"]
    assert requirements(ask(tmp_path, PIPX, "inject", "app", "-r", "pins.txt")) == ["torch==2.8.0"]
    assert ask(tmp_path, PIPX, "install", "app", "--lock", "pylock.toml").lock_files == (str(tmp_path / "pylock.toml"),)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (PIP, "install -r a.txt"),
        (PIP, "install -ra.txt"),
        (PIP, "install --requirement=a.txt ext"),
        (PIP, "install -c a.txt ext"),
        (PIP, "install --constraint a.txt ext"),
        (PIP, "install -r file:{folder}/a.txt"),
        (UV, "pip install -r a.txt"),
        (UV, "pip sync a.txt"),
        (UV, "pip install --constraints a.txt ext"),
        (UV, "pip install --override a.txt ext"),
        (UV, "add -r a.txt"),
        (UV, "run --with-requirements a.txt python"),
        (UV, "tool install app --with-requirements a.txt"),
        (UV, "tool install app -c a.txt"),
    ],
)
def test_files_that_the_arguments_name(tmp_path: Path, name: FrontEndName, line: str) -> None:
    (tmp_path / "a.txt").write_text("numpy\n\ntorch==2.6.0\n")
    (item,) = ask(tmp_path, name, *line.format(folder=tmp_path.as_posix()).split(" ")).requirements
    assert (item.requirement.text, item.source) == ("torch==2.6.0", "a.txt line 3")


@pytest.mark.parametrize(
    ("name", "line", "variable"),
    [
        (PIP, "install ext", "PIP_CONSTRAINT"),
        (PIP, "install ext", "PIP_REQUIREMENT"),
        (UV, "pip install ext", "UV_CONSTRAINT"),
        (UV, "pip install ext", "UV_OVERRIDE"),
        (PIPX, "install ext", "PIP_CONSTRAINT"),
    ],
)
def test_files_that_variables_name(tmp_path: Path, name: FrontEndName, line: str, variable: str) -> None:
    (tmp_path / "a.txt").write_text("numpy\n")
    (tmp_path / "b.txt").write_text("torch==2.6.0\n")
    asked = ask(tmp_path, name, *line.split(" "), **{variable: "a.txt b.txt"})
    assert requirements(asked) == ["torch==2.6.0"]


@pytest.mark.parametrize(
    ("line", "dependencies", "idle"),
    [
        ("install -c a.txt ext", (), True),
        ("install -c a.txt ext", ("numpy",), False),
        ("install -c a.txt ext", ("torch",), False),
        ("install -c a.txt ext", None, False),
        ("install -c a.txt ext torch", (), False),
        ("install -c a.txt ext numpy", (), False),
        ("install -c a.txt --no-deps ext", ("torch",), True),
        ("install -c a.txt --no-deps ext torch", ("torch",), False),
    ],
)
def test_a_constraint_on_what_nothing_requires_is_idle(
    tmp_path: Path, line: str, dependencies: tuple[str, ...] | None, *, idle: bool
) -> None:
    (tmp_path / "a.txt").write_text("torch==2.6.0\n")
    building = Project(folder=str(tmp_path / "ext"), name="ext", dependencies=dependencies)
    command = parse_arguments(PIP, line.split(" "))
    asked = read_asked_for(command, folder=str(tmp_path), variables={}, python=PYTHON, building=building)
    assert [one.idle for one in asked.requirements] == [idle] * len(asked.requirements)
    assert asked.requirements


@pytest.mark.parametrize("section", ["global", "install"])
def test_files_that_pips_settings_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str) -> None:
    (tmp_path / "a.txt").write_text("torch==2.6.0\n")
    (tmp_path / "b.txt").write_text("torch==2.7.0\n")
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nconstraint = b.txt\n[{section}]\nconstraint =\n  a.txt\n")
    # As pip takes it, from where it runs.
    monkeypatch.setenv("PIP_CONFIG_FILE", settings.name)
    assert requirements(ask(tmp_path, PIP, "install", "ext")) == ["torch==2.6.0"]
    # A variable wins over the settings, as in pip.
    assert requirements(ask(tmp_path, PIP, "install", "ext", PIP_CONSTRAINT="b.txt")) == ["torch==2.7.0"]
    assert requirements(ask(tmp_path, UV, "pip", "install", "ext")) == []
    assert requirements(ask(tmp_path, PIP, "--isolated", "install", "ext", PIP_CONSTRAINT="b.txt")) == ["torch==2.6.0"]
    # A program that calls pip as a function shows no arguments.
    assert requirements(ask(tmp_path, PIP, PIP_CONSTRAINT="b.txt")) == ["torch==2.7.0"]


def test_which_settings_of_pip_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, version in (("home/.pip/pip.conf", "2.5.0"), ("own/pip.conf", "2.6.0"), ("active/pip.conf", "2.7.0")):
        sites.write(tmp_path, {place: f"[install]\nconstraint = {tmp_path}/{version}.txt\n"})
        sites.write(tmp_path, {f"{version}.txt": f"torch=={version}\n", "empty.conf": "[install]\n"})
    sites.write(tmp_path, {"own/pyvenv.cfg": "", "bare/pyvenv.cfg": "", "own/bin/python": "", "bare/bin/python": ""})
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "everybody"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)

    def asked(environment: str, *options: str) -> list[str]:
        return requirements(
            ask(tmp_path, PIP, f"{tmp_path}/{environment}/bin/python", "-m", "pip", *options, "install", "ext")
        )

    # Those of pip's own environment, of no other that is activated.
    assert asked("own") == ["torch==2.6.0"]
    assert asked("bare") == ["torch==2.5.0"]
    assert asked("bare", "--isolated") == []
    # A file that is named takes the place of the user's.
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "empty.conf"))
    assert asked("bare") == []


@pytest.mark.parametrize(
    ("line", "settings", "expected"),
    [
        ("uv pip install ext --resolution lowest", "", True),
        ("uv pip install ext --resolution lowest-direct", "", False),
        ("uv pip install torch>=2.4 ext --resolution=lowest-direct", "", True),
        ("uv tool install ext", 'resolution = "lowest"', True),
        ("uv pip install ext", '[pip]\nresolution = "lowest"', True),
        ("uv pip install ext --resolution highest", 'resolution = "lowest"', False),
        ("uv sync --resolution lowest", "", False),  # it has a lock
        ("uv run --with ext x --resolution lowest", "", False),
        ("uv run --resolution lowest --with ext x", "", True),
    ],
)
def test_builds_take_the_newest_torch_whatever_is_installed_by_uv(
    tmp_path: Path, line: str, settings: str, *, expected: bool
) -> None:
    (tmp_path / "uv.toml").write_text(settings)
    asked = ask(tmp_path, UV, *line.split()[1:], UV_CONFIG_FILE=str(tmp_path / "uv.toml"))
    assert ["lowest torch that will do" in fault for fault in asked.faults] == [True] * expected


@pytest.mark.parametrize(
    ("line", "variable"),
    [
        ("uv pip install -b limits.txt ext", ""),
        ("uv tool install ext", "UV_BUILD_CONSTRAINT"),
        ("pip install --build-constraint limits.txt ext", ""),
        ("pip install ext", "PIP_BUILD_CONSTRAINT"),
        ("pip --isolated install ext", "PIP_CONSTRAINT"),
    ],
)
def test_what_limits_the_torch_of_builds_alone(tmp_path: Path, line: str, variable: str) -> None:
    (tmp_path / "limits.txt").write_text("setuptools<81\ntorch==2.8.0\n")
    program, *words = line.split()
    variables = {variable: "limits.txt"} if variable else {}
    asked = ask(tmp_path, FrontEndName(program), *words, **variables)
    assert asked.faults == ("limits.txt line 2 has torch==2.8.0 for builds alone",)
    (tmp_path / "limits.txt").write_text("setuptools<81\ntorch<3\n")
    assert ask(tmp_path, FrontEndName(program), *words, **variables).faults == ()


def test_an_override_replaces_every_other_requirement(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("torch==2.6.0\n")
    assert requirements(ask(tmp_path, UV, "pip", "install", "torch==2.8.0", "--override=a.txt")) == ["torch==2.6.0"]
    # `uv pip sync` installs what is listed, and takes none.
    (tmp_path / "all.txt").write_text("torch==2.8.0\n")
    assert requirements(ask(tmp_path, UV, "pip", "sync", "all.txt", UV_OVERRIDE="a.txt")) == ["torch==2.8.0"]
    (tmp_path / "a.txt").write_text("numpy==2\n")
    assert requirements(ask(tmp_path, UV, "pip", "install", "torch==2.8.0", "--override=a.txt")) == ["torch==2.8.0"]


@pytest.mark.parametrize(
    ("text", "expected", "line"),
    [
        ("torch==2.6.0", "torch==2.6.0", 1),
        ("torch == 2.6.0  # pinned", "torch==2.6.0", 1),
        ("# torch==1.0\ntorch", "torch", 2),
        ("torch==2.6.0 --hash=sha256:00 \\\n  --hash=sha256:11\n", "torch==2.6.0", 1),
        ("numpy\ntorch>=2.6,\\\n<3", "torch<3,>=2.6", 2),
        ("torch==2.6.0 ; python_version >= '3.11'\ntorch==2.5.0 ; python_version < '3.11'", "torch==2.6.0", 1),
        ("--index-url https://index.example\n-e ./torch\n--no-binary torch\ntorch==2.6.0", "torch==2.6.0", 4),
        ("numpy \\\n# a comment\ntorch==2.6.0", "torch==2.6.0", 3),
        ("torch @ https://wheels.example/" + QUOTED, f"torch @ https://wheels.example/{QUOTED}", 1),
        ("https://wheels.example/" + QUOTED, f"torch @ https://wheels.example/{QUOTED}", 1),
        ("other @ https://${TOKEN}@wheels.example/other.whl\ntorch", "torch", 2),
    ],
)
def test_lines_of_requirements_files(tmp_path: Path, text: str, expected: str, line: int) -> None:
    (tmp_path / "a.txt").write_text(text)
    asked = ask(tmp_path, PIP, "install", "-r", "a.txt")
    (item,) = asked.requirements
    assert (item.requirement.text, item.source) == (expected, f"a.txt line {line}")
    assert asked.faults == ()


@pytest.mark.parametrize(
    "text",
    ["torch==${PINNED}", "${WHOLE_PIN}", "-r ${FOLDER}/pins.txt", "${PROJECT_ROOT}/app", "app @ file://${FOLDER}/app"],
)
def test_variables_in_requirements_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PINNED", "2.6.0")
    monkeypatch.setenv("WHOLE_PIN", "torch==2.6.0")
    monkeypatch.setenv("FOLDER", str(tmp_path))
    (tmp_path / "a.txt").write_text(f"${{NOT_SET}}\n{text}\n")
    (tmp_path / "pins.txt").write_text("torch==2.6.0\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/pyproject.toml").write_text("[project]\nname = 'app'\ndependencies = ['torch==2.6.0']\n")
    assert requirements(ask(tmp_path, PIP, "install", "-r", "a.txt")) == ["torch==2.6.0"]


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + b"torch==2.6.0\n",
        codecs.BOM_UTF16_LE + "torch==2.6.0\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "torch==2.6.0".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "torch==2.6.0".encode("utf-32-le"),
        "# naïve\ntorch==2.6.0".encode("latin-1"),
        b"torch==2.6.0\r\n",
    ],
)
def test_encodings(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    assert requirements(ask(tmp_path, PIP, "install", "-r", "a.txt")) == ["torch==2.6.0"]


def test_nested_files_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "reqs").mkdir()
    (tmp_path / "reqs" / "a.txt").write_text("-r b.txt\n--constraint=../c.txt\n-r 'with space.txt'\n")
    (tmp_path / "reqs" / "b.txt").write_text(f"./{WHEEL}\n")
    (tmp_path / "reqs" / "with space.txt").write_text("torch!=1\n")
    (tmp_path / "c.txt").write_text("torch<3\n-c reqs/b.txt\n")
    asked = ask(tmp_path, PIP, "install", "-r", "reqs/a.txt")
    wheel = f"torch @ {(tmp_path / 'reqs').as_uri()}/{QUOTED}"
    assert [(item.requirement.text, item.source) for item in asked.requirements] == [
        (wheel, "reqs/b.txt line 1"),
        ("torch<3", "c.txt line 1"),
        ("torch!=1", "reqs/with space.txt line 1"),
    ]
    assert asked.faults == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("-r a.txt", "a.txt includes itself"),
        ("-r missing.txt", "missing.txt cannot be read: No such file or directory"),
        ("-r .", ". cannot be read: Is a directory"),
        ("-r https://user:word@wheels.example/r.txt", "https://wheels.example/r.txt is not fetched"),
        ("-r -", "requirements on standard input cannot be read"),
        ("torch==two", "a.txt line 1 cannot be read: torch==two"),
        ("torch>=2.0;what is this", "a.txt line 1 cannot be read: torch>=2.0;what is this"),
        ("torch @ git+https://git.example/torch", "a URL that is not that of a wheel: git+https://git.example/torch"),
        ("torch @ https://u:${WORD}@wheels.example/torch-2.8.0-py3-none-any.whl", "wheels.example/torch-2.8.0"),
        ("#" * 1_000_001, "a.txt is larger than 1 MB"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    asked = ask(tmp_path, PIP, "install", "-r", "a.txt")
    assert asked.requirements == ()
    (said,) = asked.faults
    assert fault in said
    assert "word" not in said.lower().replace("${word}", "")


def test_a_chain_of_files_has_an_end(tmp_path: Path) -> None:
    for number in range(120):
        (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt\n")
    (fault,) = ask(tmp_path, PIP, "install", "-r", "0.txt").faults
    assert fault == "100.txt is not read: there are more than 100 files"


def test_two_files_that_name_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\ntorch==2.6.0\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")
    asked = ask(tmp_path, PIP, "install", "-r", "a.txt", "-r", "b.txt")
    assert requirements(asked) == ["torch==2.6.0"]
    assert asked.faults == ("a.txt includes itself",)


def test_lock_files_among_the_requirements_are_only_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r sub/pylock.gpu.toml\n")
    asked = ask(tmp_path, UV, "pip", "sync", "pylock.toml", "a.txt")
    assert asked.lock_files == (str(tmp_path / "pylock.toml"), str(tmp_path / "sub" / "pylock.gpu.toml"))
    assert asked.faults == ()


SCRIPT = """\
#!/usr/bin/env python
# /// script
# requires-python = ">=3.10"
# dependencies = [
#   "numpy",
#   "torch==2.8.0; sys_platform == 'linux'",
# ]
#
# ///
import torch
"""


@pytest.mark.parametrize(
    "line",
    [
        "run train.py",
        "run -q train.py x",
        "run --script train.py",
        "run -s train.py",
        "sync --script train.py",
        "pip install -r train.py ./ext",
        "tool install ./ext --with-requirements train.py",
        "run --with-requirements train.py python",
    ],
)
def test_requirements_of_a_script(tmp_path: Path, line: str) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    asked = ask(tmp_path, UV, *line.split(" "))
    (item,) = asked.requirements
    assert (item.requirement.text, item.source) == ("torch==2.8.0", "train.py (its metadata)")


def test_scripts_of_pip_and_of_with(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    assert requirements(ask(tmp_path, PIP, "install", "--requirements-from-script", "train.py")) == ["torch==2.8.0"]
    asked = ask(tmp_path, UV, "run", "--with", "torch<3", "train.py")
    assert requirements(asked) == ["torch<3", "torch==2.8.0"]


@pytest.mark.parametrize("line", ["run -m train.py", "run python train.py", "run"])
def test_programs_that_are_no_script(tmp_path: Path, line: str) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    assert ask(tmp_path, UV, *line.split(" ")) == Asked()


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("import torch\n", ()),
        ("# /// script\n# dependencies = [\n# ///\n", ("train.py does not parse",)),
        (SCRIPT + SCRIPT, ("train.py has several blocks",)),
        ("# /// script\n# dependencies = 3\n# ///\n", ()),
        (None, ("train.py cannot be read",)),
    ],
)
def test_scripts_without_requirements(tmp_path: Path, text: str | None, faults: tuple[str, ...]) -> None:
    if text is not None:
        (tmp_path / "train.py").write_text(text)
    asked = ask(tmp_path, UV, "run", "train.py")
    assert asked.requirements == ()
    assert len(asked.faults) == len(faults)
    assert all(said.startswith(start) for said, start in zip(asked.faults, faults, strict=True))


def test_a_project_as_a_requirements_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'app'\ndependencies = ['torch>=2.4', 'numpy']\n")
    (item,) = ask(tmp_path, UV, "pip", "install", "-r", "pyproject.toml").requirements
    assert (item.requirement.text, item.source) == ("torch>=2.4", "pyproject.toml")


def test_no_arguments_at_all(tmp_path: Path) -> None:
    assert all(ask(tmp_path, name) == Asked() for name in FrontEndName)


RECEIPT = """
[tool]
requirements = [{ name = "App", extras = ["gpu"], directory = "APP" }, { name = "torch", specifier = ">=2.4" }]
constraints = [{ name = "torch", specifier = "<2.9", marker = "python_version < '4'" }]
"""
OVERRIDING = 'overrides = [{ name = "torch", url = "https://x.example/torch-2.7.0-cp311-cp311-linux_x86_64.whl" }]\n'


def write_receipt(tools: Path, name: str, text: str) -> None:
    (tools / name / "lib" / "python3.11" / "site-packages" / "torch-2.8.0.dist-info").mkdir(parents=True)
    (tools / name / "uv-receipt.toml").write_text(text)


def upgrade(tools: Path, *arguments: str) -> Asked:
    command = parse_arguments(UV, ("tool", "upgrade", *arguments))
    return read_asked_for(command, folder=str(tools), variables={"UV_TOOL_DIR": str(tools)}, python=PYTHON)


def test_the_receipt_of_a_tool_says_which_torch(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    project = '[project]\nname = "app"\n[project.optional-dependencies]\ngpu = ["torch!=2.8.1"]\n'
    (tmp_path / "app" / "pyproject.toml").write_text(project)
    receipt = RECEIPT.replace("APP", str(tmp_path / "app"))
    write_receipt(tmp_path, "tool", receipt)
    assert [one.requirement.text for one in upgrade(tmp_path, "tool").requirements] == [
        "torch!=2.8.1",
        "torch>=2.4",
        "torch<2.9",
    ]
    (tmp_path / "tool" / "uv-receipt.toml").write_text(receipt + OVERRIDING)
    (found,) = upgrade(tmp_path, "--all").requirements
    assert found.requirement.url.endswith("torch-2.7.0-cp311-cp311-linux_x86_64.whl")
    assert found.source == str(tmp_path / "tool" / "uv-receipt.toml")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[tool", "does not parse"),
        ('[tool]\nrequirements = [{ name = "torch", index = "https://x.example/whl/cu128" }]', "no build may see"),
    ],
)
def test_a_receipt_that_does_not_say_it(tmp_path: Path, text: str, fault: str) -> None:
    write_receipt(tmp_path, "tool", text)
    assert fault in " ".join(upgrade(tmp_path, "tool").faults)


def test_which_of_several_tools_is_upgraded_is_not_seen(tmp_path: Path) -> None:
    write_receipt(tmp_path, "tool", RECEIPT)
    write_receipt(tmp_path, "other", RECEIPT.replace("2.4", "2.5"))
    (tmp_path / "plain").mkdir()
    asked = upgrade(tmp_path, "--all")
    assert asked.requirements == ()
    assert any("upgrade them one by one" in fault for fault in asked.faults)


def test_other_distributions_that_are_installed_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("numpy<3\ntorch\n")
    (tmp_path / "c.txt").write_text("pandas==3.0\n")
    asked = ask(tmp_path, PIP, "install", "./ext", "vllm==0.9", "-r", "a.txt", "-c", "c.txt")
    assert asked.others == ("vllm==0.9", "numpy<3")
    assert ask(tmp_path, UV, "run", "--with", "vllm,torch", "python").others == ("vllm",)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://wheels.example/My_App-1.0-py3-none-any.whl", "my-app"),
        ("https://files.example/app-1.0.tar.gz#sha256=00ff", "app"),
        ("git+https://host.example/org/my-app.git@v1.0#subdirectory=python", "my-app"),
        ("git+ssh://git@host.example/org/repository#egg=app[gpu]", "app"),
        ("git+https://host.example/org/ext", None),
        ("app @ git+https://host.example/org/x", "app @ git+https://host.example/org/x"),
    ],
)
def test_other_distributions_that_only_a_url_names(tmp_path: Path, url: str, name: str | None) -> None:
    building = Project(folder=str(tmp_path), name="ext")
    for program, words in ((PIP, "install"), (UV, "pip install")):
        command = parse_arguments(program, [*words.split(), url])
        asked = read_asked_for(command, folder=str(tmp_path), variables={}, python=PYTHON, building=building)
        assert asked.others == (() if name is None else (name,))


@pytest.mark.parametrize("by_uv", [False, True])
def test_the_project_that_is_built_may_have_another_name_than_its_repository(tmp_path: Path, *, by_uv: bool) -> None:
    url, copy = "https://host.example/org/repository", tmp_path / "db"
    for folder, origin in ((tmp_path / "checkout", str(copy) if by_uv else f"{url}.git"), (copy, "elsewhere")):
        (folder / ".git").mkdir(parents=True)
        (folder / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {origin}\n')
    (copy / ".git" / "FETCH_HEAD").write_text(f"0000\t\t{url}\n")
    building = Project(folder=str(tmp_path / "checkout" / "python"), name="ext")
    for address, others in ((url, ()), (f"{url}s", ("repositorys",))):
        command = parse_arguments(PIP, ["install", f"git+{address}.git@main"])
        asked = read_asked_for(command, folder=str(tmp_path), variables={}, python=PYTHON, building=building)
        assert asked.others == others


@pytest.mark.parametrize(("home", "trash"), [("pipx", "trash"), ("other", ".trash")])
def test_what_pipx_injects_again(tmp_path: Path, home: str, trash: str) -> None:
    venv = tmp_path / home / "venvs" / "app"
    kept = tmp_path / home / trash / "app-x1-pipx-reinstall" / "pipx_metadata.json"
    for folder in (venv, kept.parent):
        folder.mkdir(parents=True)
    injected = {"einops": {"package_or_url": "einops"}, "torch": {"package_or_url": "torch==2.8.0"}, "x": None}
    kept.write_text(json.dumps({"injected_packages": injected}))
    processes = [
        Process(executable=words[0], arguments=tuple(words), folder=str(venv))
        for line in ("/v/bin/python -m pip install ext", "/usr/bin/pipx reinstall app")
        if (words := line.split())
    ]
    command = processes[0].command_line
    assert command is not None
    caller = Caller(front_end=FrontEnd(name=PIP), process=processes[0], command=command, hook=HOOK)
    wanted = read_wanted(caller, tuple(processes), PYTHON)
    assert [one.requirement.text for one in wanted.asked_for] == ["torch==2.8.0"]
    assert read_wanted(caller, (processes[0],), PYTHON).asked_for == ()


def by_hatch(folder: Path, pip: str, hatch: str, variable: str = "") -> list[str]:
    variables = (("HATCH_ENV", variable),)
    processes = [
        Process(executable=words[0], arguments=tuple(words), folder=str(folder / "inner"), variables=variables)
        for line in (pip, hatch)
        if (words := line.split())
    ]
    command = processes[0].command_line
    assert command is not None
    caller = Caller(front_end=FrontEnd(name=command.program), process=processes[0], command=command, hook=HOOK)
    return [one.requirement.text for one in read_wanted(caller, tuple(processes), PYTHON).asked_for]


HATCH = """
[dependency-groups]
gpu = ["torch==2.6.0"]
[tool.hatch.envs.default]
dependencies = ["torch==2.8.0", "numpy"]
[tool.hatch.envs.test]
extra-dependencies = ["torch!=2.8.1"]
[tool.hatch.envs.alone]
detached = true
dependencies = ["einops"]
[tool.hatch.envs.other]
template = "alone"
dependency-groups = ["gpu"]
[tool.hatch.envs.round]
template = "round"
dependencies = ["torch==2.5.0"]
[tool.hatch.envs.hatch-test]
dependencies = ["torch==2.4.0"]
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hatch run ext", ["torch==2.8.0"]),
        ("hatch -v shell", ["torch==2.8.0"]),
        ("hatch run test:ext", ["torch==2.8.0", "torch!=2.8.1"]),
        ("hatch -e test run ext", ["torch==2.8.0", "torch!=2.8.1"]),
        ("hatch run test.py3.11:ext", ["torch==2.8.0", "torch!=2.8.1"]),
        ("hatch shell alone", []),
        ("hatch env create other", ["torch==2.6.0"]),
        ("hatch env run -e round x", ["torch==2.5.0"]),
        ("hatch test", ["torch==2.4.0"]),
        ("hatch build", []),
        ("make", []),
    ],
)
def test_what_hatch_installs_afterwards(tmp_path: Path, line: str, expected: list[str]) -> None:
    (tmp_path / "inner").mkdir()
    assert by_hatch(tmp_path, "pip install -e .", line) == []
    (tmp_path / "pyproject.toml").write_text(HATCH)
    assert by_hatch(tmp_path, "pip install -e .", line) == expected
    assert by_hatch(tmp_path, "uv pip install -e .", line) == expected
    # What a person has it run.
    assert by_hatch(tmp_path, "pip install torch==2.9.0 ./ext", line) == ["torch==2.9.0"]


def test_more_of_where_hatch_says_it(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "pyproject.toml").write_text(HATCH)
    assert by_hatch(tmp_path, "pip install -e .", "hatch run ext", "round") == ["torch==2.5.0"]
    (tmp_path / "hatch.toml").write_text('[envs.default]\ndependencies = ["torch==2.3.0"]\n')
    assert by_hatch(tmp_path, "pip install -e .", "hatch run ext") == ["torch==2.3.0"]


def test_what_uv_compiles(tmp_path: Path) -> None:
    (tmp_path / "a.in").write_text("torch==2.6.0\n")
    (tmp_path / "b.txt").write_text("torch<2.7\n")
    assert requirements(ask(tmp_path, UV, "pip", "compile", "a.in", "-c", "b.txt", "-o", "torch.txt")) == [
        "torch==2.6.0",
        "torch<2.7",
    ]
