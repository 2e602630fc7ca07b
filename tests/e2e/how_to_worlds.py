"""The machines on which the commands of the pages are run: what is there before the first of them is typed.

A world is named by its parts, with commas: `torch, sources of flash-attn`. May not run what a page says.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .front_ends.tools import PDM, POETRY, program
from .laboratory import CHECKOUT, HERE, PROJECTS, Environment, Laboratory, Workplace
from .stub_projects import UV, environment
from .stub_torch import Stubs, make_sdist, make_wheel

SHAPES = HERE / "projects" / "shapes"
STUB = "2.9.0"  # of the default index; a CUDA build, as on PyPI

_CPU_TORCH = {
    "torch/__init__.py": (
        "from torch import cuda as cuda\nfrom torch import version as version\n"
        "from torch.version import __version__ as __version__\n"
    ),
    "torch/version.py": (
        "__version__ = '2.9.0+cpu'\ndebug = False\ncuda = None\nhip = None\n"
        "git_version = '0000000000000000000000000000000000000000'\n"
    ),
    "torch/cuda.py": "def is_available():\n    return False\n",
    "torch/__config__.py": "def parallel_info():\n    return 'ATen parallel backend: OpenMP'\n",
    "torch/utils/__init__.py": "",
    "torch/utils/cpp_extension.py": (
        "import functools\n\nfrom setuptools import Extension as CppExtension\n"
        "from setuptools.command.build_ext import build_ext\n\nCUDA_HOME = None\n\n\n"
        "def include_paths(device_type='cpu'):\n    return []\n\n\n"
        "def CUDAExtension(*args, **kwargs):\n"
        "    raise OSError('CUDA_HOME environment variable is not set. Please set it to your CUDA install root.')\n\n\n"
        "class BuildExtension(build_ext):\n"
        "    @classmethod\n"
        "    def with_options(cls, **options):\n"
        "        return functools.partial(cls)\n"
    ),
}


@dataclass(frozen=True)
class World:
    """A machine: where commands are typed, and their variables.

    `additions` are put at the end of files that a page writes: where this machine has its packages from.
    """

    place: Workplace
    folder: Path
    programs: Path
    variables: dict[str, str] = field(default_factory=dict)
    additions: dict[str, str] = field(default_factory=dict)

    def activate(self, made: Environment) -> None:
        self.variables["VIRTUAL_ENV"] = str(made.prefix)
        self.variables["PATH"] = os.pathsep.join([str(made.prefix / "bin"), self.variables["PATH"]])

    def add_program(self, name: str, file: Path) -> None:
        (self.programs / name).symlink_to(file)

    def run(self, text: str, number: int) -> tuple[int, str]:
        """Return the exit status and the output of a command; folder and variables stay as it leaves them."""
        kept = self.place.folder / "shell"
        kept.mkdir(exist_ok=True)
        script = self.place.folder / f"command-{number}.sh"
        script.write_text(
            f'[ ! -e {kept}/variables ] || . {kept}/variables\n[ ! -e {kept}/folder ] || cd "$(cat {kept}/folder)"\n'
            f"{text}\nstatus=$?\npwd > {kept}/folder\nexport -p > {kept}/variables\nexit $status\n",
            encoding="utf-8",
        )
        outcome = self.place.run(["bash", script], cwd=self.folder, **self.variables)
        return outcome.status, outcome.said

    @property
    def working_folder(self) -> Path:
        kept = self.place.folder / "shell" / "folder"
        return Path(kept.read_text(encoding="utf-8").strip()) if kept.exists() else self.folder


class Worlds:
    """Makes worlds. The command line of torchgraft is installed once, as `uv tool install` would."""

    def __init__(self, stubs: Stubs, laboratory: Callable[[], Laboratory]) -> None:
        self._stubs = stubs
        self._laboratory = laboratory
        self._tool: Path | None = None
        make_sdist_of("my-ext", "1.0", stubs)

    def make(self, name: str) -> World:
        parts = [part.strip() for part in name.split(",")]
        real = not {"real torch", "wheels of a real torch"}.isdisjoint(parts)
        place = self._laboratory().workplace() if real else self._stubs.workplace()
        folder = place.folder / "work"
        programs = place.folder / "programs"
        for path in (folder, programs):
            path.mkdir()
        world = World(place, folder, programs)
        world.variables["PATH"] = os.pathsep.join([str(programs), place.path])
        # A command may change an environment that it made or was given, never the interpreter that runs the tests.
        # UV_PYTHON would name that one, and beat every environment that a page makes.
        world.variables["PIP_REQUIRE_VIRTUALENV"] = "1"
        world.add_program("uv", Path(UV))
        world.add_program("uvx", Path(UV).with_name("uvx"))
        world.add_program("torchgraft", self._torchgraft())
        for part in parts:
            self._add(part, world)
        place.variables.pop("UV_PYTHON", None)
        self._stubs.indexes.forget()
        return world

    def _add(self, part: str, world: World) -> None:
        if part in _PARTS:
            _PARTS[part](world, self._stubs)
        elif part == "real torch":
            _real_torch(world, self._laboratory())
        elif part == "wheels of a real torch":
            wheels = self._laboratory().torch_wheels()
            world.variables["PIP_FIND_LINKS"] = f"{world.place.variables['PIP_FIND_LINKS']} {wheels.as_uri()}"
        elif part.startswith("sources of "):
            name = part.removeprefix("sources of ").removesuffix(" next door")
            to = world.folder.with_name(name) if part.endswith(" next door") else world.folder
            shutil.copytree(PROJECTS.get(name, SHAPES / name), to, dirs_exist_ok=True)
        else:
            raise ValueError(f"no world has {part!r}")

    def _torchgraft(self) -> Path:
        if self._tool is None:
            place = self._stubs.workplace()
            made = environment(place, self._stubs, "torchgraft", name="tool")
            self._tool = made.prefix / "bin" / "torchgraft"
        return self._tool


def make_sdist_of(name: str, version: str, stubs: Stubs) -> None:
    """Put a package on the default index."""
    source = stubs.outside / "sources" / name
    if not source.exists():
        shutil.copytree(SHAPES / name, source)
        make_sdist(source, stubs.indexes.folder / "default", name, version)


def _python(world: World, _: Stubs) -> None:
    python = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    for name in ("python", "python3"):
        world.add_program(name, python)


def _no_torch(world: World, stubs: Stubs) -> None:
    world.activate(environment(world.place, stubs, "pip"))


def _torch(world: World, stubs: Stubs) -> None:
    world.activate(environment(world.place, stubs, "pip", f"torch=={STUB}"))


def _cpu_torch(world: World, stubs: Stubs) -> None:
    wheel = make_wheel(world.place.folder / "wheels", "torch", "2.9.0+cpu", _CPU_TORCH)
    world.activate(environment(world.place, stubs, "pip", str(wheel)))


def _real_torch(world: World, laboratory: Laboratory) -> None:
    made = laboratory.environment("pip")
    pip = made.prefix / "bin" / "pip"  # what is linked from another installation has no scripts
    pip.write_text(f'#!/bin/sh\nexec {made.python} -m pip "$@"\n', encoding="utf-8")
    pip.chmod(0o755)
    world.activate(made)


def _poetry(world: World, stubs: Stubs) -> None:
    world.add_program("poetry", program(POETRY, CHECKOUT / ".environments"))
    world.variables.update(POETRY_NO_INTERACTION="1", POETRY_VIRTUALENVS_IN_PROJECT="1")
    # It takes the place of PyPI nowhere but here.
    source = f'\n[[tool.poetry.source]]\nname = "local"\nurl = "{stubs.indexes.url()}"\npriority = "primary"\n'
    world.additions["pyproject.toml"] = source


def _pdm(world: World, stubs: Stubs) -> None:
    world.add_program("pdm", program(PDM, CHECKOUT / ".environments"))
    world.variables.update(PDM_PYPI_URL=stubs.indexes.url(), PDM_CHECK_UPDATE="0")


_PARTS: dict[str, Callable[[World, Stubs], None]] = {
    "python": _python,
    "no torch": _no_torch,
    "torch": _torch,
    "CPU torch": _cpu_torch,
    "poetry": _poetry,
    "pdm": _pdm,
}
