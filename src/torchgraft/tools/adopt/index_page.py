"""Which sdist of an index meets a requirement, from the page of its project.

May not download anything. Pages are JSON (PEP 691) or HTML (PEP 503): an index may have only one of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

from packaging.requirements import Requirement
from packaging.utils import InvalidSdistFilename, parse_sdist_filename

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.version import Version

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"  # as pip asks
)


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """One file of a project. `sha256` is "" where the index does not say it."""

    name: str
    url: str
    sha256: str
    yanked: bool


def parse_index_page(text: str, url: str) -> tuple[IndexFile, ...]:
    """Return the files that a page lists; none if it is no such page.

    :param url: where it was found: addresses in it may be relative
    """
    if text.lstrip().startswith("{"):
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return ()
        files = data.get("files") if isinstance(data, dict) else None
        return tuple(_json_files(files, url)) if isinstance(files, list) else ()
    page = _Page(url)
    page.feed(text)
    return tuple(page.files)


def choose_sdist(files: tuple[IndexFile, ...], requirement: Requirement) -> IndexFile | None:
    """Return the newest sdist that meets a requirement, None if there is none.

    One that was yanked is taken only where its very version is asked for (PEP 592).
    """
    found = {version: file for version, file in _sdists(files) if not file.yanked or _pinned(requirement, version)}
    allowed = list(requirement.specifier.filter(sorted(found, reverse=True)))
    return found[allowed[0]] if allowed else None


def _sdists(files: tuple[IndexFile, ...]) -> Iterator[tuple[Version, IndexFile]]:
    for file in sorted(files, key=lambda file: file.name.endswith(".tar.gz")):
        try:
            yield parse_sdist_filename(file.name)[1], file
        except InvalidSdistFilename:
            continue


def _pinned(requirement: Requirement, version: Version) -> bool:
    return any(one.operator in {"==", "==="} and one.version == str(version) for one in requirement.specifier)


def _json_files(files: list[object], url: str) -> Iterator[IndexFile]:
    for item in files:
        if not isinstance(item, dict):
            continue
        name, address, hashes = item.get("filename"), item.get("url"), item.get("hashes")
        if isinstance(name, str) and isinstance(address, str):
            sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
            yield IndexFile(
                name=name,
                url=urljoin(url, address),
                sha256=sha256.lower() if isinstance(sha256, str) else "",
                yanked=item.get("yanked", False) is not False,
            )


class _Page(HTMLParser):
    """The anchors of an HTML page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.files: list[IndexFile] = []
        self._base = url

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        given = dict(attrs)
        if tag == "base" and given.get("href"):
            self._base = urljoin(self._base, given["href"])
        if tag != "a" or not given.get("href"):
            return
        address, _, fragment = urljoin(self._base, given["href"]).partition("#")
        name = unquote(urlsplit(address).path.rpartition("/")[2])
        kind, _, digest = fragment.partition("=")
        sha256 = digest.lower() if kind == "sha256" else ""
        self.files.append(IndexFile(name=name, url=address, sha256=sha256, yanked="data-yanked" in given))
