"""Unpack an sdist to look at it, and write what adopting changes: a file of a project, or a new sdist.

May not change an sdist, nor write over one, nor decide what is written.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import ActError
from ...files import leads_out
from ...project.archives import BROKEN, archive_files

PYPROJECT = "pyproject.toml"

_BLOCK = tarfile.BLOCKSIZE
_MAGIC = slice(257, 265)  # where a header says its format
_MOST_BYTES = 4_000_000_000


def unpack_sdist(path: Path, folder: Path) -> Path:
    """Return the source tree of an sdist, unpacked below `folder`; raise ActError if it is none."""
    root = unpack_archive(path, folder)
    if not (root / "PKG-INFO").is_file():
        raise _broken(path, "it holds no single folder with PKG-INFO in it")
    return root


def unpack_archive(path: Path, folder: Path) -> Path:
    """Return the one folder of an archive: plain files, none outside, no links; raise ActError if it has none."""
    folder.mkdir(exist_ok=True)
    left = _MOST_BYTES
    try:
        for name, size, stream in archive_files(path):
            left -= size
            if left < 0:
                raise ValueError(f"it unpacks to more than {_MOST_BYTES} bytes")
            if not PurePosixPath(name).parts or leads_out(name):
                raise ValueError(f"it has a member called {name!r}")
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as file:
                shutil.copyfileobj(stream, file)
    except BROKEN as error:
        raise _broken(path, _reason(path, error)) from None
    roots = [entry for entry in folder.iterdir() if entry.is_dir()]
    roots = [entry for entry in roots if (entry / "PKG-INFO").is_file()] or roots
    if len(roots) != 1:
        raise _broken(path, "it holds no single folder with PKG-INFO in it")
    return roots[0]


def write_sdist(path: Path, target: Path, pyproject: str) -> Path:
    """Write an sdist with another pyproject.toml, and every other member as it was, to a new file.

    The same sdist and text always make the same bytes. Members of a tar archive are copied with their headers.

    :raises ActError: if there is another file already, or it cannot be written
    """
    rewrite = _rewrite_zip if zipfile.is_zipfile(path) else _rewrite_tar
    with _new_file(target) as draft:
        rewrite(path, draft, pyproject.encode("utf-8"))
    return target


def place_sdist(made: Path, target: Path) -> Path:
    """Give a finished sdist its place; raise ActError if there is another file already, or it cannot be written."""
    with _new_file(target) as draft:
        shutil.copyfile(made, draft)
    return target


@contextlib.contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """Yield where a file is to be written; raise ActError if another one has its name, or it cannot be written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            yield draft
            _publish(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise not_written(target, error, "--output FOLDER   (one that you may write to)") from None


def _publish(draft: Path, target: Path) -> None:
    """Give a finished file its name, in one step, if nothing else has that name."""
    try:
        os.link(draft, target)
    except FileExistsError:
        if target.read_bytes() == draft.read_bytes():
            return
        raise there_already(target) from None
    except OSError:
        # A file system without hard links.
        with target.open("xb") as file, draft.open("rb") as made:
            shutil.copyfileobj(made, file)


def there_already(target: Path) -> ActError:
    """Return the error that says that a file is somebody else's."""
    return ActError.of(
        code="file-exists",
        headline=f"{target} is there already",
        why="a file that somebody made is never written over",
        fixes=("--output FOLDER   (another one)",),
    )


def _rewrite_tar(path: Path, target: Path, data: bytes) -> None:
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        plain: Any = tar.fileobj  # what the archive is, no longer compressed
        plain.seek(0)
        raw = memoryview(plain.read())
    root = _root([member.name for member in members])
    name = f"{root}/{PYPROJECT}"
    # uv refuses an archive in which the formats change.
    is_gnu = bytes(raw[_MAGIC]) == tarfile.GNU_MAGIC
    position = 0
    with target.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as out:
        for member in members:
            end = member.offset_data + (-(-member.size // _BLOCK) * _BLOCK if member.isreg() else 0)
            if member.name == name:
                # What stands before its header (a global one) belongs to what follows too.
                out.write(raw[position : member.offset])
                _write_member(out, member, data, gnu=is_gnu)
            else:
                out.write(raw[position:end])
            position = end
        if all(member.name != name for member in members):
            like = copy.copy(next(member for member in members if member.name == f"{root}/PKG-INFO"))
            like.name = name
            _write_member(out, like, data, gnu=is_gnu)
        out.write(bytes(2 * _BLOCK))


def _write_member(out: gzip.GzipFile, member: tarfile.TarInfo, data: bytes, *, gnu: bool) -> None:
    new = copy.copy(member)
    new.size = len(data)
    new.pax_headers = {key: value for key, value in member.pax_headers.items() if key not in {"size", "path"}}
    out.write(new.tobuf(tarfile.GNU_FORMAT if gnu else tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
    out.write(data + bytes(-len(data) % _BLOCK))


def _rewrite_zip(path: Path, target: Path, data: bytes) -> None:
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as out:
        names = archive.namelist()
        name = f"{_root(names)}/{PYPROJECT}"
        for entry in archive.infolist():
            out.writestr(entry, data if entry.filename == name else archive.read(entry))
        if name not in names:
            like = copy.copy(archive.getinfo(f"{_root(names)}/PKG-INFO"))
            like.filename = name
            out.writestr(like, data)


def _root(names: list[str]) -> str:
    """Return the one folder of an sdist, as its PKG-INFO is called."""
    return next(name for name in names if name.count("/") == 1 and name.endswith("/PKG-INFO")).partition("/")[0]


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, EOFError):
        return "it ends before it is complete"
    if isinstance(error, tarfile.ReadError) and "\n" in str(error):  # a line for each kind of archive
        return "it is empty" if path.stat().st_size == 0 else "it is neither a tar archive nor a zip file, or damaged"
    return str(error) or type(error).__name__


def _broken(path: Path, reason: str) -> ActError:
    fix = "python -m build --sdist   (in the source tree; or download it again)"
    return no_sdist(f"{path} is no sdist", fix=fix, reason=reason)


def no_sdist(headline: str, *, fix: str, **evidence: Any) -> ActError:
    """Return the error that says why there is no sdist to look at."""
    return ActError.of(code="no-sdist", headline=headline, fixes=(fix,), **evidence)


def write_project_file(path: Path, text: str) -> None:
    """Write a file with the line ends that the text has; raise ActError if it cannot be written."""
    try:
        path.write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise not_written(path, error, f"ls -l {path}") from None


def not_written(path: Path, error: OSError, fix: str) -> ActError:
    """Return the error that says why a file or folder cannot be written."""
    return ActError.of(
        code="not-written", headline=f"{path} cannot be written", reason=error.strerror or str(error), fixes=(fix,)
    )
