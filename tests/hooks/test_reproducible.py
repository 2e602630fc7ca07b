"""With SOURCE_DATE_EPOCH, wheels and sdists are the same under another umask, at another time, in another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hooks.conftest import ROOT, write_consumer

SETUP_PY = """
import os, torch
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
class Absolute(build_ext):  # as torch's own
    def build_extension(self, ext):
        ext.sources = [os.path.abspath(source) for source in ext.sources]
        super().build_extension(ext)
setup(
    ext_modules=[Extension("ext_c", ["ext.c"], extra_compile_args=["-g"])],
    cmdclass={"build_ext": Absolute},
    packages=["pkg"],
    package_data={"pkg": ["*"]},
)
"""
FILES = {
    "setup.py": SETUP_PY,
    "pkg/__init__.py": "",
    "pkg/run.sh": "#!/bin/sh\n",
    "MANIFEST.in": "include pkg/*\n",
    "pyproject.toml": """
    [build-system]
    requires = ["torchgraft", "setuptools"]
    build-backend = "torchgraft.build_meta"
    [project]
    name = "ext"
    version = "1.0"
    """,
}
EXT_C = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ext_c", __FILE__, -1, NULL};
PyMODINIT_FUNC PyInit_ext_c(void) { return PyModule_Create(&module); }
"""


def built(hook: str, project: Path, place: Path, make_caller: Any, umask: int, when_s: int, **variables: str) -> bytes:
    """Return what a hook makes of a copy of a project that somebody else has unpacked at another time."""
    before = os.umask(umask)
    try:
        copy = place / "tree"
        copy.mkdir(parents=True)
        for path in sorted(project.rglob("*")):
            target = copy / path.relative_to(project)
            if path.is_dir():
                target.mkdir()
                continue
            target.write_bytes(path.read_bytes())
            target.chmod((0o777 if path.suffix == ".sh" else 0o666) & ~umask)
            os.utime(target, (when_s, when_s))
        (place / "out").mkdir()
        caller = make_caller(copy, TORCHGRAFT_CACHE_DIR=str(place / "cache"), **variables)
        made = place / "out" / getattr(caller, hook)(str(place / "out"))
        return made.read_bytes()
    finally:
        os.umask(before)
        shutil.rmtree(place / "cache", ignore_errors=True)


@pytest.mark.parametrize("hook", ["build_wheel", "build_sdist"])
def test_the_same_bytes_for_another_user_in_another_folder(
    hook: str, make_project: Any, make_caller: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CFLAGS", "CXXFLAGS", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)
    project = make_project({**FILES, "ext.c": EXT_C})
    epoch = {"SOURCE_DATE_EPOCH": "1700000000"}
    one = built(hook, project, tmp_path / "a", make_caller, 0o022, 1_750_000_000, **epoch)
    other = built(hook, project, tmp_path / "other" / "place", make_caller, 0o077, 1_760_000_000, **epoch)
    assert one == other
    # Without it, all is as the backend makes it.
    assert built(hook, project, tmp_path / "b", make_caller, 0o077, 1_750_000_000) != one
    if hook == "build_wheel":
        (wheel,) = (tmp_path / "b" / "out").iterdir()
        with zipfile.ZipFile(wheel) as archive:
            assert archive.getinfo("pkg/run.sh").external_attr >> 16 == 0o100700
            (module,) = (name for name in archive.namelist() if name.startswith("ext_c"))
            assert str(tmp_path / "b" / "tree" / "ext.c").encode() in archive.read(module)


CALL = "import sys; from torchgraft import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
# Somebody else, who may read all: the interpreter may be where only root may look.
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
READING = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("setpriv") is not None


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else")
@pytest.mark.parametrize("hook", ["build_wheel", "build_sdist"])
def test_the_same_bytes_with_another_user_id(hook: str, make_project: Any) -> None:
    project, made = make_project({**FILES, "ext.c": EXT_C}), []
    hidden = ("TORCHGRAFT_", "CFLAGS", "CXXFLAGS", "XDG_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for user, as_user in ((0, ()), (65534, (*NOBODY, *READING))):
            place = Path(folder, f"of-{user}")
            shutil.copytree(project, place / "tree")
            (place / "out").mkdir()
            variables = {**inherited, "PYTHONPATH": str(ROOT / "src"), "SOURCE_DATE_EPOCH": "1700000000"}
            variables |= {"TORCHGRAFT_CONSUMER": str(write_consumer(place / "consumer")), "HOME": str(place)}
            for path in (place, *place.rglob("*")):
                os.chown(path, user, user)
            command = (*as_user, sys.executable, "-c", CALL, hook, str(place / "out"))
            subprocess.run(command, cwd=place / "tree", env=variables, check=True, timeout=120)
            (result,) = (place / "out").iterdir()
            assert result.stat().st_uid == user
            made.append(result.read_bytes())
    assert made[0] == made[1]
