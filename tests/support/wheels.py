"""Wheels written by hand, right or wrong in one place."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

Contents = Mapping[str, "str | bytes"]


def digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def write_wheel(
    path: Path,
    *,
    name: str,
    version: str,
    tags: tuple[str, ...],
    files: Contents | None = None,
    metadata: tuple[str, ...] = (),
    stem: str = "",
    after: Contents | None = None,
) -> Path:
    """Return a wheel at `path`, whatever its name.

    :param metadata: further lines of METADATA
    :param stem: of the .dist-info folder, if not of this name and version
    :param after: files that are put in, or replaced, when RECORD is written already
    """
    info = f"{stem or f'{name}-{version}'}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata]
    wheel = ["Wheel-Version: 1.0", "Generator: tests", "Root-Is-Purelib: false", *(f"Tag: {tag}" for tag in tags)]
    texts: dict[str, str | bytes] = {
        **(files or {}),
        f"{info}/METADATA": "\n".join([*lines, "", "A description.", ""]),
        f"{info}/WHEEL": "\n".join([*wheel, ""]),
    }
    contents = {file: text.encode() if isinstance(text, str) else text for file, text in texts.items()}
    rows = [f"{file},{digest(data)},{len(data)}" for file, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    for file, text in (after or {}).items():
        contents[file] = text.encode() if isinstance(text, str) else text
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file, data in contents.items():
            archive.writestr(zipfile.ZipInfo(file, date_time=(2025, 1, 1, 0, 0, 0)), data)
    return path
