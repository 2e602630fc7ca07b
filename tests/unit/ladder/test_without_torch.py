from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from packaging.version import Version

from support import snapshots
from torchgraft.hook.plan import plan_build
from torchgraft.ladder.without_torch import StandInFolder, computed_metadata, made_stand_in, source_of_metadata
from torchgraft.model.torch_values import Origin, Torch
from torchgraft.settings.config import Config


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_meson_build_that_is_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "meson.build").write_bytes("# Universit\xe4t\nproject('x', version: '1')\n".encode("latin-1"))
    with source_of_metadata(tmp_path) as folder:
        text = (folder / "meson.build").read_text(encoding="utf-8")
    assert text.split() == ["project(", "'x'", ",", "version:", "'1'", ")"]


def test_a_question_that_is_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "refused").write_bytes(b"torch.\xe4\n")
    plan = plan_build(Config(), snapshots.snapshot())
    problem = StandInFolder(path=tmp_path).problem(plan)
    assert problem
    assert problem.code == "needs-torch"


@pytest.fixture
def version(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The stand-in's torch.__version__. Not all of its torch is imported, which would stay in this process."""
    with made_stand_in(Torch(version="2.13.0+cpu", folder="", origin=Origin.WHEEL)) as folder:
        package = ModuleType("torch")
        package.__path__ = [str(folder.path / "torch")]
        monkeypatch.setitem(sys.modules, "torch", package)
        yield importlib.import_module("torch.torch_version").__version__
        for name in [name for name in sys.modules if name.startswith("torch.")]:
            del sys.modules[name]


# What real torch 2.13.0+cpu answers.
COMPARISONS = {
    "v == 'parrots'": False,
    "v != 'parrots'": True,
    "v < 'abc'": True,
    "v >= 'abc'": False,
    "v == None": False,
    "v != None": True,
    "v == 2.0": False,
    "v in ('2.8.0', 'x y')": False,
    "v > '2.9'": True,
    "v < '2.9'": False,
    "v == '2.13+cpu'": True,
    "v != '2.13+cpu'": True,
    "v >= (2, 13)": True,
    "v < [2, 13, 1]": True,
    "v == '2.13.0+cpu'": True,
}


@pytest.mark.parametrize("question", COMPARISONS)
def test_the_version_compares_as_in_torch(version: str, question: str) -> None:
    assert eval(question, {"v": version}) is COMPARISONS[question]  # noqa: S307 - of ours


def test_the_version_compares_with_versions(version: str) -> None:
    assert version > Version("2.9")
    assert hash(version) == hash("2.13.0+cpu")


def test_the_version_has_no_order_with_a_number(version: str) -> None:
    with pytest.raises(TypeError, match="'<' not supported"):
        version < 2.0  # noqa: B015


def test_what_follows_the_torch_that_is_seen_is_met_by_any() -> None:
    text = "Name: ext\nRequires-Dist: torch=={}\nRequires-Dist: numpy\n\nRequires-Dist: torch==1 in its description\n"
    one, other = text.format("2.8.0"), text.format("2.7.0")
    assert computed_metadata([one, one]) == one
    assert computed_metadata([one, other]) == (
        "Name: ext\nRequires-Dist: numpy\nRequires-Dist: torch\n\nRequires-Dist: torch==1 in its description\n"
    )
    assert computed_metadata([one]) == ""
