"""What an editable installation imports from, whichever backend made it.

May not run its import finder: what stands in that of setuptools, editables (hatchling, pdm), scikit-build-core or
meson-python is read from the syntax tree.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...files import is_file, is_folder, read_start
from ...installed.dist_info import Installed, read_lines
from ...installed.distributions import (
    MODULE_SUFFIXES,
    finder_mapping,
    importable,
    is_finder,
    is_plain,
    own_files,
    pth_folders,
    pth_lines,
    read_syntax_tree,
)

_LARGEST_SOURCE_BYTES = 1_000_000
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
    own = own_files(installed, files)
    for path in own:
        if is_finder(path):
            for package, target in finder_mapping(path).items():
                found = dict(importable(Path(target), package.replace(".", "/")))
                packages.update(found)
                lost += [] if found else [Path(target)]
        elif path.suffix == ".pth":
            folders.update(dict.fromkeys(pth_folders(path)))
            hooks = [hook for hook in _pth_imports(path) if hook in own and not is_finder(hook)]
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
        found = {name: path for folder in there for name, path in importable(folder / top, top)}
        packages.update(found)
        lost += [] if found else [there[0] / top]
    places = dict.fromkeys([*([] if listed else there), *filter(is_folder, hooked)])
    return SourcePlaces(
        packages=packages,
        folders=tuple(folder for folder in places if folder not in packages.values()),
        lost=tuple(lost),
    )


def _pth_imports(path: Path) -> Iterator[Path]:
    """Yield the files of the modules that a .pth file imports, as they would be called beside it."""
    for line in pth_lines(path):
        if match := _IMPORT_LINE.match(line):
            yield path.with_name(f"{match[1]}.py")


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
