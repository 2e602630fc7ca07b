"""The page of a distribution in a simple index: JSON (PEP 691) or HTML (PEP 503), since an index may have only one.

May not fetch it, nor choose an index.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ..untrusted import json_table, parse_version, split_address, table, tables, text_of
from ..values import dataclass

if TYPE_CHECKING:
    from packaging.tags import Tag

# As pip asks.
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


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
        return tuple(_json_files(tables(json_table(text).get("files")), url))
    page = _Page(url)
    page.feed(text)
    return tuple(page.files)


def choose_wheel(
    files: Iterable[IndexFile], name: str, version: str, tags: Mapping[Tag, int]
) -> tuple[IndexFile | None, str]:
    """Return the wheel of a version that fits an interpreter best, and "", or None and why there is none.

    :param version: with its local part
    :param tags: those of the interpreter, by rank: the lowest is the best
    """
    wanted, ranked, others = parse_version(version), [], []
    for file in files:
        try:
            file_name, file_version, _, file_tags = parse_wheel_filename(file.name)
        except InvalidWheelFilename:
            continue
        if file_name != canonicalize_name(name) or file.yanked:
            continue
        ranks = [tags[tag] for tag in file_tags if tag in tags]
        if file_version == wanted and ranks:
            ranked.append((min(ranks), file.name, file))
        others.append(f"{file_version} for {', '.join(sorted({tag.interpreter for tag in file_tags}))}")
    if ranked:
        return min(ranked)[2], ""
    there = "; ".join(dict.fromkeys(others))
    return None, f"it lists no wheel of {version} for this interpreter, but {there[:200] or 'no other either'}"


def _json_files(files: Iterable[Mapping[str, Any]], url: str) -> Iterator[IndexFile]:
    for item in files:
        name, address = text_of(item.get("filename")), text_of(item.get("url"))
        sha256 = text_of(table(item.get("hashes")).get("sha256")) or ""
        yanked = item.get("yanked", False) is not False
        if name and address:
            yield IndexFile(name=name, url=urljoin(url, address), sha256=sha256.lower(), yanked=yanked)


class _Page(HTMLParser):
    """The anchors of an HTML page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.files: list[IndexFile] = []
        self._base = url

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        """Take what an anchor says; `base` is what all are relative to."""
        given = dict(attrs)
        if tag == "base" and given.get("href"):
            with contextlib.suppress(ValueError):  # it is no address
                self._base = urljoin(self._base, given["href"])
        if tag != "a" or not given.get("href"):
            return
        try:
            address, _, fragment = urljoin(self._base, given["href"]).partition("#")
        except ValueError:
            return
        name = unquote(split_address(address).path.rpartition("/")[2])
        kind, _, digest = fragment.partition("=")
        sha256 = digest.lower() if kind == "sha256" else ""
        self.files.append(IndexFile(name=name, url=address, sha256=sha256, yanked="data-yanked" in given))
