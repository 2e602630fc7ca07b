"""Projects for the stub of torch: a package whose setup.py imports torch, and what depends on it.

The package says which torch it was built against, and which one it meets. May not run a front end but to make an
environment.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from .laboratory import Environment, Outcome, Workplace
from .stub_torch import DEFAULT, Stubs, make_sdist

UV = uv.find_uv_bin()
MARK = "built-for: "
FORBIDDEN = "No module named 'torch'"
VERSION = "1.0"
PLAIN_REQUIRES = ("torchgraft", "setuptools>=77")

_SETUP = '''\
from pathlib import Path

import torch
from setuptools import setup
from setuptools.command.build_py import build_py
from torch.utils.cpp_extension import BuildExtension


class BuildPy(build_py):
    """Writes down which torch is there, as a compiler would by its headers."""

    def run(self):
        super().run()
        folder = Path("{module}") if self.editable_mode else Path(self.build_lib, "{module}")
        folder.mkdir(parents=True, exist_ok=True)
        text = f"VERSION = {{torch.__version__!r}}\\nGIT = {{torch.version.git_version!r}}\\n"
        (folder / "built_for.py").write_text(text)


setup({more}cmdclass={{"build_py": BuildPy, "build_ext": BuildExtension}})
'''
_MAIN = """\
import importlib.metadata
import json


def main():
    import torch

    from {module} import built_for

    record = importlib.metadata.distribution("{name}").read_text("torchgraft.json")
    print("{mark}" + json.dumps({{
        "built": [built_for.VERSION, built_for.GIT],
        "meets": [torch.__version__, torch.version.git_version],
        "requires": importlib.metadata.requires("{name}") or [],
        "record": json.loads(record or "null"),
    }}))


if __name__ == "__main__":
    main()
"""


@dataclass(frozen=True)
class Package:
    """How a package is laid out.

    `dynamic`: version and dependencies are said by setup.py. `computed`: and depend on torch. `stock`: as its makers
    published it, without torchgraft. Each of its `extras` is called as the distribution that it requires.
    """

    name: str = "ext"
    dynamic: bool = False
    computed: bool = False
    requires: tuple[str, ...] = PLAIN_REQUIRES
    depends: str = "torch"
    stock: bool = False
    extras: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    def write(self, folder: Path) -> Path:
        """Return the folder, with the package in it."""
        package = folder / self.module
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        main = _MAIN.format(module=self.module, name=self.name, mark=MARK)
        (package / "__main__.py").write_text(main, encoding="utf-8")
        setup = _SETUP.format(module=self.module, more=self._said_by_setup())
        (folder / "setup.py").write_text(setup, encoding="utf-8")
        (folder / "pyproject.toml").write_text(self._pyproject(), encoding="utf-8")
        return folder

    def _said_by_setup(self) -> str:
        if self.computed:
            extras = f"extras_require={ {name: [name] for name in self.extras} }, " if self.extras else ""
            return f'version="{VERSION}", install_requires=["torch>=" + torch.__version__.split("+")[0]], {extras}'
        return f'version="{VERSION}", install_requires=["{self.depends}"], ' if self.dynamic else ""

    def _pyproject(self) -> str:
        lines = [
            "[build-system]",
            f"requires = {json.dumps([one for one in self.requires if not self.stock or one != 'torchgraft'])}",
            f'build-backend = "{"setuptools" if self.stock else "torchgraft"}.build_meta"',
            "[project]",
            f'name = "{self.name}"',
        ]
        if self.dynamic or self.computed:
            more = ', "optional-dependencies"' if self.extras else ""
            lines.append(f'dynamic = ["version", "dependencies"{more}]')
        else:
            lines += [f'version = "{VERSION}"', f'dependencies = ["{self.depends}"]' if self.depends else ""]
        lines += ["[project.scripts]", f'{self.name} = "{self.module}.__main__:main"']
        return "\n".join([*lines, "[tool.setuptools]", f'packages = ["{self.module}"]', ""])


@dataclass(frozen=True)
class Report:
    """What the installed package said of itself: version and commit of torch, then and now."""

    built: tuple[str, str]
    meets: tuple[str, str]
    requires: tuple[str, ...]
    record: dict[str, object]


def read_report(outcome: Outcome) -> Report:
    lines = [line for line in outcome.succeeded().said.splitlines() if line.startswith(MARK)]
    assert lines, f"the package said nothing:\n{outcome.said}"
    data = json.loads(lines[-1].removeprefix(MARK))
    return Report(tuple(data["built"]), tuple(data["meets"]), tuple(data["requires"]), data["record"])


def ask(place: Workplace, python: str | Path, package: Package | None = None) -> Report:
    """Return what a package says that is installed where `python` is."""
    return read_report(place.run([python, "-m", (package or Package()).module]))


def assert_built_for(report: Report, version: str) -> None:
    """Assert that the package was built against the very torch that it meets, and that it is this one."""
    assert report.built == report.meets
    assert report.meets[0] == version


def assert_clean(outcome: Outcome) -> Outcome:
    """Assert that a command worked, and said nothing that leads astray."""
    outcome.succeeded()
    assert FORBIDDEN not in outcome.said, outcome.said
    return outcome


def publish(stubs: Stubs, package: Package) -> str:
    """Put the sdist of a package on the default index, if it is not there, and return the name of the file."""
    sdist = stubs.indexes.folder / DEFAULT / f"{package.name}-{VERSION}.tar.gz"
    if not sdist.exists():
        source = package.write(stubs.indexes.folder / "sources" / package.name)
        make_sdist(source, sdist.parent, package.name, VERSION)
        shutil.rmtree(source)
    return sdist.name


def environment(place: Workplace, stubs: Stubs, *requirements: str, name: str = "consumer") -> Environment:
    """Return a new virtual environment with these distributions; one with a local version is of the second index."""
    made = Environment(place.folder / name)
    place.run([UV, "venv", "--quiet", made.prefix]).succeeded()
    if requirements:
        other = any("+" in requirement for requirement in requirements)
        options = ["--index", stubs.indexes.url("cu128"), "--index-strategy", "unsafe-best-match"] if other else []
        place.run([UV, "pip", "install", "--quiet", "--python", made.python, *options, *requirements]).succeeded()
    if "pip" in requirements:
        # It is started four times and more, and may not compile itself.
        place.run([made.python, "-m", "compileall", "-q", made.site_packages / "pip"]).succeeded()
    stubs.indexes.forget()
    return made


def write_app(
    folder: Path, *dependencies: str, lines: Sequence[str] = (), path: str | None = None, name: str = "ext"
) -> Path:
    """Return a project that is no package itself. `path` is where its dependency `name` comes from."""
    folder.mkdir(parents=True, exist_ok=True)
    text = ["[project]", 'name = "app"', 'version = "1"', 'requires-python = ">=3.10"']
    text += [f"dependencies = {json.dumps(dependencies)}", *lines]
    text += ["[tool.uv.sources." + name + "]", f'path = "{path}"'] if path else []
    (folder / "pyproject.toml").write_text("\n".join([*text, ""]), encoding="utf-8")
    return folder
