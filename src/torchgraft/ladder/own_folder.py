"""Folders that torchgraft makes for itself.

May not change one that is there.
"""

from __future__ import annotations

from pathlib import Path


def make_own_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, and those above it that are not there, likewise.

    `mkdir(parents=True)` gives its mode to the last one alone, and a umask of 002 opens the others to a group.

    :raises OSError: if it cannot be made
    """
    for path in reversed((folder, *folder.parents)):
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)
