"""The same bytes at any time, for any user and umask, where SOURCE_DATE_EPOCH is set (reproducible-builds.org).

May not know what is in a wheel or an sdist.
"""

from __future__ import annotations

import gzip
import os
import re
import tarfile
import zlib
from pathlib import Path

_LATEST_OF_GZIP = 0xFFFFFFFF  # RFC 1952 has four bytes for it


def source_date() -> int | None:
    """Return the time that SOURCE_DATE_EPOCH says (reproducible-builds.org), None where it is not set, or says none."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(epoch) if re.fullmatch(r"[0-9]{1,11}", epoch) else None  # up to the year 5138


def settled_mode(mode: int) -> int:
    """Return the permissions of a file as they are under the usual umask: nothing else of it says anything."""
    return 0o755 if mode & 0o111 else 0o644


def settle_sdist(sdist: Path) -> None:
    """Give an sdist the bytes that it has at any time, for any user and umask; not without SOURCE_DATE_EPOCH.

    What is no sdist stays as it is.
    """
    latest = source_date()
    if latest is None or not (sdist.name.endswith(".tar.gz") and sdist.is_file()):
        return
    draft = sdist.with_name(f".{sdist.name}.tmp")
    try:
        with (
            tarfile.open(sdist) as old,
            draft.open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=min(latest, _LATEST_OF_GZIP)) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
        ):
            for member in old:
                member.mtime = min(int(member.mtime), latest)
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                member.mode = 0o755 if member.isdir() else settled_mode(member.mode)
                member.pax_headers = {}
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
        draft.replace(sdist)
    except (EOFError, gzip.BadGzipFile, tarfile.TarError, zlib.error):
        return
    finally:
        draft.unlink(missing_ok=True)
