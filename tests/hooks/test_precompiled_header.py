"""C++ that is compiled with a precompiled torch/extension.h: a small header of that name, and a real gcc."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from torchgraft.compile.compilation import Compilation
from torchgraft.compile.precompiled_header import _make, through_header

# As torch's BuildExtension calls it.
COMPILES = """
import os, subprocess
from setuptools import setup

for name in ("a", "b", "c", "d"):
    with open(f"{name}.cpp", "w") as file:
        file.write("#include <torch/extension.h>\\\\nint x() { return value(); }")
    command = [os.environ.get("CXX", "c++"), "-I", os.environ["HEADERS"], "-c", f"{name}.cpp", "-o", f"{name}.o"]
    subprocess.run([*command, f"-DTORCH_EXTENSION_NAME={name}"], check=True)
setup()
"""
EXTRA = """
[tool.torchgraft]
precompiled-headers = true
"""
COUNTS = """#!/bin/sh
case "$*" in *c++-header*) echo made >>"$LOG"; [ -z "$SLOW" ] || sleep 1 ;; esac
exec g++ "$@"
"""
BROKEN = """#!/bin/sh
case "$*" in *c++-header*) echo made >>"$LOG"; echo "fatal error: No space left on device" >&2; exit 1 ;; esac
exec g++ "$@"
"""
gcc = pytest.mark.skipif(
    "Free Software" not in subprocess.run(["c++", "--version"], capture_output=True, text=True, check=False).stdout,
    reason="gcc alone has such headers",
)
pytestmark = [gcc, pytest.mark.skipif(os.name == "nt", reason="there is no gcc")]


class Desk:
    """Sources, headers, a compiler that counts, and the variables of one build."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache, self.log = folder, folder / "cache", folder / "log"
        self._builds = contextlib.ExitStack()
        self.include, self.source = folder / "torch 2" / "include", folder / "source" / "a.cpp"
        (self.include / "torch").mkdir(parents=True)
        (self.include / "torch" / "extension.h").write_text("#pragma once\n#include <vector>\n#include <value.h>\n")
        (self.include / "value.h").write_text("#pragma once\ninline int value() { return 1; }\n")
        self.source.parent.mkdir()
        self.source.write_text("// one\n#define TWO\n#include <torch/extension.h>\nint f() { return value(); }\n")
        self.use_compiler(COUNTS)

    def use_compiler(self, text: str) -> None:
        compiler = self.folder / "bin" / "c++"
        compiler.parent.mkdir(exist_ok=True)
        compiler.write_text(text)
        compiler.chmod(0o755)

    def begin(self, **more: str) -> dict[str, str]:
        """Return the variables of another build."""
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        variables = {**os.environ, "PATH": path, "LOG": str(self.log), **more}
        return self._builds.enter_context(through_header(variables, self.cache))

    def end(self) -> None:
        """End all builds."""
        self._builds.close()

    def compile(self, variables: dict[str, str], *flags: str) -> Any:
        command = [variables["CXX"], "-I", str(self.include), *flags, "-c", str(self.source), "-o", "a.o"]
        return subprocess.run(
            command, cwd=self.source.parent, env=variables, check=True, capture_output=True, text=True
        )

    def takes(self, variables: dict[str, str], *flags: str) -> bool:
        """Return whether gcc takes a precompiled header: `!` stands before those that it does (`-H`)."""
        return any(line.startswith("! ") for line in self.compile(variables, "-H", *flags).stderr.splitlines())

    @property
    def made(self) -> int:
        return self.log.read_text().count("made") if self.log.exists() else 0

    def entries(self) -> list[Path]:
        return [path for path in (self.cache / "headers").iterdir() if not path.name.startswith(".")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.end()


def test_it_is_made_once_and_taken_by_all(desk: Desk, capfd: Any) -> None:
    """Modules differ in their names, builds in the folders of their sources."""
    assert desk.takes(desk.begin(), "-DTORCH_EXTENSION_NAME=a")
    assert desk.takes(desk.begin(), "-DTORCH_EXTENSION_NAME=b", f"-ffile-prefix-map={desk.source.parent}=.")
    assert desk.takes(desk.begin(), f"-I{desk.folder / 'gone'}", f"-I{desk.source.parent}")
    assert desk.made == 1
    desk.end()
    assert "torchgraft: torch/extension.h is precompiled for this build and later ones: " in capfd.readouterr().err


@pytest.mark.parametrize("flags", [("-O2", "-g"), ("-O3", "-g", "-fPIC", "-std=c++20", "-Wall", "-Werror")])
def test_objects_are_the_same(desk: Desk, flags: tuple[str, ...]) -> None:
    desk.compile({**desk.begin(), "_TORCHGRAFT_PYTHON": ""}, *flags)
    plain = (desk.source.parent / "a.o").read_bytes()
    desk.compile(desk.begin(), *flags)
    assert desk.made == 1
    assert (desk.source.parent / "a.o").read_bytes() == plain
    assert "not used" not in desk.compile(desk.begin(), *flags).stderr


@pytest.mark.parametrize("option", ["-MMD", "-MD"])
def test_ninja_hears_of_the_headers_and_not_of_the_cache(desk: Desk, option: str) -> None:
    rule, flags = desk.source.with_suffix(".d"), (option, "-MF", "a.d")
    variables = desk.begin()
    desk.compile({**variables, "_TORCHGRAFT_PYTHON": ""}, *flags)
    plain = set(rule.read_text().replace("\\\n", "").split())
    desk.compile(variables, *flags)
    assert set(rule.read_text().replace("\\\n", "").split()) == plain
    assert desk.made == 1


def test_one_that_is_removed_meanwhile_is_not_missed(desk: Desk) -> None:
    desk.compile(desk.begin(), "-MMD", "-MF", "a.d")
    desk.use_compiler(f'#!/bin/sh\nrm -rf "{desk.cache}"/headers/*-*\n' + COUNTS)
    desk.compile(desk.begin(), "-MMD", "-MF", "a.d")
    assert "value.h" in desk.source.with_suffix(".d").read_text()
    assert desk.entries() == []


def test_other_flags_or_headers_are_another_one(desk: Desk) -> None:
    variables = desk.begin()
    assert desk.takes(variables)
    assert desk.takes(variables, "-DOTHER")
    assert desk.made == 2
    (desk.include / "value.h").write_text("#pragma once\ninline int value() { return 22; }\n")
    assert desk.takes(desk.begin())
    assert desk.made == 3
    # A folder that comes first has another value.h.
    other = desk.folder / "other"
    other.mkdir()
    (other / "value.h").write_text("#pragma once\ninline int value() { return 3; }\n")
    assert desk.takes(desk.begin(), f"-I{other}")
    (desk.include / "value.h").unlink()
    assert desk.takes(desk.begin(), f"-isystem{other}")
    assert desk.made == 5


@pytest.mark.parametrize(
    "text", ["#include <vector>\n#include <torch/extension.h>\n", "int x;\n#include <torch/extension.h>\n", "int x;\n"]
)
def test_it_is_not_made_for_files_that_begin_otherwise(desk: Desk, text: str) -> None:
    desk.source.write_text(text)
    assert not desk.takes(desk.begin())
    assert desk.made == 0


def test_where_gcc_does_not_take_it_the_build_says_so(desk: Desk) -> None:
    (desk.include / "value.h").write_text("#ifdef TORCH_EXTENSION_NAME\n#endif\ninline int value() { return 1; }\n")
    said = desk.compile(desk.begin(), "-DTORCH_EXTENSION_NAME=a", "-Werror").stderr
    assert "not used because `TORCH_EXTENSION_NAME' is defined [-Winvalid-pch]" in said


def test_one_that_cannot_be_made_costs_a_line_in_each_build(desk: Desk, capfd: Any) -> None:
    desk.use_compiler(BROKEN)
    line = "torchgraft: torch/extension.h is not precompiled, and C++ is compiled without: fatal error: No space left"
    for number in (1, 2):
        variables = desk.begin()
        assert [desk.compile(variables).stderr for _ in range(3)] == [""] * 3  # ccache would keep it
        desk.end()
        assert capfd.readouterr().err.count(line) == 1
        assert desk.made == number
    assert desk.entries() == []
    assert not list((desk.cache / "headers").glob(".*.tmp"))


def test_a_disk_that_is_nearly_full_is_not_filled(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_900_000_000))
    compilation = Compilation("a.cpp", (("-I", str(desk.include)),), ())
    with pytest.raises(ValueError, match="less than 2 GB are free"):
        _make("c++", compilation, str(desk.include / "torch" / "extension.h"), (), desk.cache / "headers" / "1-2")


def test_two_builds_at_once_make_one(desk: Desk) -> None:
    builds = [threading.Thread(target=desk.compile, args=(desk.begin(SLOW="1"),)) for _ in range(3)]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    assert desk.made == 1


def test_one_that_is_killed_leaves_nothing_that_is_taken(desk: Desk) -> None:
    variables = desk.begin(SLOW="1")
    command = [variables["CXX"], "-I", str(desk.include), "-c", str(desk.source), "-o", "a.o"]
    with subprocess.Popen(command, env=variables, cwd=desk.source.parent) as process:
        while not desk.made:
            assert process.poll() is None
        process.kill()
    assert desk.entries() == []
    assert desk.takes(desk.begin())


def test_without_a_place_there_is_a_build(desk: Desk, capfd: Any) -> None:
    desk.cache.mkdir()
    (desk.cache / "headers").write_text("")
    assert "_TORCHGRAFT_PYTHON" not in desk.begin()
    assert "torchgraft: torch/extension.h is not precompiled" in capfd.readouterr().err


@pytest.mark.parametrize("vendored", [False, True])
def test_a_build_uses_it(make_project: Any, make_caller: Any, desk: Desk, tmp_path: Path, *, vendored: bool) -> None:
    backend = "vendored.torchgraft.build_meta" if vendored else "torchgraft.build_meta"
    files = {f"csrc/{name}.cpp": "#include <torch/extension.h>" for name in "abcd"}
    project = make_project({"setup.py": COMPILES, **files}, extra=EXTRA, backend=backend)
    before = sorted(path for path in project.rglob("*") if "build" not in path.parts)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    variables = {"PATH": path, "LOG": str(desk.log), "HEADERS": str(desk.include), "TORCHGRAFT_COMPILER_CACHE": "off"}
    variables["PYTHONDONTWRITEBYTECODE"] = "1"  # for the hook; what compiles does not go by it
    caller = make_caller(project, backend=backend, TORCHGRAFT_CACHE_DIR=str(desk.cache), **variables)
    assert caller.build_wheel(tmp_path).endswith(".whl")
    assert desk.made == 1
    (entry,) = desk.entries()
    assert (entry / "torch" / "extension.h.gch").stat().st_size > 1_000_000
    assert not set(project.rglob("__pycache__")) - set(before) - set(project.glob("build/**/*"))
    shutil.rmtree(entry)
