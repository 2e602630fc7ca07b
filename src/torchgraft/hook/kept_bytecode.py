"""Bytecode that is kept from one build environment of uv to the next.

uv makes none: setuptools, torchgraft, and a torch that was downloaded for a build are compiled each time. But it makes
its environments of links to the files of its cache, and Python goes by a file's time and size: with `__pycache__`
folders that are links to the cache folder, Python itself reads and writes what is kept there.

May not link where files are copies: their times are new each time, and nothing that was kept would fit.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..consumer.environment import python_folders, site_folders
from ..files import names_in, walk
from ..ladder.graft import note_use
from ..own_files import make_own_folder

PART = "bytecode"
_FOLDER = "__pycache__"


def link_bytecode(prefix: Path, cache_folder: Path) -> None:
    """Link the bytecode of the packages of a build environment to what is kept; nothing where that cannot be done."""
    for site in site_folders(prefix, python_folders(prefix)):
        for name in names_in(site):
            with contextlib.suppress(OSError):  # no package, or nothing can be kept
                _link_package(site / name, cache_folder / PART)


def _link_package(package: Path, kept: Path) -> None:
    if (package / _FOLDER).is_symlink():  # by the hook before
        return
    facts = (package / "__init__.py").stat()
    if facts.st_nlink == 1:
        return
    # It is one file of uv's cache, with which all others of the package came.
    own = kept / f"{package.name}-{facts.st_ino:x}-{facts.st_mtime_ns:x}"
    for folder, folders, files in walk(package):
        made = Path(folder, _FOLDER)
        if not any(name.endswith(".py") for name in files):
            continue
        place = own / Path(folder).relative_to(package) / _FOLDER
        make_own_folder(place)
        if _FOLDER in folders:  # what this hook has imported by now
            folders.remove(_FOLDER)
            for name in names_in(made):
                (made / name).replace(place / name)
            made.rmdir()
        made.symlink_to(place)
    note_use(own)
