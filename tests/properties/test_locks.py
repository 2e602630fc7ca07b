from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from torchgraft.consumer.command_line import parse_arguments, parse_command_line
from torchgraft.installed.markers import Chosen, MarkerError, marker_holds
from torchgraft.model.observation import FrontEndName, Python
from torchgraft.model.torch_values import Locked
from torchgraft.wanted.arguments import Asked, read_asked_for
from torchgraft.wanted.lock_files import read_lock
from torchgraft.wanted.locked_torch import LockError, ReadLock, locked_answer
from torchgraft.wanted.other_locks import read_pdm_lock, read_poetry_lock, read_pylock
from torchgraft.wanted.uv_lock import read_uv_lock

PYTHON = Python(
    version="3.11.7", implementation="cpython", abi="cp311", platform="linux_x86_64", extension_suffix=".so"
)
FOLDER = Path(tempfile.gettempdir())
NAMES = {"uv.lock": FrontEndName.UV, "poetry.lock": FrontEndName.POETRY, "pdm.lock": FrontEndName.PDM}

MARKERS = st.sampled_from(
    [
        "",
        "sys_platform == 'linux'",
        "sys_platform == 'win32'",
        "extra == 'cpu'",
        "extra == 'extra-3-app-cpu' and extra != 'x'",
        "'gpu' in extras",
        "'default' not in dependency_groups",
        "python_full_version < '3.11.*'",
        "extra in extras",
        "((((",
    ]
)
WORDS = st.sampled_from(
    [
        "torch",
        "Torch",
        "app",
        ".",
        "1.0",
        "2.1",
        "4.5",
        "2.8.0",
        "2.8.0+cu128",
        "legacy",
        "url",
        "https://index.example/simple",
        "https://wheels.example/torch-2.8.0%2Bcu128-cp311-cp311-manylinux_2_28_x86_64.whl",
        "torch-2.8.0-py3-none-any.whl",
        "wheels/torch-2.8.0-1-py3-none-any.whl",
        "sha256:00ff",
        "https://[",
        "\0",
    ]
)
KEYS = st.sampled_from(
    re.findall(
        r"\S+",
        """
        name version source registry url path git editable virtual directory wheels hash hashes sha256 marker markers
        resolution-markers dependencies optional-dependencies dev-dependencies extra files file type reference archive
        vcs index requires-python groups package packages metadata lock-version lock_version manifest members
        requirements environments default-groups default group optional
        """,
    )
)
LEAVES = st.one_of(WORDS, MARKERS, st.text(max_size=8), st.integers(), st.booleans(), st.floats(allow_nan=False))
DATA = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=20
)
TABLES = st.dictionaries(KEYS, DATA, max_size=8)
# Mostly right: rubbish alone would never come past the version.
PACKAGES = st.lists(TABLES.map(lambda data: {"name": "torch", **data}) | TABLES, max_size=4)
LOCKS = st.builds(
    lambda data, packages, metadata: {
        "version": 1,
        "lock-version": "1.0",
        "package": packages,
        "packages": packages,
        "metadata": {"lock-version": "2.1", "lock_version": "4.5", **metadata},
        **data,
    },
    st.dictionaries(st.sampled_from(["environments", "manifest", "requires-python", "extras", "version"]), DATA),
    PACKAGES,
    st.dictionaries(st.sampled_from(["files", "groups", "lock_version"]), DATA, max_size=1),
)
CHOSEN = st.builds(
    Chosen, extras=st.frozensets(st.sampled_from(["cpu", "x"])), all_groups=st.booleans(), anything=st.booleans()
)


def find(kind: int, data: dict[str, object], settings_of: dict[str, object], chosen: Chosen) -> ReadLock:
    if kind == 0:
        return read_uv_lock(data, folder=FOLDER, settings=settings_of, python=PYTHON, chosen=chosen)
    if kind == 1:
        return read_pylock(data, folder=FOLDER, python=PYTHON, chosen=chosen)
    if kind == 2:
        return read_poetry_lock(data, folder=FOLDER, settings=settings_of, python=PYTHON, chosen=chosen)
    return read_pdm_lock(data, folder=FOLDER, project=settings_of, python=PYTHON, chosen=chosen)


def answer_text(kind: int, data: dict[str, object], settings_of: dict[str, object], chosen: Chosen) -> str:
    try:
        answer = locked_answer(find(kind, data, settings_of, chosen), FOLDER, PYTHON)
    except (LockError, MarkerError) as error:
        return str(error)
    assert answer.requirement is None or Requirement(answer.requirement.text).name == "torch"
    return repr(answer)


@settings(max_examples=400)
@given(st.integers(0, 3), LOCKS, TABLES, CHOSEN)
def test_any_data_gives_a_requirement_or_a_reason(
    kind: int, data: dict[str, object], settings_of: dict[str, object], chosen: Chosen
) -> None:
    first = answer_text(kind, data, settings_of, chosen)
    assert first
    assert first == answer_text(kind, data, settings_of, chosen)


@given(st.sampled_from(sorted(NAMES)), st.text() | st.binary(), st.text())
def test_any_text_in_a_lock_file_gives_a_value(name: str, content: str | bytes, pyproject: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_bytes(pyproject.encode("utf-8", "surrogatepass"))
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        Path(folder, name).write_bytes(data)
        found = [
            read_lock(folder, command=parse_arguments(NAMES[name], ()), python=PYTHON, extra_files=extra)
            for extra in ((), (), ("pylock.toml",), (name,))
        ]
    assert all(isinstance(locked, Locked) for locked in found)
    assert found[0] == found[1]


@given(st.text() | MARKERS, CHOSEN)
def test_any_marker_is_true_or_false_or_refused(text: str, chosen: Chosen) -> None:
    with contextlib.suppress(MarkerError):
        assert marker_holds(text, PYTHON, chosen) in (True, False)


ARGUMENT = st.text(max_size=12) | st.sampled_from(
    re.findall(
        r"\S+",
        """
        pip uv uvx python -m -r a.txt -c --with torch torch==2.8 torch@^2 --script -- run tool install sync add
        --pip-args train.py pylock.toml --override -w= --requirement= pipx inject --preinstall
        """,
    )
)


@given(st.sampled_from(list(FrontEndName)), st.lists(ARGUMENT, max_size=8), st.text() | st.binary())
def test_any_arguments_and_files_give_a_value(name: FrontEndName, arguments: list[str], content: str | bytes) -> None:
    command = parse_command_line(arguments) or parse_arguments(name, arguments)
    assert command == (parse_command_line(arguments) or parse_arguments(name, arguments))
    with tempfile.TemporaryDirectory() as folder:
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        for file in ("a.txt", "train.py"):
            Path(folder, file).write_bytes(data)
        variables = {"PIP_CONSTRAINT": "a.txt", "UV_OVERRIDE": "a.txt"}
        found = [read_asked_for(command, folder=folder, variables=variables, python=PYTHON) for _ in range(2)]
    assert isinstance(found[0], Asked)
    assert found[0] == found[1]
    assert all(Requirement(item.requirement.text).name == "torch" for item in found[0].requirements)


LINES = st.lists(
    st.sampled_from(
        ["torch==2.8", "-r a.txt", "-c b.txt", "torch @ ", "\\", "#", "; ", "${X}", "'", "--hash=x", "\ufeff", "\x0c"]
    )
    | st.text(max_size=6),
    max_size=10,
)


@given(LINES, st.sampled_from(["\n", "", " ", "\r"]))
def test_any_lines_of_requirements_give_a_value(lines: list[str], separator: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.txt").write_bytes(separator.join(lines).encode("utf-8", "surrogatepass"))
        command = parse_arguments(FrontEndName.PIP, ("install", "-r", "a.txt"))
        found = [read_asked_for(command, folder=folder, variables={}, python=PYTHON) for _ in range(2)]
    assert found[0] == found[1]
