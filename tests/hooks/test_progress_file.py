"""The file by which others learn how far a build is, of hooks in processes of their own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import os, sys, time
from setuptools import Extension, setup
if "bdist_wheel" in sys.argv:
    for number, file in enumerate(("a.cpp", "b.cpp"), 1):
        print(f"[{number}/2] c++ -c /src/{file} -o /b/{file}.o", flush=True)
    time.sleep(float(os.environ["TAKES_S"]))
    if os.environ.get("FAILS"):
        raise SystemExit("no way")
setup(ext_modules=[Extension("ext_c", ["ext.c"])])
"""


def last_builds(cache: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((cache / "builds").glob("*"))]


def test_a_build_leaves_how_long_it_took(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    project = make_project({"setup.py": SCRIPT})
    make_caller(project, TAKES_S="3.5").build_wheel(tmp_path)
    (build,) = last_builds(tmp_path / "cache")
    assert (build["name"], build["done"], build["total"], build["failed"]) == ("ext", 2, 2, False)
    assert build["ended_s"] - build["began_s"] > 3
    assert build["torch"] == "2.8.0+cu128"
    with pytest.raises(subprocess.CalledProcessError, match="non-zero exit status"):
        make_caller(project, TAKES_S="3.5", FAILS="1").build_wheel(tmp_path)
    (build,) = last_builds(tmp_path / "cache")
    assert build["failed"]


def test_nothing_is_written_where_nothing_is_wanted(make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    make_caller(make_project({"setup.py": SCRIPT}), TAKES_S="2.5", TORCHGRAFT_PROGRESS="off").build_wheel(tmp_path)
    assert not (tmp_path / "cache" / "builds").exists()
