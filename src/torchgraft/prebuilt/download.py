"""Download a file over HTTPS, with limits, and say why where that fails. A file of this machine is copied.

May not decide what: the plan has shown each address before. Follows no redirect away from HTTPS.
"""

from __future__ import annotations

import contextlib
import hashlib
import netrc
import re
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urljoin, urlsplit
from urllib.request import url2pathname

from .. import __version__
from ..errors import shown
from ..files import open_file
from ..values import dataclass
from .connections import (
    Connections,
    DownloadError,
    MissingError,
    SilentError,
    basic_authorization,
    connection_pool,
    proxy_of,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_CHUNK_BYTES = 1 << 18
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({429, 500, 502, 503, 504})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST_DIGITS = 20
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


def download(url: str, target: Path, *, limits: Limits, accept: str = "") -> str:
    """Return the SHA-256 digest of what was written to `target`.

    Proxies are those of the environment, passwords those of `.netrc`, certificates those of the system or of
    SSL_CERT_FILE.

    :param accept: the types of content that are wanted, where the server has several
    :raises DownloadError: if it cannot be had, or is larger than it may be
    """
    if urlsplit(url).scheme == "file":
        return _copy(url, target, limits)
    if not may_lead("file:", url):
        raise DownloadError(f"{urlsplit(url).scheme}:// is not HTTPS")
    try:
        import urllib3
    except ImportError:
        raise DownloadError("urllib3 is not installed in the build environment") from None
    said = ""
    with contextlib.closing(Connections(limits.total_s)) as connections:
        for last in range(limits.tries - 1, -1, -1):
            try:
                return _once(url, target, limits, connections, accept)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                said = _reason(error)
            connections.refuse_after_time()
            if last:
                time.sleep(limits.pause_s)
    raise SilentError(said)


def is_there(url: str, *, limits: Limits) -> None:
    """Return if a file can be had, without its contents; raise DownloadError if it cannot."""
    if urlsplit(url).scheme == "file":
        if not Path(url2pathname(urlsplit(url).path)).is_file():
            raise MissingError("there is no such file")
        return
    from urllib3.exceptions import HTTPError

    with contextlib.closing(Connections(limits.total_s)) as connections:
        try:
            # No HEAD: what a redirect leads to may be signed for GET alone.
            with _followed(url, limits, connections, ""):
                pass
        except (HTTPError, OSError, ValueError) as error:
            raise SilentError(_reason(error)) from None


def _copy(url: str, target: Path, limits: Limits) -> str:
    """Copy a file of this machine; of a folder, its `index.html`, as a server would."""
    path = Path(url2pathname(urlsplit(url).path))
    path = path / "index.html" if path.is_dir() else path
    digest = hashlib.sha256()
    try:
        if path.stat().st_size > limits.largest_bytes:
            raise DownloadError(f"it has more than {limits.largest_bytes} bytes")
        with open_file(path) as source, target.open("wb") as file:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
    except FileNotFoundError as error:
        raise MissingError(error.strerror or "there is no such file") from None
    except OSError as error:
        raise DownloadError(error.strerror or type(error).__name__) from None
    return digest.hexdigest()


def _once(url: str, target: Path, limits: Limits, connections: Connections, accept: str) -> str:
    """Download once; what may pass by is tried again before the body begins, and by the caller after."""
    with _followed(url, limits, connections, accept) as answer:
        digest = _write(answer, target, limits)
    connections.refuse_after_time()  # what was cut off may look like all
    return digest


@contextlib.contextmanager
def _followed(url: str, limits: Limits, connections: Connections, accept: str) -> Iterator[BaseHTTPResponse]:
    """Yield the answer that redirects lead to; raise DownloadError if it is not the file."""
    for _ in range(_MOST_REDIRECTS + 1):
        with _answer(url, limits, connections, accept) as answer:
            if answer.status not in _REDIRECTS:
                if answer.status == 404:
                    raise MissingError(f"the server says 404 {answer.reason or ''}".rstrip())
                if answer.status != 200:
                    kind = SilentError if answer.status in _PASSING else DownloadError
                    raise kind(f"the server says {answer.status} {answer.reason or ''}".rstrip())
                yield answer
                return
            url = _redirected(url, answer.headers.get("Location", ""))
    raise DownloadError(f"more than {_MOST_REDIRECTS} redirects")


def may_lead(url: str, there: str) -> bool:
    """Return whether what is at one address may send us to another: to HTTPS, or from this machine to this machine.

    HTTP is as good as HTTPS on this machine; nobody else tells us what to fetch of it.
    """
    scheme, to = urlsplit(url).scheme, urlsplit(there)
    is_own = to.scheme == "http" and to.hostname in _LOOPBACK
    return to.scheme == "https" or (scheme in {"http", "file"} and is_own) or scheme == to.scheme == "file"


def _redirected(url: str, location: str) -> str:
    try:
        there = urljoin(url, location)
        parts = urlsplit(there)
    except ValueError:
        raise DownloadError("it redirects to what is no address") from None
    if not may_lead(url, there):
        # What stands behind the host may be a signature.
        raise DownloadError(f"it redirects to {parts.scheme}://{parts.hostname}, which is not HTTPS")
    return there


@contextlib.contextmanager
def _answer(url: str, limits: Limits, connections: Connections, accept: str) -> Iterator[BaseHTTPResponse]:
    from urllib3.util import Retry, Timeout

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
    headers = {"user-agent": f"torchgraft/{__version__}"}
    if accept:
        headers["accept"] = accept
    password = password_of(parts.hostname or "")
    if parts.username:
        headers["authorization"] = basic_authorization(unquote_to_bytes(f"{parts.username}:{parts.password or ''}"))
    elif password:
        headers["authorization"] = basic_authorization(password.encode("utf-8"))
    with connection_pool(proxy_of(parts), connections) as pool:
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


def password_of(host: str) -> str | None:
    """Return login and password of a host from the user's .netrc, as pip and uv take them from there."""
    try:
        # Not authenticators(): the machine "default" would be sent to any host that a package names.
        found = netrc.netrc().hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return f"{found[0]}:{found[2]}" if found else None


def _write(answer: BaseHTTPResponse, target: Path, limits: Limits) -> str:
    length = answer.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() and len(length) < _MOST_DIGITS else 0
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
    """Return what happened in one line; it is published, in the record of a wheel.

    Without addresses, which may have signatures in them, and without paths; of a proxy nothing at all, since its
    address is the value of a variable, and parts of its password may stand where a port should.
    """
    from urllib3.exceptions import ProxyError

    causes = tuple(_causes(error))
    last = causes[-1]
    kind = type(last).__name__
    refused = re.search(r"Tunnel connection failed: (\d{3})\b", str(last))
    if refused:
        return f"the proxy says {refused[1]}"
    if any(isinstance(cause, ProxyError) for cause in causes):
        return f"the proxy cannot be used: {kind}"
    if isinstance(last, ssl.SSLError):
        # "Hostname mismatch, certificate is not valid for 'proxy.example'"
        said = f"{last.reason or ''}: {getattr(last, 'verify_message', '').partition(',')[0]}"
    elif isinstance(last, OSError):
        said = last.strerror or ""
    else:
        said = "" if isinstance(last, ValueError) else str(last)
    return shown(" ".join(f"{kind}: {said}".split()).rstrip(": "))[:200]


def _causes(error: Exception) -> Iterator[Exception]:
    """Yield an error and what urllib3 has wrapped in it."""
    found: Exception | None = error
    while found is not None:
        yield found
        inner = (getattr(found, "reason", None), *found.args)
        found = next((cause for cause in inner if isinstance(cause, Exception)), None)
