"""Whether a wheel that somebody else has built is the one that this build would make.

May not alter it, import anything from it, or trust its file name.
"""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from installer.records import InvalidRecordEntry
from installer.sources import WheelFile
from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, parse_tag, sys_tags
from packaging.utils import canonicalize_name

from ..model.decision import PlannedPrebuilt
from ..tools.check.packages import read_record
from ..versions import parse_version
from .plan_prebuilt import WheelAnswer

# What zipfile and its decompressors raise for damaged archives.
_BROKEN = (
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_DIST_INFO = re.compile(r"([^/]+)\.dist-info/RECORD")
_LARGEST_METADATA_BYTES = 10_000_000
# Some hundred times what the largest wheels on PyPI unpack to.
_LARGEST_BYTES = 200_000_000_000


class _Unfit(Exception):  # noqa: N818 - never leaves this module: it becomes an answer
    """Why a wheel cannot be used."""


def inspect_wheel(
    path: Path,
    wheel: PlannedPrebuilt,
    prepared: Path | None,
    *,
    tags: Iterable[Tag] | None = None,
    torch: str = "",
) -> WheelAnswer:
    """Return whether a wheel is of the planned distribution and for this interpreter, and whole.

    Files named for torch and CUDA (`flash_attn-2.8.3+cu12torch2.8...`) are renamed after they were built: what
    counts is in the archive.

    :param prepared: the `.dist-info` folder that was made for this build, None if there is none: the requirements of
        both have to be the same, since they are what the front end has resolved (PEP 517, build_wheel)
    :param tags: those that fit, the running interpreter's if not given
    :param torch: the version that it will meet, "" if nobody knows it
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stem = _stem(archive)
            metadata = _metadata(archive, f"{stem}.dist-info/METADATA")
            _check_identity(metadata, stem, wheel.name, wheel.version)
            file = f"{stem}-{_fitting_tags(archive, stem, sys_tags() if tags is None else tags)}.whl"
            if prepared is None:
                _check_torch(metadata, torch)
            else:
                added = read_record(prepared).get("runtime_torch")
                _check_prepared(metadata, _parsed((prepared / "METADATA").read_bytes()), added=added)
            _check_record(archive, file)
    except _Unfit as unfit:
        return WheelAnswer(fault=str(unfit))
    except _BROKEN as error:
        return WheelAnswer(fault=f"it is no wheel: {type(error).__name__}: {error}".splitlines()[0][:200])
    return WheelAnswer(file=file)


def _stem(archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    if len(set(names)) != len(names):
        raise _Unfit("it has two files of one name")
    if any(_is_unsafe(name) for name in names):
        raise _Unfit("it has a file that would be written elsewhere")
    if sum(member.file_size for member in archive.infolist()) > _LARGEST_BYTES:
        raise _Unfit("it is too large when unpacked")
    found = [match[1] for match in map(_DIST_INFO.fullmatch, names) if match]
    if len(found) != 1:
        raise _Unfit(f"it has {len(found)} .dist-info folders with a RECORD")
    return found[0]


def _is_unsafe(name: str) -> bool:
    return name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/")


def _metadata(archive: zipfile.ZipFile, member: str) -> RawMetadata:
    if archive.getinfo(member).file_size > _LARGEST_METADATA_BYTES:
        raise _Unfit("its METADATA is too large")
    return _parsed(archive.read(member))


def _parsed(data: bytes) -> RawMetadata:
    return parse_email(data)[0]


def _check_identity(metadata: RawMetadata, stem: str, name: str, version: str) -> None:
    """Compare what METADATA and the name of its folder say with what is built."""
    wanted = (canonicalize_name(name), parse_version(version))
    folder_name, _, folder_version = stem.partition("-")
    for found_name, found_version in (
        (metadata.get("name", ""), metadata.get("version", "")),
        (folder_name, folder_version),
    ):
        if (canonicalize_name(found_name), parse_version(found_version)) != wanted:
            raise _Unfit(f"it is {found_name} {found_version}, not {name} {version}")


def _fitting_tags(archive: zipfile.ZipFile, stem: str, tags: Iterable[Tag]) -> str:
    """Return the tags of the wheel as a file name has them."""
    text = archive.read(f"{stem}.dist-info/WHEEL").decode("utf-8", errors="replace")
    names = re.findall(r"^Tag:[ \t]*(\S+)", text, re.MULTILINE)
    try:
        own = frozenset(tag for name in names for tag in parse_tag(name))
    except ValueError:
        raise _Unfit(f"its tags are none: {', '.join(names)}") from None
    if own.isdisjoint(tags):
        raise _Unfit(f"it is for {', '.join(names) or 'nothing'}, which this interpreter is not")
    parts = (sorted({getattr(tag, part) for tag in own}) for part in ("interpreter", "abi", "platform"))
    return "-".join(".".join(part) for part in parts)


def _check_prepared(metadata: RawMetadata, prepared: RawMetadata, *, added: object) -> None:
    """Compare what a front end resolves by. Description and classifiers depend on who wrote them down.

    :param added: the requirement on torch that torchgraft has added to what was prepared, None if it has not: a wheel
        need not have it, and gets it with those metadata
    """
    own = frozenset({_normal(added)} if isinstance(added, str) else ())
    for field, one, other in (
        ("Requires-Dist", _requirements(metadata) | own, _requirements(prepared)),
        ("Requires-Python", metadata.get("requires_python"), prepared.get("requires_python")),
        ("Provides-Extra", _extras(metadata), _extras(prepared)),
    ):
        if one != other:
            raise _Unfit(f"its {field} is not that of the metadata that were prepared: {_difference(one, other)}")


def _check_torch(metadata: RawMetadata, torch: str) -> None:
    """Refuse what would have torch replaced by another one, where no resolver has seen it before."""
    version = parse_version(torch)
    if version is None:
        return
    for text in metadata.get("requires_dist", []):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # the front end says it
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if canonicalize_name(requirement.name) != "torch" or not applies:
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            raise _Unfit(f"it requires {text}, which torch {torch} is not")


def _requirements(metadata: RawMetadata) -> frozenset[str]:
    return frozenset(map(_normal, metadata.get("requires_dist", [])))


def _normal(text: str) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return text
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)


def _extras(metadata: RawMetadata) -> frozenset[str]:
    return frozenset(map(canonicalize_name, metadata.get("provides_extra", [])))


def _difference(one: object, other: object) -> str:
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return ", ".join(sorted(map(str, one ^ other)))
    return f"{one or 'none'}, not {other or 'none'}"


def _check_record(archive: zipfile.ZipFile, file: str) -> None:
    """Compare every file with RECORD."""
    # installer takes the names of folders from that of the file, which may be another than it was built with.
    archive.filename = file
    try:
        WheelFile(archive).validate_record()
    except InvalidRecordEntry as error:
        raise _Unfit(f"its RECORD is wrong: {error}") from None
    except WheelFile.validation_error as error:
        first = str(error.issues[0]).removeprefix(f"In {file}, ")
        raise _Unfit(f"its RECORD is wrong: {first}") from None
