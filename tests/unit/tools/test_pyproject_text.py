from __future__ import annotations

import pytest

from torchgraft.errors import ConfigError
from torchgraft.tools.adopt.pyproject_text import Edits, rewrite_pyproject

BACKEND = "torchgraft.build_meta"


def edits(**changes: object) -> Edits:
    return Edits(**{"backend": BACKEND, "backend_path": (), **changes})  # type: ignore[arg-type]


REWRITTEN = {
    "what goes makes place for what comes": (
        '[build-system]\nrequires = [\n  "setuptools",\n  "torch",  # for cpp_extension\n]\n'
        'build-backend = "setuptools.build_meta"\n',
        edits(replaced={1: None}, added=["torchgraft"]),
        '[build-system]\nrequires = [\n  "setuptools",\n  "torchgraft",  # for cpp_extension\n]\n'
        'build-backend = "torchgraft.build_meta"\n',
    ),
    "more goes than comes": (
        '[build-system]\nrequires = ["torch", "a", "torch>=2"]\n',
        edits(replaced={0: None, 2: None}, added=["torchgraft"]),
        '[build-system]\nrequires = ["torchgraft", "a"]\nbuild-backend = "torchgraft.build_meta"\n',
    ),
    "new keys stand behind requires": (
        '[build-system]\nrequires = ["a"]  # tools\n\n# about the project\n[project]\n',
        edits(added=["torchgraft"], backend_path=("_torchgraft",)),
        '[build-system]\nrequires = ["a", "torchgraft"]  # tools\nbuild-backend = "torchgraft.build_meta"\n'
        'backend-path = ["_torchgraft"]\n\n# about the project\n[project]\n',
    ),
    "without requires": (
        "[build-system]\n",
        edits(added=["torchgraft"]),
        '[build-system]\nrequires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n',
    ),
    "a path goes": (
        '[build-system]\nrequires = []\nbuild-backend = "x"\nbackend-path = ["."]\n[project]\n',
        edits(added=["torchgraft"]),
        '[build-system]\nrequires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n[project]\n',
    ),
    "no end of line": (
        "[build-system]\nrequires = []",
        edits(added=["torchgraft"], settings={"backend": "x"}),
        '[build-system]\nrequires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n'
        '\n[tool.torchgraft]\nbackend = "x"\n',
    ),
    "settings that are there": (
        '[build-system]\nrequires = []\n[ tool . "torchgraft" ]  # ours\nlog = "plan"\nmatch = ["torch"]\n[tool.x]\n',
        edits(added=["torchgraft"], settings={"match": ["torch", "torchvision"], "provide": "off"}),
        '[build-system]\nrequires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n'
        '[ tool . "torchgraft" ]  # ours\nlog = "plan"\nmatch = ["torch", "torchvision"]\nprovide = "off"\n[tool.x]\n',
    ),
    "below what is said of the whole file": (
        "# Copyright\n# of somebody\n\n[project]\n",
        edits(added=["torchgraft"]),
        "# Copyright\n# of somebody\n\n"
        '[build-system]\nrequires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n\n[project]\n',
    ),
    "above what is said of the first table": (
        "# the project\n[project]\n",
        edits(added=["torchgraft"]),
        '[build-system]\nrequires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n'
        "\n# the project\n[project]\n",
    ),
    "below keys of no table": (
        "project.name = 'x'\n",
        edits(added=["torchgraft"]),
        "project.name = 'x'\n\n"
        '[build-system]\nrequires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n',
    ),
    "dotted keys": (
        "build-system.requires = ['torch']\nproject.name = 'x'\n",
        edits(replaced={0: None}, added=["torchgraft"]),
        'build-system.requires = ["torchgraft"]\nbuild-backend = "torchgraft.build_meta"\n',
    ),
    "a comment before a comma": (
        "[build-system]\nrequires = [\n  'torch' # x\n  , ]\n",
        edits(replaced={0: None}, added=["torchgraft", "a"]),
        '[build-system]\nrequires = [\n  "a",\n  "torchgraft" # x\n  , ]\n'
        'build-backend = "torchgraft.build_meta"\n',
    ),
    "a comment before a comma, and nothing goes": (
        "[build-system]\nrequires = ['b' # x\n  , ]\n",
        edits(added=["torchgraft"]),
        "[build-system]\nrequires = [\"torchgraft\",'b' # x\n  , ]\nbuild-backend = \"torchgraft.build_meta\"\n",
    ),
    "strange characters": (
        "",
        edits(added=["a; x == '\"'"], backend="\x7f\u00e9\n"),
        '[build-system]\nrequires = ["a; x == \'\\"\'"]\nbuild-backend = "\\u007f\u00e9\\n"\n',
    ),
    "line ends and the byte order mark": (
        '\ufeff[build-system]\r\nrequires = [\r\n  "a",\r\n]\r\n',
        edits(added=["torchgraft"], settings={"backend": "x"}),
        '\ufeff[build-system]\r\nrequires = [\r\n  "a",\r\n  "torchgraft",\r\n]\r\n'
        'build-backend = "torchgraft.build_meta"\r\n\r\n[tool.torchgraft]\r\nbackend = "x"\r\n',
    ),
    "what only looks like it": (
        '[x]\na = """\n[build-system]\n"""\n[build-system]\nrequires = []\n[y]\nb = 1\n',
        edits(added=["torchgraft"]),
        '[x]\na = """\n[build-system]\n"""\n[build-system]\nrequires = ["torchgraft"]\n'
        'build-backend = "torchgraft.build_meta"\n[y]\nb = 1\n',
    ),
}  # fmt: skip
# They mean the same, however tomlkit writes them.
ONLY_MEANING = {"dotted keys"}


@pytest.mark.parametrize("name", sorted(REWRITTEN.keys() - ONLY_MEANING))
def test_the_text_afterwards(name: str) -> None:
    before, changes, after = REWRITTEN[name]
    assert rewrite_pyproject(before, changes) == after


def test_dotted_keys() -> None:
    before, changes, _ = REWRITTEN["dotted keys"]
    after = rewrite_pyproject(before, changes)
    assert "project.name = 'x'\n" in after
    assert "build-system" in after


def test_no_file() -> None:
    assert rewrite_pyproject(None, edits(added=["torchgraft"])).startswith("[build-system]\n")


def test_what_cannot_be_kept_is_refused() -> None:
    text = "tool = { x = 1 }\n[build-system]\nrequires = []\n"
    with pytest.raises(ConfigError, match=r"error\[cannot-rewrite\]"):
        rewrite_pyproject(text, edits(settings={"backend": "x"}))
