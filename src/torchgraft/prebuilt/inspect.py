"""Whether a wheel that somebody else has built is the one that this build would make, and links with its torch.

May not alter it, import or load anything from it, or trust its file name: names of wheels lie; symbols do not.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import zipfile
from collections.abc import Collection, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path, PurePosixPath

from packaging.metadata import RawMetadata, parse_email
from packaging.tags import Tag, parse_tag
from packaging.utils import canonicalize_name

from ..consumer.processes import take_python
from ..files import leads_out
from ..installed.dist_info import ListedFile
from ..installed.markers import applies, wheel_ranks
from ..link.libraries import read_libraries
from ..link.linkage import Format, Verdict
from ..link.modules import read_archive_modules
from ..link.plan_link import plan_link
from ..model.decision import PlannedPrebuilt
from ..model.torch_values import Torch, requirement_of
from ..untrusted import parse_version
from ..wheel.archive import ZIP_FAULTS, dist_info_of, read_file_list, signatures
from ..wheel.record import read_record
from .plan_prebuilt import UnfitError

_LARGEST_METADATA_BYTES = 10_000_000
_LARGEST_WHEEL_BYTES = 16_384
# Some hundred times what the largest wheels on PyPI unpack to.
_LARGEST_BYTES = 200_000_000_000
_CHUNK_BYTES = 1 << 20
# Those that every Python has; the digests of SHAKE have no length of their own.
_ALGORITHMS = hashlib.algorithms_guaranteed - {"shake_128", "shake_256"}
_SHARED_OBJECT = re.compile(r".+\.so(\.\d+)*")
# What stands between a module's name and its ending: the interpreter, and the platform (PEP 3149).
_TAGGED = re.compile(
    r"(?P<module>.+)"
    r"(?P<suffix>\.(?:abi3|(?:cpython-\d+[a-z]*|pypy\d+-pp\d+|cp\d+t?)(?:-(?P<platform>[\w-]+))?)\.(?:so|pyd))"
)
_START_BYTES = 4096
# A broken library may be what is tested with.
_OF_TESTS = frozenset({"test", "tests", "testing", "testdata", "test_data"})


def inspect_prebuilt(path: Path, wheel: PlannedPrebuilt, prepared: Path | None, torch: Torch | None) -> str:
    """Return the file name of a wheel that was planned, fits, see `inspect_wheel`, and links with this torch.

    Where an ELF module cannot be judged, the wheel is not used: it can be compiled.

    :raises UnfitError: if it does not
    """
    version = torch.resolved_version if torch else ""
    file = inspect_wheel(path, wheel, prepared, tags=wheel_ranks(take_python()).keys(), torch=version)
    with zipfile.ZipFile(path) as archive:
        modules = read_archive_modules(archive)
        formats = {module.file: module.format for module in modules}
        fault = module_fault(archive, formats)
    if fault:
        raise UnfitError(fault)
    for module in plan_link(modules, read_libraries(torch, modules)).modules:
        if module.verdict is Verdict.DOES_NOT_LINK:
            version = torch.version if torch else "unknown"
            why = module.said or module.reasons[0].value
            raise UnfitError(f"{module.file} does not link with torch {version}: {why}; {module.faults[0]}")
        if module.verdict is Verdict.NOT_CHECKED and formats[module.file] is Format.ELF:
            raise UnfitError(f"{module.file} cannot be checked: {module.said}")
    return file


def inspect_wheel(
    path: Path, wheel: PlannedPrebuilt, prepared: Path | None, *, tags: Collection[Tag], torch: str = ""
) -> str:
    """Return the right file name of a wheel that is of the planned distribution and for this interpreter, and whole.

    Files named for torch and CUDA (`flash_attn-2.8.3+cu12torch2.8...`) are renamed after they were built: what
    counts is in the archive.

    :param prepared: the `.dist-info` folder that was made for this build, None if there is none: the requirements of
        both have to be the same, since they are what the front end has resolved (PEP 517, build_wheel)
    :param tags: those that fit
    :param torch: the version that it will meet, "" if nobody knows it
    :raises UnfitError: if it is another, or none
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stem = _stem(archive)
            metadata, _ = parse_email(_bytes(archive, f"{stem}.dist-info/METADATA", _LARGEST_METADATA_BYTES))
            _check_identity(metadata, stem, wheel.name, wheel.version)
            file = f"{stem}-{_fitting_tags(archive, stem, tags)}.whl"
            if prepared is None:
                _check_torch(metadata, torch)
            else:
                added = read_record(prepared).get("runtime_torch")
                _check_prepared(metadata, parse_email((prepared / "METADATA").read_bytes())[0], added=added)
            _check_files(archive, f"{stem}.dist-info")
    except (OSError, *ZIP_FAULTS) as error:
        raise UnfitError(f"it is no wheel: {type(error).__name__}: {error}".splitlines()[0][:200]) from None
    return file


def _stem(archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    if len(set(names)) != len(names):
        raise UnfitError("it has two files of one name")
    if any(map(leads_out, names)):
        raise UnfitError("it has a file that would be written elsewhere")
    if sum(member.file_size for member in archive.infolist()) > _LARGEST_BYTES:
        raise UnfitError("it is too large when unpacked")
    try:
        info = dist_info_of(archive)
    except ValueError as error:
        raise UnfitError(str(error)) from None
    return info.removesuffix(".dist-info")


def _bytes(archive: zipfile.ZipFile, member: str, limit_bytes: int) -> bytes:
    if archive.getinfo(member).file_size > limit_bytes:
        raise UnfitError(f"its {member.rpartition('/')[2]} is too large")
    return archive.read(member)


def _check_identity(metadata: RawMetadata, stem: str, name: str, version: str) -> None:
    """Compare what METADATA and the name of its folder say with what is built."""
    wanted = (canonicalize_name(name), parse_version(version))
    folder_name, _, folder_version = stem.partition("-")
    for found_name, found_version in (
        (metadata.get("name", ""), metadata.get("version", "")),
        (folder_name, folder_version),
    ):
        if (canonicalize_name(found_name), parse_version(found_version)) != wanted:
            raise UnfitError(f"it is {found_name} {found_version}, not {name} {version}")


def _fitting_tags(archive: zipfile.ZipFile, stem: str, tags: Collection[Tag]) -> str:
    """Return the tags of the wheel as a file name has them."""
    text = _bytes(archive, f"{stem}.dist-info/WHEEL", _LARGEST_WHEEL_BYTES).decode("utf-8", errors="replace")
    # A tag stands for the product of its parts: no longer than the name of a file.
    names = re.findall(r"^Tag:[ \t]*(\S{1,255})(?!\S)", text, re.MULTILINE)
    try:
        own = frozenset(tag for name in names for tag in parse_tag(name))
    except ValueError:
        raise UnfitError(f"its tags are none: {', '.join(names)}") from None
    if own.isdisjoint(tags):
        raise UnfitError(f"it is for {', '.join(names) or 'nothing'}, which this interpreter is not")
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
            raise UnfitError(f"its {field} is not that of the metadata that were prepared: {_difference(one, other)}")


def _check_torch(metadata: RawMetadata, torch: str) -> None:
    """Refuse what would have torch replaced by another one, where no resolver has seen it before."""
    version = parse_version(torch)
    if version is None:
        return
    for text in metadata.get("requires_dist", []):
        requirement = requirement_of(text)  # what is none, the front end says
        is_torch = requirement is not None and canonicalize_name(requirement.name) == "torch"
        if requirement is None or not is_torch or not applies(requirement, take_python()):
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            raise UnfitError(f"it requires {text}, which torch {torch} is not")


def _requirements(metadata: RawMetadata) -> frozenset[str]:
    return frozenset(map(_normal, metadata.get("requires_dist", [])))


def _normal(text: str) -> str:
    requirement = requirement_of(text)
    if requirement is None:
        return text
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)


def _extras(metadata: RawMetadata) -> frozenset[str]:
    return frozenset(map(canonicalize_name, metadata.get("provides_extra", [])))


def _difference(one: object, other: object) -> str:
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return ", ".join(sorted(map(str, one ^ other)))
    return f"{one or 'none'}, not {other or 'none'}"


def _check_files(archive: zipfile.ZipFile, info: str) -> None:
    """Compare every file with RECORD."""
    try:
        rows = {row.path: row for row in read_file_list(archive, info)}
    except ValueError as error:
        raise UnfitError(f"its RECORD is wrong: {error}") from None
    for member in archive.infolist():
        if not member.is_dir():
            said = _difference_to(rows.get(member.filename), archive, member, info)
            if said:
                raise UnfitError(f"its RECORD is wrong: {said}")


def _difference_to(row: ListedFile | None, archive: zipfile.ZipFile, member: zipfile.ZipInfo, info: str) -> str:
    """Return what is wrong with the row of a file; "" for nothing."""
    name = member.filename
    if name in signatures(info):
        return f"{name} is mentioned in RECORD" if row else ""
    if row is None:
        return f"{name} is not mentioned in RECORD"
    if name == f"{info}/RECORD":
        return "it has a hash / size of itself" if row.digest or row.size else ""
    algorithm, _, digest = row.digest.partition("=")
    if not digest or not row.size:
        return f"hash / size of {name} is not included in RECORD"
    if algorithm not in _ALGORITHMS:
        return f"nobody knows the hash {algorithm} of {name}"
    found = hashlib.new(algorithm)
    with archive.open(member) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            found.update(chunk)
    text = base64.urlsafe_b64encode(found.digest()).rstrip(b"=").decode("ascii")
    is_same = text == digest.rstrip("=") and row.size == str(member.file_size)
    return "" if is_same else f"hash / size of {name} didn't match RECORD"


def module_fault(
    archive: zipfile.ZipFile,
    libraries: Collection[str],
    *,
    suffixes: Sequence[str] = EXTENSION_SUFFIXES,
    system: str = sys.platform,
) -> str:
    """Return which file of a wheel cannot be what it is called, and why; "" if there is none.

    What is for other systems, or for other interpreters beside this one, is left alone.

    :param libraries: the files that are libraries of whatever system
    :param suffixes: those of the modules that the interpreter imports, its own first
    """
    names = [name for name in archive.namelist() if _OF_TESTS.isdisjoint(PurePosixPath(name).parts)]
    for name in sorted(set(names) - set(libraries)) if system == "linux" else ():
        if _SHARED_OBJECT.fullmatch(name):
            with archive.open(name) as member:
                said = _no_library(member.read(_START_BYTES))
            if said:
                return f"{name} {said}"
    return _for_another_python(names, suffixes)


def _no_library(start: bytes) -> str:
    """Return what a file is that should be a library; "" for a script of the linker, which stands for one."""
    if not start:
        return "is empty"
    if start.startswith(b"version https://git-lfs.github.com/"):
        return "is a pointer of Git LFS, not the library"
    # https://sourceware.org/binutils/docs/ld/Implicit-Linker-Scripts.html
    is_script = re.search(rb"\b(?:INPUT|GROUP)\s*\(", start) and b"\0" not in start
    return "" if is_script else "is no library"


def _for_another_python(names: Collection[str], suffixes: Sequence[str]) -> str:
    own = _TAGGED.fullmatch(f"x{suffixes[0]}")
    platform = own["platform"] if own else None
    tagged = [match for match in map(_TAGGED.fullmatch, sorted(names)) if match]
    importable = {match["module"] for match in tagged if match["suffix"] in suffixes}
    for match in tagged:
        module = match["module"]
        others = (f"{module}.py", f"{module}/__init__.py", f"{module}.so", f"{module}.pyd")
        if module not in importable and match["platform"] in {None, platform} and not any(o in names for o in others):
            return f"{match[0]} is for another Python, and there is none for this one"
    return ""
