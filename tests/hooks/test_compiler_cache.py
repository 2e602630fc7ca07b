"""Builds whose compilers go through a cache: programs that stand for ccache and sccache, and a real C++ compiler."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from support import snapshots
from support.compiling import hardware, plan
from torchgraft.compile.compiler_cache import _SCRIPT, compiler_script, through_cache
from torchgraft.files import names_in
from torchgraft.model.observation import Hook
from torchgraft.own_files import FileLock

# What torch's BuildExtension does with CXX; a launcher of the project's own is in front of it where LAUNCHER is set.
COMPILES = """
import os, subprocess
from pathlib import Path
import torch
from setuptools import setup

Path("ext.cpp").write_text("int x;")
command = [*os.environ.get("LAUNCHER", "").split(), os.environ.get("CXX", "c++"), "-c", "ext.cpp", "-o", "ext.o"]
subprocess.run(command, check=True)
with open(os.environ["SEEN"], "a") as seen:
    base = os.environ.get("CCACHE_BASEDIR")
    print(os.getcwd(), os.environ.get("TORCH_NO_COMPILER_WRAPPER"), torch.__file__, base, file=seen)
setup()
"""
LOGS = """#!/bin/sh
echo "$1 $3" >>"$LOG"
"$@"
"""
BROKEN = """#!/bin/sh
echo "the cache is broken" >&2
exit 1
"""
pytestmark = pytest.mark.skipif(os.name == "nt", reason="on Windows torch calls no compiler cache")


def program(folder: Path, name: str, text: str) -> str:
    """Return a PATH on which a program comes first, and neither real cache is."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    others = []
    for number, entry in enumerate(dict.fromkeys(os.environ["PATH"].split(os.pathsep))):
        names = names_in(Path(entry))
        if not {"ccache", "sccache"} & set(names):
            others.append(entry)
            continue
        links = folder.with_name(f"{folder.name}-{number}")  # /usr/bin, where c++ is too
        links.mkdir(exist_ok=True)
        for other in set(names) - {"ccache", "sccache", *names_in(links)}:
            (links / other).symlink_to(Path(entry, other))
        others.append(str(links))
    return os.pathsep.join([str(folder), *others])


@pytest.fixture
def build(make_project: Any, make_caller: Any, tmp_path: Path) -> Any:
    def build(path: str, files: dict[str, str] | None = None, extra: str = "", **variables: str) -> tuple[str, str]:
        """Return what went through the cache, and what setup.py saw."""
        log, seen = tmp_path / "log", tmp_path / "seen"
        project = make_project({"setup.py": COMPILES, **(files or {})}, extra=extra)
        caller = make_caller(project, PATH=path, LOG=str(log), SEEN=str(seen), **variables)
        assert caller.build_wheel(tmp_path).endswith(".whl")
        return log.read_text() if log.exists() else "", seen.read_text()

    return build


def test_compilers_are_called_through_it(build: Any, tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "ccache", LOGS)
    log, seen = build(path)
    compiler = shutil.which("c++", path=path)
    probe, compiled = log.splitlines()
    assert probe.startswith(f"{compiler} ")
    assert compiled == f"{compiler} ext.cpp"
    assert " 1 " in seen


def test_a_launcher_of_the_project_is_not_called_twice(build: Any, tmp_path: Path) -> None:
    log, _ = build(program(tmp_path / "bin", "ccache", LOGS), LAUNCHER="ccache")
    assert [line.rpartition(" ")[2] for line in log.splitlines()[1:]] == ["ext.cpp"]


def test_one_that_fails_costs_a_line_and_no_build(build: Any, tmp_path: Path, capfd: Any) -> None:
    _, seen = build(program(tmp_path / "bin", "ccache", BROKEN))
    said = capfd.readouterr().err
    assert "torchgraft: ccache is not used, and compilers run without: the cache is broken\n" in said
    assert " 1 " in seen  # nor does torch call it


def test_without_a_place_for_scripts_there_is_a_build(build: Any, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache" / "compilers").write_text("")
    build(program(tmp_path / "bin", "ccache", LOGS))
    assert "torchgraft: ccache is not used" in capfd.readouterr().err


@pytest.mark.parametrize("command", ["ccache g++", "masked", "no-such-compiler"])
def test_a_compiler_that_goes_through_a_cache_already_stays(command: str, tmp_path: Path) -> None:
    """torch 2.13 would write `ccache 'ccache g++'`: it is told to leave that."""
    path = program(tmp_path / "bin", "ccache", LOGS)
    (tmp_path / "bin" / "masked").symlink_to("ccache")  # as in /usr/lib/ccache
    torch = snapshots.CPU_TORCH
    seen = hardware(caches=(str(tmp_path / "bin" / "ccache"),))
    made = plan(torch, seen, hook=Hook.BUILD_WHEEL, project=snapshots.project())
    variables = {"PATH": path, "CXX": command}
    assert through_cache(made, variables, tmp_path / "scripts") == {**variables, "TORCH_NO_COMPILER_WRAPPER": "1"}
    assert through_cache(made, {"PATH": path}, tmp_path / "scripts") == {"PATH": path}


def test_a_compiler_that_is_replaced_has_another_script(tmp_path: Path) -> None:
    """What sccache or ccache is called with as a compiler may be the script: it must not be the same then."""
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\n")
    one = compiler_script(tmp_path / "scripts", _SCRIPT, compiler, cache="/usr/bin/ccache")
    assert compiler_script(tmp_path / "scripts", _SCRIPT, compiler, cache="/usr/bin/ccache") == one
    compiler.write_text("#!/bin/sh\n# 2\n")
    assert compiler_script(tmp_path / "scripts", _SCRIPT, compiler, cache="/usr/bin/ccache") != one


def name_of_its_own() -> str:
    """Return the name of a distribution whose fixed place no other test has."""
    return f"ext-{uuid.uuid4().hex[:8]}"


def named_sdist(make_project: Any, name: str) -> Path:
    """Return what an sdist of this name unpacks to."""
    project = Path(make_project({"setup.py": COMPILES, "PKG-INFO": "Metadata-Version: 2.4\n"}))
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('name = "ext"', f'name = "{name}"'))
    return project


@pytest.mark.parametrize("cache", ["ccache", "sccache"])
def test_a_cache_meets_the_same_paths(cache: str, make_project: Any, make_caller: Any, tmp_path: Path) -> None:
    project = named_sdist(make_project, name_of_its_own())
    path, before = program(tmp_path / "bin", cache, LOGS), sorted(project.rglob("*"))
    for number in (1, 2):
        unpacked = tmp_path / f"unpacked-{number}" / "source"
        shutil.copytree(project, unpacked)
        caller = make_caller(unpacked, PATH=path, LOG=str(tmp_path / "log"), SEEN=str(tmp_path / "seen"))
        caller.build_wheel(tmp_path)
        assert sorted(p.relative_to(unpacked) for p in unpacked.rglob("*")) == [p.relative_to(project) for p in before]
    first, second = (tmp_path / "seen").read_text().splitlines()
    assert first == second
    place = Path(first.split()[0])
    assert place.parts[:3] == ("/", "var", "tmp")
    assert Path(first.split()[2]).is_relative_to(place.parent)
    assert first.split()[3] == (str(place.parent) if cache == "ccache" else "None")
    assert not place.exists()
    shutil.rmtree(place.parent)


@pytest.mark.parametrize("taken", [1, 8])
def test_builds_at_once_have_places_beside_each_other(
    taken: int, make_project: Any, make_caller: Any, tmp_path: Path
) -> None:
    """What stands in one, by the way from it, is the same in all. Who finds them taken builds where the tree is."""
    name = name_of_its_own()
    project = named_sdist(make_project, name)
    first = Path("/var/tmp", f"torchgraft-{os.geteuid()}", name)  # noqa: S108
    places = [first, *(first / str(number) for number in range(2, taken + 1))]
    locks = [FileLock(place / "lock") for place in places]
    for place, lock in zip(places, locks, strict=True):
        place.mkdir(parents=True, mode=0o700)
        assert lock.acquire(timeout_s=0)
    first.parent.chmod(0o700)
    try:
        path = program(tmp_path / "bin", "ccache", LOGS)
        caller = make_caller(project, PATH=path, LOG=str(tmp_path / "log"), SEEN=str(tmp_path / "seen"))
        caller.build_wheel(tmp_path)
    finally:
        for lock in locks:
            lock.release()
    source, _, torch, base = (tmp_path / "seen").read_text().split()
    if taken == 1:
        assert (source, base) == (f"{first}/2/source", f"{first}/2")
        assert Path(torch).is_relative_to(f"{first}/2/grafts")
    else:
        assert source == base == os.path.realpath(project)
    shutil.rmtree(first)
