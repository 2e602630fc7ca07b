"""Where a row is run: folders, an environment, variables that know only the local indexes, and what came of it.

May not know any row or front end by name.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..laboratory import (
    HERE,
    Environment,
    Outcome,
    Workplace,
    make_project_wheel,
    make_wheelhouse,
    making,
    system_path,
)
from ..stub_torch import CU128, DEFAULT, NOWHERE, Indexes, make_indexes, make_sdist, make_wheel, serve
from .model import Tool
from .tools import IN_CONSUMER, UV, pip, program

PACKAGE = HERE / "projects" / "ext"
MARK = "ext-report: "
FORBIDDEN = "No module named 'torch'"
TIMEOUT_S = 300
_EXTENSION = """
void _ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE(void);
void *PyInit__C(void) {
  _ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE();
  return 0;
}
"""
ENTRY = "[console_scripts]\n{name} = {name}:main\n"


@dataclass(frozen=True)
class Report:
    """What the installed package said of itself; and `said`, what an import of its extension module ended with."""

    built_for: Mapping[str, str]
    meets: Mapping[str, str]
    said: str
    record: Mapping[str, Any]


class Grounds:
    """The indexes and the front ends of one session."""

    def __init__(self, *, keep: Path, outside: Path, indexes: Indexes) -> None:
        self.indexes = indexes
        self._keep = keep
        self._outside = outside
        self._path = system_path(outside / "path")
        self._number = 0

    @property
    def uv(self) -> Path:
        return program(UV, self._keep)

    @property
    def own_cache(self) -> Path:
        return self._outside / "uv-cache"

    def bench(self, tool: Tool) -> Bench:
        """Return a new bench, with the front end on its PATH unless that is in the consumer."""
        self._number += 1
        folder = self._outside / f"row-{self._number}"
        folder.mkdir()
        links = self._outside / f"bin-{self._number}"
        links.mkdir()
        base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
            (links / name).symlink_to(base)
        bench = Bench(folder=folder, links=links, path=f"{links}{os.pathsep}{self._path}", grounds=self)
        if tool.requires:
            bench.provide(tool)
        return bench

    @property
    def extension(self) -> Path:
        """A module that has torch in its symbols, and cannot be loaded beside the stub."""
        module = self._outside / f"_C{sysconfig.get_config_var('EXT_SUFFIX')}"
        if not module.exists():
            source = module.with_name("c.c")
            source.write_text(_EXTENSION, encoding="utf-8")
            command = ["cc", "-shared", "-fPIC", "-o", str(module), str(source)]
            subprocess.run(command, check=True, timeout=TIMEOUT_S)
        return module

    def commands(self, tool: Tool) -> list[Path]:
        """Return the programs of a front end that has an environment of its own."""
        found = program(tool, self._keep)
        return [path for path in (found, found.with_name("uvx")) if path.exists()]


class Bench:
    """A folder of its own for one row. Its `work` is where commands are typed; situations lay it out."""

    def __init__(self, *, folder: Path, links: Path, path: str, grounds: Grounds) -> None:
        self.grounds = grounds
        self._links = links
        self.indexes = grounds.indexes
        # No checkout of any project is above it.
        self.work = folder / "work"
        self.work.mkdir()
        self._place = Workplace(folder, path, ())
        for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "UV_FIND_LINKS", "UV_OFFLINE", "UV_NO_CONFIG"):
            del self._place.variables[name]
        self.variables = self._place.variables
        self.variables.update(
            {
                "PIP_INDEX_URL": self.indexes.url(),
                "UV_DEFAULT_INDEX": self.indexes.url(),
                "PDM_PYPI_URL": self.indexes.url(),
                "PDM_CHECK_UPDATE": "0",
                "HTTP_PROXY": NOWHERE,
                "HTTPS_PROXY": NOWHERE,
                "NO_PROXY": "127.0.0.1,localhost",
                "no_proxy": "127.0.0.1,localhost",
                "POETRY_NO_INTERACTION": "1",
                "POETRY_VIRTUALENVS_IN_PROJECT": "1",
                "VIRTUALENV_NO_PERIODIC_UPDATE": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "TORCHGRAFT_LOG": "summary",
            }
        )

    @property
    def outside(self) -> Path:
        """A folder that is in no project."""
        return self._place.folder

    def provide(self, tool: Tool) -> None:
        """Put a front end on PATH, and nothing else of the environment that it is in."""
        for command in self.grounds.commands(tool):
            (self._links / command.name).symlink_to(command)

    def package(self, where: str = "ext", *, dynamic: bool = False) -> Path:
        """Lay out the package: all its metadata static, or version and dependencies said by setup.py alone."""
        folder = self.work / where
        shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        if dynamic:
            pyproject, script = folder / "pyproject.toml", folder / "setup.py"
            text = pyproject.read_text(encoding="utf-8")
            text = text.replace('version = "1.0"', 'dynamic = ["version", "dependencies"]')
            pyproject.write_text(text.replace('dependencies = ["torch"]\n', ""), encoding="utf-8")
            text = script.read_text(encoding="utf-8")
            script.write_text(
                text.replace("\nsetup(", '\nsetup(version="1.0", install_requires=["torch"], '), encoding="utf-8"
            )
        return folder

    def write(self, name: str, text: str) -> None:
        """Write a file; `{default}` and `{cu128}` are the addresses of the indexes, `{work}` is this folder."""
        file = self.work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        for index in (DEFAULT, CU128):
            text = text.replace("{" + index + "}", self.indexes.url(index))
        text = text.replace("{work}", str(self.work))
        file.write_text(text, encoding="utf-8")

    def environment(self, where: str, *requirements: str, activate: bool = False, system: bool = False) -> Environment:
        """Make a virtual environment with these distributions from the local indexes, below `work`."""
        made = Environment(self.work / where)
        venv.EnvBuilder(symlinks=True, with_pip=False, system_site_packages=system).create(made.prefix)
        if requirements:
            self.install(["--python", str(made.python)], *requirements)
        if activate:
            self.activate(made.prefix)
        return made

    def install(self, options: list[str], *requirements: str) -> None:
        """Install distributions by a uv that nobody looks at."""
        index = ["--default-index", self.indexes.url()]
        if any("+" in requirement for requirement in requirements):
            index += ["--index", self.indexes.url(CU128)]
        self.prepare("pip", "install", *index, *options, *requirements)

    def prepare(self, *words: str, where: str = ".") -> None:
        """Run a uv that nobody looks at, and whose cache no front end sees."""
        command = [self.grounds.uv, *words, "--quiet", "--cache-dir", str(self.grounds.own_cache), "--no-config"]
        self._place.run(command, cwd=self.work / where, VIRTUAL_ENV="").succeeded()

    def activate(self, prefix: Path) -> None:
        self.variables["VIRTUAL_ENV"] = str(prefix)
        self.variables["PATH"] = f"{prefix / 'bin'}{os.pathsep}{self.variables['PATH']}"

    def run(self, command: str) -> Outcome:
        """Return what a command did that was typed in `work`; no shell runs it.

        `cd X && A=B command < file` is understood, and no more; `$CU128` is the address of that index.
        """
        folder = self.work
        variables: dict[str, str] = {}
        if command.startswith("cd "):
            where, _, command = command.removeprefix("cd ").partition(" && ")
            folder /= where
        command, _, file = command.partition(" < ")
        said = (folder / file).read_text(encoding="utf-8") if file else ""
        words = shlex.split(command.replace("$CU128", self.indexes.url(CU128)))
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            variables[name] = value
        found = shutil.which(words[0], path=self.variables["PATH"]) if "/" not in words[0] else str(folder / words[0])
        assert found, f"there is no {words[0]}"
        wanted = [word for given in words[1:] for word in self._expanded(folder, given)]
        return self._place.run([found, *wanted], cwd=folder, timeout_s=TIMEOUT_S, said=said, **variables)

    @staticmethod
    def _expanded(folder: Path, word: str) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.glob(word)) if "*" in word else [word]


def read_report(said: str) -> Report:
    """Return the last thing that the package said."""
    lines = [line for line in said.splitlines() if MARK in line]
    assert lines, f"the package said nothing:\n{said}"
    return Report(**json.loads(lines[-1].partition(MARK)[2]))


@contextmanager
def made_grounds(keep: Path, outside: Path) -> Iterator[Grounds]:
    """Make the wheels and serve them, for as long as the block lasts."""
    if sys.platform == "win32":
        raise NotImplementedError("environments in POSIX layout")
    folder = outside / "indexes"
    wheelhouse = make_wheelhouse(keep)
    make_indexes(folder, wheelhouse, _front_end_wheels(keep), make_project_wheel(outside / "own", wheelhouse))
    source = outside / "ext"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
    make_sdist(source, folder / DEFAULT, "ext", "1.0")
    for name in ("app", "ext"):
        # An older version, with nothing to build.
        files = {f"{name}.py": "def main(): pass\n", f"{name}-0.9.dist-info/entry_points.txt": ENTRY.format(name=name)}
        make_wheel(folder / DEFAULT, name, "0.9", files, requires=("torch",))
    make_wheel(folder / DEFAULT, "pins_torch", "1.0", {"pins_torch.py": ""}, requires=("torch==2.8.0",))
    with serve(folder) as indexes:
        yield Grounds(keep=keep, outside=outside, indexes=indexes)


def _front_end_wheels(keep: Path) -> Path:
    """Return a folder with the wheels of the front ends that are installed into consumers; downloaded once."""
    wanted = [f"{tool.name}=={tool.version}" for tool in IN_CONSUMER]
    name = "-".join(["front-ends", *(str(tool) for tool in IN_CONSUMER), sys.implementation.cache_tag or ""])
    folder = keep / name
    with making(keep):
        if not folder.is_dir():
            draft = keep / f".{name}.{os.getpid()}"
            shutil.rmtree(draft, ignore_errors=True)
            for requirement in wanted:
                options = ("--quiet", "--no-deps", "--only-binary=:all:", "--dest", draft)
                pip(sys.executable, "-m", "pip", "download", *options, requirement)
            draft.rename(folder)
    return folder
