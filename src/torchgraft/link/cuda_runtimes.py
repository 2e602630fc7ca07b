"""Which CUDA runtimes that modules need are there when they are loaded, besides the one that torch loads.

May not say whether that matters: `decide.link_cuda` does.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from ..files import is_file, names_in
from .linkage import CUDART, Found, Module
from .loading import names_of
from .system_libraries import first_file, run_path_folders, system_folders

_ORIGIN = ("$ORIGIN", "${ORIGIN}")
_ORIGIN_ENTRY = re.compile(r"^\$(?:ORIGIN|\{ORIGIN\})")
_DATA = re.compile(r"[^/]+\.data/(?:platlib|purelib)/")


def read_runtimes(
    modules: tuple[Module, ...], torch: Path, *, loaded: str, folders: Mapping[str, Path]
) -> Mapping[str, Found]:
    """Return of each runtime that a module needs whether it is found; of those that modules bring themselves, nothing.

    :param torch: the folder of the torch beside which they will run
    :param loaded: the runtime that torch loads, "" if none is known
    :param folders: where modules are, as in `symbols.read_libraries`
    """
    needed = {name for module in modules for name in module.needed if CUDART.fullmatch(name)}
    return {name: _found(name, modules, torch, folders) for name in sorted(needed - names_of(modules) - {loaded})}


def _found(name: str, modules: tuple[Module, ...], torch: Path, folders: Mapping[str, Path]) -> Found:
    # DT_RPATH counts for all that a library needs, and what that needs; DT_RUNPATH for what it needs itself (ld.so(8)).
    users = [module for module in modules if name in module.needed or module.old_run_path]
    places = [folder for module in users for folder in _places(module, torch, folders)]
    if first_file(name, [*places, *system_folders(torch)]):
        return Found.HERE
    # What a package loads before its module is found too, and nobody but the package knows it: it would be in one of
    # NVIDIA's wheels.
    parts = torch.parent / "nvidia"
    if any(is_file(parts / part / "lib" / name) for part in names_in(parts)):
        return Found.PERHAPS
    tops = {_top(_folder_of(module)) for module in modules} | {torch.name}
    unknown = [module for module in users if module.file not in folders]
    relative = [(module, entry) for module in unknown for entry in module.run_path if entry.startswith(_ORIGIN)]
    # It may be installed elsewhere than torch is.
    leaves = any(_top(_ORIGIN_ENTRY.sub(f"./{_folder_of(module)}", entry)) not in tops for module, entry in relative)
    return Found.PERHAPS if leaves else Found.NOWHERE


def _places(module: Module, torch: Path, folders: Mapping[str, Path]) -> list[Path]:
    if module.file in folders:
        return run_path_folders(module.run_path, folders[module.file])
    # Its own folder is not there yet, and nothing could be found by way of it.
    places = run_path_folders(module.run_path, torch.parent / _folder_of(module))
    return [Path(posixpath.normpath(place)) for place in places]


def _folder_of(module: Module) -> str:
    """Return where a module of a wheel will be, beside torch."""
    return posixpath.dirname(_DATA.sub("", module.file, count=1))


def _top(path: str) -> str:
    return posixpath.normpath(path).partition("/")[0]
