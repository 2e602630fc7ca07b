"""The libraries below a folder that nobody has listed: a source tree, or a package in one.

May not read a library, nor judge whose it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..consumer.prefixes import is_environment
from ..files import is_file, is_folder, real
from .modules import is_library_name

_NO_PACKAGES = frozenset({".git", "__pycache__", "node_modules"})
# Folders of a source tree that nothing is imported from, unless they are packages.
_NOT_SOURCES = frozenset({"build", "dist", "site-packages", "dist-packages"})
# Sources of an editable installation may be anywhere, a home folder included.
_MOST_FILES = 50_000


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The libraries below a folder, by their names relative to it. `fault` says why these may not be all."""

    libraries: Mapping[str, Path]
    fault: str = ""


def walk_tree(root: Path, *, is_package: bool, most_files: int = _MOST_FILES) -> Tree:
    """Return the libraries below a folder; those of environments in it are none of them.

    :param is_package: whether the folder itself is imported, so that all that is in it may be; of a source tree what
        is hidden is left out, and what was built elsewhere
    """
    libraries: dict[str, Path] = {}
    walked = {real(root)}
    ahead = [(root, is_package)]
    faults: list[str] = []
    seen = 0
    while ahead:
        folder, inside = ahead.pop()
        # A link to a package is followed, one to data is not.
        for parent, folders, files in os.walk(folder, onerror=lambda error: faults.append(_said(error, root))):
            here = Path(parent)
            kept = [name for name in sorted(folders) if _is_walked(here / name, is_package=inside)]
            links = [name for name in kept if os.path.islink(here / name)]  # noqa: PTH114 - of many folders
            for name in links:
                if is_file(here / name / "__init__.py") and real(here / name) not in walked:
                    walked.add(real(here / name))
                    ahead.append((here / name, True))
            folders[:] = [name for name in kept if name not in links]
            for name in sorted(files):
                if is_library_name(name):
                    libraries[(here / name).relative_to(root).as_posix()] = here / name
            seen += len(files)
            if seen > most_files:
                faults.append(f"only {seen} of its files were looked at")
                return Tree(libraries=libraries, fault=faults[0])
    return Tree(libraries=libraries, fault=next(iter(faults), ""))


def _said(error: OSError, root: Path) -> str:
    return f"{os.path.relpath(error.filename or root, root)} in it cannot be read: {error.strerror or error}"


def _is_walked(folder: Path, *, is_package: bool) -> bool:
    if folder.name in _NO_PACKAGES:
        return False
    is_left_out = not is_package and (folder.name.startswith(".") or folder.name in _NOT_SOURCES)
    if is_left_out and not is_file(folder / "__init__.py"):
        return False
    # Environments of conda and pixi have no pyvenv.cfg.
    if is_environment(folder) or is_folder(folder / "conda-meta"):
        return False
    return is_package or not is_file(folder / "CMakeCache.txt")
