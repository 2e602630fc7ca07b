"""Where the loader looks for libraries that are not torch's: whether CUDA runtimes are there, and symbol versions.

May not ask a program where they are: a loader's own search is imitated, and where two may be meant both count.
"""

from __future__ import annotations

import os
import platform
import posixpath
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from ..files import is_file, names_in, open_file, read_text
from ..installed.dist_info import TO_SITE_PACKAGES
from .elf import BROKEN, ElfFile, defined_versions
from .linkage import CUDART, Module, VersionNeed, WhetherFound, names_of

_CONFIGURED = "/etc/ld.so.conf"
_MOST_CONFIGURED = 100
_ORIGIN = ("$ORIGIN", "${ORIGIN}")
_ORIGIN_ENTRY = re.compile(r"^\$(?:ORIGIN|\{ORIGIN\})")


def read_system_versions(
    modules: tuple[Module, ...],
    torch: Path,
    *,
    machine: str,
    bits: int,
    loaded: Collection[str] = (),
    folders: Mapping[str, Path] | None = None,
) -> tuple[VersionNeed, ...]:
    """Return the versions that the libraries which modules need define; of one that is not found, nothing.

    What the modules bring themselves is none of the system's, unless torch has loaded the system's own before it.

    :param loaded: the libraries that torch has loaded: run paths do not matter to them any more
    :param folders: where modules are, as in `read_libraries`
    """
    own = names_of(modules).difference(loaded)
    users: dict[str, list[Module]] = {}
    for module in modules:
        for need in module.version_needs:
            users.setdefault(need.library, []).append(module)
    found = []
    for name, needing in sorted(users.items()):
        if name in own:
            continue
        places = _folders_of(name, torch)
        if name not in loaded:
            places += [
                folder
                for module in needing
                for folder in run_path_folders(module.run_path, (folders or {}).get(module.file))
            ]
        names = {
            version
            for folder in dict.fromkeys(places)
            if is_file(folder / name)
            for version in _versions(folder / name, machine, bits)
        }
        if names:
            found.append(VersionNeed(library=name, names=tuple(sorted(names))))
    return tuple(found)


def _folders_of(name: str, torch: Path) -> list[Path]:
    """Return where a library may be. What is beside the libraries of conda's torch is loaded with them.

    Their run path is $ORIGIN (conda-build, `binary_relocation`), which comes before all else.
    """
    environment = _library_folder(torch)
    if is_file(environment / "libc10.so") and is_file(environment / name):
        return [environment]
    return system_folders(torch)


def system_folders(torch: Path) -> list[Path]:
    """Return where a loader looks for libraries of the system, besides run paths.

    An environment of conda has a C++ library of its own, which its Python finds first.
    """
    environment = _library_folder(torch)
    triple = f"{platform.machine()}-linux-gnu"
    inherited = [entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(":") if entry.startswith("/")]
    usual = (f"/lib/{triple}", f"/usr/lib/{triple}", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
    configured = configured_folders(Path(_CONFIGURED))
    folders = [*map(Path, inherited), environment, Path(sys.base_prefix) / "lib", *map(Path, (*configured, *usual))]
    return list(dict.fromkeys(folders))


def configured_folders(file: Path) -> list[str]:
    """Return the folders that a configuration of ldconfig names, with what it includes (ldconfig(8))."""
    found: list[str] = []
    ahead = [file]
    for _ in range(_MOST_CONFIGURED):
        if not ahead:
            break
        file = ahead.pop(0)
        for line in read_text(file).splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["include"]:
                ahead += [path for word in words[1:] for path in _matching(file.parent / word)]
            else:
                found += [word for word in words[:1] if word.startswith("/")]
    return found


def _matching(pattern: Path) -> list[Path]:
    return [pattern.parent / name for name in names_in(pattern.parent) if fnmatch(name, pattern.name)]


def run_path_folders(run_path: Iterable[str], origin: Path | None) -> list[Path]:
    """Return the folders of a run path (ld.so(8)), those that are known."""
    found = []
    for entry in run_path:
        text = entry.replace("${ORIGIN}", "$ORIGIN")
        if "$ORIGIN" not in text:
            found.append(Path(text))
        elif origin is not None:
            found.append(Path(text.replace("$ORIGIN", str(origin))))
    return [folder for folder in found if folder.is_absolute()]


def first_file(name: str, folders: Iterable[Path]) -> Path | None:
    """Return the first file of a name in these folders; None if there is none."""
    return next((path for folder in folders if is_file(path := folder / name)), None)


def _library_folder(torch: Path) -> Path:
    """Return the lib of the environment that a torch is in: of lib/python3.11/site-packages/torch."""
    return torch.parents[2] if len(torch.parents) > 2 else torch


def _versions(path: Path, machine: str, bits: int) -> Iterator[str]:
    try:
        with open_file(path) as file:
            elf = ElfFile(file)
            if (elf.machine, elf.bits) != (machine, bits):
                return
            yield from defined_versions(elf)
    except BROKEN:
        return


def read_runtimes(
    modules: tuple[Module, ...], torch: Path, *, loaded: str, folders: Mapping[str, Path]
) -> Mapping[str, WhetherFound]:
    """Return of each runtime that a module needs whether it is found; of those that torch or modules bring, nothing."""
    needed = {name for module in modules for name in module.needed if CUDART.fullmatch(name)}
    return {name: _found(name, modules, torch, folders) for name in sorted(needed - names_of(modules) - {loaded})}


def _found(name: str, modules: tuple[Module, ...], torch: Path, folders: Mapping[str, Path]) -> WhetherFound:
    # DT_RPATH counts for all that a library needs, and what that needs; DT_RUNPATH for what it needs itself (ld.so(8)).
    users = [module for module in modules if name in module.needed or module.old_run_path]
    places = [folder for module in users for folder in _places(module, torch, folders)]
    if first_file(name, [*places, *system_folders(torch)]):
        return WhetherFound.HERE
    # What a package loads before its module is found too, and nobody but the package knows it: it would be in one of
    # NVIDIA's wheels.
    parts = torch.parent / "nvidia"
    if any(is_file(parts / part / "lib" / name) for part in names_in(parts)):
        return WhetherFound.PERHAPS
    tops = {_top(_folder_of(module)) for module in modules} | {torch.name}
    unknown = [module for module in users if module.file not in folders]
    relative = [(module, entry) for module in unknown for entry in module.run_path if entry.startswith(_ORIGIN)]
    # It may be installed elsewhere than torch is.
    leaves = any(_top(_ORIGIN_ENTRY.sub(f"./{_folder_of(module)}", entry)) not in tops for module, entry in relative)
    return WhetherFound.PERHAPS if leaves else WhetherFound.NOWHERE


def _places(module: Module, torch: Path, folders: Mapping[str, Path]) -> list[Path]:
    if module.file in folders:
        return run_path_folders(module.run_path, folders[module.file])
    # Its own folder is not there yet, and nothing could be found by way of it.
    places = run_path_folders(module.run_path, torch.parent / _folder_of(module))
    return [Path(posixpath.normpath(place)) for place in places]


def _folder_of(module: Module) -> str:
    """Return where a module of a wheel will be, beside torch."""
    return posixpath.dirname(TO_SITE_PACKAGES.sub("", module.file, count=1))


def _top(path: str) -> str:
    return posixpath.normpath(path).partition("/")[0]
