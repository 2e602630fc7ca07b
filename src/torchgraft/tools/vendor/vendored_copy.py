"""What a copy of torchgraft is made of, what of one stands in a project, and the writing of one.

May not touch anything of a project outside of the copy's folder.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ... import __version__
from ...codec import json_text
from ...errors import ActError, ConfigError, install_command
from ...files import UnreadableError, digest_of, read_whole, walk
from ...model.torch_values import required_name
from ..adopt.adoption import IN_TREE, OWN_NAME
from ..adopt.sdist import not_written
from ..from_json import from_json_text
from ..shared_options import own_installer
from .plan_vendor import MANIFEST, Copy, Manifest

PACKAGE = Path(__file__).parents[2]

_LARGEST_BYTES = 1_000_000
_NOT_FOR_BUILDS = frozenset({"tools", "cli.py", "__main__.py", "py.typed"})
# What every hook needs. What only some builds need, they ask for by get_requires_for_build_wheel.
_NEEDED = frozenset({"packaging", "pyproject-hooks", "tomli"})


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
    """Return what a copy of this very torchgraft is.

    :raises ActError: if torchgraft is not installed as it should be
    """
    requires = _distribution().requires or ()
    return Manifest(
        version=__version__,
        requires=tuple(text for text in requires if required_name(text) in _NEEDED),
        files={name: digest_of(path) for name, path in sorted(read_own_files().items())},
    )


def read_copy(project: Path) -> Copy:
    """Return the copy that stands in a project.

    :raises SnapshotError: if its manifest is none
    """
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
    """Write the files of a copy and its manifest, the manifest last, and remove those that an older copy had.

    :param stale: paths in the folder that belong to no copy any more
    :raises ActError: if one cannot be written
    """
    try:
        _write(folder, files, manifest, stale)
    except OSError as error:
        raise not_written(folder, error, f"ls -ld {folder.parent}") from None


def _write(folder: Path, files: Mapping[str, Path], manifest: Manifest, stale: tuple[str, ...]) -> None:
    for name in stale:
        (folder / name).unlink(missing_ok=True)
    for name, source in sorted(files.items()):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (folder / MANIFEST).write_bytes(json_text(manifest).encode("utf-8"))
