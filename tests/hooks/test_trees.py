"""What is left in source trees and folders by builds that fail, wait, or have a delegate that is different."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support import sites
from torchgraft.hook.cache_sweep import sweep_cache
from torchgraft.ladder.graft import link_graft
from torchgraft.model.decision import Graft
from torchgraft.model.observation import Link
from torchgraft.own_files import FileLock

from .conftest import PYTHON_FOLDER, ROOT, write_consumer

BUILT_FOR = """
import torch
from setuptools import Extension, setup

setup(ext_modules=[Extension("ext_c", ["ext.c"], define_macros=[("BUILT_FOR", '"' + torch.__version__ + '"')])])
"""
SAYS_IT = """
#include <Python.h>
const char *built_for = "built for " BUILT_FOR;
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ext_c", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_ext_c(void) { return PyModule_Create(&module); }
"""
FAILS = """
import os
from pathlib import Path
import torch
from setuptools import Extension, setup

macros = [("BUILT_FOR", '"' + torch.__version__ + '"')]
setup(
    ext_modules=[
        Extension("ext_a", ["a.c"], define_macros=macros),
        Extension("ext_b", ["b.c"], define_macros=[*macros, ("WRONG", os.environ.get("WRONG", ""))]),
        Extension("ext_c", ["c.c"], define_macros=macros),
    ]
)
"""


def test_a_build_for_another_torch_that_failed_leaves_no_module_for_the_old_one(
    make_project: Any, make_caller: Any, tmp_path: Path
) -> None:
    files = {f"{letter}.c": SAYS_IT.replace("ext_c", f"ext_{letter}") for letter in "abc"}
    files["b.c"] += "WRONG\n"
    project = make_project({"setup.py": FAILS, **files})
    builds = []
    for number, (version, wrong) in enumerate((("2.8.0", ""), ("2.9.0", "no C at all"), ("2.9.0", ""))):
        consumer = write_consumer(tmp_path / str(number), version)
        builds.append((make_caller(project, TORCHGRAFT_CONSUMER=str(consumer), WRONG=wrong), wrong))
    for caller, wrong in builds:
        if wrong:
            with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
                caller.build_wheel(tmp_path)
        else:
            name = caller.build_wheel(tmp_path)
    with zipfile.ZipFile(tmp_path / name) as archive:
        found = {entry: archive.read(entry) for entry in archive.namelist() if entry.endswith(".so")}
    assert len(found) == 3
    assert all(b"built for 2.9.0" in module for module in found.values())


def test_a_build_that_waited_for_another_one_looks_again_for_which_torch_the_tree_is(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path, capfd: Any
) -> None:
    project = make_project({"setup.py": BUILT_FOR, "ext.c": SAYS_IT})
    caller = make_caller(project, TORCHGRAFT_CONSUMER=str(consumer))
    caller.build_wheel(tmp_path)
    (made,) = (project / "build").glob("lib.*/ext_c*")
    (lock,) = (tmp_path / "cache" / "locks").glob("*.lock")
    before = made.stat().st_mtime_ns
    capfd.readouterr()
    other = FileLock(lock)
    assert other.acquire(timeout_s=0)
    with ThreadPoolExecutor() as pool:
        try:
            waiting = pool.submit(caller.build_wheel, str(tmp_path))
            said = ""
            while "another build is running in" not in said:
                assert not waiting.done()
                time.sleep(0.05)
                said += capfd.readouterr().err
            # It has looked, and seen a tree for its own torch. What it waits for builds for another one.
            (note,) = lock.parent.glob("*.torch")
            note.write_text(note.read_text().replace("2.8.0", "2.9.0"))
        finally:
            other.release()
        waiting.result()
    assert made.stat().st_mtime_ns > before


WITHOUT_METADATA_HOOK = """
from setuptools.build_meta import build_sdist, build_wheel, build_editable, get_requires_for_build_wheel
"""


@pytest.mark.parametrize("kind", ["wheel", "editable"])
@pytest.mark.filterwarnings("ignore:Editable installation")
def test_a_wheel_that_was_built_for_its_metadata_is_finished_before_it_is_handed_out(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path, kind: str
) -> None:
    extra = '[tool.torchgraft]\nbackend = "plain"\nbackend-path = ["own"]\n'
    project = make_project({"own/plain.py": WITHOUT_METADATA_HOOK}, extra=extra)
    caller = make_caller(project, TORCHGRAFT_CONSUMER=str(consumer))
    folder = tmp_path / "metadata"
    folder.mkdir()
    info = getattr(caller, f"prepare_metadata_for_build_{kind}")(str(folder))
    assert (folder / info / "METADATA").is_file()
    name = getattr(caller, f"build_{kind}")(str(tmp_path), None, str(folder / info))
    with zipfile.ZipFile(tmp_path / name) as archive:
        assert "ext-1.0.dist-info/torchgraft.json" in archive.namelist()


def test_metadata_that_come_from_files_are_not_written_into_the_wheel_again(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path
) -> None:
    project = make_project()
    caller = make_caller(project, TORCHGRAFT_CONSUMER=str(consumer))
    prepared = tmp_path / "metadata"
    prepared.mkdir()
    info = prepared / caller.prepare_metadata_for_build_wheel(str(prepared))
    assert json.loads((info / "torchgraft.json").read_text())["metadata"] == {"made_from": "files"}
    found = []
    for folder in (None, str(info)):
        with zipfile.ZipFile(tmp_path / caller.build_wheel(str(tmp_path), None, folder)) as archive:
            found.append([(member.filename, member.external_attr) for member in archive.infolist()])
    assert found[0] == found[1]


def test_a_torch_that_only_pythonpath_brings_is_there(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path
) -> None:
    # Environment modules of clusters, and Nix. No isolation, and a package that does not declare torch.
    (site,) = consumer.glob("lib/python*/site-packages")
    project = make_project()
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('dependencies = ["torch"]', ""))
    caller = make_caller(project, TORCHGRAFT_CONSUMER="", PYTHONPATH=os.pathsep.join([str(ROOT / "src"), str(site)]))
    name = caller.build_wheel(tmp_path)
    with zipfile.ZipFile(tmp_path / name) as archive:
        record = json.loads(archive.read("ext-1.0.dist-info/torchgraft.json"))
    assert record["torch"]["version"] == "2.8.0+cu128"


def test_a_folder_for_wheels_is_made(make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path) -> None:
    caller = make_caller(make_project(), TORCHGRAFT_CONSUMER=str(consumer))
    assert (tmp_path / "not" / "there" / caller.build_wheel(tmp_path / "not" / "there")).is_file()


def test_a_delegate_that_ends_without_an_answer(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path, capfd: Any
) -> None:
    caller = make_caller(make_project({"setup.py": "raise SystemExit(0)\n"}), TORCHGRAFT_CONSUMER=str(consumer))
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        caller.build_wheel(tmp_path)
    assert "error[delegate-failed]" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no umask")
def test_a_group_of_which_the_umask_thinks_well_changes_nothing(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path
) -> None:
    before = os.umask(0o002)
    try:
        caller = make_caller(
            make_project(), TORCHGRAFT_CONSUMER=str(consumer), TORCHGRAFT_CACHE_DIR=str(tmp_path / "a" / "cache")
        )
        for number in range(2):
            caller.build_wheel(tmp_path / str(number))
    finally:
        os.umask(before)
    for folder in (tmp_path / "a", tmp_path / "a" / "cache", tmp_path / "a" / "cache" / "locks"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_two_builds_at_once_remove_the_same_dead_grafts(tmp_path: Path) -> None:
    (tmp_path / "torch").touch()
    link = Link(name="torch", target=str(tmp_path / "torch"))
    link = Link(name="torch", target=str(tmp_path / "torch"))
    places = [tmp_path / "cache" / "grafts" / str(number) for number in range(4)]
    grafts = [Graft(folder=str(place), links=(link,), names=("torch",)) for place in places]

    def build(graft: Graft) -> None:
        sweep_cache(tmp_path / "cache", used=(link_graft(graft),), keep_s=0, most_bytes=0)

    for _ in range(10):
        for number in range(20):
            dead = tmp_path / "cache/grafts" / f"dead-{number}"
            dead.mkdir(parents=True, mode=0o700)
            (dead / "torch").symlink_to("/no/such/torch")
        (tmp_path / "cache").chmod(0o700)
        (tmp_path / "cache/grafts").chmod(0o700)
        with ThreadPoolExecutor() as pool:
            list(pool.map(build, grafts))
        assert sorted(path.name for path in (tmp_path / "cache/grafts").iterdir()) == ["0", "1", "2", "3"]


BOTH_FOLDERS = """
import os
import sys
import torch
from torch.version import __version__
from setuptools import setup

assert __version__ == "2.8.0+cu128"
places = [os.path.dirname(torch.__file__), *(os.path.join(entry, "torch") for entry in sys.path)]
for name in ("lib/libc10.so", "include/torch.h"):
    assert any(os.path.exists(os.path.join(place, name)) for place in places), (name, places)
setup()
"""


@pytest.mark.parametrize("way", ["graft", "present"])
@pytest.mark.parametrize("is_rebuilt", [False, True], ids=["redirect", "rebuild"])
def test_a_torch_that_is_in_two_folders(
    make_project: Any, make_caller: Any, tmp_path: Path, way: str, *, is_rebuilt: bool
) -> None:
    """As scikit-build-core makes it editable: modules in the checkout, and elsewhere what is compiled."""
    place = tmp_path / "place"
    site, tree = place / "lib" / PYTHON_FOLDER / "site-packages", tmp_path / "tree"
    compiled = tree / "build" / "platlib" if is_rebuilt else site
    site.mkdir(parents=True)
    sites.install_in_two_folders(site, tree, path_line=False, rebuilt=compiled if is_rebuilt else None)
    (place / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")
    variables = {"TORCHGRAFT_CONSUMER": str(place)}
    if way == "present":  # without isolation, where the finder has put both folders on the path
        path = os.pathsep.join(map(str, (ROOT / "src", tree, site, compiled)))
        variables = {"TORCHGRAFT_CONSUMER": "", "PYTHONPATH": path}
    wheel = make_caller(make_project({"setup.py": BOTH_FOLDERS}), **variables).build_wheel(tmp_path)
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("torchgraft.json"))
        record = json.loads(archive.read(name))
    # Its ABI is that of the library.
    assert (record["way"], record["torch"]["cxx11_abi"], record["torch"]["cuda"]) == (way, True, "12.8")
