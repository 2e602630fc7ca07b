"""Write a copy of torchgraft into a project.

May not decide what belongs to it, nor touch anything outside of its folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from ...codec import json_text
from ..adopt.project_file import not_written
from .vendored import MANIFEST, Manifest


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
