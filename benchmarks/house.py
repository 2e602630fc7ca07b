"""How large the house is and how it hangs together: lines, what a build can import, circles, arrows, equal names.

    python benchmarks/house.py WHEEL [WHEEL ...]

What a build can import is all that imports of build_meta reach, those inside of functions too, and what lies there to
be copied or run by other interpreters. Arrows upwards are counted by the rooms of tests/unit/test_house.py; a wheel
whose modules do not stand in these rooms has no number.
"""

from __future__ import annotations

import argparse
import ast
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from measuring import Table, columns, main

Name = tuple[str, ...]
ENTRIES: tuple[Name, ...] = (("build_meta",), ("child",))
# What is copied to another interpreter, or is run by one.
OTHERS = "stand_in"


class House:
    """The modules of a wheel: their texts, and which of them each imports."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            files = {
                tuple(name.removesuffix(".py").split("/")[1:]): archive.read(name).decode()
                for name in archive.namelist()
                if name.startswith("torchgraft/") and name.endswith(".py")
            }
        self.files = files
        trees = {name: ast.parse(text) for name, text in files.items() if OTHERS not in name}
        self.types = Counter(
            node.name for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)
        )
        self.imports = {name: set(imported(name, tree, files)) - {name} for name, tree in trees.items()}

    def lines(self, names: set[Name]) -> int:
        """Return how many lines these modules have."""
        return sum(len(self.files[name].splitlines()) for name in names)

    def reached(self) -> set[Name]:
        """Return the modules that a build can import, and what is there for other interpreters."""
        found: set[Name] = set()
        waiting = [name for name in ENTRIES if name in self.files]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                packages = [(*name[:i], "__init__") for i in range(len(name))]
                waiting += [*self.imports[name], *(package for package in packages if package in self.files)]
        return found | {name for name in self.files if OTHERS in name}

    def circles(self) -> int:
        """Return how many groups of modules import each other."""
        reach = {name: self._from(name) for name in self.imports}
        groups = {frozenset(other for other in reach[name] if name in reach[other]) for name in reach}
        return sum(len(group) > 1 for group in groups)

    def _from(self, name: Name) -> set[Name]:
        found: set[Name] = set()
        waiting = [name]
        while waiting:
            new = self.imports[waiting.pop()] - found
            found |= new
            waiting += new
        return found

    def upwards(self, rooms: tuple[str, ...]) -> int | str:
        """Return how many imports lead to a room that is above the module's own; "-" where there are no such rooms."""
        if not {name[0] for name in self.files if len(name) > 1} <= set(rooms):
            return "-"
        floors = {room: number for number, room in enumerate(rooms)}
        floor = {name: floors.get(name[0], len(rooms)) for name in self.imports}
        return sum(floor[name] > floor[target] for name, targets in self.imports.items() for target in targets)


def imported(name: Name, tree: ast.AST, files: Mapping[Name, str]) -> Iterator[Name]:
    """Yield the modules that a module imports when it runs, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
        if not (isinstance(node, ast.ImportFrom) and node.level):
            continue
        base = (*name[: len(name) - node.level], *(node.module.split(".") if node.module else ()))
        for alias in node.names:
            for found in ((*base, alias.name), base, (*base, "__init__")):
                if found in files:
                    yield found
                    break


def rooms() -> tuple[str, ...]:
    """Return the rooms, top floor first, as the test of the house has them."""
    import unit.test_house

    return tuple(unit.test_house.ROOMS)


def measure(wheels: list[Path], _: Path, __: argparse.Namespace) -> Table:
    """Return the table."""
    table = Table(columns(wheels))
    houses = [House(wheel) for wheel in wheels]
    table.add("lines, files", [f"{house.lines(set(house.files)):,}, {len(house.files)}" for house in houses])
    table.add(
        "lines that a build can import, files",
        [f"{house.lines(found):,}, {len(found)}" for house in houses for found in [house.reached()]],
    )
    table.add("circles of imports", [house.circles() for house in houses])
    table.add("arrows upwards", [house.upwards(rooms()) for house in houses])
    names = [Counter(name[-1] for name in house.imports if name[-1] != "__init__") for house in houses]
    table.add("file names that occur more than once", [equal(counts) for counts in names])
    table.add("type names that occur more than once", [equal(house.types) for house in houses])
    return table


def equal(counts: Counter[str]) -> int:
    """Return how many names occur more than once."""
    return sum(count > 1 for count in counts.values())


if __name__ == "__main__":
    main(measure, str(__doc__))
