"""A copy of torchgraft in a project: what it is made of and how it differs from that, what the project has to hold.

May not touch anything of a project outside of the copy's folder.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ... import __version__
from ...codec import json_text
from ...errors import ActError, ConfigError, install_command
from ...files import UnreadableError, digest_of, read_whole, walk
from ...model.torch_values import required_name
from ...untrusted import strings, table
from ...values import dataclass
from ..adopt.adoption import BACKEND, IN_TREE, OWN_NAME
from ..adopt.plan_need import merged_requirement
from ..adopt.sdist import not_written
from ..from_json import from_json_text
from ..shared_options import own_installer

PACKAGE = Path(__file__).parents[2]

_LARGEST_BYTES = 1_000_000
_NOT_FOR_BUILDS = frozenset({"tools", "cli.py", "__main__.py", "py.typed"})
# What every hook needs. What only some builds need, they ask for by get_requires_for_build_wheel.
_NEEDED = frozenset({"packaging", "pyproject-hooks", "tomli"})
MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a copy was made of: a version, what it needs, and the SHA-256 digest of each file by its path."""

    version: str
    requires: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What stands in a project: the manifest, if there is one, and the digests of all files but that."""

    manifest: Manifest | None = None
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class CopyFault:
    """One thing that is not as the manifest says."""

    file: str
    what: str


def read_own_files() -> dict[str, Path]:
    """Return the files that a copy is made of, by their path in it: the package without its commands, the licence.

    :raises ActError: if torchgraft is not installed as it should be
    """
    own = {
        f"{OWN_NAME}/{path.relative_to(PACKAGE).as_posix()}": path
        for path in _files(PACKAGE)
        if path.relative_to(PACKAGE).parts[0] not in _NOT_FOR_BUILDS
    }
    return {**own, "LICENSE": _licence()}


def describe_own() -> Manifest:
    """Return what a copy of this very torchgraft is; raise ActError as `read_own_files` does."""
    requires = _distribution().requires or ()
    return Manifest(
        version=__version__,
        requires=tuple(text for text in requires if required_name(text) in _NEEDED),
        files={name: digest_of(path) for name, path in sorted(read_own_files().items())},
    )


def read_copy(project: Path) -> Copy:
    """Return the copy that stands in a project; raise SnapshotError if its manifest is none."""
    folder = project / IN_TREE
    manifest = folder / MANIFEST
    if not folder.is_dir():
        return Copy()
    try:
        text = read_whole(manifest, _LARGEST_BYTES).decode("utf-8") if manifest.exists() else ""
    except (UnreadableError, ValueError) as error:
        raise ConfigError.of(
            code="bad-snapshot", headline=f"{manifest} {error}", fixes=("torchgraft vendor",)
        ) from None
    found = from_json_text(Manifest, text, source=str(manifest)) if text else None
    files = {path.relative_to(folder).as_posix(): digest_of(path) for path in _files(folder) if path != manifest}
    return Copy(manifest=found, files=files)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(Path(parent, name) for parent, _, files in walk(folder) for name in files):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield path


def _distribution() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(OWN_NAME)
    except importlib.metadata.PackageNotFoundError:
        raise _not_installed("it has no metadata") from None


def _licence() -> Path:
    distribution = _distribution()
    for file in distribution.files or ():
        if file.name == "LICENSE":
            return Path(str(distribution.locate_file(file)))
    raise _not_installed("its licence is not there")


def _not_installed(reason: str) -> ActError:
    return ActError.of(
        code="not-installed",
        headline=f"torchgraft is not installed as it should be: {reason}",
        why="a copy holds its licence, and names what it needs",
        fixes=(install_command(sys.prefix, ["--force-reinstall", "torchgraft"], by_uv=own_installer() == "uv"),),
    )


def write_copy(folder: Path, files: Mapping[str, Path], manifest: Manifest, *, stale: tuple[str, ...]) -> None:
    """Write the files of a copy, the manifest last, and remove stale ones; raise ActError if one cannot be written."""
    try:
        for name in stale:
            (folder / name).unlink(missing_ok=True)
        for name, source in sorted(files.items()):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        (folder / MANIFEST).write_bytes(json_text(manifest).encode("utf-8"))
    except OSError as error:
        raise not_written(folder, error, f"ls -ld {folder.parent}") from None


def compare_copy(copy: Copy, pyproject: Mapping[str, Any]) -> tuple[CopyFault, ...]:
    """Return all in which a project is not as the manifest of its copy says; nothing if it is."""
    if copy.manifest is None:
        return (CopyFault(file=f"{IN_TREE}/{MANIFEST}", what="missing"),)
    return (*_file_faults(copy.manifest, copy), *_build_system_faults(copy.manifest, pyproject))


def altered_files(copy: Copy, own: Manifest) -> tuple[str, ...]:
    """Return the files that somebody has altered since the copy was made: writing a new one would lose that.

    A file that is already as it will be counts as unaltered.
    """
    known = copy.manifest.files if copy.manifest else {}
    return tuple(
        name
        for name, digest in sorted(copy.files.items())
        if digest != known.get(name) and digest != own.files.get(name)
    )


def stale_files(copy: Copy, own: Manifest) -> tuple[str, ...]:
    """Return the files of the old copy that the new one does not have."""
    known = copy.manifest.files if copy.manifest else {}
    return tuple(name for name in sorted(copy.files) if name in known and name not in own.files)


def with_copy_in_sdist(manifest_in: str | None) -> str | None:
    """Return the text of MANIFEST.in with a line that puts the copy into sdists; None where it does so already.

    setuptools leaves out what is no package of the project, and a build from such an sdist would have no backend.
    """
    named = (["graft", IN_TREE], ["recursive-include", IN_TREE])
    is_named = any(line.split()[:2] in named for line in (manifest_in or "").splitlines())
    line = f"recursive-include {IN_TREE} *.py {MANIFEST} LICENSE"
    return None if is_named else _with_line(manifest_in, line)


def with_copy_marked(attributes: str | None) -> str | None:
    """Return the text of .gitattributes with a line that says whose the copy is; None where something is said of it.

    GitHub then counts it in no statistics of languages, and folds it in differences.
    """
    lines = [line.split() for line in (attributes or "").splitlines()]
    is_said = any(
        line and line[0].strip("/").startswith(IN_TREE) and any("linguist-vendored" in word for word in line[1:])
        for line in lines
    )
    return None if is_said else _with_line(attributes, f"{IN_TREE}/** linguist-vendored")


def _with_line(text: str | None, line: str) -> str:
    text = text or ""
    end = "\r\n" if "\r\n" in text else "\n"
    gap = end if text and not text.endswith("\n") else ""
    return f"{text}{gap}{line}{end}"


def _file_faults(manifest: Manifest, copy: Copy) -> Iterator[CopyFault]:
    for name in sorted({*manifest.files, *copy.files}):
        if name not in copy.files:
            yield CopyFault(file=f"{IN_TREE}/{name}", what="missing")
        elif name not in manifest.files:
            yield CopyFault(file=f"{IN_TREE}/{name}", what="not of torchgraft")
        elif copy.files[name] != manifest.files[name]:
            yield CopyFault(file=f"{IN_TREE}/{name}", what="changed")


def _build_system_faults(manifest: Manifest, pyproject: Mapping[str, Any]) -> Iterator[CopyFault]:
    system = table(pyproject.get("build-system"))
    if system.get("build-backend") != BACKEND:
        yield CopyFault(file="pyproject.toml", what=f'build-backend is not "{BACKEND}"')
    if system.get("backend-path") != [IN_TREE]:
        yield CopyFault(file="pyproject.toml", what=f'backend-path is not ["{IN_TREE}"]')
    for requirement in manifest.requires:
        if not any(merged_requirement(item, requirement) == item for item in strings(system.get("requires"))):
            yield CopyFault(file="pyproject.toml", what=f'requires lacks "{requirement}"')
