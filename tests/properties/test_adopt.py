"""adopt is idempotent, and leaves every byte alone that is not of [build-system]."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchgraft.errors import ConfigError, TorchgraftError
from torchgraft.settings.sources import parse_pyproject
from torchgraft.tools.adopt.adoption import Adoptable, Advice, Import, Script
from torchgraft.tools.adopt.follow_script import Reached, follow
from torchgraft.tools.adopt.plan_adoption import plan_adoption

SCRIPT = Script(
    imports=(
        Import(module="torch", where="setup.py:1"),
        Import(module="packaging.version", where="setup.py:2"),
        Import(module="pkg_resources", where="setup.py:3"),
    )
)

# Each can stand anywhere in a file, together with any of the others.
TABLES = st.sampled_from(
    [
        '# a comment, with "quotes" and [brackets]\n',
        "\n",
        "   \t \n",
        "[project]\nname='x'   # odd\n  version = \"1\"\ndynamic=[ 'dependencies' ,\n]\n",
        "[tool.black]\nline-length=120\n",
        "[ tool . 'isort' ]\nprofile = \"black\"\n",
        "[tool.multi]\ntext = '''\n[build-system]\nrequires = [\"torch\"]\n'''\nother = \"\"\"a\\\n   b\"\"\"\n",
        "[[tool.list]]\na = 1\n[[tool.list]]\na = { b = [1, 2, {c = 3}] }\n",
        "[tool.numbers]\nx = 0xff\ny = 1e5\nz = 1979-05-27T07:32:00Z\nw = +1_000\n",
        "[tool.'quoted key'.\"x\\u00e9\"]\n\"a b\".c = true\n",
        '[project.urls]\nHome = "https://x.example/\u00e9\u4e16"\n',
    ]
)  # fmt: skip
REQUIREMENTS = st.sampled_from(
    [
        "setuptools>=61", "wheel", "Torch", "torch>=2.4", "torch==2.8.0 ; sys_platform == 'linux'", "torchvision",
        "numpy", "setuptools-scm[toml]>=8", "torch @ https://x.example/torch.whl", "torchgraft", "packaging",
    ]
)  # fmt: skip
SPACES = st.sampled_from(["", " ", "  ", "\n", "\n    ", ' # torch, "]"\n  ', "\n\n\t"])
INLINE = st.sampled_from(["", " ", "\t"])
NO_SPACE = st.sampled_from([" ", ""])


@st.composite
def arrays(draw: st.DrawFn, space: st.SearchStrategy[str] = SPACES) -> str:
    items = draw(st.lists(REQUIREMENTS, max_size=5))
    quoted = [draw(st.sampled_from(['"{}"', "'{}'"] if "'" not in item else ['"{}"'])).format(item) for item in items]
    text = "".join(f"{draw(space)}{item}{draw(space)}," for item in quoted)
    if text and draw(st.booleans()):
        text = text[:-1]
    return f"[{text}{draw(space)}]"


@st.composite
def build_systems(draw: st.DrawFn) -> str:
    header = draw(st.sampled_from(["[build-system]", "[ build-system ]", "['build-system']", '["build-system"] # x']))
    backend = draw(
        st.sampled_from(
            [
                "",
                'build-backend = "setuptools.build_meta"\n',
                "build-backend='setuptools.build_meta:__legacy__' # keep\n",
                'build-backend\t= "mesonpy"\nbackend-path = [ "a" ]\n',
            ]
        )
    )
    requires = f"{draw(INLINE)}requires{draw(INLINE)}={draw(INLINE)}{draw(arrays())}{draw(INLINE)}\n"
    lines = [requires, backend]
    if draw(st.booleans()):
        lines.reverse()
    return f"{header}\n" + "".join(lines)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, str, str]:
    """Return what stands before the table, the table, and what stands behind it."""
    pieces = draw(st.lists(TABLES, max_size=6, unique=True))
    cut = draw(st.integers(0, len(pieces)))
    before, table, behind = "".join(pieces[:cut]), draw(build_systems()), "".join(pieces[cut:])
    if draw(st.booleans()):
        before, table, behind = (part.replace("\n", "\r\n") for part in (before, table, behind))
    if draw(st.booleans()):
        before = f"\ufeff{before}"
    return before, table, behind


def parses(text: str) -> bool:
    try:
        parse_pyproject(text.removeprefix("\ufeff"))
    except ConfigError:
        return False
    return True


def outcome(text: str) -> str:
    """Return what becomes of a text: a code of our own errors, or that it was adopted."""
    try:
        after = plan_adoption(Adoptable(pyproject=text, script=SCRIPT)).after
    except TorchgraftError as error:
        return error.problems[0].code
    return "adopted" if after is None or "torchgraft" in after else after


@given(documents())
def test_only_the_table_changes(parts: tuple[str, str, str]) -> None:
    before, table, behind = parts
    text = before + table + behind
    assert parses(text)
    found = Adoptable(pyproject=text, script=SCRIPT)
    after = plan_adoption(found).after
    assert after
    assert after.startswith(before)
    own = after.rfind("[tool.torchgraft]")
    rest = after if own < 0 else after[:own]
    assert rest.endswith((behind, f"{behind}\n", f"{behind}\r\n"))
    if "\r\n" in text:
        assert "\n" not in after.replace("\r\n", "")
    # The comments of the table stay, but those of lines that went.
    assert after.count(" # keep") == table.count(" # keep")
    again = plan_adoption(replace(found, pyproject=after))
    assert (again.verdict, again.changes, again.after) == (Advice.ADOPTED, (), None)


@given(st.lists(TABLES, max_size=6, unique=True), st.booleans(), st.booleans())
def test_a_file_without_the_table_is_kept_whole(pieces: list[str], crlf: bool, mark: bool) -> None:  # noqa: FBT001
    text = "".join(pieces)
    if crlf:
        text = text.replace("\n", "\r\n")
    given = f"\ufeff{text}" if mark else text
    after = plan_adoption(Adoptable(pyproject=given, script=SCRIPT)).after
    assert after
    start = after.index("[build-system]\r\n" if crlf and text else "[build-system]\n")
    head = after[:start]
    assert given.startswith(head.rstrip("\r\n") if not given.startswith(head) else head)
    kept = [line for line in text.splitlines() if line.strip()]
    lines = after.removeprefix("\ufeff").splitlines()
    for line in kept:
        assert line in lines
    assert parse_pyproject(text).items() <= parse_pyproject(after.removeprefix("\ufeff")).items()


@given(arrays(space=st.sampled_from(["", " "])), st.booleans())
def test_an_inline_table(array: str, newline: bool) -> None:  # noqa: FBT001
    text = f'build-system = {{ requires = {array}, build-backend = "setuptools.build_meta" }}' + "\n" * newline
    found = Adoptable(pyproject=text, script=SCRIPT)
    after = plan_adoption(found).after
    assert after
    assert plan_adoption(replace(found, pyproject=after)).after is None


@given(st.text(alphabet="[]build-system\n='\"{}.,# torch\r\ufeff"))
def test_text_is_adopted_or_refused(text: str) -> None:
    assert outcome(text) in {"bad-toml", "wrong-type", "cannot-rewrite", "adopted"}


WORDS = st.sampled_from(
    [
        "import torch",
        "x = []",
        "x.append(1)",
        "if x:",
        "else:",
        "def f():",
        "f()",
        "return x",
        "while x:",
        "pass",
        "x = f",
    ]
)


@given(st.lists(st.tuples(st.integers(0, 3), WORDS), max_size=12))
def test_any_script_is_followed(lines: list[tuple[int, str]]) -> None:
    import ast

    text = "\n".join("    " * depth + line for depth, line in lines)
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    try:
        compile(tree, "x", "exec")
    except SyntaxError:
        return
    assert isinstance(follow(tree), Reached)


@pytest.mark.parametrize("depth", [50, 2000])
def test_nested_toml(depth: int) -> None:
    text = f"[tool.x]\ny = {'[' * depth}{']' * depth}\n"
    assert outcome(text) in {"bad-toml", "cannot-rewrite", "adopted"}
