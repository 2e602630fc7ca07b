"""The house: imports go down the list of rooms, never up, never in a circle; names occur once; deciding is pure."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torchgraft.settings.sources import read_pyproject

PACKAGE = Path(__file__).parents[2] / "src" / "torchgraft"
# The stand-in is no part of the package: it is copied to where the delegate finds it.
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "stand_in" not in path.parts)
# Top floor first. What is no room (errors, codec, files, ...) is below all of them.
ROOMS = (
    *("__main__", "build_meta", "cli", "tools", "hook", "prebuilt", "compile", "wheel", "link", "ladder", "wanted"),
    *("settings", "installed", "consumer", "project", "model"),
)
DOORS = {"cli", "build_meta", "tools"}
# What deciding may not ask: the same snapshot has to give the same plan on any machine.
IMPURE = {"os", "subprocess", "tempfile", "time", "platform", "sysconfig", "shutil", "socket", "random"}
IMPURE_CALLS = {
    *("open", "default_environment", "sys_tags", "cpython_tags", "compatible_tags", "read_text", "read_bytes"),
    *("Path", "PurePath"),  # they take the separators of the machine that runs this
}
PURE = [path for path in MODULES if path.stem.startswith("plan") or path.parent.name == "model"]


def place(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def floor(target: tuple[str, ...]) -> int:
    return ROOMS.index(target[0]) if target and target[0] in ROOMS else len(ROOMS)


def relative_imports(path: Path) -> list[tuple[str, ...]]:
    """Return the modules of the package that a module imports, anywhere in it."""
    found = []
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = (*base, *(node.module.split(".") if node.module else ()))
            below = [(*module, alias.name) for alias in node.names if (*module, alias.name) in PLACES]
            found += below or [module]
    return [target for target in found if target]


PLACES = {place(path): path for path in MODULES}


def absolute_imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    own = place(path)
    for target in relative_imports(path):
        assert floor(own) <= floor(target), f"{path.name} imports {'.'.join(target)}"
        if target[0] in DOORS:
            assert own[0] in {"__main__", "cli", "tools"}, f"{path.name} imports a door"


def test_no_circles() -> None:
    arrows = {where: set(relative_imports(path)) - {where} for where, path in PLACES.items()}
    while gone := [where for where, targets in arrows.items() if not targets & arrows.keys()]:
        for where in gone:
            del arrows[where]
    assert not arrows


def test_no_two_files_have_the_same_name() -> None:
    counts = Counter(path.name for path in MODULES if path.name != "__init__.py")
    assert [name for name, count in counts.items() if count > 1] == []


def test_no_two_types_have_the_same_name() -> None:
    counts = Counter(
        node.name for path in MODULES for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", PURE, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_deciding_is_pure(path: Path) -> None:
    assert not absolute_imports(path) & IMPURE
    assert sorted(impure_calls(ast.parse(path.read_text()))) == []


def impure_calls(tree: ast.AST) -> Iterator[str]:
    """Yield what is asked of the interpreter that runs this, or of the disk: packaging fills markers in from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in IMPURE_CALLS or name == "evaluate":
                yield f"{name} in line {node.lineno}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            yield f"sys.{node.attr} in line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_absolute_imports_are_declared(path: Path) -> None:
    """A vendored copy runs under any name, and never imports torch or setuptools."""
    assert absolute_imports(path) <= {*sys.stdlib_module_names, *declared_modules(), "_winapi", "tomllib"}


@functools.cache
def declared_modules() -> frozenset[str]:
    """Return the modules of what pyproject.toml requires; what is not installed here is taken to have its name."""
    project = read_pyproject(PACKAGE.parents[1])["project"]
    texts = [*project["dependencies"], *project["optional-dependencies"]["cli"]]
    names = {canonicalize_name(Requirement(text).name) for text in texts}
    installed = importlib.metadata.packages_distributions()
    found = {module for module, owners in installed.items() if names & set(map(canonicalize_name, owners))}
    return frozenset(found | {name.replace("-", "_") for name in names})


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_its_one_job(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
