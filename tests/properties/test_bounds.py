"""Every reader of what others wrote ends in time, with little memory, and refuses in our own words at most.

python tests/properties/test_bounds.py READER       by hand, with all of the content
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

import torchgraft  # noqa: E402 - run as a program
from support import readers  # noqa: E402
from support.readers import (  # noqa: E402
    MOST_BYTES,
    MOST_SECONDS,
    OTHER_READERS,
    READERS,
    REFUSALS,
    hostile,
    lay_out,
)

resource = pytest.importorskip("resource")


# What reads a file, besides open().
READS = {"read_start", "read_whole", "find_text", "read_text", "read_bytes", "ZipFile", "fromfile", "load"}
# What takes more than a line of time shows it at this size already.
SHORT_BYTES = 200_000


@pytest.mark.parametrize("first", range(6))
def test_readers_have_bounds(first: int) -> None:
    of_archives = [reader for reader in READERS if reader.endswith((".whl", ".tar.gz"))]
    others = [reader for reader in READERS if reader not in of_archives]
    # What those of archives are given takes seconds to make: once, in one process.
    these = others[first::5] if first < 5 else of_archives
    done = subprocess.run(
        [sys.executable, __file__, *these, "--short"], stdout=-1, stderr=subprocess.STDOUT, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:].decode()
    assert json.loads(done.stdout.splitlines()[-1]) == {reader: {} for reader in these}


def test_the_list_has_all_that_read() -> None:
    """What opens a file or an archive is called by a reader of the list, or stands among the others with a reason."""
    functions = list(find_functions())
    todo = set(imported_names(ast.parse(Path(readers.__file__).read_text(encoding="utf-8")), "").values())
    called: set[str] = set()
    while todo:
        called.add(name := todo.pop())
        todo |= {used for one in functions if name in one.names for used in one.uses} - called
    found = {one.place for one in functions if one.reads and called.isdisjoint(one.names)}
    places = {name for one in functions if one.reads for name in (one.place, one.place.partition(":")[0])}
    assert {place for place in found if not {place, place.partition(":")[0]} & OTHER_READERS.keys()} == set()
    assert OTHER_READERS.keys() - places == set(), "these do not read any more"


class Function(NamedTuple):
    """A function: where it is, the names by which it is called, those that it uses, and whether it reads."""

    place: str
    names: set[str]
    uses: set[str]
    reads: bool


def find_functions() -> Iterator[Function]:
    """Yield the functions of the package. A name is that of a module; a method may be of any, if it is not private."""
    package = Path(torchgraft.__file__).parent
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).with_suffix("").as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = imported_names(tree, module)
        for node in tree.body if "stand_in" not in path.parts else ():
            for function in node.body if isinstance(node, ast.ClassDef) else [node]:
                if not isinstance(function, ast.FunctionDef):
                    continue
                inside = list(ast.walk(function))
                names = {f"{module}:{function.name}"}
                if isinstance(node, ast.ClassDef):
                    names = {_method(module, function.name), f"{module}:{node.name}"}
                plain = (part.id for part in inside if isinstance(part, ast.Name))
                uses = {imported.get(name, f"{module}:{name}") for name in plain}
                uses |= {_method(module, part.attr) for part in inside if isinstance(part, ast.Attribute)}
                yield Function(f"{module}:{function.name}", names, uses, any(map(is_read, inside)))


def imported_names(tree: ast.AST, module: str) -> dict[str, str]:
    """Return what a module imports of the package, each with the module that it is of."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = module.split("/")[: -node.level] if node.level else []
            place = "/".join([*above, *(node.module or "").removeprefix("torchgraft.").split(".")])
            found.update({name.asname or name.name: f"{place}:{name.name}" for name in node.names})
    return found


def _method(module: str, name: str) -> str:
    return f"{module}:.{name}" if name.startswith("_") else f".{name}"


def is_read(node: ast.AST) -> bool:
    """Return whether a call opens a file or an archive for reading, or has it read."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    mode = next((one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)), "r")
    is_of_os = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "os"
    return name in READS or (name == "open" and not is_of_os and mode[0] in "rR")


def faults_of(reader: str, most_bytes: int | None) -> dict[str, str]:
    """Return what is wrong with what a reader does, for each content."""
    found = {}
    for title, content in hostile(reader).items():
        with tempfile.TemporaryDirectory() as folder:
            lay_out(Path(folder), reader, content if content.startswith(b"PK") else content[:most_bytes])
            before = time.process_time()
            try:
                READERS[reader](Path(folder))
            except REFUSALS:
                pass
            except BaseException as error:  # noqa: BLE001 - all of them are told
                found[title] = f"{type(error).__name__}: {str(error)[:200]}"
            taken_s = time.process_time() - before
            if taken_s > MOST_SECONDS:
                found[title] = f"{taken_s:.1f} s"
    return found


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (500, 500))
    asked = [argument for argument in sys.argv[1:] if argument != "--short"]
    limit = SHORT_BYTES if "--short" in sys.argv else None
    print(json.dumps({reader: faults_of(reader, limit) for reader in asked}), flush=True)  # noqa: T201
    os._exit(0)
