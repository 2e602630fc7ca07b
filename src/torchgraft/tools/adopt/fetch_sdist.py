"""Download the page of a project, and an sdist, without running anything that is in it.

May not choose: `decide.index_page` says which file. `pip download` is no way to do this: it builds the metadata.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ...errors import ActError, Evidence, Problem
from ...prebuilt.download import DownloadError, Limits, download

_PAGE = Limits(largest_bytes=100_000_000, total_s=120)
_SDIST = Limits(largest_bytes=2_000_000_000)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def fetch_page(url: str, folder: Path, accept: str) -> str | None:
    """Return the text of a page, None where the server has none.

    :raises ActError: if it cannot be had for another reason
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(url2pathname(parts.path)) / "index.html"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    target = folder / "page"
    try:
        _download(url, target, _PAGE, accept)
    except DownloadError as error:
        if "404" in str(error):
            return None
        raise _failed(url, str(error)) from None
    return target.read_text(encoding="utf-8", errors="replace")


def fetch_file(url: str, name: str, sha256: str, folder: Path) -> Path:
    """Return where a file was written, which has the digest that the index says.

    :raises ActError: if it cannot be had, or is another
    """
    target = folder / name
    parts = urlsplit(url)
    if parts.scheme == "file":
        shutil.copyfile(url2pathname(parts.path), target)
        found = hashlib.sha256(target.read_bytes()).hexdigest()
    else:
        try:
            found = _download(url, target, _SDIST, "")
        except DownloadError as error:
            raise _failed(url, str(error)) from None
    if found != sha256:
        target.unlink()
        raise _failed(url, f"its SHA-256 is {found}, and the index says {sha256 or 'none'}")
    return target


def _download(url: str, target: Path, limits: Limits, accept: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise DownloadError(f"{parts.scheme}:// is not HTTPS")
    return download(url, target, limits=limits, accept=accept)


def _failed(url: str, reason: str) -> ActError:
    return ActError(
        Problem(
            code="no-sdist",
            headline=f"{url} could not be downloaded",
            evidence=(Evidence(label="reason", text=reason),),
            fixes=("download the sdist by hand, and give its path instead",),
        )
    )
