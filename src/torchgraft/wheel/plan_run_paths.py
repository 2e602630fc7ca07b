"""Which run paths of a wheel's modules point to where nothing will be, and what takes their place.

May not look at a folder: what is where is given.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from ..link.linkage import Module
from ..model.decision import PlannedRunPath, RunPathPlaces

_DATA = re.compile(r"[^/]+\.data/(?:platlib|purelib)/")
_OTHER_DATA = re.compile(r"[^/]+\.data/")


def plan_run_paths(modules: Iterable[Module], places: RunPathPlaces) -> tuple[PlannedRunPath, ...]:
    """Return the run paths that are changed, those of modules in which something is wrong.

    What points into a folder of installed distributions, torch/lib above all, is made relative to the module, since it
    will be in such a folder too. What points into anything else that is gone after the build is left out.
    """
    planned = (_planned(module, places) for module in modules)
    return tuple(change for change in planned if change is not None)


def _planned(module: Module, places: RunPathPlaces) -> PlannedRunPath | None:
    entries = [_entry(entry, module.file, places) for entry in module.run_path]
    kept = tuple(dict.fromkeys(entry for entry in entries if entry))
    if kept == tuple(dict.fromkeys(module.run_path)):
        return None
    gone = tuple(entry for entry, new in zip(module.run_path, entries, strict=True) if entry != new)
    return PlannedRunPath(file=module.file, entries=kept, old=module.old_run_path, replaced=gone)


def _entry(entry: str, file: str, places: RunPathPlaces) -> str:
    """Return what takes the place of one entry; "" for nothing."""
    if not entry.startswith("/"):
        return entry
    # Two slashes at the start stay two (POSIX), and lead to the same place.
    path = posixpath.normpath(f"/{entry.lstrip('/')}")
    for site in sorted(places.sites, key=len, reverse=True):
        rest = _below(path, site)
        if rest is not None:
            folder = _folder(file)
            return "" if folder is None or not rest else _relative(folder, rest)
    if any(_below(path, kept) is not None for kept in places.lasting):
        return entry
    return "" if any(_below(path, folder) is not None for folder in places.passing) else entry


def _below(path: str, folder: str) -> str | None:
    """Return the path relative to a folder, "" for the folder itself; None if it is not in it."""
    folder = folder.rstrip("/")
    if path == folder:
        return ""
    return path[len(folder) + 1 :] if path.startswith(folder + "/") else None


def _folder(file: str) -> str | None:
    """Return where a file of a wheel will be, relative to the folder of installed distributions."""
    file = _DATA.sub("", file, count=1)
    return None if _OTHER_DATA.match(file) else posixpath.dirname(file)


def _relative(folder: str, target: str) -> str:
    return "$ORIGIN/" + posixpath.relpath(target, folder or ".")
