"""The machines on which the commands of the pages are run: what is there before the first of them is typed.

A world is named by its parts, with commas: `torch, sources of flash-attn`. May not run what a page says.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.specifiers import SpecifierSet

from .front_ends.tools import PDM, POETRY, program
from .laboratory import CHECKOUT, HERE, PROJECTS, Environment, Laboratory, Workplace
from .stub_projects import UV, Package, environment
from .stub_torch import CU128, Stubs, make_sdist, make_wheel

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

    `additions` are put at the end of files that a page writes: where this machine has its packages from. `instead` are
    addresses of this machine, by those that a page names.
    """

    place: Workplace
    folder: Path
    programs: Path
    variables: dict[str, str] = field(default_factory=dict)
    additions: dict[str, str] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Where the file system of an image would begin."""
        return self.place.folder / "root"

    def translated(self, text: str) -> str:
        for address, own in self.instead.items():
            text = re.sub(rf"{re.escape(address)}(?![\w/])", own, text)
        return text

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
            f"{self.translated(text)}\nstatus=$?\npwd > {kept}/folder\nexport -p > {kept}/variables\nexit $status\n",
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
        make_sdist_of("torch-scatter", "2.1.2", stubs)

    def has_torch(self, specifier: str) -> bool:
        """Return whether the real torch of these machines is one of those that are meant, as in 2.13.*."""
        return SpecifierSet(f"=={specifier}").contains(self._laboratory().torch_release)

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
        world.variables["UV_TOOL_BIN_DIR"] = str(programs)  # is on PATH, as ~/.local/bin is
        world.variables["TORCHGRAFT_COMPILER_CACHE"] = "off"  # what pages show is a machine without one
        world.add_program("uv", Path(UV))
        world.add_program("uvx", Path(UV).with_name("uvx"))
        world.add_program("torchgraft", self._torchgraft())
        world.instead["https://download.pytorch.org/whl/cu128"] = self._stubs.indexes.url(CU128)
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
            world.variables["UV_FIND_LINKS"] = f"{world.place.variables['UV_FIND_LINKS']},{wheels.as_uri()}"
            world.instead["--index-url https://download.pytorch.org/whl/cpu"] = "--no-index"
            # Takes what is published.
            published = f"{self._stubs.indexes.address}/published"
            world.variables.update({"UV_PUBLISH_URL": published, "UV_PUBLISH_TOKEN": "anything"})
            world.variables.update(UV_OFFLINE="0", UV_DEFAULT_INDEX=self._stubs.indexes.url())
        elif part.startswith("sources of "):
            name = part.removeprefix("sources of ").removesuffix(" next door")
            to = world.folder.with_name(name) if part.endswith(" next door") else world.folder
            shutil.copytree(PROJECTS.get(name, SHAPES / name), to, dirs_exist_ok=True)
        else:
            raise ValueError(f"no world has {part!r}")

    def _torchgraft(self) -> Path:
        if self._tool is None:
            place = self._stubs.workplace()
            made = environment(place, self._stubs, "torchgraft[cli]", name="tool")
            self._tool = made.prefix / "bin" / "torchgraft"
        return self._tool


def make_sdist_of(name: str, version: str, stubs: Stubs) -> None:
    """Put a package on the default index."""
    source = stubs.outside / "sources" / name
    if not source.exists():
        shutil.copytree(SHAPES / name, source)
        make_sdist(source, stubs.indexes.folder / "default", name.replace("-", "_"), version)


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


def _conda(world: World, stubs: Stubs) -> None:
    """An environment as an activated one of conda looks from outside; conda itself is not there."""
    _torch(world, stubs)
    prefix = Path(world.variables.pop("VIRTUAL_ENV"))
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "history").touch()
    world.variables.update(CONDA_PREFIX=str(prefix), CONDA_DEFAULT_ENV="train")
    world.variables.pop("PIP_REQUIRE_VIRTUALENV")


def _slurm(world: World, _: Stubs) -> None:
    """A cluster's programs: a job is run at once, with the variables that Slurm gives it."""
    job = "export SLURM_JOB_ID=1 SLURM_CPUS_PER_TASK=16 SLURM_CPUS_ON_NODE=16 SLURM_MEM_PER_NODE=65536\n"
    for name, text in {"sbatch": f'{job}exec bash "$1"\n', "module": "exit 0\n"}.items():
        program_file = world.programs / name
        program_file.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
        program_file.chmod(0o755)


def _git(world: World, _: Stubs) -> None:
    world.place.run(["git", "init", "--quiet"], cwd=world.folder).succeeded()


def _requirement_sources(world: World, _: Stubs) -> None:
    """The project that docs/how-to/adopt.md changes."""
    (world.folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["torch>=2.4", "setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
        encoding="utf-8",
    )
    (world.folder / "setup.py").write_text(
        "import torch\nfrom setuptools import setup\nfrom packaging.version import Version\n"
        'setup(name="ext", version="1.0")\n',
        encoding="utf-8",
    )


def _sdist(world: World, stubs: Stubs) -> None:
    """The same project, as an sdist."""
    source = world.place.folder / "source"
    source.mkdir()
    _requirement_sources(replace(world, folder=source), stubs)
    make_sdist(source, world.folder, "ext", "1.0")


def _stock(world: World, stubs: Stubs) -> None:  # noqa: ARG001 - as all parts
    """On the index: a package as its makers publish it."""
    source = stubs.outside / "sources" / "their-ext"
    if not source.exists():
        package = Package(name="their-ext", stock=True)
        make_sdist(package.write(source), stubs.indexes.folder / "default", package.module, "1.0")


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
    "conda": _conda,
    "Slurm": _slurm,
    "git": _git,
    "a project that requires torch": _requirement_sources,
    "an sdist": _sdist,
    "a package that imports torch": _stock,
    "poetry": _poetry,
    "pdm": _pdm,
}
