"""Where the packages of an editable installation are.

May not run its import finder: what stands in that of setuptools, editables (hatchling, pdm), scikit-build-core or
meson-python is read from the syntax tree.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from ..files import is_file, is_folder, names_in, read_start
from .dist_info import Installed, read_lines

_LARGEST_BYTES = 1_000_000
_MODULE_SUFFIXES = (".py", ".so", ".pyd")
_IMPORT_LINE = re.compile(r"import[ \t]+(\w+)")
_LONGEST_PATH = 4096
# What stands above is a folder of the system, such as /usr/lib.
_FEWEST_PARTS = 4


@dataclass(frozen=True, kw_only=True)
class SourcePlaces:
    """What an editable installation imports from.

    `packages` are known by name; `folders` are those in which anything may be that is imported; `lost` is what is not
    there.
    """

    packages: Mapping[str, Path]
    folders: tuple[Path, ...] = ()
    lost: tuple[Path, ...] = ()

    @property
    def are_known(self) -> bool:
        """Whether anything at all is known."""
        return bool(self.packages or self.folders or self.lost)


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
    found: dict[str, Path] = {}
    for path in _own_files(installed, files):
        if _is_finder(path):
            for package, target in _finder_mapping(path).items():
                found.update(importable(Path(target), package.replace(".", "/")))
        elif path.suffix == ".pth":
            for folder in _pth_folders(path):
                for package in top_level_names(installed):
                    found.update(importable(folder / package, package))
    return found


def read_source_places(installed: Installed, files: tuple[str, ...] | None, *, source: Path | None) -> SourcePlaces:
    """Return all that an editable installation may import from, whichever backend made it.

    A name that was guessed says nothing of what else there is: only a finder and a top_level.txt name all.

    :param files: as listed by the distribution, None where it lists none
    :param source: the source tree that it was installed from, None where that is not known
    """
    packages: dict[str, Path] = {}
    lost: list[Path] = []
    hooked: list[Path] = []
    folders: dict[Path, None] = {}
    own = _own_files(installed, files)
    for path in own:
        if _is_finder(path):
            for package, target in _finder_mapping(path).items():
                found = dict(importable(Path(target), package.replace(".", "/")))
                packages.update(found)
                lost += [] if found else [Path(target)]
        elif path.suffix == ".pth":
            folders.update(dict.fromkeys(_pth_folders(path)))
            hooks = [hook for hook in _pth_imports(path) if hook in own and not _is_finder(hook)]
            hooked += [named for hook in hooks for named in _named_paths(hook, installed.site, source)]
    roots = {path.parent for path in hooked if path.name == "__init__.py"}
    packages.update({folder.name: folder for folder in roots if roots.isdisjoint(folder.parents)})
    packages.update({path.name: path for path in hooked if path.suffix in _MODULE_SUFFIXES[1:] and is_file(path)})
    # What is in the site folder is listed, and nobody's sources are the whole disk.
    outside = (folder for folder in folders if not folder.is_relative_to(installed.site))
    elsewhere = [folder for folder in outside if os.path.normpath(folder) != os.path.normpath(folder.anchor)]
    there = list(filter(is_folder, elsewhere))
    lost += [folder for folder in elsewhere if folder not in there]
    # What setuptools lists is all that there is.
    listed = sorted(name for name in read_lines(installed, "top_level.txt") if is_plain(name)) if there else []
    for top in listed:
        found = {name: path for folder in there for name, path in importable(folder / top, top)}
        packages.update(found)
        lost += [] if found else [there[0] / top]
    places = dict.fromkeys([*([] if listed else there), *filter(is_folder, hooked)])
    return SourcePlaces(
        packages=packages,
        folders=tuple(folder for folder in places if folder not in packages.values()),
        lost=tuple(lost),
    )


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


def _own_files(installed: Installed, files: tuple[str, ...] | None) -> list[Path]:
    """Return what a distribution has put right into its site folder."""
    names = [name for name in files if "/" not in name] if files is not None else _names_by_convention(installed)
    return [installed.site / name for name in names]


def _is_finder(path: Path) -> bool:
    """Return whether a file is the finder of setuptools."""
    return path.name.startswith("__editable__") and path.name.endswith("_finder.py")


def _names_by_convention(installed: Installed) -> list[str]:
    """Return what setuptools calls them: __editable__.foo_bar-1.0.pth and __editable___foo_bar_1_0_finder.py."""
    own = re.compile(re.escape(installed.name) + r"-\d")
    names = (name for name in names_in(installed.site) if name.startswith("__editable__"))
    return [name for name in names if own.match(canonicalize_name(name.removeprefix("__editable__").lstrip("._")))]


def _pth_lines(path: Path) -> list[str]:
    data = read_start(path, _LARGEST_BYTES) or b""
    return data.decode("utf-8", errors="replace").splitlines()


def _pth_folders(path: Path) -> Iterator[Path]:
    for line in _pth_lines(path):
        if line.strip() and not line.startswith(("#", "import ", "import\t")):
            yield path.parent / line.rstrip()


def _pth_imports(path: Path) -> Iterator[Path]:
    """Yield the files of the modules that a .pth file imports, as they would be called beside it."""
    for line in _pth_lines(path):
        if match := _IMPORT_LINE.match(line):
            yield path.with_name(f"{match[1]}.py")


def _named_paths(hook: Path, site: Path, source: Path | None) -> Iterator[Path]:
    """Yield the absolute paths that stand in a module: what it is given to import from, by whichever backend."""
    tree = read_syntax_tree(read_start(hook, _LARGEST_BYTES) or b"")
    for node in ast.walk(tree) if tree else ():
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and len(text) < _LONGEST_PATH and text.isprintable() and Path(text).is_absolute():
            path = Path(text)
            is_own = source is not None and path.is_relative_to(source)
            if is_own or (len(path.parts) >= _FEWEST_PARTS and not site.is_relative_to(path)):
                yield path


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
