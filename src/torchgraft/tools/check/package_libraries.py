"""Where the libraries of one installed distribution are: listed, in a source tree, or neither.

May not read one, nor run what an editable installation imports, its import finder included: what cannot be found is
said.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...consumer.environment import pth_folders, python_folders, python_versions, started_modules
from ...files import is_file, is_folder, read_start, real
from ...installed.dist_info import (
    MODULE_SUFFIXES,
    Installed,
    is_plain,
    read_files,
    read_lines,
    read_source,
    top_level_names,
)
from ...installed.editable import finder_mapping, importable, is_finder, own_files
from ...link.modules import is_library_name, walk_tree
from ...untrusted import read_syntax_tree, strings, table

_SITE_NAMES = frozenset({"site-packages", "dist-packages"})
# Where a wheel has what does not go by the name that it has there (binary distribution format, ".data").
_DATA = re.compile(r"[^/]+\.data/(?:purelib|platlib|(data))/")
# For which Python an extension module is (PEP 3149): ext.cpython-313t-..., ext.cp311-..., ext.pypy310-...
_PYTHON_TAG = re.compile(r"\.(?:(?:cpython-|cp|(pypy))(\d+)([a-z]*)-|abi3\.)")
_LARGEST_SOURCE_BYTES = 1_000_000
_LONGEST_PATH = 4096
# What stands above is a folder of the system, such as /usr/lib.
_FEWEST_PARTS = 4


class FoundLibraries:
    """The libraries of a distribution while they are looked for, and what was not found: see `InstalledPackage`."""

    def __init__(self, pythons: frozenset[str]) -> None:
        self.libraries: dict[str, Path] = {}
        self.unseen: dict[str, str] = {}
        # Those that a build has left where the package is imported from, as far as their names tell.
        self.made: list[Path] = []
        self.pythons = pythons
        self._paths: set[Path] = set()

    def add(self, name: str, path: Path, *, is_named: bool = True) -> None:
        """Add a library; once, and none that the Pythons here do not look for."""
        if path in self._paths or _is_for_other_python(path.name, self.pythons):
            return
        self._paths.add(path)
        self.libraries[name if name not in self.libraries else str(path)] = path
        if is_named or _PYTHON_TAG.search(path.name):
            self.made.append(path)

    def add_tree(self, name: str, folder: Path, *, is_package: bool) -> None:
        """Add the libraries below a folder."""
        tree = walk_tree(folder, is_package=is_package)
        for file, path in tree.libraries.items():
            self.add(f"{name}/{file}" if name else file, path, is_named=is_package)
        if tree.fault:
            self.unseen[str(folder)] = tree.fault

    def add_place(self, name: str, path: Path) -> None:
        """Add a package, or a module that is a file."""
        if is_folder(path):
            self.add_tree(name, path, is_package=True)
        elif is_library_name(path.name):
            self.add(name, path)


def find_libraries(
    installed: Installed, record: Mapping[str, Any], *, prefix: Path, pythons: frozenset[str]
) -> FoundLibraries:
    """Return the libraries that a distribution lists, and those of its source tree if it is editable.

    :param record: our own, {} where there is none: it names libraries too
    :param pythons: see `read_pythons`; what is there for others is passed over, as an import does
    """
    found = FoundLibraries(pythons)
    files = read_files(installed)
    words = read_source(installed)
    is_editable = words[:1] == ("-e",) and not installed.is_developed and is_folder(Path(words[1]))
    source = Path(words[1]) if is_editable else None
    for file in files or ():
        if is_library_name(file) and not file.startswith(("../", "/")):
            found.add(file, installed.site / file)
        elif not set(file) & set("./") and is_folder(installed.site / file):
            # A link to a package, as `flit install --symlink` makes it.
            found.add_place(file, installed.site / file)
    is_known = _add_editable(found, installed, files, source)
    if not is_known and not found.libraries:
        if source is not None:
            found.add_tree("", source, is_package=False)
            found.unseen.update({} if found.libraries else {str(source): "nothing says what is imported of it"})
        elif files is None:
            _add_unlisted(found, installed)
    # As the record names them: relative to the wheel, or to the source tree.
    names = strings(table(record, "built", "link").get("modules"))
    plain = (name for name in names if name.isprintable() and not {"", ".", ".."} & set(name.split("/")))
    _add_recorded(found, tuple(plain), source, prefix)
    return found


def read_pythons(prefix: Path) -> frozenset[str]:
    """Return the Pythons of an environment as names of extension modules have them; none where it does not say."""
    folders = python_folders(prefix) or tuple(f"python{version}" for version in python_versions(prefix))
    return frozenset(folder.replace(".", "") for folder in folders)


def _add_unlisted(found: FoundLibraries, installed: Installed) -> None:
    """Add the libraries of a distribution that lists no files: Debian's, an egg, what `setup.py develop` made."""
    site = installed.site
    is_source = installed.is_developed and site.name not in _SITE_NAMES
    if site.suffix == ".egg":
        found.add_tree("", site, is_package=True)
        return
    tops = {name: path for top in top_level_names(installed) for name, path in importable(site / top, top)}
    for name, path in tops.items():
        found.add_place(name, path)
        if is_folder(libraries := site / f"{name}.libs"):
            found.add_place(f"{name}.libs", libraries)
    if not tops and is_source:
        found.add_tree("", site, is_package=False)
    elif not tops:
        found.unseen[str(installed.information)] = "it lists no files, and nothing has its name"


def _add_recorded(found: FoundLibraries, names: tuple[str, ...], source: Path | None, prefix: Path) -> None:
    """Add the libraries that a record names, those that are not among the ones that were found."""
    known = {real(path) for path in found.libraries.values()} if source is not None else set()
    for recorded in names:
        data = _DATA.match(recorded)
        name = recorded[data.end() :] if data else recorded
        folder, slash, file = name.rpartition("/")
        if _is_for_other_python(file, found.pythons):
            found.unseen[recorded] = "it is for another Python"
            continue
        place = prefix / name if data and data[1] else source / name if source is not None else None
        if place is not None and is_file(place):
            if real(place) not in known:
                found.add(name, place)
        # The loader of the guard has the name of the library, which then is called otherwise.
        elif found.libraries.keys().isdisjoint({name, f"{folder}{slash}{file.replace('.', '.guarded.', 1)}"}):
            found.unseen[recorded] = "the record names it, and it was not found"


def _is_for_other_python(file: str, pythons: frozenset[str]) -> bool:
    """Return whether a file is an extension module that the Pythons here do not look for."""
    match = _PYTHON_TAG.search(file)
    if not match or not match[2] or not pythons:
        return False
    free_threaded = "t" if "t" in match[3] else ""
    return f"{match[1] or 'python'}{match[2]}{free_threaded}" not in pythons


def _add_editable(
    found: FoundLibraries, installed: Installed, files: tuple[str, ...] | None, source: Path | None
) -> bool:
    """Add the libraries of all that an editable installation may import from, whichever backend made it.

    What stands in the import finder of setuptools, editables (hatchling, pdm), scikit-build-core or meson-python is
    read from the syntax tree. A name that was guessed says nothing of what else there is: only a finder and a
    top_level.txt name all. Return whether anything at all is known.
    """
    packages: dict[str, Path] = {}
    lost: list[Path] = []
    hooked: list[Path] = []
    folders: dict[Path, None] = {}
    own = own_files(installed, files)
    for path in own:
        if is_finder(path):
            for package, target in finder_mapping(path).items():
                modules = dict(importable(Path(target), package.replace(".", "/")))
                packages.update(modules)
                lost += [] if modules else [Path(target)]
        elif path.suffix in {".pth", ".start"}:
            folders.update(dict.fromkeys(pth_folders(path)))
            started = (path.with_name(f"{module}.py") for module, _ in started_modules(path))
            hooks = [hook for hook in started if hook in own and not is_finder(hook)]
            hooked += [named for hook in hooks for named in _named_paths(hook, installed.site, source)]
    roots = {path.parent for path in hooked if path.name == "__init__.py"}
    packages.update({folder.name: folder for folder in roots if roots.isdisjoint(folder.parents)})
    packages.update({path.name: path for path in hooked if path.suffix in MODULE_SUFFIXES[1:] and is_file(path)})
    # What is in the site folder is listed, and nobody's sources are the whole disk.
    outside = (folder for folder in folders if not folder.is_relative_to(installed.site))
    elsewhere = [folder for folder in outside if os.path.normpath(folder) != os.path.normpath(folder.anchor)]
    there = list(filter(is_folder, elsewhere))
    lost += [folder for folder in elsewhere if folder not in there]
    # What setuptools lists is all that there is.
    listed = sorted(name for name in read_lines(installed, "top_level.txt") if is_plain(name)) if there else []
    for top in listed:
        modules = {name: path for folder in there for name, path in importable(folder / top, top)}
        packages.update(modules)
        lost += [] if modules else [there[0] / top]
    places = dict.fromkeys([*([] if listed else there), *filter(is_folder, hooked)])
    others = [folder for folder in places if folder not in packages.values()]
    for name, path in packages.items():
        found.add_place(name, path)
    for folder in others:
        found.add_tree("", folder, is_package=False)
    found.unseen.update({str(path): "it is not there" for path in lost})
    return bool(packages or others or lost)


def _named_paths(hook: Path, site: Path, source: Path | None) -> Iterator[Path]:
    """Yield the absolute paths that stand in a module: what it is given to import from, by whichever backend."""
    tree = read_syntax_tree(read_start(hook, _LARGEST_SOURCE_BYTES) or b"")
    for node in ast.walk(tree) if tree else ():
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and len(text) < _LONGEST_PATH and text.isprintable() and Path(text).is_absolute():
            path = Path(text)
            is_own = source is not None and path.is_relative_to(source)
            if is_own or (len(path.parts) >= _FEWEST_PARTS and not site.is_relative_to(path)):
                yield path
