"""The distributions of an environment that may need torch: their records and their libraries.

May not import or run anything of the environment, nor judge what it finds.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Evidence, PlanError, Problem
from ..linkage import Module
from .editable import editable_targets
from .further_cures import foreign_cures, torch_cures
from .guarding import cures
from .metadata import Installed, choose_installed, find_installed, read_files, read_start, version_of
from .modules import is_library_name, read_wheel_modules
from .prefixes import is_file, is_folder

_LARGEST_RECORD_BYTES = 10_000_000
_RECORD_NAME = "torchgraft.json"
# Sources of an editable installation may be anywhere, a home folder included.
_MOST_FILES = 50_000
_NO_PACKAGES = frozenset({".git", "__pycache__", "node_modules"})


@dataclass(frozen=True, kw_only=True)
class InstalledPackage:
    """One distribution. `libraries` are its libraries, by their names relative to where the package is.

    `record` is our own, {} where there is none. `cures` are the commands that build it anew, none where it would come
    back as it was; `torch_cures` those that install a torch for it. Of what is not installed,
    `modules` are what was read of the libraries.
    """

    name: str
    version: str
    installer: str
    record: Mapping[str, Any]
    libraries: Mapping[str, Path]
    cures: tuple[str, ...] = ()
    torch_cures: tuple[str, ...] = ()
    modules: tuple[Module, ...] = ()


def read_installed(search_path: Iterable[str], *, prefix: Path) -> tuple[InstalledPackage, ...]:
    """Return all distributions that have libraries or a record, sorted by name; not torch itself."""
    found = (_read(candidates, prefix) for name, candidates in find_installed(search_path).items() if name != "torch")
    return tuple(sorted((p for p in found if p.libraries or p.record), key=lambda package: package.name))


def read_package_file(path: Path) -> InstalledPackage:
    """Return a wheel, or a single library, as if it were installed.

    :raises PlanError: if it is neither
    """
    if path.suffix != ".whl":
        return InstalledPackage(
            name=path.name, version="", installer="", record={}, libraries={path.name: path.resolve()}
        )
    try:
        modules = read_wheel_modules(path)
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(f".dist-info/{_RECORD_NAME}")]
            record = _parse_record(archive.read(names[0])) if names else {}
    except (OSError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise PlanError(
            Problem(
                code="bad-wheel",
                headline=f"{path.name} is not a wheel",
                evidence=(Evidence(label="found", text=str(error)),),
                why="its libraries cannot be looked at",
            )
        ) from None
    name, version = [*path.name.split("-"), ""][:2]
    return InstalledPackage(name=name, version=version, installer="", record=record, libraries={}, modules=modules)


def read_record(info: Path) -> Mapping[str, Any]:
    """Return the record in a dist-info folder; {} where there is none that can be read."""
    return _parse_record(read_start(info / _RECORD_NAME, _LARGEST_RECORD_BYTES) or b"")


def _parse_record(data: bytes) -> Mapping[str, Any]:
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _read(candidates: tuple[Installed, ...], prefix: Path) -> InstalledPackage:
    installed, header = choose_installed(candidates)
    installer = (read_start(installed.information / "INSTALLER", 1000) or b"").decode("utf-8", errors="replace").strip()
    info, record, libraries = installed.information, read_record(installed.information), dict(_libraries(installed))
    known = (
        tuple(cures(info, prefix=prefix))
        if record
        else foreign_cures(info, installed.name, installer=installer, prefix=prefix, libraries=libraries.values())
    )
    return InstalledPackage(
        name=installed.name,
        version=(header.version if header else "") or version_of(installed),
        installer=installer,
        record=record,
        libraries=libraries,
        cures=known,
        torch_cures=torch_cures(installer, record, prefix=prefix),
    )


def _libraries(installed: Installed) -> Iterator[tuple[str, Path]]:
    """Yield the libraries that a distribution lists, else those of its source tree if it is editable."""
    files = read_files(installed)
    for file in files or ():
        if is_library_name(file) and not file.startswith(("../", "/")):
            yield file, installed.site / file
    for name, target in editable_targets(installed, files).items():
        yield from _libraries_in(name, target)


def _libraries_in(name: str, target: Path) -> Iterator[tuple[str, Path]]:
    if is_file(target):
        if is_library_name(target.name):
            yield name, target
        return
    if not is_folder(target):
        return
    # A module beside it, such as ext_c.so beside ext/, is a target of its own.
    seen = 0
    for parent, folders, files in os.walk(target):
        folders[:] = sorted(folder for folder in folders if folder not in _NO_PACKAGES)
        for file in sorted(files):
            path = Path(parent, file)
            if is_library_name(file):
                yield f"{name}/{path.relative_to(target).as_posix()}", path
        seen += len(files)
        if seen > _MOST_FILES:
            return
