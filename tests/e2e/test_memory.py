"""A build in which compilers are killed goes on with half the jobs: real ninja, real gcc, a real limit of memory.

Where no control group can be made, and on machines whose kernel does not kill in it, the compiler is one that kills
itself when another runs beside it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .laboratory import BUILD_TOOLS, Laboratory, Outcome, Workplace

pytestmark = pytest.mark.e2e

FILES = 4
NUMBERS = 500_000  # gcc needs 90 MB for as many
LIMIT_BYTES = 320 * 1024 * 1024
# As torch.utils.cpp_extension does it: one build.ninja, and as many jobs as MAX_JOBS says.
SETUP = f"""
import os, subprocess
from pathlib import Path
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

class Ninja(build_ext):
    def build_extension(self, ext):
        folder = Path("build", "objects").absolute()
        folder.mkdir(parents=True, exist_ok=True)
        rules = ["rule cc", "  command = " + os.environ.get("CXX", "g++") + " -O0 -c $in -o $out"]
        for i in range({FILES}):
            source = folder / f"{{i}}.cpp"
            if not source.exists():
                numbers = "1," * {NUMBERS}
                source.write_text(f"extern const int data{{i}}[]; const int data{{i}}[] = {{{{{{numbers}}}}}};")
            rules.append(f"build {{i}}.o: cc {{source}}")
        (folder / "build.ninja").write_text("\\n".join(rules) + "\\n")
        subprocess.run(["ninja", "-v", "-j", os.environ["MAX_JOBS"]], cwd=folder, check=True)

    def get_outputs(self):
        return []

    def copy_extensions_to_source(self):
        pass

setup(name="big", version="1", ext_modules=[Extension("big", [])], cmdclass={{"build_ext": Ninja}}, py_modules=[])
"""
PYPROJECT = """
[build-system]
requires = ["torchgraft", "setuptools", "ninja"]
build-backend = "torchgraft.build_meta"
"""
# Dies like one that the kernel kills: no last words of its own.
JEALOUS = """#!/bin/sh
mkdir "{lock}" 2>/dev/null || kill -9 $$
sleep 0.3
touch "$5"
rmdir "{lock}"
"""


@contextlib.contextmanager
def control_group(limit_bytes: int) -> Iterator[Path | None]:
    """Make a control group with a limit of memory; None where that is not allowed. Swap has to be off."""
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    root, name = (v1, "memory.limit_in_bytes") if v1.is_dir() else (v2, "memory.max")
    group = root / f"torchgraft-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        (group / name).write_text(str(limit_bytes))
        yield group if (group / "memory.stat").exists() and "\n/" not in Path("/proc/swaps").read_text() else None
    except OSError:
        yield None
    finally:
        for _ in range(50):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)


def in_group(group: Path, command: list[str | Path]) -> list[str | Path]:
    return ["/bin/sh", "-c", f'echo $$ > "{group}/cgroup.procs"; exec "$@"', "sh", *command]


def command_of(laboratory: Laboratory, workplace: Workplace) -> list[str | Path]:
    source = workplace.folder / "big"
    source.mkdir()
    (source / "setup.py").write_text(SETUP, encoding="utf-8")
    (source / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    environment = laboratory.environment("pip", "ninja", *BUILD_TOOLS)
    workplace.variables["PATH"] = f"{environment.python.parent}{os.pathsep}{workplace.variables['PATH']}"
    options = ("-v", "--no-deps", "--no-build-isolation", "--wheel-dir", str(workplace.folder))
    return [environment.python, "-m", "pip", "wheel", *options, source]


def steps(outcome: Outcome) -> list[str]:
    return re.findall(r"going on with (\d+) jobs", outcome.said)


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("g++"), reason="needs control groups and g++")
def test_the_kernel_kills_compilers(laboratory: Laboratory, workplace: Workplace) -> None:
    with control_group(LIMIT_BYTES) as group:
        if group is None:
            pytest.skip("no control group can be made here")
        command = in_group(group, command_of(laboratory, workplace))
        outcome = workplace.run(command, MAX_JOBS="4").succeeded()
    assert "Killed signal terminated program cc1plus" in outcome.said
    assert steps(outcome) in (["2"], ["2", "1"])


def test_a_compiler_that_dies_when_two_run_at_once(laboratory: Laboratory, workplace: Workplace) -> None:
    command = command_of(laboratory, workplace)
    compiler = workplace.folder / "jealous"
    compiler.write_text(JEALOUS.format(lock=workplace.folder / "lock"), encoding="utf-8")
    compiler.chmod(0o755)
    outcome = workplace.run(command, MAX_JOBS="4", CXX=str(compiler)).succeeded()
    assert steps(outcome) == ["2", "1"]
    # What was done was not done again.
    tries = outcome.said.split("going on with")
    compiled = re.findall(r"^\s*\[\d+/(\d+)\]", tries[-1], re.MULTILINE)
    assert compiled
    assert int(compiled[-1]) < FILES
