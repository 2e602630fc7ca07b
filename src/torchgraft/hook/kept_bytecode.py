"""Bytecode that is kept from one build environment of uv to the next.

uv makes none: setuptools, torchgraft, and a torch that was downloaded for a build are compiled each time. But it makes
its environments of links to the files of its cache, and Python goes by a file's time and size: with `__pycache__`
folders that are links to the cache folder, Python itself reads and writes what is kept there.

May not link where files are copies: their times are new each time, and nothing that was kept would fit. Nor import
what takes long to compile: it is what is imported first.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import zlib
from pathlib import Path

from ..files import cache_folder, names_in, walk

PART = "bytecode"
_FOLDER = "__pycache__"


def find_bytecode() -> None:
    """Link the bytecode that builds before have kept, before more of torchgraft is imported than this.

    No settings are known yet. So no place is made for more, and a folder counts only if its modes say that nobody else
    can change it; `ownership` knows more.
    """
    folder = cache_folder(os.environ.get("TORCHGRAFT_CACHE_DIR", ""), os.environ)
    if not sys.dont_write_bytecode and _is_ours_alone(folder / PART):
        link_bytecode(Path(sys.prefix), folder, makes_places=False)


def link_bytecode(prefix: Path, folder: Path, *, makes_places: bool) -> None:
    """Link the bytecode of an environment's packages to the cache folder; nothing where that cannot be done."""
    for site in prefix.glob("lib/python*/site-packages"):
        for name in names_in(site):
            with contextlib.suppress(OSError):  # no package, or nothing can be kept
                _link_package(site / name, prefix, folder / PART, makes_places=makes_places)


def _link_package(package: Path, prefix: Path, kept: Path, *, makes_places: bool) -> None:
    if (package / _FOLDER).is_symlink():  # by the hook before
        return
    facts = (package / "__init__.py").stat()
    if facts.st_nlink == 1:
        return
    # It is one file of uv's cache, with which all others of the package came. An environment of its tools or projects
    # has links to the same file, and stands somewhere else.
    beside = zlib.crc32(os.fsencode(prefix.parent))
    own = kept / f"{package.name}-{beside:x}-{facts.st_ino:x}-{facts.st_mtime_ns:x}"
    if not makes_places and not own.is_dir():
        return
    for folder, folders, files in walk(package):
        made = Path(folder, _FOLDER)
        if not any(name.endswith(".py") for name in files):
            continue
        place = own / Path(folder).relative_to(package) / _FOLDER
        if not place.is_dir():
            from ..own_files import make_own_folder

            make_own_folder(place)
        if _FOLDER in folders:  # what this hook has imported by now
            folders.remove(_FOLDER)
            for name in names_in(made):
                (made / name).replace(place / name)
            made.rmdir()
        made.symlink_to(place)
    os.utime(own)  # `torchgraft cache prune` goes by that


def _is_ours_alone(folder: Path) -> bool:
    if sys.platform == "win32":
        return False
    try:
        for place in (folder, *folder.parents):
            facts = place.lstat()
            # In a sticky folder nobody can replace what is not his.
            is_closed = not facts.st_mode & 0o022 or (place != folder and facts.st_mode & stat.S_ISVTX)
            if not (stat.S_ISDIR(facts.st_mode) and facts.st_uid in {0, os.geteuid()} and is_closed):
                return False
    except OSError:
        return False
    return True
