"""`torchgraft matrix --build` with real uv and the stubs of torch: docs/how-to/ci.md says how it is used."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import uv

from torchgraft.untrusted import load_toml

from .how_to_worlds import SHAPES
from .laboratory import Outcome, Workplace, wait_until
from .stub_projects import environment
from .stub_torch import Stubs

pytestmark = pytest.mark.e2e

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
TAG = f"cp{PYTHON.replace('.', '')}"


# In the build of a wheel, and not in that of the sdist, which comes first.
WAITING = """
import atexit, pathlib, time
folder = pathlib.Path({folder!r})
if (folder / "environments").exists():
    building = folder / f"building-{{torch.__version__}}"
    building.mkdir()
    atexit.register(building.rmdir)
    late = time.monotonic() + 60
    while not ({condition}):
        assert time.monotonic() < late
        time.sleep(0.05)
"""
AT_ONCE = "len(list(folder.glob('building-*'))) == 2 or list(folder.glob('*.whl'))"
PREPARED = "len(list(folder.glob('logs/*'))) == 2 and len(list(folder.glob('building-*'))) == 1"
STABLE = """
from setuptools import Extension, setup

extension = Extension("my_ext._C", ["my_ext.c"], py_limited_api=True, define_macros=[("BUILT_FOR", '"any"')])
setup(packages=["my_ext"], ext_modules=[extension], options={"bdist_wheel": {"py_limited_api": "cp39"}})
"""
SLEEPING = """
import pathlib, time
if pathlib.Path({environments!r}).exists():
    pathlib.Path({sleeps!r}).touch()
    time.sleep(120)
"""


@dataclass
class Matrix:
    """A project, and the command that builds its wheels for this Python."""

    place: Workplace
    project: Path
    command: tuple[str | Path, ...]

    @property
    def wheels(self) -> Path:
        return self.place.folder / "wheels"

    def run(self, *arguments: str) -> Outcome:
        return self.place.run([*self.command, *arguments])

    def add_to_script(self, text: str) -> None:
        script = self.project / "setup.py"
        script.write_text(script.read_text(encoding="utf-8").replace("import torch\n", f"import torch\n{text}"))


@pytest.fixture
def matrix(stubs: Stubs) -> Matrix:
    place = stubs.workplace()
    project = place.folder / "my-ext"
    shutil.copytree(SHAPES / "my-ext", project)
    programs = place.folder / "programs"
    programs.mkdir()
    (programs / "uv").symlink_to(uv.find_uv_bin())
    (programs / f"python{PYTHON}").symlink_to(Path(place.variables["UV_PYTHON"]))
    place.variables["PATH"] = f"{programs}:{place.path}"
    url, out, index = place.folder.as_uri(), place.folder / "wheels", stubs.indexes.url("{build}")
    command = (sys.executable, "-m", "torchgraft", "matrix", project, "--build", "--url", url, "--out", out)
    return Matrix(place, project, (*command, "--index", index))


def test_cells_are_built_once_and_used(stubs: Stubs, matrix: Matrix) -> None:
    """Of one torch, then of two and of one that nobody has; then by a front end, as a prebuilt wheel."""
    place, project, wheels = matrix.place, matrix.project, matrix.wheels
    first = matrix.run("--python", PYTHON, "--torch", "2.8.0", "--cuda", "12.8").succeeded().said
    assert "1 of 1 wheels are in" in first
    done = matrix.run("--python", PYTHON, "--torch", ">=2.8.0,<2.9.1", "--cuda", ">=12.6,<13", "--every-patch")
    assert done.status == 1
    assert f"torch 2.8.0 cu128, Python {PYTHON}: there already, " in done.said
    assert f"torch 2.8.0 cu129, Python {PYTHON}: FAILED, torch 2.8.0+cu129 cannot be installed: " in done.said
    assert not list((wheels / "environments").iterdir())
    names = sorted(path.name for path in wheels.glob("*.whl"))
    assert [name.rpartition("-linux")[0] for name in names] == [
        f"my_ext-1.0+cu126torch2.8-{TAG}-{TAG}",  # as the stub says it is
        f"my_ext-1.0+cu126torch2.9-{TAG}-{TAG}",
    ]
    digests = (wheels / "wheels.sha256").read_text(encoding="utf-8")
    assert digests.splitlines() == [f"{hashed(wheels / name)}  {name}" for name in names]

    (project / "my_ext.c").write_text("#error is compiled\n", encoding="utf-8")
    shutil.copy(wheels / "wheels.sha256", project)
    for name in names:
        shutil.copy(wheels / name, place.folder)
    table = done.said.partition("beside it:\n\n")[2]
    assert load_toml(table)["tool"]["torchgraft"]["prebuilt"][0]["hashes"] == "wheels.sha256"
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(table)
    consumer = environment(place, stubs, "torch==2.8.0")
    place.run([uv.find_uv_bin(), "pip", "install", "--python", consumer.python, project]).succeeded()
    (record,) = consumer.site_packages.glob("my_ext-1.0.dist-info/torchgraft.json")
    assert json.loads(record.read_text(encoding="utf-8"))["prebuilt"][0]["used"]


@pytest.mark.parametrize(("cache", "condition"), [("off", AT_ONCE), ("sccache", PREPARED)], ids=["at once", "prepared"])
def test_builds_are_made_at_once_or_prepared(cache: str, condition: str, matrix: Matrix) -> None:
    """Prepared where a compiler cache knows only one place, as sccache does."""
    program = matrix.place.folder / "programs" / "sccache"
    program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    # Without ninja, a build takes all processors as long as it runs.
    matrix.place.variables |= {"TORCHGRAFT_COMPILER_CACHE": cache, "TORCHGRAFT_JOBSERVER": "off"}
    matrix.add_to_script(WAITING.format(folder=str(matrix.wheels), condition=condition))
    asked = ("--python", PYTHON, "--torch", ">=2.8.0,<2.9.1", "--cuda", "12.8", "--every-patch", "--json")
    said = matrix.run(*asked).succeeded().said
    found = json.loads(said[said.index("[\n") :])
    assert [(done["cell"]["torch"], done["fault"]) for done in found] == [("2.9.0", ""), ("2.8.0", "")]
    assert not list((matrix.wheels / "environments").iterdir())


def test_a_wheel_of_the_stable_abi_is_built_for_all_pythons_once(matrix: Matrix) -> None:
    """For an older one it is there; that nothing is compiled for this one is why the compiler may be a broken one."""
    minor = int(PYTHON.partition(".")[2])
    older = f"3.{minor - 1}"
    (matrix.project / "setup.py").write_text(STABLE, encoding="utf-8")
    asked = ("--torch", "2.8.0", "--cuda", "12.8", "--python")
    matrix.run(*asked, PYTHON).succeeded()
    state = matrix.wheels / "matrix.json"
    cells = f"torch-2.8.0-cu128-{TAG}", f"torch-2.8.0-cu128-cp{older.replace('.', '')}"
    state.write_text(state.read_text(encoding="utf-8").replace(*cells), encoding="utf-8")
    matrix.place.variables |= {"CC": "/bin/false", "TORCHGRAFT_STORE": "off"}

    said = matrix.run(*asked, f">={older},<3.{minor + 1}").succeeded().said

    assert f"torch 2.8.0 cu128, Python {older}: there already, my_ext-1.0+" in said
    assert f"torch 2.8.0 cu128, Python {PYTHON}: that of Python {older}, my_ext-1.0+" in said
    # The wheel is for that torch alone, and this compiler compiles nothing.
    failed = matrix.run("--torch", "2.9.0", "--every-patch", "--cuda", "12.8", "--python", PYTHON)
    assert f"torch 2.9.0 cu128, Python {PYTHON}: FAILED, it cannot be built: " in failed.said


def test_an_interrupted_matrix_leaves_no_process(matrix: Matrix) -> None:
    sleeps = matrix.place.folder / "sleeps"
    matrix.add_to_script(SLEEPING.format(environments=str(matrix.wheels / "environments"), sleeps=str(sleeps)))
    asked = ("--python", PYTHON, "--torch", "2.8.0", "--cuda", "12.8")
    with matrix.place.started([*matrix.command, *asked]) as process:
        wait_until(sleeps.exists, timeout_s=60)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 130
    wait_until(lambda: not matrix.place.processes(), timeout_s=10)


def hashed(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
