"""Download a file over HTTPS, with limits, and say why where that fails.

May not decide what: the plan has shown each address before. Follows no redirect away from HTTPS.
"""

from __future__ import annotations

import contextlib
import hashlib
import netrc
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from .. import __version__
from ..errors import shown

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_CHUNK_BYTES = 1 << 18
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({429, 500, 502, 503, 504})
_BAR_WIDTH = 30
_BAR_PAUSE_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long and how much. `read_s` is the longest silence, `total_s` all of it; `tries` are those of one address."""

    connect_s: float = 10
    read_s: float = 30
    total_s: float = 3600
    pause_s: float = 0.5
    tries: int = 3
    largest_bytes: int = 4_000_000_000


class DownloadError(Exception):
    """A file that could not be had, for a reason that may be shown."""


def download(url: str, target: Path, *, limits: Limits, accept: str = "") -> str:
    """Return the SHA-256 digest of what was written to `target`.

    Proxies are those of the environment, passwords those of `.netrc`, certificates those of the system or of
    SSL_CERT_FILE.

    :param accept: the types of content that are wanted, where the server has several
    :raises DownloadError: if it cannot be had, or is larger than it may be
    """
    try:
        import urllib3
    except ImportError:
        raise DownloadError("urllib3 is not installed in the build environment") from None
    deadline = time.monotonic() + limits.total_s
    said = ""
    for last in range(limits.tries - 1, -1, -1):
        try:
            return _once(url, target, limits, deadline, accept)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            said = _reason(error)
        if last:
            time.sleep(limits.pause_s)
    raise DownloadError(said)


def _once(url: str, target: Path, limits: Limits, deadline: float, accept: str) -> str:
    """Download once; what may pass by is tried again before the body begins, and by the caller after."""
    for _ in range(_MOST_REDIRECTS + 1):
        with _answer(url, limits, accept) as answer:
            if answer.status not in _REDIRECTS:
                return _write(answer, target, limits, deadline)
            url = _redirected(url, answer.headers.get("Location", ""))
    raise DownloadError(f"more than {_MOST_REDIRECTS} redirects")


def _redirected(url: str, location: str) -> str:
    try:
        there = urljoin(url, location)
        parts = urlsplit(there)
    except ValueError:
        raise DownloadError("it redirects to what is no address") from None
    if parts.scheme != "https":
        # What stands behind the host may be a signature.
        raise DownloadError(f"it redirects to {parts.scheme}://{parts.hostname}, which is not HTTPS")
    return there


@contextlib.contextmanager
def _answer(url: str, limits: Limits, accept: str) -> Iterator[BaseHTTPResponse]:
    from urllib3.util import Retry, Timeout, make_headers

    parts = urlsplit(url)
    retry = Retry(
        total=limits.tries,
        connect=1,
        read=1,
        status_forcelist=_PASSING,
        backoff_factor=limits.pause_s,
        raise_on_status=False,
        respect_retry_after_header=False,  # a server may say hours
    )
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    password = login or _password(parts.hostname or "")
    headers = make_headers(user_agent=f"torchgraft/{__version__}", basic_auth=password)
    if accept:
        headers["accept"] = accept
    with _pool(parts.hostname or "") as pool:
        answer = pool.request(
            "GET",
            url,
            headers=headers,
            timeout=Timeout(connect=limits.connect_s, read=limits.read_s),
            retries=retry,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            yield answer
        finally:
            answer.close()


def _pool(host: str) -> PoolManager:
    import urllib3
    from urllib3.util import make_headers, parse_url

    proxy = "" if proxy_bypass(host) else getproxies().get("https", "")
    if not proxy:
        return urllib3.PoolManager()
    parsed = parse_url(proxy if "://" in proxy else f"http://{proxy}")
    headers = make_headers(proxy_basic_auth=unquote(parsed.auth)) if parsed.auth else None
    return urllib3.ProxyManager(parsed.url, proxy_headers=headers)


def _password(host: str) -> str | None:
    """Return login and password of a host from the user's .netrc, as pip and uv take them from there."""
    try:
        # Not authenticators(): the machine "default" would be sent to any host that a package names.
        found = netrc.netrc().hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return f"{found[0]}:{found[2]}" if found else None


def _write(answer: BaseHTTPResponse, target: Path, limits: Limits, deadline: float) -> str:
    if answer.status != 200:
        raise DownloadError(f"the server says {answer.status} {answer.reason or ''}".rstrip())
    length = answer.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else 0
    if total > limits.largest_bytes:
        raise DownloadError(f"it has {total} bytes, more than {limits.largest_bytes}")
    digest = hashlib.sha256()
    count = 0
    with target.open("wb") as file, _bar(total) as advance:
        # Not stream(), which waits for a whole chunk, however slowly it comes.
        while chunk := answer.read1(_CHUNK_BYTES):
            count += len(chunk)
            if count > limits.largest_bytes:
                raise DownloadError(f"it has more than {limits.largest_bytes} bytes")
            if time.monotonic() > deadline:
                raise DownloadError(f"it takes longer than {limits.total_s:g} s")
            digest.update(chunk)
            file.write(chunk)
            advance(count)
    return digest.hexdigest()


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """Yield what shows how far it is, on a terminal: front ends capture what a hook writes, a person does not."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    last_s = 0.0

    def advance(count: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s < _BAR_PAUSE_S:
            return
        last_s = time.monotonic()
        full = _BAR_WIDTH * count // total if total else 0
        of = f" of {total / 1e6:.1f}" if total else ""
        sys.stderr.write(f"\r[{'#' * full}{'.' * (_BAR_WIDTH - full)}] {count / 1e6:.1f}{of} MB")
        sys.stderr.flush()

    yield advance
    sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()


def _reason(error: Exception) -> str:
    """Return what happened in one line, without addresses, which may have signatures in them, and without paths."""
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, Exception) else error
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return shown(" ".join(f"{type(cause).__name__}: {said}".split()))[:200]
