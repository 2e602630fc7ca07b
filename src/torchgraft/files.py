"""Files and folders of others, which may be missing, unreadable, endless or no files at all; where caches are kept.

None of that raises, but where a reason is asked for. May not write, nor know what stands in them. Whatever is read is
read up to a bound.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

# Of files that a person, a tool or the kernel writes for configuration.
_SMALL_BYTES = 65_536
_CHUNK_BYTES = 1 << 20
_DEEPEST = 200


class UnreadableError(Exception):
    """A file that cannot be read, or not as what it should be; its text says why, and goes after the file's name."""


def fill_streams() -> None:
    """Open what of the three standard streams was closed before we began.

    The next file that is opened would take its number otherwise, and all that is said would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - it has no name


def open_file(path: Path) -> BinaryIO:
    """Return a file opened for reading, waiting for no pipe; raise OSError if it cannot be, or is no regular file."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # what a folder is, opening it says
        raise OSError(None, "it is no regular file")
    return path.open("rb")


def read_whole(path: Path, limit_bytes: int) -> bytes:
    """Return the content of a file; raise UnreadableError if it cannot be read, or is larger."""
    try:
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise UnreadableError("is a pipe or a device, whose content can be read once")
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        why = error.strerror if error.errno is None else os.strerror(error.errno)
        raise UnreadableError(f"cannot be read: {why or 'no reason given'}") from None
    except ValueError:
        raise UnreadableError("is no path") from None
    if len(content) > limit_bytes:
        raise UnreadableError(f"is larger than {limit_bytes // 1_000_000} MB")
    return content


def digest_of(path: Path) -> str:
    """Return the SHA-256 digest of a file; raise OSError if it cannot be read."""
    import hashlib

    total = hashlib.sha256()
    with open_file(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            total.update(chunk)
    return total.hexdigest()


def read_start(path: Path, limit_bytes: int) -> bytes | None:
    """Return the start of a file, None where it cannot be read; a pipe is not waited for."""
    try:
        with open_file(path) as file:
            return file.read(limit_bytes)
    except (OSError, ValueError):
        return None


def find_text(path: Path, limit_bytes: int = _SMALL_BYTES) -> str | None:
    """Return the text of a file, None where it cannot be read; what is no UTF-8 is replaced."""
    data = read_start(path, limit_bytes)
    return None if data is None else data.decode("utf-8-sig", errors="replace")


def read_text(path: Path, limit_bytes: int = _SMALL_BYTES) -> str:
    """Return the text of a file; "" where it cannot be read."""
    return find_text(path, limit_bytes) or ""


def is_file(path: Path) -> bool:
    """Return whether there is a file, a link to one included; False where that cannot be found out."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Return whether there is a folder; False where that cannot be found out."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def names_in(folder: Path) -> tuple[str, ...]:
    """Return the names in a folder, sorted; none where it cannot be read."""
    try:
        return tuple(sorted(os.listdir(folder)))  # noqa: PTH208 - a site folder has hundreds, of which few matter
    except (OSError, ValueError):
        return ()


def walk(
    folder: Path, *, onerror: Callable[[OSError], object] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield what os.walk does, down to a depth that no tree has: up to Python 3.11 it calls itself for each folder."""
    root = os.fspath(folder)
    for parent, folders, files in os.walk(root, onerror=onerror):
        yield parent, folders, files
        if parent.count(os.sep) - root.count(os.sep) >= _DEEPEST:
            folders.clear()


def joined(folder: str, path: str) -> Path:
    """Return a path that was given to a program which ran in `folder`, `~` expanded, without `..`."""
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:  # there is no such user
        expanded = Path(path)
    return Path(os.path.normpath(Path(folder) / expanded))


def leads_out(name: str) -> bool:
    """Return whether the name of a file in an archive or a list may lead out of the folder that it is for."""
    return name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name


def real(path: Path) -> str:
    """Return a path with its links followed, to compare it with another."""
    try:
        return os.path.normcase(os.path.realpath(path))
    except (OSError, ValueError):
        return os.path.normcase(path)


def unique_folders(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Return those that exist, each real folder once, in their order."""
    found: dict[str, Path] = {}
    for folder in folders:
        if is_folder(folder):
            found.setdefault(real(folder), folder)
    return tuple(found.values())


def cache_folder(named: str, variables: Mapping[str, str]) -> Path:
    """Return the folder that was named, else ours among the user's caches, where the system keeps those."""
    if named:
        return Path(os.path.expanduser(named)).absolute()  # noqa: PTH111 - Path's raises without a home
    ours = "torchgraft"
    if sys.platform == "win32":
        local = variables.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")  # noqa: PTH111
        return Path(local, ours, "Cache")
    cache = variables.get("XDG_CACHE_HOME", "")
    if Path(cache).is_absolute():  # what is relative is to be ignored (XDG Base Directory Specification)
        return Path(cache, ours)
    home = variables.get("HOME", "")
    if not Path(home).is_absolute():
        import pwd

        with contextlib.suppress(KeyError):
            home = pwd.getpwuid(os.getuid()).pw_dir
    if Path(home).is_absolute():
        return Path(home, "Library/Caches" if sys.platform == "darwin" else ".cache", ours)
    import tempfile

    # Neither HOME nor an entry for the user: containers that are run as any user. Whose folder it is, is checked.
    return Path(tempfile.gettempdir(), f"{ours}-{os.getuid()}")
