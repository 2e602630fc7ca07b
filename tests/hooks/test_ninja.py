"""ninja is asked for, found and missed, by hooks in processes of their own."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import os, shutil
from setuptools import Extension, setup
if os.environ.get("NINJA_SEEN"):
    with open(os.environ["NINJA_SEEN"], "w") as file:
        file.write(shutil.which("ninja") or "")
# As far as the syntax tree tells.
if False:
    from torch.utils.cpp_extension import BuildExtension, CppExtension
    CppExtension("ext_c", ["ext.c", "more.c"])
setup(ext_modules=[Extension("ext_c", ["ext.c", "more.c"])])
"""
FILES = {"setup.py": SCRIPT, "more.c": "int more;"}


def a_program(folder: Path, text: str = "#!/bin/sh\necho 1.13.0\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ninja").write_text(text)
    (folder / "ninja").chmod(0o755)
    return folder


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a PATH with a compiler and without ninja."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("gcc", "cc", "c++", "g++", "ld", "as", "sh", "env"):
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    return str(folder)


def test_ninja_is_asked_for_where_none_works(make_project: Any, make_caller: Any, path: str, tmp_path: Path) -> None:
    project = make_project(FILES)
    assert make_caller(project, PATH=path).get_requires_for_build_wheel() == ["ninja"]
    broken = a_program(tmp_path / "broken", "#!/no/such/python\n")
    assert make_caller(project, PATH=f"{broken}:{path}").get_requires_for_build_wheel() == ["ninja"]
    works = a_program(tmp_path / "works")
    assert make_caller(project, PATH=f"{works}:{path}").get_requires_for_build_wheel() == []


def test_what_is_compiled_one_after_the_other_says_so(
    make_project: Any, make_caller: Any, path: str, tmp_path: Path, capfd: Any
) -> None:
    project = make_project(FILES)
    name = make_caller(project, PATH=path).build_wheel(tmp_path)
    said = "one file after the other: there is no working ninja: pip --python"
    assert f"torchgraft: torch compiles {said}" in capfd.readouterr().err
    with zipfile.ZipFile(tmp_path / name) as archive:
        built = json.loads(archive.read(f"{name[:7]}.dist-info/torchgraft.json"))["built"]
    assert built["jobs"] == 1
    assert built["serial"].startswith("there is no working ninja")


@pytest.mark.skipif(sys.platform == "win32", reason="programs stand elsewhere")
def test_ninja_of_an_environment_that_is_not_activated_is_found(
    make_project: Any, make_caller: Any, path: str, tmp_path: Path
) -> None:
    import subprocess

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    a_program(python.parent)
    caller = make_caller(make_project(FILES), PATH=path, NINJA_SEEN=str(tmp_path / "seen"))
    caller.python_executable = str(python)
    site = next(p for p in sys.path if p.endswith("site-packages"))
    environment = {"PYTHONPATH": f"{Path(__file__).parents[2] / 'src'}:{site}"}
    runner = caller._subprocess_runner

    def run(command: list[str], cwd: str | None = None, extra_environ: dict[str, str] | None = None) -> None:
        runner(command, cwd, {**(extra_environ or {}), **environment})

    with caller.subprocess_runner(run):
        name = caller.build_wheel(tmp_path)
    # By the script that has it ask the jobserver.
    assert f"exec {python.parent / 'ninja'} " in Path((tmp_path / "seen").read_text()).read_text()
    with zipfile.ZipFile(tmp_path / name) as archive:
        built = json.loads(archive.read(f"{name[:7]}.dist-info/torchgraft.json"))["built"]
    assert built["serial"] is None
