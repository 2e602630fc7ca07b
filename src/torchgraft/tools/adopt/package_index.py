"""Which indexes pip and uv use on this machine, which sdist of theirs meets a requirement, and its download.

May not run pip, whose settings are in variables and files (pip's documentation, "Configuration"): `pip download` builds
the metadata, and so runs what is in an sdist. Pages are JSON (PEP 691) or HTML (PEP 503): an index may have only one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.utils import canonicalize_name

from ...errors import ActError
from ...prebuilt.connections import DownloadError, MissingError
from ...prebuilt.download import Limits, download, may_lead
from ...prebuilt.take import ACCEPT, IndexFile, parse_index_page
from ...programs import find_programs, take_answer
from ...untrusted import json_table, parse_version, split_address, strings, table
from ...wanted.settings_files import pip_settings
from .sdist import no_sdist

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.version import Version

PYPI = "https://pypi.org/simple"
_MAIN = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_EXTRA = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")
_DENIED = ("the server says 401", "the server says 403")
_LOGIN_S = 30
_PAGE = Limits(largest_bytes=100_000_000, total_s=120)
_SDIST = Limits(largest_bytes=2_000_000_000)


def find_indexes(variables: Mapping[str, str], *, etc: Path = Path("/etc")) -> tuple[str, ...]:
    """Return the addresses of the indexes, the one to ask first first; none where there is to be none."""
    said = sorted(pip_settings(variables, etc), key=lambda item: item[1] == "download")
    files = {key: value for _, section, key, value in said if section in {"global", "download"}}
    if variables.get("PIP_NO_INDEX") or variables.get("UV_NO_INDEX") or files.get("no-index") in {"1", "true", "yes"}:
        return ()
    main = next((variables[name] for name in _MAIN if variables.get(name)), files.get("index-url", PYPI))
    extra = [part for name in _EXTRA for part in variables.get(name, "").split()] or files.get(
        "extra-index-url", ""
    ).split()
    # uv's indexes may have names: name=address.
    named = (item.partition("=")[::2] if _is_named(item) else ("", item) for item in (main, *extra))
    return tuple(dict.fromkeys(index_address(address, name, variables) for name, address in named))


def _is_named(address: str) -> bool:
    name, equals, _ = address.partition("=")
    return bool(equals) and ":" not in name


def index_address(url: str, name: str, variables: Mapping[str, str]) -> str:
    """Return the address of an index, with the login that uv's or poetry's variables have for its name, if any do."""
    key = re.sub(r"[^A-Z0-9]", "_", name.upper())
    found = (
        [variables.get(f"{prefix}_{key}_{what}", "") for what in ("USERNAME", "PASSWORD")]
        for prefix in ("UV_INDEX", "POETRY_HTTP_BASIC")
    )
    login = next((one for one in found if name and any(one)), [])
    stated = split_address(url).netloc.rpartition("@")[0]
    return _with_login(url.rstrip("/"), stated or ":".join(quote(part, safe="") for part in login))


def _with_login(url: str, login: str) -> str:
    parts = split_address(url)
    return parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl() if login else url


def _login_for(url: str, indexes: Iterable[str]) -> str:
    """Return the login of the index that is at the same place, "" for none: files and locks leave it out."""
    parts = split_address(url)
    for own in map(split_address, indexes):
        login, _, host = own.netloc.rpartition("@")
        if login and (own.scheme, host) == (parts.scheme, parts.netloc):
            return login
    return ""


def _logins(url: str, indexes: Iterable[str]) -> Iterator[str]:
    """Yield what to ask with: the login of the address or of its index, then what a keyring or uv's store has."""
    parts = split_address(url)
    host = parts.netloc.rpartition("@")[2]
    login = parts.netloc.rpartition("@")[0] or _login_for(url, indexes)
    yield login
    user, _, password = login.partition(":")
    if user and not password:  # as pip does it with `--keyring-provider subprocess`
        own = [split_address(one) for one in indexes]
        places = [one._replace(netloc=host).geturl() for one in own if one.netloc.rpartition("@")[2] == host]
        for place in (*places, host):
            secret = _said("keyring", "get", place, user)
            if secret:
                yield f"{user}:{quote(secret, safe='')}"
    address = parts._replace(netloc=f"{user}@{host}" if user else host).geturl()
    said = _said("uv", "auth", "helper", "--protocol", "bazel", "get", given=json.dumps({"uri": address}))
    headers = table(json_table(said[said.find("{") :]).get("headers"))
    for header in strings(headers.get("Authorization")):
        with contextlib.suppress(ValueError):
            known = b64decode(header.removeprefix("Basic "), validate=True).decode("utf-8")
            yield ":".join(quote(part, safe="") for part in known.split(":", 1))


def _said(program: str, *words: str, given: str = "") -> str:
    for found in find_programs(program, os.environ)[:1]:
        answer = take_answer([found, *words], os.environ, timeout_s=_LOGIN_S, given=given)
        return answer.text.strip() if answer.status == 0 and not answer.fault else ""
    return ""


def choose_sdist(files: tuple[IndexFile, ...], requirement: Requirement) -> IndexFile | None:
    """Return the newest sdist that meets a requirement, None if there is none.

    One that was yanked is taken only where its very version is asked for (PEP 592).
    """
    found: dict[Version, IndexFile] = {}
    pinned = {one.version for one in requirement.specifier if one.operator in {"==", "==="}}
    for file in sorted(files, key=lambda file: file.name.endswith(".tar.gz")):
        version = sdist_version(file.name, requirement.name)
        if version is not None and (not file.yanked or str(version) in pinned):
            found[version] = file
    return next((found[one] for one in requirement.specifier.filter(sorted(found, reverse=True))), None)


def sdist_version(file: str, name: str) -> Version | None:
    """Return the version of an sdist, None for what is none of that name: natten-0.14.2-4.tar.gz is 0.14.2.post4."""
    stem = next((file.removesuffix(end) for end in (".tar.gz", ".zip") if file.endswith(end)), "")
    places = [match.start() for match in re.finditer("-", stem)]
    ends = (place for place in places if canonicalize_name(stem[:place]) == canonicalize_name(name))
    return next((parse_version(stem[place + 1 :]) for place in ends), None)


def download_sdist(requirement: Requirement, indexes: tuple[str, ...], scratch: Path, *, sha256: str = "") -> Path:
    """Return the sdist that the first index has which has one; none of its code runs.

    :param sha256: the digest that a lock says, "" for none: that of the index has to be the same
    :raises ActError: if no index has one, or it cannot be had
    """
    asked = []
    for index in indexes:
        page = f"{index}/{canonicalize_name(requirement.name)}/"
        text = _fetch_page(page, scratch, indexes)
        asked.append(f"{page} {'has none that fits' if text else 'is not there'}")
        chosen = choose_sdist(parse_index_page(text, page), requirement) if text else None
        if chosen is None:
            continue
        if sha256 not in {"", chosen.sha256}:
            raise _failed(chosen.url, f"its SHA-256 is {chosen.sha256}, and the lock says {sha256}")
        if not may_lead(page, chosen.url):
            raise _failed(chosen.url, "an index may not name what is on this machine, nor an address without TLS")
        return fetch_archive(chosen.url, scratch / chosen.name, indexes, sha256=chosen.sha256)
    raise no_sdist(
        f"no index has an sdist for {requirement}",
        fix="--index-url URL   (another index)",
        asked=asked or "no index: pip is told to use none",
    )


def _fetch_page(url: str, folder: Path, indexes: tuple[str, ...]) -> str | None:
    """Return the text of a page, None where there is none."""
    target = folder / "page"
    try:
        _fetch(url, target, indexes, limits=_PAGE, accept=ACCEPT)
    except MissingError:
        return None
    return target.read_text(encoding="utf-8", errors="replace")


def fetch_archive(url: str, target: Path, indexes: tuple[str, ...], *, sha256: str | None = None) -> Path:
    """Return where an archive was written; logins of `indexes` count for it.

    :param sha256: the digest that an index or a lock says, None for one that is on no index
    """
    found = _fetch(url, target, indexes)
    if sha256 not in {None, found}:
        target.unlink()
        raise _failed(url, f"its SHA-256 is {found}, and it should be {sha256 or 'given, and is not'}")
    return target


def _fetch(url: str, target: Path, indexes: tuple[str, ...], *, limits: Limits = _SDIST, accept: str = "") -> str:
    said = ""
    for login in _logins(url, indexes):
        try:
            return download(_with_login(url, login), target, limits=limits, accept=accept)
        except DownloadError as error:
            if isinstance(error, MissingError) and limits is _PAGE:
                raise
            said = str(error)
            if not said.startswith(_DENIED):
                break
    raise _failed(url, said)


def _failed(url: str, reason: str) -> ActError:
    fix = "download the sdist by hand, and give its path instead"
    if reason.startswith(_DENIED):
        host = split_address(url).netloc.rpartition("@")[2]
        fix = f"uv auth login {host}   (or a line for it in ~/.netrc, or UV_INDEX_<NAME>_USERNAME and _PASSWORD)"
    return no_sdist(f"{url} could not be downloaded", fix=fix, reason=reason)
