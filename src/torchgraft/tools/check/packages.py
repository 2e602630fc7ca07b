"""The distributions of an environment that may need torch: their records, their libraries, and what cures them.

May not import or run anything of the environment, nor judge what it finds. Cures are no guesses: where the front end is
not known, or a wheel would come back as it was, there are none.
"""

from __future__ import annotations

import os
import re
import shlex
import zipfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...errors import PlanError
from ...files import is_file, is_folder, open_file, read_start, real
from ...installed.dist_info import Installed, choose_installed, find_installed, read_direct_url, read_lines, version_of
from ...link.linkage import Format, Module
from ...link.modules import is_library_name, read_archive_modules, read_file_modules
from ...link.system_libraries import first_file, run_path_folders, system_folders
from ...untrusted import parse_version
from ...values import dataclass
from ...wheel.archive import ZIP_FAULTS
from ...wheel.guarding import built_torch, cures, torch_cure
from ...wheel.record import read_record, read_wheel_record
from .package_libraries import find_libraries, read_pythons

_LARGEST_START_BYTES = 4096
# Of the driver of a GPU, which the machine may get later.
_OF_DRIVER = re.compile(r"lib(?:cuda|nvidia|nvml|ze_loader)\b|linux-vdso|ld-linux")
_LIBRARY = re.compile(r"\.(?:so|pyd|dylib|dll)(?:\.\d+)*\Z")
_LARGEST_OTHER_BYTES = 64_000_000
_TORCH_NAME = re.compile(rb"\b(?:lib)?(?:c10|torch)(?:_\w+)?\.(?:dylib|dll)\b", re.IGNORECASE)
_LINKER_SCRIPT = re.compile(rb"GNU ld script|\b(?:INPUT|GROUP|OUTPUT_FORMAT)\s*\(")
_LARGEST_BYTES = 1_000_000
_INSTALLERS = frozenset({"pip", "uv"})
# What was compiled on this machine; the wheels of indexes are for manylinux.
_LOCAL_TAG = re.compile(rb"^Tag:.*-linux_\w+[ \t\r]*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class InstalledPackage:
    """One distribution. `libraries` are its libraries, by their names relative to where the package is.

    `unseen` is what was to be looked at and was not there, or cannot be found, with the reason. `record` is our own, {}
    where there is none. `cures` are the commands that build it anew, none where it would come back as it was;
    `torch_cures` those that install a torch for it. Of what is not installed, `modules` are what was read of the
    libraries.
    """

    name: str
    version: str
    installer: str
    record: Mapping[str, Any]
    libraries: Mapping[str, Path]
    unseen: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cures: tuple[str, ...] = ()
    torch_cures: tuple[str, ...] = ()
    modules: tuple[Module, ...] = ()


def read_installed(search_path: Iterable[str], *, prefix: Path) -> tuple[InstalledPackage, ...]:
    """Return all distributions that have libraries or a record, sorted by name; not torch itself.

    Those that may have libraries which were not found are among them.
    """
    pythons = read_pythons(prefix)
    found = (
        _read(candidates, prefix, pythons)
        for name, candidates in find_installed(search_path).items()
        if name != "torch"
    )
    with_any = (package for package in found if package.libraries or package.record or package.unseen)
    return tuple(sorted(with_any, key=lambda package: package.name))


def is_package_file(path: Path) -> bool:
    """Return whether a path is of a wheel or a library, going by its name, or of a file that is no interpreter."""
    is_named = (path.suffix == ".whl" or is_library_name(path.name)) and not is_folder(path)
    return is_named or (is_file(path) and not os.access(path, os.X_OK))


def read_package_file(path: Path) -> InstalledPackage:
    """Return a wheel, or a single library, as if it were installed; raise PlanError if it is neither."""
    if path.suffix != ".whl":
        libraries = {path.name: Path(real(path))}
        modules = read_file_modules(libraries) or (_no_library(path.name, read_start(path, 1)),)
        return InstalledPackage(
            name=path.name, version="", installer="", record={}, libraries=libraries, modules=modules
        )
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            read = read_archive_modules(archive)
            names = {name for name in archive.namelist() if _LIBRARY.search(name)} - {module.file for module in read}
            others = [_unread(name, _member_start(archive, name)) for name in sorted(names)]
            record = read_wheel_record(archive)
    except (OSError, *ZIP_FAULTS) as error:
        raise PlanError.of(
            code="bad-wheel",
            headline=f"{path.name} is not a wheel",
            found=str(error),
            why="its libraries cannot be looked at",
        ) from None
    name, version = [*path.name.split("-"), ""][:2]
    modules = (*read, *(module for module in others if module is not None))
    return InstalledPackage(name=name, version=version, installer="", record=record, libraries={}, modules=modules)


def read_modules(package: InstalledPackage) -> tuple[Module, ...]:
    """Return what can be read of the libraries of a package; of one that is none, that it is none."""
    read = package.modules or read_file_modules(package.libraries)
    names = package.libraries.keys() - {module.file for module in read}
    others = (_unread(name, read_start(package.libraries[name], _LARGEST_START_BYTES)) for name in sorted(names))
    return (*read, *(module for module in others if module is not None))


def may_need_torch(package: InstalledPackage, modules: Iterable[Module]) -> bool:
    """Return whether libraries that cannot be read may need torch: damaged ones, and others than ELF that name it.

    Of a file that somebody asks for, all that are not ELF.
    """
    others = [module.file for module in modules if module.format is not Format.ELF]
    return any(module.fault for module in modules) or any(
        bool(package.modules) or _names_torch(package.libraries[file]) for file in others
    )


def _names_torch(path: Path) -> bool:
    """Return whether the name of a library of torch stands in a file; Mach-O and PE have it as it is."""
    return bool(_TORCH_NAME.search(read_start(path, _LARGEST_OTHER_BYTES) or b""))


def _member_start(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        return member.read(_LARGEST_START_BYTES)


def _unread(name: str, start: bytes | None) -> Module | None:
    """Return that a file is no library, though it is called one; None of what is for the linker alone."""
    is_script = start is not None and _LINKER_SCRIPT.search(start)
    return None if is_script or not _LIBRARY.search(name) else _no_library(name, start)


def _no_library(name: str, start: bytes | None) -> Module:
    said = "it cannot be read" if start is None else "it is no library" if start else "it is empty"
    return Module(file=name, format=Format.ELF, fault=said)


def _read(candidates: tuple[Installed, ...], prefix: Path, pythons: frozenset[str]) -> InstalledPackage:
    installed, header = choose_installed(candidates)
    installer, *_ = (*read_lines(installed, "INSTALLER"), "")
    info, record = installed.information, read_record(installed.information)
    finding = find_libraries(installed, record, prefix=prefix, pythons=pythons)
    known = (
        tuple(cures(info, prefix=prefix))
        if record
        else foreign_cures(info, installed.name, installer=installer, prefix=prefix, libraries=finding.made)
    )
    return InstalledPackage(
        name=installed.name,
        version=(header.version if header else "") or version_of(installed),
        installer=installer,
        record=record,
        libraries=finding.libraries,
        unseen=finding.unseen,
        cures=known,
        torch_cures=torch_cures(installer, record, prefix=prefix),
    )


def torch_cures(installer: str, record: Mapping[str, Any], *, prefix: Path) -> tuple[str, ...]:
    """Return the command by which an `installer` installs the torch that a package was built for, if none is there."""
    if installer not in _INSTALLERS:
        return ()
    version = str(built_torch(record).get("version") or "")
    return (torch_cure(version if parse_version(version) else "", by_uv=installer == "uv", prefix=prefix),)


def foreign_cures(info: Path, name: str, *, installer: str, prefix: Path, libraries: Iterable[Path]) -> tuple[str, ...]:
    """Return the commands that build a package anew that was not built by torchgraft, but on this machine.

    Without build isolation: its own build would not see the torch that is there. `tests/e2e/test_check.py` runs them.

    :param installer: as its INSTALLER says
    """
    if installer not in _INSTALLERS or (prefix / "uv-receipt.toml").is_file():
        return ()
    direct = read_direct_url(info)
    if not _is_built_here(info, direct):
        return ()
    # Of an index that has wheels too.
    source = () if direct else ("--no-binary", name)
    alone = ("--no-build-isolation-package", name)
    options = {"pip": ("--no-build-isolation", *source), "uv pip": (*alone, *source), "uv sync": alone}
    found = cures(info, prefix=prefix, options=options)
    folder = direct.get("dir_info")
    if isinstance(folder, dict) and folder.get("editable"):
        # setuptools compares the times of the sources alone, and they are older than these.
        found.insert(0, shlex.join(["rm", "-f", *sorted(map(str, libraries))]))
    return tuple(found)


def _is_built_here(info: Path, direct: Mapping[str, Any]) -> bool:
    if direct:
        return "archive_info" not in direct or not str(direct.get("url")).partition("#")[0].endswith(".whl")
    return bool(_LOCAL_TAG.search(read_start(info / "WHEEL", _LARGEST_BYTES) or b""))


def find_lost(
    modules: Iterable[Module], torch: Path, *, folders: Mapping[str, Path], provided: Collection[str]
) -> Mapping[str, tuple[str, ...]]:
    """Return of each installed extension module the libraries that it needs, and that are nowhere where it looks.

    Nor are they torch's, which is loaded before, nor of any package, which may load them for it.

    :param provided: the names of all libraries that packages have here
    """
    system = [torch / "lib", *system_folders(torch)]
    found = {}
    for module in modules:
        if module.inits and module.file in folders:
            others = [name for name in module.needed if name not in provided and not _OF_DRIVER.match(name)]
            places = [*run_path_folders(module.run_path, folders[module.file]), *system]
            found[module.file] = tuple(name for name in others if first_file(name, places) is None)
    return {file: names for file, names in found.items() if names}
