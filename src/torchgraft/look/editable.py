"""Where the packages of an editable installation are.

May not run its import finder: the table of setuptools' finder is read from the syntax tree.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from .metadata import Installed, read_lines, read_start
from .prefixes import is_file, is_folder, names_in

_LARGEST_BYTES = 1_000_000
_MODULE_SUFFIXES = (".py", ".so", ".pyd")


def read_syntax_tree(data: bytes) -> ast.Module | None:
    """Return the syntax tree of a source file, None if it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def editable_targets(installed: Installed, files: tuple[str, ...] | None) -> Mapping[str, Path]:
    """Return what can be imported of a source tree, by the name of its link; nothing if not installed as editable.

    Two ways are known: the finder of setuptools (`__editable___NAME_VERSION_finder.py`), and a .pth file that names
    a folder.

    :param files: as listed by the distribution, None where it lists none: then the names of setuptools are looked for
    """
    names = [name for name in files if "/" not in name] if files is not None else _names_by_convention(installed)
    found: dict[str, Path] = {}
    for name in names:
        path = installed.site / name
        if name.startswith("__editable__") and name.endswith("_finder.py"):
            for package, target in _finder_mapping(path).items():
                found.update(_importable(Path(target), package.replace(".", "/")))
        elif name.endswith(".pth"):
            for folder in _pth_folders(path):
                for package in top_level_names(installed):
                    found.update(_importable(folder / package, package))
    return found


def top_level_names(installed: Installed) -> tuple[str, ...]:
    """Return the names that a distribution is imported by: its top_level.txt, else guesses from its own name."""
    listed = read_lines(installed, "top_level.txt")
    written = installed.entry.partition("-")[0].partition(".")[0]
    guesses = (installed.name.replace("-", "_"), installed.name, written)
    return tuple(name for name in dict.fromkeys(listed or guesses) if is_plain(name))


def is_plain(name: str) -> bool:
    """Return whether a name stays in the folder that it is looked up in."""
    return name not in {"", ".", ".."} and name.isprintable() and not set(name) & set('/\\:"')


def module_files(folder: Path, name: str) -> tuple[str, ...]:
    """Return the files that a single module is imported from: foo.py, foo.abi3.so, foo.cpython-311-darwin.so."""
    return tuple(
        entry for entry in names_in(folder) if entry.startswith(f"{name}.") and entry.endswith(_MODULE_SUFFIXES)
    )


def _importable(path: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Yield the link to a package, or those to the files of a module."""
    if not all(is_plain(part) for part in name.split("/")):
        return
    if is_folder(path):
        yield name, path
    elif is_file(path):
        yield f"{name}{path.name[len(path.name.split('.')[0]) :]}", path
    else:
        for entry in module_files(path.parent, path.name):
            yield f"{name}{entry.removeprefix(path.name)}", path.parent / entry


def _names_by_convention(installed: Installed) -> list[str]:
    """Return what setuptools calls them: __editable__.foo_bar-1.0.pth and __editable___foo_bar_1_0_finder.py."""
    own = re.compile(re.escape(installed.name) + r"-\d")
    names = (name for name in names_in(installed.site) if name.startswith("__editable__"))
    return [name for name in names if own.match(canonicalize_name(name.removeprefix("__editable__").lstrip("._")))]


def _pth_folders(path: Path) -> Iterator[Path]:
    data = read_start(path, _LARGEST_BYTES) or b""
    for line in data.decode("utf-8", errors="replace").splitlines():
        if line.strip() and not line.startswith(("#", "import ", "import\t")):
            yield path.parent / line.rstrip()


def _finder_mapping(path: Path) -> Mapping[str, str]:
    tree = read_syntax_tree(read_start(path, _LARGEST_BYTES) or b"")
    for statement in tree.body if tree else ():
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, ast.Dict):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if any(isinstance(target, ast.Name) and target.id == "MAPPING" for target in targets):
                return _literal_texts(statement.value)
    return {}


def _literal_texts(table: ast.Dict) -> Mapping[str, str]:
    return {
        key.value: value.value
        for key, value in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant)
        and isinstance(value, ast.Constant)
        and isinstance(key.value, str)
        and isinstance(value.value, str)
    }
