"""Alter the files of a wheel: add some, put others in their place, rename some. RECORD is right afterwards.

May not know what the files are. Nothing that stays is compressed again: it is copied as it is.
"""

from __future__ import annotations

import base64
import copy
import csv
import hashlib
import io
import lzma
import os
import re
import shutil
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import IO

from ..errors import ActError, Problem
from ..installed.dist_info import LARGEST_LIST_BYTES, ListedFile, parse_file_list
from ..values import dataclass
from .reproducible import settled_mode, source_date

_EARLIEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_LATEST_ZIP_TIME = (2107, 12, 31, 23, 59, 58)
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_LOCAL_MAGIC = b"PK\3\4"
_HAS_DESCRIPTOR = 0x08
_CHUNK_BYTES = 1 << 20
# Signatures of RECORD (PEP 427), which fit no other RECORD.
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
# What zipfile and its decompressors raise for damaged archives.
ZIP_FAULTS = (
    *(EOFError, LookupError, NotImplementedError, OverflowError, RuntimeError, ValueError),
    *(lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True, kw_only=True)
class WheelChanges:
    """What becomes of a wheel's files. `added` are new, or take the place of those that have these names.

    `moved` are new names of files; `replaced` are files on disk whose bytes take the place of others, under the name
    that a file has before it is moved.
    """

    added: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    moved: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    replaced: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))


def rewrite_wheel(wheel: Path, changes: WheelChanges) -> None:
    """Change a wheel, in a folder that nobody else looks into: where this fails, it may be broken.

    The same wheel and changes give the same bytes. With SOURCE_DATE_EPOCH no time in it is later, and modes are those
    of any umask. Signatures of the old RECORD are taken out.

    :raises ActError: if it is no wheel, or there is no room
    """
    draft = wheel.with_name(f".{wheel.name}.tmp")
    try:
        if _only_adds(wheel, changes):
            with zipfile.ZipFile(wheel, "a") as archive:
                _add(archive, changes.added)
            return
        with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as new:
            _rewrite(old, new, changes)
        draft.replace(wheel)
    except ZIP_FAULTS as error:
        raise ActError(bad_wheel(wheel.name, str(error))) from None
    except OSError as error:
        from ..disks import unwritable

        raise unwritable(wheel.parent, error) from None
    finally:
        draft.unlink(missing_ok=True)


def read_wheel_file(wheel: Path, name: str) -> bytes:
    """Return a file of a wheel; raise ActError if it has none of that name, or is none."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(name)
    except ZIP_FAULTS as error:
        raise ActError(bad_wheel(wheel.name, str(error))) from None


def extract_wheel_file(wheel: Path, name: str, path: Path) -> None:
    """Write a file of a wheel to disk."""
    with zipfile.ZipFile(wheel) as archive, archive.open(name) as member, path.open("xb") as file:
        shutil.copyfileobj(member, file, _CHUNK_BYTES)


def dist_info_of(archive: zipfile.ZipFile) -> str:
    """Return the name of a wheel's .dist-info folder; raise ValueError if it has none, or several."""
    found = {name.partition("/")[0] for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", name)}
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} .dist-info folders with a RECORD")
    return found.pop()


def _only_adds(wheel: Path, changes: WheelChanges) -> bool:
    """Return whether all that goes out of a wheel is at its end, and all else stays as it is."""
    with zipfile.ZipFile(wheel) as archive:
        is_settled = all(_is_same(member, _as(member, member.filename)) for member in archive.infolist())
        places = [member.header_offset for member in _outgoing(archive, changes.added)]
        is_end = sum(member.header_offset >= min(places) for member in archive.infolist()) == len(places)
    return is_end and not changes.moved and not changes.replaced and is_settled


def _outgoing(archive: zipfile.ZipFile, added: Mapping[str, bytes]) -> list[zipfile.ZipInfo]:
    """Return the members that go out: RECORD is one, and written anew."""
    info = dist_info_of(archive)
    return [
        archive.NameToInfo[name]
        for name in dict.fromkeys((f"{info}/RECORD", *signatures(info), *added))
        if name in archive.NameToInfo
    ]


def _add(archive: zipfile.ZipFile, added: Mapping[str, bytes]) -> None:
    """Write behind what stays, over what goes out.

    zipfile has no public way; these attributes have been the same since Python 2.7. Nothing may be left between the
    members: uv and PyPI read an archive from its start, and refuse what its directory does not list.
    """
    info = dist_info_of(archive)
    like = archive.getinfo(f"{info}/RECORD")
    rows = _rows(archive, info)
    for member in _outgoing(archive, added):
        archive.filelist.remove(member)
        del archive.NameToInfo[member.filename]
        archive.start_dir = min(archive.start_dir, member.header_offset)
    _finish(archive, rows, added, like)


def _rewrite(old: zipfile.ZipFile, new: zipfile.ZipFile, changes: WheelChanges) -> None:
    info = dist_info_of(old)
    record = f"{info}/RECORD"
    like = old.getinfo(record)
    rows = _rows(old, info)
    written = {}
    for member in old.infolist():
        name = changes.moved.get(member.filename, member.filename)
        if name in changes.added or member.filename in (record, *signatures(info)):
            continue
        if member.filename in changes.replaced:
            written[name] = ListedFile(name, *_put(new, changes.replaced[member.filename], _as(member, name)))
        else:
            _copy_member(old, new, member, _as(member, name))
    moved = (row._replace(path=changes.moved.get(row.path, row.path)) for row in rows)
    rows = [written.get(row.path, row) for row in moved]
    like.filename = changes.moved.get(record, record)
    _finish(new, rows, changes.added, like)


def read_file_list(archive: zipfile.ZipFile, info: str) -> list[ListedFile]:
    """Return the rows of a wheel's RECORD; raise ValueError if it is too large, or none."""
    member = archive.getinfo(f"{info}/RECORD")
    if member.file_size > LARGEST_LIST_BYTES:
        raise ValueError("its RECORD is too large")
    return parse_file_list(archive.read(member))


def _rows(archive: zipfile.ZipFile, info: str) -> list[ListedFile]:
    """Return the rows of RECORD without its own and those of its signatures; two where meson packs a file twice."""
    left_out = (f"{info}/RECORD", *signatures(info))
    return [row for row in read_file_list(archive, info) if row.path not in left_out]


def signatures(info: str) -> tuple[str, ...]:
    """Return the files with signatures of RECORD, which it does not name."""
    return tuple(f"{info}/{name}" for name in _SIGNATURES)


def _finish(
    archive: zipfile.ZipFile, rows: Iterable[ListedFile], added: Mapping[str, bytes], like: zipfile.ZipInfo
) -> None:
    """Write what is added, and RECORD."""
    written = {}
    for name, content in sorted(added.items()):
        archive.writestr(_member(name, like), content)
        written[name] = ListedFile(name, _text(hashlib.sha256(content).digest()), str(len(content)))
    kept = [written.pop(row.path, row) for row in rows if row.path in written or row.path not in added]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([*kept, *written.values(), (like.filename, "", "")])
    record = _member(like.filename, like)
    record.external_attr = _as(like, like.filename).external_attr
    archive.writestr(record, buffer.getvalue().encode("utf-8"))


def _put(new: zipfile.ZipFile, path: Path, member: zipfile.ZipInfo) -> tuple[str, str]:
    """Write a file from disk; return its digest and size as RECORD has them."""
    digest = hashlib.sha256()
    member.compress_type = zipfile.ZIP_DEFLATED
    member.file_size = path.stat().st_size
    with path.open("rb") as source, new.open(member, "w") as target:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
    return _text(digest.digest()), str(member.file_size)


def _copy_member(old: zipfile.ZipFile, new: zipfile.ZipFile, member: zipfile.ZipInfo, as_: zipfile.ZipInfo) -> None:
    """Copy a member as it is compressed.

    zipfile has no public way; these attributes have been the same since Python 2.7. Sizes and checksum go into the
    header, also where the old archive has them behind the member, and nothing is left between the members: uv and PyPI
    read an archive from its start, and refuse what its directory does not list.
    """
    source, target = _file(old), _file(new)
    source.seek(member.header_offset)
    header = _LOCAL_HEADER.unpack(source.read(_LOCAL_HEADER.size))
    if header[0] != _LOCAL_MAGIC:
        raise zipfile.BadZipFile(f"there is no {member.filename} where its directory says")
    source.seek(header[-2] + header[-1], os.SEEK_CUR)
    as_.header_offset = target.tell()
    target.write(as_.FileHeader())
    left = member.compress_size
    while left:
        chunk = source.read(min(left, _CHUNK_BYTES))
        if not chunk:
            raise zipfile.BadZipFile(f"{member.filename} ends too early")
        target.write(chunk)
        left -= len(chunk)
    new.filelist.append(as_)
    new.NameToInfo[as_.filename] = as_
    new.start_dir = target.tell()
    new._didModify = True  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way


def _file(archive: zipfile.ZipFile) -> IO[bytes]:
    if archive.fp is None:
        raise zipfile.BadZipFile("it is closed")
    return archive.fp


def _as(member: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    as_ = copy.copy(member)
    as_.filename = name
    as_.flag_bits &= ~_HAS_DESCRIPTOR
    # Times in other formats, which would differ between builds; the sizes of large files are written anew.
    as_.extra = b""
    latest = source_date()
    if latest is not None:
        as_.date_time = min(member.date_time, _zip_time(latest))
        mode = member.external_attr >> 16
        if mode and stat.S_IFMT(mode) in {0, stat.S_IFREG}:
            as_.external_attr = (settled_mode(mode) | stat.S_IFREG) << 16
    return as_


def _is_same(one: zipfile.ZipInfo, other: zipfile.ZipInfo) -> bool:
    return (one.date_time, one.external_attr) == (other.date_time, other.external_attr)


def _member(name: str, like: zipfile.ZipInfo) -> zipfile.ZipInfo:
    latest = source_date()
    member = zipfile.ZipInfo(name, date_time=like.date_time if latest is None else _zip_time(latest))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o100644 << 16
    member.create_system = like.create_system
    return member


def _zip_time(moment_s: int) -> tuple[int, int, int, int, int, int]:
    return min(max(time.gmtime(moment_s)[:6], _EARLIEST_ZIP_TIME), _LATEST_ZIP_TIME)


def _text(digest: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def bad_wheel(wheel: str, said: str) -> Problem:
    """Return why a wheel of a name cannot be finished: it is none."""
    return Problem.of(
        code="bad-wheel",
        headline=f"what the backend made, {wheel}, is not a wheel",
        found=said,
        why="a wheel without a right RECORD cannot be installed",
        fixes=("export TORCHGRAFT_PROVIDE=off   (and the same command: the backend alone)",),
    )
