"""What uv is asked about a project whose requirements it would have to build the project to know."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.errors import ActError
from torchgraft.tools.adopt.stated_requirements import read_stated

STATIC = '[project]\nname = "app"\nversion = "1"\ndependencies = ["one"]\n'
PARTS = f"""\
{STATIC}
[project.optional-dependencies]
old = ["torch<2.9"]
new = ["torch>=2.9"]
[dependency-groups]
dev = ["three"]
"""
DYNAMIC = '[project]\nname = "app"\nversion = "1"\ndynamic = ["dependencies"]\n'
OF_SETUPTOOLS = '[tool.setuptools.dynamic]\ndependencies = { file = "requires.txt" }\n'
SOURCES = '[tool.uv.sources]\none = { git = "https://x.example/one" }\ntwo = { path = "../two" }\n'
OF_HATCH = f'[build-system]\nbuild-backend = "hatchling.build"\n{DYNAMIC}[tool.hatch.x]\nfiles = ["requires.txt"]\n'
LITERAL = 'from setuptools import setup\nsetup(install_requires=["one"], extras_require={"x": ["two"]})\n'
COMPUTED = 'from setuptools import setup\nsetup(install_requires=open("requires.txt").read().split())\n'
PYPROJECT = ("pyproject.toml",)
LAYOUTS = {
    "static": ({"pyproject.toml": STATIC}, PYPROJECT, ()),
    "setuptools, by a file": (
        {"pyproject.toml": DYNAMIC + OF_SETUPTOOLS + SOURCES, "requires.txt": "one\ntwo  # x\n\nthree\n"},
        (),
        ("one @ git+https://x.example/one", "three"),
    ),
    "setup.py alone": ({"setup.py": LITERAL}, (), ("one", "two")),
    "setup.py, and no [project]": ({"setup.py": LITERAL, "pyproject.toml": "[tool.x]\n"}, (), ("one", "two")),
    "setup.py that reads a file": ({"setup.py": COMPUTED, "requires.txt": "-r more.txt\n"}, ("requires.txt",), ()),
    "another backend, by a file": ({"pyproject.toml": OF_HATCH, "requires.txt": "one\n"}, ("requires.txt",), ()),
    "installed once": (
        {"setup.py": COMPUTED, "app.egg-info/PKG-INFO": "Name: app\nVersion: 1\nRequires-Dist: one\n"},
        (),
        ("one",),
    ),
    "poetry's tables": (
        {"pyproject.toml": f'{DYNAMIC}[tool.poetry.dependencies]\npython = "^3.10"\none = "*"\n'},
        (),
        ("one",),
    ),
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("files", "asked", "lines"), LAYOUTS.values(), ids=LAYOUTS)
def test_what_is_read(tmp_path: Path, files: dict[str, str], asked: tuple[str, ...], lines: tuple[str, ...]) -> None:
    found = read_stated(write(tmp_path, files))
    assert (found.lines, found.everything) == (lines, asked)


def test_what_was_adopted_stands_for_what_an_index_has(tmp_path: Path) -> None:
    text = '[pypi-dependencies]\none = { path = "adopted/one-1.tar.gz", extras = ["x"] }\ntwo = { path = "../two" }\n'
    found = read_stated(write(tmp_path, {"pixi.toml": text}), ["one-1.tar.gz"])
    assert found.lines == ("one[x]",)


def test_what_may_conflict_is_asked_piece_by_piece(tmp_path: Path) -> None:
    stated = read_stated(write(tmp_path, {"pyproject.toml": PARTS}))
    assert stated.everything == (*PYPROJECT, "--group", "pyproject.toml:dev", "--extra", "old", "--extra", "new")
    assert stated.pieces == (
        PYPROJECT,
        ("--group", "pyproject.toml:dev"),
        ("pyproject.toml", "--extra", "old"),
        ("pyproject.toml", "--extra", "new"),
    )


def test_a_guess_is_called_one(tmp_path: Path) -> None:
    (note,) = read_stated(write(tmp_path, {"setup.py": COMPUTED, "requires.txt": "one"})).notes
    assert note.endswith("is computed when it is built: requires.txt, which that names, is taken for it")


def test_what_only_the_backend_knows(tmp_path: Path) -> None:
    with pytest.raises(ActError, match="is computed when it is built") as caught:
        read_stated(write(tmp_path, {"setup.py": COMPUTED}))
    assert caught.value.problems[0].code == "no-resolution"
