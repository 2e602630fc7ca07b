"""What is in a wheel that was just built, and which libraries an editable build made in the source tree.

May not alter it, nor judge what it finds.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from packaging.metadata import parse_email

from ..errors import ActError
from ..link.linkage import Module, WheelContents, bad_wheel
from ..link.modules import read_archive_modules, read_file_modules, walk_tree
from .build_folder import find_built_files

_DIST_INFO = re.compile(r"([^/]+\.dist-info)/RECORD")
# What a damaged archive raises.
ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
_LARGEST_TEXT_BYTES = 10_000_000


def read_wheel_contents(wheel: Path, source: Path) -> WheelContents:
    """Return what is in a wheel.

    :param source: the source tree that it was built from
    :raises ActError: if it is none
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            return _read(archive, source)
    except ZIP_FAULTS as error:
        raise ActError(bad_wheel(wheel.name, str(error))) from None


def read_in_place_modules(source: Path, *, suffix: str) -> tuple[Module, ...]:
    """Return the extension modules of this Python that are in a source tree: an editable installation imports them.

    :param suffix: of extension modules of this Python, such as .cpython-311-x86_64-linux-gnu.so
    """
    libraries = walk_tree(source, is_package=False).libraries
    files = {name: path for name, path in libraries.items() if name.endswith((suffix, ".abi3.so"))}
    return read_file_modules(files)


def _read(archive: zipfile.ZipFile, source: Path) -> WheelContents:
    names = archive.namelist()
    folders = sorted({match[1] for match in map(_DIST_INFO.fullmatch, names) if match})
    if len(folders) != 1:
        raise ValueError(f"it has {len(folders)} .dist-info folders with a RECORD")
    info = folders[0]
    metadata = parse_email(_bytes(archive, f"{info}/METADATA"))[0]
    wheel = _bytes(archive, f"{info}/WHEEL").decode("utf-8", errors="replace")
    generator = re.search(r"^Generator:[ \t]*(.+)", wheel, re.MULTILINE)
    top_level = f"{info}/top_level.txt"
    return WheelContents(
        info=info,
        name=metadata.get("name", ""),
        version=metadata.get("version", ""),
        generator=generator[1].strip() if generator else "",
        tags=tuple(re.findall(r"^Tag:[ \t]*(\S+)", wheel, re.MULTILINE)),
        top_level=_bytes(archive, top_level).decode("utf-8", errors="replace") if top_level in names else "",
        files=tuple(names),
        modules=read_archive_modules(archive, find_built_files(archive, source)),
    )


def _bytes(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST_TEXT_BYTES:
        raise ValueError(f"its {name} is too large")
    return archive.read(name)
