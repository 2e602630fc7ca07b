"""The symbol versions of the system's C and C++ libraries: GLIBC_2.34, GLIBCXX_3.4.30.

May not ask a program where they are: a loader's own search is imitated, and where two may be meant both count.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from ..linkage import Module, VersionNeed
from .elf import BROKEN, ElfFile, defined_versions
from .prefixes import is_file


def read_system_versions(
    modules: tuple[Module, ...], torch: Path, *, machine: str, bits: int
) -> tuple[VersionNeed, ...]:
    """Return the versions that the libraries which modules need define; of one that is not found, nothing.

    :param torch: the folder of the torch beside which they will run
    """
    needed = sorted({need.library for module in modules for need in module.version_needs})
    found = []
    for name in needed:
        names = {
            version
            for folder in _folders_of(name, torch)
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
    folders = [*map(Path, inherited), environment, Path(sys.base_prefix) / "lib", *map(Path, usual)]
    return list(dict.fromkeys(folders))


def _library_folder(torch: Path) -> Path:
    """Return the lib of the environment that a torch is in: of lib/python3.11/site-packages/torch."""
    return torch.parents[2] if len(torch.parents) > 2 else torch


def _versions(path: Path, machine: str, bits: int) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            elf = ElfFile(file)
            if (str(elf["e_machine"]), elf.elfclass) != (machine, bits):
                return
            yield from defined_versions(elf)
    except BROKEN:
        return
