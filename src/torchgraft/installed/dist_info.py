"""What the metadata folders on a search path say: which distributions there are, what they need and installed.

May not import any of them. `importlib.metadata` says the same: it parses the whole of each METADATA, torch's long
description included, which takes longer than everything here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from ..files import is_folder, names_in, read_start
from ..untrusted import json_table
from ..values import dataclass

_LARGEST_HEADER_BYTES = 1_000_000
LARGEST_LIST_BYTES = 128_000_000
_LARGEST_FILE_BYTES = 1_000_000
# The name ends at the first dash before a number: old tools kept the dashes of foo-bar.
_STEM = r"(?s)(?P<name>.+?)-(?P<version>\d.*)"
_NAME = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
MODULE_SUFFIXES = (".py", ".so", ".pyd")
_EMPTY_LINE = rb"\r?\n\r?\n"
_SECTION = r"\[(?P<extra>[^:\]]*)(?::(?P<marker>.*))?\]"
# Where a wheel may keep what goes to site-packages (the binary distribution format, "The .data directory").
TO_SITE_PACKAGES = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")


@dataclass(frozen=True, kw_only=True)
class Installed:
    """One distribution whose metadata was found. `name` is normalised.

    `site` is the folder that it is imported from, `information` its metadata (dist-info, egg-info, or the file that
    distutils wrote), `entry` what that is to be called. `stated` is the version in that name, "" where there is
    none. `is_developed`: by `setup.py develop`, so that `site` is its source tree.
    """

    name: str
    stated: str
    site: Path
    information: Path
    entry: str
    is_developed: bool = False


@dataclass(frozen=True, kw_only=True)
class MetadataHeader:
    """The fields of a METADATA or PKG-INFO that matter here. `requires` are requirements as written."""

    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()


class ListedFile(NamedTuple):
    """A row of a RECORD: `digest` as it has it (sha256=...), `size` in digits; "" where it does not say."""

    path: str
    digest: str
    size: str


def find_installed(search_path: Iterable[str]) -> Mapping[str, tuple[Installed, ...]]:
    """Return all distributions on a path by name, those of one name in the order of the path.

    Only folders are listed, and no file is opened but those of `setup.py develop`.
    """
    found: dict[str, list[Installed]] = {}
    for folder in dict.fromkeys(search_path):
        for installed in _installed_in(Path(folder)):
            found.setdefault(installed.name, []).append(installed)
    return {name: tuple(all_of_name) for name, all_of_name in found.items()}


def choose_installed(candidates: tuple[Installed, ...]) -> tuple[Installed, MetadataHeader | None]:
    """Return the first with its header, but in its folder the one that has a header.

    An upgrade that was killed leaves metadata of the other version behind.
    """
    first, *others = candidates
    read = [(installed, read_header(installed)) for installed in (first, *(o for o in others if o.site == first.site))]
    return next((one for one in read if one[1] is not None), read[0])


def version_of(installed: Installed) -> str:
    """Return the version in the name of the metadata, else the one inside; "0" where neither says."""
    return installed.stated or (read_header(installed) or MetadataHeader()).version or "0"


def read_header(installed: Installed) -> MetadataHeader | None:
    """Return what a distribution says of itself; None where that file is missing or cannot be read."""
    path = installed.information
    is_wheel = path.name.endswith(".dist-info")
    if is_folder(path):
        path /= "METADATA" if is_wheel else "PKG-INFO"
    data = read_start(path, _LARGEST_HEADER_BYTES)
    if data is None:
        return None
    header = parse_header(data)
    if is_wheel or header.requires:
        return header
    return replace(header, requires=tuple(_parse_requires(read_lines(installed, "requires.txt"))))


def read_files(installed: Installed) -> tuple[str, ...] | None:
    """Return the installed files, relative to `site` and with forward slashes; None where there is no list.

    Files elsewhere (scripts, manual pages) begin with `..` or `/`.
    """
    data = read_start(installed.information / "RECORD", LARGEST_LIST_BYTES)
    if data:
        return tuple(_listed_paths(data))
    lines = read_lines(installed, "installed-files.txt")
    # Relative to the egg-info, as the system writes paths.
    paths = (line.replace("\\", "/") for line in lines)
    return tuple(path.removeprefix("../") if path.startswith("../") else f"../{path}" for path in paths) or None


def read_lines(installed: Installed, name: str) -> tuple[str, ...]:
    """Return the lines of one of the metadata files that have something in them; none where there is no such file."""
    data = read_start(installed.information / name, _LARGEST_FILE_BYTES) or b""
    return tuple(line.strip() for line in data.decode("utf-8", errors="replace").splitlines() if line.strip())


def read_direct_url(information: Path) -> Mapping[str, Any]:
    """Return what direct_url.json (PEP 610) says of where a distribution came from; {} without one that can be read."""
    content = read_start(information / "direct_url.json", _LARGEST_FILE_BYTES)
    return json_table(content) if content else {}


def is_editable(installed: Installed) -> bool | None:
    """Return whether a distribution is imported from the folder that it was installed from; None if it was none."""
    about = read_direct_url(installed.information).get("dir_info")
    return about.get("editable") is True if isinstance(about, dict) else None


def read_source(installed: Installed) -> tuple[str, ...]:
    """Return what a front end is given to install a distribution again from where it came; () if that was an index."""
    direct = read_direct_url(installed.information)
    url, about, vcs = str(direct.get("url") or ""), direct.get("dir_info"), direct.get("vcs_info")
    if installed.is_developed:
        return ("-e", str(installed.site))
    if isinstance(about, dict) and url.startswith("file:"):
        folder = unquote(url.removeprefix("file://"))
        return ("-e", folder) if about.get("editable") else (folder,)
    if isinstance(vcs, dict):
        url = f"{vcs.get('vcs')}+{url}@{vcs.get('commit_id')}"
    return (f"{installed.name} @ {url}",) if url else ()


def _installed_in(folder: Path) -> Iterator[Installed]:
    if folder.suffix == ".egg" and is_folder(folder / "EGG-INFO"):
        yield from _named(folder.stem, folder, folder / "EGG-INFO")
    for entry in names_in(folder):
        stem, _, suffix = entry.rpartition(".")
        if suffix in {"dist-info", "egg-info"}:
            yield from _named(stem, folder, folder / entry)
        elif suffix == "egg-link":
            yield from _developed(folder / entry, canonicalize_name(stem))


def _named(stem: str, site: Path, information: Path) -> Iterator[Installed]:
    match = re.fullmatch(_STEM, stem)
    name = canonicalize_name(match["name"] if match else stem.partition("-")[0])
    # An egg's name goes on with the version of Python: foo-1.0-py3.11.egg-info
    version = (match["version"] if match else stem.partition("-")[2]).partition("-py")[0]
    if re.fullmatch(_NAME, name):
        yield Installed(
            name=name,
            stated=version if version.isascii() and version.isprintable() else "",
            site=site,
            information=information,
            entry=information.name if information.name != "EGG-INFO" else f"{stem}.egg-info",
            is_developed=information.suffix == ".egg-info" and "-" not in stem,
        )


def _developed(link: Path, name: str) -> Iterator[Installed]:
    """Yield what an egg-link names: its first line is the folder of the source tree that is imported from."""
    first = (read_start(link, _LARGEST_FILE_BYTES) or b"").decode("utf-8", errors="replace").partition("\n")[0].strip()
    if first:
        for entry in names_in(link.parent / first):
            if entry.endswith(".egg-info") and canonicalize_name(entry.removesuffix(".egg-info")) == name:
                yield from _named(entry.removesuffix(".egg-info"), link.parent / first, link.parent / first / entry)


def parse_header(data: bytes) -> MetadataHeader:
    """Return the fields above the first empty line; what follows is the description."""
    stated, requires = {"name": "", "version": ""}, []
    for line in re.split(_EMPTY_LINE, data, maxsplit=1)[0].decode("utf-8", errors="replace").split("\n"):
        key, _, value = line.partition(":")
        if key.lower() == "requires-dist":
            requires.append(value.strip())
        elif key.lower() in stated:
            stated[key.lower()] = stated[key.lower()] or value.strip()
    return MetadataHeader(**stated, requires=tuple(requires))


def _parse_requires(lines: Iterable[str]) -> Iterator[str]:
    """Yield the requirements of a requires.txt, its [extra:marker] sections turned into markers."""
    marker = ""
    for line in lines:
        section = re.fullmatch(_SECTION, line)
        if section is None:
            yield f"{line} ; {marker}" if marker else line
            continue
        parts = [f"({section['marker']})"] if section["marker"] else []
        parts += [f'extra == "{section["extra"]}"'] if section["extra"] else []
        marker = " and ".join(parts)


def parse_file_list(data: bytes) -> list[ListedFile]:
    """Return the rows of a RECORD; raise ValueError if it is none."""
    import csv
    import io

    found = []
    try:
        # Not splitlines(): names may have what it takes for an end of line.
        for number, row in enumerate(csv.reader(io.StringIO(data.decode("utf-8"), newline=""))):
            if len(row) != 3:
                raise ValueError(f"row {number} of its RECORD has {len(row)} parts, not 3")
            found.append(ListedFile(row[0].replace("\\", "/"), row[1], row[2]))
    except csv.Error as error:
        raise ValueError(f"its RECORD cannot be read: {error}") from None
    return found


def _listed_paths(data: bytes) -> list[str]:
    # torch lists 15,000 files: where nothing is in quotes, what stands before the comma is all of a name.
    if b'"' in data:
        with contextlib.suppress(ValueError):
            return [row.path for row in parse_file_list(data)]
    # What an environment has is there, however damaged the list of it.
    lines = data.decode("utf-8", errors="replace").replace("\\", "/").split("\n")
    return [line.partition(",")[0].strip('"') for line in lines if line]


def top_level_names(installed: Installed) -> tuple[str, ...]:
    """Return the names that a distribution is imported by: its top_level.txt, else guesses from its own name."""
    listed = read_lines(installed, "top_level.txt")
    written = installed.entry.partition("-")[0].partition(".")[0]
    guesses = (installed.name.replace("-", "_"), installed.name, written)
    return tuple(name for name in dict.fromkeys(listed or guesses) if is_plain(name))


def is_plain(name: str) -> bool:
    """Return whether a name stays in the folder that it is looked up in."""
    return name not in {"", ".", ".."} and name.isprintable() and not set(name) & set('/\\:"')


def module_files(folder: Path, name: str) -> tuple[str, ...]:
    """Return the files that a single module is imported from: foo.py, foo.abi3.so, foo.cpython-311-darwin.so."""
    return tuple(
        entry for entry in names_in(folder) if entry.startswith(f"{name}.") and entry.endswith(MODULE_SUFFIXES)
    )
