"""Imports go down a floor, never up; look, act and decide do not know each other; nobody imports a door."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "torchgraft"
# The stand-in is no part of the package: it is copied to where the delegate finds it.
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "stand_in" not in path.parts)
# finish is one more cycle of the rooms, after the delegate; the doors call it.
FLOORS = {"build_meta": 5, "cli": 5, "__main__": 5, "finish": 4, "look": 3, "act": 3, "decide": 2}
DOORS = 5
VALUES = 1
MAY_NOT_IMPORT = {"look": {"act", "decide"}, "act": {"look", "decide"}, "decide": {"look", "act"}}
THIRD_PARTY = {
    "cxxfilt",
    "cyclonedx",
    "elftools",
    "filelock",
    "installer",
    "packageurl",
    "packaging",
    "platformdirs",
    "psutil",
    "pyproject_hooks",
    "shtab",
    "tomli",
    "tomlkit",
    "urllib3",
}


def room(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def relative_imports(path: Path) -> list[tuple[str, ...]]:
    found = []
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = tuple(node.module.split(".")) if node.module else ()
            found += [(*base, *module)] if module else [(*base, alias.name) for alias in node.names]
    return [target for target in found if target and target[0] != "__version__"]


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
    own = room(path.relative_to(PACKAGE).parts)
    for target in relative_imports(path):
        other = room(target)
        assert FLOORS.get(other, VALUES) <= FLOORS.get(own, VALUES), f"{path.name} imports {'.'.join(target)}"
        assert other not in MAY_NOT_IMPORT.get(own, set()), f"{path.name} imports {'.'.join(target)}"
        if FLOORS.get(other) == DOORS:
            assert own in {other, "__main__"}, f"{path.name} imports a door"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_absolute_imports_are_declared(path: Path) -> None:
    """A vendored copy runs under any name, and never imports torch or setuptools."""
    known = set(sys.stdlib_module_names) | THIRD_PARTY | {"_winapi", "tomllib"}
    assert absolute_imports(path) <= known


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_its_one_job(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
