"""Editable installations: where what can be imported of one is, by .pth files and the finders of build backends.

May not run a finder, which is code: it is read as a text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

from packaging.utils import canonicalize_name

from ..consumer.environment import pth_folders
from ..files import is_file, is_folder, names_in, read_start
from ..untrusted import bindings_in, read_syntax_tree
from .dist_info import Installed, is_plain, module_files, top_level_names

_LARGEST_SOURCE_BYTES = 1_000_000
_FINDER = r"__editable__.*_finder\.py|_editable_skbc_.*\.py|_.*_editable\.py"


def editable_targets(installed: Installed, files: tuple[str, ...] | None) -> Mapping[str, Path]:
    """Return what can be imported of a source tree, by the name of its link; nothing if not installed as editable.

    Known are a .pth file that names a folder, and the finders of setuptools (`__editable___NAME_VERSION_finder.py`) and
    of scikit-build-core (`_editable_skbc_NAME.py`, before 1.0 `_NAME_editable.py`).

    :param files: as listed by the distribution, None where it lists none: then the names of setuptools are looked for
    """
    found: dict[str, Path] = {}
    for path in own_files(installed, files):
        if is_finder(path):
            for package, target in finder_mapping(path).items():
                found.update(importable(Path(target), package.replace(".", "/")))
        elif path.suffix == ".pth":
            for folder in pth_folders(path):
                for package in top_level_names(installed):
                    found.update(importable(folder / package, package))
    return found


def compiled_folders(installed: Installed, files: tuple[str, ...] | None) -> Mapping[str, Path]:
    """Return where scikit-build-core keeps what it compiles of a package, if not in the site folder, by its name.

    That is with `editable.rebuild`, where each import compiles anew what has changed. Its finder is given the folders
    of each package, this one first.
    """
    found: dict[str, Path] = {}
    for node in (node for path in filter(is_finder, own_files(installed, files)) for node in _nodes_of(path)):
        if _is_installing(node) and len(node.args) > 2 and isinstance(node.args[2], ast.Dict):
            for key, folders in zip(node.args[2].keys, node.args[2].values, strict=True):
                first = folders.elts[0] if isinstance(folders, ast.List) and len(folders.elts) > 1 else None
                if isinstance(key, ast.Constant) and isinstance(first, ast.Constant):
                    found[str(key.value)] = Path(str(first.value))
    return {name: folder for name, folder in found.items() if folder.is_absolute() and is_folder(folder)}


def importable(path: Path, name: str) -> Iterator[tuple[str, Path]]:
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


def own_files(installed: Installed, files: tuple[str, ...] | None) -> list[Path]:
    """Return what a distribution has put right into its site folder."""
    names = [name for name in files if "/" not in name] if files is not None else _names_by_convention(installed)
    return [installed.site / name for name in names]


def is_finder(path: Path) -> bool:
    """Return whether a file is the finder of setuptools or of scikit-build-core."""
    return re.fullmatch(_FINDER, path.name) is not None


def _names_by_convention(installed: Installed) -> list[str]:
    """Return what setuptools calls them: __editable__.foo_bar-1.0.pth and __editable___foo_bar_1_0_finder.py."""
    own = re.compile(re.escape(installed.name) + r"-\d")
    names = (name for name in names_in(installed.site) if name.startswith("__editable__"))
    return [name for name in names if own.match(canonicalize_name(name.removeprefix("__editable__").lstrip("._")))]


def finder_mapping(path: Path) -> Mapping[str, str]:
    """Return the packages that a finder knows, with the paths of their sources.

    setuptools has a table of packages, scikit-build-core calls `install` with one of all modules: of these, the top.
    """
    nodes = list(_nodes_of(path))
    for target, value in bindings_in(nodes):
        if isinstance(target, ast.Name) and target.id == "MAPPING" and isinstance(value, ast.Dict):
            return _literal_texts(value)
    for node in nodes:
        if _is_installing(node):
            modules = _literal_texts(node.args[0]) if node.args and isinstance(node.args[0], ast.Dict) else {}
            tops = {name: Path(file) for name, file in modules.items() if name.rpartition(".")[0] not in modules}
            return {name: str(file.parent if file.stem == "__init__" else file) for name, file in tops.items()}
    return {}


def _nodes_of(path: Path) -> Iterator[ast.AST]:
    tree = read_syntax_tree(read_start(path, _LARGEST_SOURCE_BYTES) or b"")
    yield from ast.walk(tree) if tree else ()


def _is_installing(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "install"


def _literal_texts(table: ast.Dict) -> Mapping[str, str]:
    return {
        key.value: value.value
        for key, value in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant)
        and isinstance(value, ast.Constant)
        and isinstance(key.value, str)
        and isinstance(value.value, str)
    }
