"""What torchgraft has uv install into the build environment: a fake uv stands on disk."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from torchgraft.errors import ActError
from torchgraft.ladder.late_install import install_late
from torchgraft.model.decision import LateInstall
from torchgraft.model.observation import Installer

FAKE = """\
#!{python}
import json, os, sys
with open("told.json", "w") as file:
    json.dump({{"arguments": sys.argv[1:], "mark": os.environ.get("MARK")}}, file)
print("first\\nsecond\\nerror: no such torch")
sys.exit({status})
"""


def late(folder: Path, *, status: int, requirement: str = "torch==2.8.0") -> LateInstall:
    program = folder / "uv"
    program.write_text(FAKE.format(python=sys.executable, status=status), encoding="utf-8")
    program.chmod(0o755)
    installer = Installer(program=str(program), folder=str(folder), options=("--offline",))
    return LateInstall(requirement=requirement, prefix="/build", installer=installer, reason="uv asks no more")


pytestmark = pytest.mark.skipif(os.name == "nt", reason="a program that is a script needs a first line that is obeyed")


def test_uv_is_run_where_it_was_with_what_it_was_told(tmp_path: Path) -> None:
    install_late(late(tmp_path, status=0), python="/build/bin/python", variables={"MARK": "1"})

    assert json.loads((tmp_path / "told.json").read_text(encoding="utf-8")) == {
        "arguments": ["pip", "install", "--python", "/build/bin/python", "--offline", "torch==2.8.0"],
        "mark": "1",
    }


def test_what_uv_says_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ActError, match="no such torch") as caught:
        install_late(late(tmp_path, status=2), python="/build/bin/python", variables={})
    assert [problem.code for problem in caught.value.problems] == ["torch-not-installed"]
    assert "run the same command again" in str(caught.value)


def test_a_toolkit_that_cannot_be_installed(tmp_path: Path) -> None:
    planned = late(tmp_path, status=2, requirement="cuda-toolkit[nvcc]==13.0.3")
    with pytest.raises(ActError, match=r"uv could not install cuda-toolkit") as caught:
        install_late(planned, python="/build/bin/python", variables={})
    assert [problem.code for problem in caught.value.problems] == ["no-cuda-toolkit"]


def test_a_uv_that_is_gone(tmp_path: Path) -> None:
    planned = late(tmp_path, status=0)
    (tmp_path / "uv").unlink()
    with pytest.raises(ActError, match=r"could not install torch==2\.8\.0"):
        install_late(planned, python="/build/bin/python", variables={})
