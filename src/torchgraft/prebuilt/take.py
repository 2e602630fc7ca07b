"""Fetch a wheel that is built already: by its address, or by the page of an index (PEP 503, 691); and digests of some.

May not judge one, nor finish it. What does not fit is no error, since the wheel can be compiled.
"""

from __future__ import annotations

import contextlib
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ..files import open_file
from ..model.decision import PlannedPrebuilt
from ..model.source_tree import HashFile
from ..model.torch_values import Torch
from ..settings.config import Config, UsePrebuilt
from ..untrusted import json_table, parse_version, split_address, table, tables, text_of
from ..values import dataclass
from ..wheel.archive import WheelChanges, rewrite_wheel
from .plan_prebuilt import UnfitError, parse_hashes

if TYPE_CHECKING:
    from packaging.tags import Tag


_LARGEST_HASHES_BYTES = 10_000_000
_LARGEST_PAGE_BYTES = 100_000_000
_HASHES_S = 60
# As pip asks.
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


class RefusedError(Exception):
    """Why a wheel is not used: it is said, and stands in the record."""


def read_hash_files(source: Path, config: Config) -> tuple[HashFile, ...]:
    """Return the files of digests that the settings name; nothing is read where no prebuilt wheel is looked for."""
    names = {place.hashes for place in config.prebuilt if place.hashes and "://" not in place.hashes}
    return tuple(_read(source, name) for name in sorted(names)) if config.use_prebuilt is UsePrebuilt.ON else ()


def _read(source: Path, name: str) -> HashFile:
    try:
        with open_file(source / name) as file:
            text = file.read(_LARGEST_HASHES_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        return HashFile(file=name, fault=f"{error.strerror or error}")
    return HashFile(file=name, digests=tuple(sorted(parse_hashes(text).items())))


def fetch_prebuilt(
    wheel: PlannedPrebuilt, folder: Path, prepared: Path | None, torch: Torch | None, silent: set[str]
) -> tuple[Path, PlannedPrebuilt]:
    """Return a wheel that was downloaded into a folder and fits, and the planned one with its digest.

    :param silent: the servers that gave no answer; see `asking`
    :raises RefusedError: if it cannot be had, or does not fit
    """
    from ..consumer.processes import take_python
    from ..installed.markers import wheel_ranks
    from .connections import DownloadError, asking
    from .download import Limits, download
    from .inspect import inspect_prebuilt

    if wheel.refused or wheel.awaits:
        raise RefusedError(wheel.refused or f"its address is still not known: {wheel.awaits}")
    draft = folder / "download"
    try:
        wheel = read_listed(wheel, folder, wheel_ranks(take_python()), silent) if wheel.listed else wheel
        expected = _expected(wheel, folder, silent)
        with asking(wheel.url, silent):
            digest = download(wheel.url, draft, limits=Limits())
        if expected and digest not in expected:
            raise RefusedError(f"its SHA-256 is {digest}, not {' or '.join(expected)}")
        local = f"+{wheel.local}" if wheel.local else ""
        name = inspect_prebuilt(draft, replace(wheel, version=wheel.version + local), prepared, torch)
    except (DownloadError, UnfitError) as reason:
        raise RefusedError(str(reason)) from None
    found = draft.rename(folder / name)
    return _without_local(found, wheel) if wheel.local else found, replace(wheel, sha256=(digest,), used=True)


def read_listed(wheel: PlannedPrebuilt, folder: Path, tags: Mapping[Tag, int], silent: set[str]) -> PlannedPrebuilt:
    """Return the planned wheel with the address and the digest that the page of an index says.

    :param tags: those that fit, by rank
    :raises RefusedError: if it lists none that fits
    :raises DownloadError: if the page cannot be had
    """
    from .connections import asking
    from .download import Limits, download, may_lead

    page = folder / "page"
    limits = Limits(total_s=_HASHES_S, largest_bytes=_LARGEST_PAGE_BYTES)
    with asking(wheel.url, silent):
        download(wheel.url, page, limits=limits, accept=ACCEPT)
    files = parse_index_page(page.read_text(encoding="utf-8", errors="replace"), wheel.url)
    version = f"{wheel.version}+{wheel.local}" if wheel.local else wheel.version
    chosen, why = choose_wheel(files, wheel.name, version, tags)
    if chosen is None:
        raise RefusedError(why)
    if not chosen.sha256:
        raise RefusedError(f"the index says no SHA-256 digest of {chosen.name}")
    if not may_lead(wheel.url, chosen.url):
        raise RefusedError(f"{chosen.name} is not at an address of HTTPS")
    return replace(wheel, url=chosen.url, sha256=(chosen.sha256,))


def _without_local(path: Path, wheel: PlannedPrebuilt) -> Path:
    """Return a wheel whose version is the one that is built, without the local part that its index gave it.

    The name of its .dist-info and .data folders and its METADATA say it; a front end wants what it has resolved.
    """
    stem, _, tags = path.stem.removesuffix(".whl").partition("-")
    version, _, tags = tags.partition("-")
    old, new = f"{stem}-{version}", f"{stem}-{wheel.version}"
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith((f"{old}.dist-info/", f"{old}.data/"))]
        metadata = archive.read(f"{old}.dist-info/METADATA")
    text = re.sub(rb"(?mi)^Version:[^\r\n]*", b"Version: " + wheel.version.encode("ascii"), metadata, count=1)
    moved = {name: new + name.removeprefix(old) for name in names}
    rewrite_wheel(path, WheelChanges(added={f"{new}.dist-info/METADATA": text}, moved=moved))
    return path.rename(path.with_name(f"{new}-{tags}.whl"))


def _expected(wheel: PlannedPrebuilt, folder: Path, silent: set[str]) -> tuple[str, ...]:
    """Return the digests that it may have; none where nobody said."""
    if not wheel.hashes:
        return wheel.sha256
    from .connections import DownloadError, asking
    from .download import Limits, download

    file = folder / "hashes"
    try:
        with asking(wheel.hashes, silent):
            download(wheel.hashes, file, limits=Limits(total_s=_HASHES_S, largest_bytes=_LARGEST_HASHES_BYTES))
    except DownloadError as error:
        raise RefusedError(f"{wheel.hashes}: {error}") from None
    found = parse_hashes(file.read_text(encoding="utf-8", errors="replace")).get(wheel.file)
    if found is None:
        raise RefusedError(f"{wheel.hashes} does not name {wheel.file}")
    return (found,)


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """One file of a project. `sha256` is "" where the index does not say it."""

    name: str
    url: str
    sha256: str
    yanked: bool


def parse_index_page(text: str, url: str) -> tuple[IndexFile, ...]:
    """Return the files that the page at an address lists, which may be relative to it; none if it is no such page."""
    if text.lstrip().startswith("{"):
        return tuple(_json_files(tables(json_table(text).get("files")), url))
    page = _Page(url)
    page.feed(text)
    return tuple(page.files)


def choose_wheel(
    files: Iterable[IndexFile], name: str, version: str, tags: Mapping[Tag, int]
) -> tuple[IndexFile | None, str]:
    """Return the wheel of a version that fits an interpreter best (lowest rank of tags), and ""; or None, and why."""
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
