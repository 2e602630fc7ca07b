"""Files and folders that torchgraft makes for itself: nobody else may enter one, or see half of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path


def make_own_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, and those above it that are not there, likewise.

    `mkdir(parents=True)` gives its mode to the last one alone, and a umask of 002 opens the others to a group.

    :raises OSError: if it cannot be made
    """
    for path in reversed((folder, *folder.parents)):
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)


def private_folder(is_ours: Callable[[Path], bool], *, within: str = "") -> Path:
    """Return a temporary folder that only we can enter: the same one every time, so that locks in it are of use.

    Who has made it before us would own it: then another one is made, and removed as this process ends.

    :param within: where it is; "" where temporary files are
    """
    import tempfile

    folder = Path(within or tempfile.gettempdir(), f"torchgraft-{os.geteuid()}")
    with contextlib.suppress(OSError):
        make_own_folder(folder)
        if is_ours(folder):
            return folder
    import atexit
    import shutil

    folder = Path(tempfile.mkdtemp(prefix="torchgraft-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def made_in_one_step(folder: Path) -> Iterator[Path]:
    """Yield a draft beside a folder, which becomes that folder afterwards: other builds see all of it, or nothing.

    :raises OSError: if it cannot be made, or there is one already
    """
    import shutil
    import tempfile

    make_own_folder(folder.parent)
    draft = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=folder.parent))  # with mode 0700
    try:
        yield draft
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_in_one_step(folder: Path) -> None:
    """Take a folder of ours away, then delete what is in it; never what its links lead to.

    What is left of it where this process is killed has a name that is swept.

    :raises OSError: if it cannot be moved
    """
    import shutil
    import tempfile

    trash = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=folder.parent))  # with mode 0700
    try:
        folder.rename(trash / folder.name)
    finally:
        shutil.rmtree(trash, ignore_errors=True)


def write_own_file(path: Path, text: str) -> None:
    """Write a file in one step: other builds read it.

    :raises OSError: if it cannot be written
    """
    make_own_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
