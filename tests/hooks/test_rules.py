"""Rules of a package through the hooks: what they require, set and refuse."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

SETUP_PY = """
import json, os
from pathlib import Path
import torch
from setuptools import setup
seen = {name: os.environ.get(name) for name in ("TAG", "JOBS", "BOTH", "NEVER")}
Path(os.environ["SEEN"]).write_text(json.dumps(seen))
setup(packages=[])  # so that it is run for metadata too
"""
RULES = """
[[tool.torchgraft.when]]
torch = ">=2.8,<2.9"
accelerator = "cuda"
requires = ["triton==3.*"]
env = { TAG = "cu{cuda_major}torch{torch_minor}", BOTH = "first" }

[[tool.torchgraft.when]]
gcc = ">=1"
env = { JOBS = "-j{jobs}", BOTH = "second" }

[[tool.torchgraft.when]]
if-env.SWITCH = true
env = { NEVER = "switched" }

[[tool.torchgraft.when]]
if-env.FORBIDDEN = true
error = "this cannot be built"
"""


@pytest.fixture
def compiler(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    for name in ("gcc", "g++"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\necho 12.2.0\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return {"CC": str(tmp_path / "bin" / "gcc"), "CXX": str(tmp_path / "bin" / "g++")}


def test_a_build(make_project: Any, make_caller: Any, tmp_path: Path, compiler: dict[str, str]) -> None:
    seen = tmp_path / "seen.json"
    caller = make_caller(make_project({"setup.py": SETUP_PY}, extra=RULES), SEEN=str(seen), SWITCH="1", **compiler)
    assert caller.get_requires_for_build_wheel() == ["triton==3.*"]
    (tmp_path / "meta").mkdir()
    metadata = tmp_path / "meta" / caller.prepare_metadata_for_build_wheel(tmp_path / "meta")
    assert json.loads(seen.read_text()) == {
        "TAG": "cu12torch2.8",
        "JOBS": None,
        "BOTH": "first",
        "NEVER": "switched",
    }
    wheel = tmp_path / caller.build_wheel(tmp_path, metadata_directory=str(metadata))
    found = json.loads(seen.read_text())
    assert found["JOBS"].removeprefix("-j").isdecimal()
    assert found["BOTH"] == "second"
    with zipfile.ZipFile(wheel) as archive:
        record = json.loads(archive.read("ext-1.0.dist-info/torchgraft.json"))
    assert record["variables"] == json.loads((metadata / "torchgraft.json").read_text())["variables"]


def test_what_a_user_has_set_stays(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    seen = tmp_path / "seen.json"
    caller = make_caller(make_project({"setup.py": SETUP_PY}, extra=RULES), SEEN=str(seen), TAG="mine")
    (tmp_path / "meta").mkdir()
    caller.prepare_metadata_for_build_wheel(tmp_path / "meta", {"torchgraft.env.BOTH": "told"})
    found = json.loads(seen.read_text())
    assert (found["TAG"], found["BOTH"], found["NEVER"]) == ("mine", "told", None)


def test_an_error(make_project: Any, make_caller: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    project = make_project({"setup.py": SETUP_PY}, extra=RULES)
    caller = make_caller(project, SEEN=str(tmp_path / "seen.json"), FORBIDDEN="yes")
    for refused in (caller.get_requires_for_build_wheel, lambda: caller.build_wheel(tmp_path)):
        with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
            refused()
        said = capfd.readouterr().err
        assert "error[rule-error]: ext: this cannot be built" in said
        assert "rule:   4: FORBIDDEN is on" in said
    (tmp_path / "meta").mkdir()
    assert caller.prepare_metadata_for_build_wheel(tmp_path / "meta")
    assert caller.build_sdist(tmp_path)
