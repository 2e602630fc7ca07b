"""The packages that come from an address: from git, from an archive on the web, from a folder or file.

These come before all that an index has, so that the address itself has to change. May not run any of it: a commit or an
archive is fetched, its files are read.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ...errors import TorchgraftError, quoted
from ...programs import find_programs, take_answer
from ...redaction import without_credentials
from ...untrusted import read_toml, split_address, table, tables, text_of
from ...values import dataclass
from ...wanted.locked_torch import LockError, file_url, local_path
from .locked_sdists import NamedSdist
from .package_index import sdist_version
from .sdist import unpack_archive

_LONGEST_S = 300
_DIGEST = re.compile(r"[0-9a-f]{40}")
_UNPACKED = {"gz": "tar -xz", "tgz": "tar -xz", "bz2": "tar -xj", "xz": "tar -xJ"}


@dataclass(frozen=True, kw_only=True)
class AddressSource:
    """A package that comes from an address: from a commit of a repository, or from an archive, where `commit` is ""."""

    name: str
    url: str
    commit: str = ""
    is_git: bool = False
    sha256: str = ""


def read_address_sources(file: Path) -> tuple[AddressSource, ...]:
    """Return the packages that a lock has from git, or from archives that are no wheels, and are on no index."""
    data = read_toml(file)
    found = []
    for item in [*tables(data.get("package")), *tables(data.get("packages"))]:
        source, vcs, revision = table(item.get("source")), table(item.get("vcs")), text_of(item.get("revision"))
        of_uv, of_pdm = text_of(source.get("git")), text_of(item.get("git"))
        if of_uv:
            url, _, commit = of_uv.partition("#")
            url = url.partition("?")[0]
        elif source.get("type") == "git" or vcs.get("type") == "git":
            url = text_of(source.get("url")) or text_of(vcs.get("url")) or ""
            commit = text_of(source.get("resolved_reference")) or text_of(vcs.get("commit-id")) or ""
        else:
            url, commit = of_pdm or "", revision or ""
        name, is_git = canonicalize_name(text_of(item.get("name")) or ""), bool(url and commit)
        if not is_git:
            is_archive = source.get("type") in {None, "url"}
            places = (source if is_archive else {}, table(item.get("archive")), item)
            url = next(filter(None, (text_of(place.get("url")) for place in places)), "")
            path = text_of(table(item.get("archive")).get("path")) or ""
            with contextlib.suppress(LockError):
                url = file_url(file.parent, path) if path and not url else url
        if url and (is_git or not split_address(url).path.endswith(".whl")):
            found.append(
                AddressSource(name=name, url=url, commit=commit if is_git else "", is_git=is_git, sha256=_digest(item))
            )
    return tuple(found)


def _digest(item: Mapping[str, Any]) -> str:
    """Return the digest of an archive: uv, pdm, pylock."""
    listed = [table(item.get("sdist")), *tables(item.get("files"))]
    texts = [one.get("hash") for one in listed] + [table(table(item.get("archive")).get("hashes")).get("sha256")]
    return next((text.removeprefix("sha256:") for text in map(text_of, texts) if text), "")


def sdist_of(source: AddressSource) -> NamedSdist | None:
    """Return what comes from an address as an sdist, if its file is called as one is."""
    name, file = source.name, Path(split_address(source.url).path).name
    version = None if source.is_git else sdist_version(file, name)
    known = {"file": file, "url": source.url, "sha256": source.sha256}
    return NamedSdist(name=name, version=str(version), by_address=True, **known) if version else None


def fetch_source(source: AddressSource, folder: Path, fetch: Callable[[str, Path], Path]) -> Path | None:
    """Return the files of a commit, without submodules, or of an archive; None if it cannot be had."""
    folder.mkdir(parents=True)
    if source.is_git:
        return _fetch_commit(source, folder)
    try:
        return unpack_archive(fetch(source.url, folder), folder / "tree")
    except TorchgraftError:
        return None


def _fetch_commit(source: AddressSource, folder: Path) -> Path | None:
    git = next(iter(find_programs("git", os.environ)), "")
    if not git or source.url.startswith("-") or source.commit.startswith("-"):
        return None
    # Nobody is asked for a password, and nothing that the repository names is run or fetched.
    variables = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    for words in (
        ("init", "--quiet"),
        ("fetch", "--quiet", "--depth", "1", source.url, source.commit or "HEAD"),
        ("checkout", "--quiet", "FETCH_HEAD"),
    ):
        take_answer([git, "-C", str(folder), *words], variables, timeout_s=_LONGEST_S)
    return folder if any(one.name != ".git" for one in folder.iterdir()) else None


def source_text(source: AddressSource, reason: str) -> str:
    """Return what is said of a package that needs torch and comes from an address."""
    place = "git" if source.is_git else "an address"
    why = f"{source.name} comes from {place}, not from an sdist that could be changed ({reason})"
    return f"{why}: {source_cure(source)}"


def source_cure(source: AddressSource) -> str:
    """Return what makes a copy of it, adopts that, and what is to be done then."""
    name, url = source.name, quoted(without_credentials(source.url))
    end = "then depend on that folder"
    if source.is_git:
        commit = source.commit[:12] if _DIGEST.fullmatch(source.commit) else source.commit
        checkout = f" && git -C {name} checkout {quoted(commit)}" if commit else ""
        made = f"git clone {url} {name}{checkout} && "
        end += ", or on a fork with its commit"
    elif source.url.startswith("file:"):
        path = Path(local_path(source.url))
        name, made = quoted(os.path.relpath(path)), ""
        end = f"then depend on {quoted(os.path.relpath(path.parent / 'adopted' / path.name))}"
    else:
        unpack = _UNPACKED.get(split_address(source.url).path.rpartition(".")[2])
        made = f"mkdir {name} && curl -L {url} | {unpack} -C {name} --strip-components 1 && "
        made = made if unpack else f"curl -L {url} -o {name}.zip && unzip -q {name}.zip -d {name} && "
        name = name if unpack else f"{name}/*"
    return f"{made}torchgraft adopt {name} --write   ({end})"
