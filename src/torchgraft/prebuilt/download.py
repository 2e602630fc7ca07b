"""Download a file over HTTPS, with limits, and say why where that fails.

May not decide what: the plan has shown each address before. Follows no redirect away from HTTPS.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import netrc
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote_to_bytes, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from .. import __version__
from ..errors import shown
from ..values import dataclass

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_CHUNK_BYTES = 1 << 18
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({429, 500, 502, 503, 504})
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
    said = ""
    with contextlib.closing(_Connections(limits.total_s)) as connections:
        for last in range(limits.tries - 1, -1, -1):
            try:
                return _once(url, target, limits, connections, accept)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                said = _reason(error)
            connections.refuse_after_time()
            if last:
                time.sleep(limits.pause_s)
    raise DownloadError(said)


class _Connections:
    """The connections of one download, all shut when its time is over.

    A limit of silence is none of time: a byte now and then is no silence, be it of a header, of headers without end, of
    a greeting of TLS or of a proxy.
    """

    def __init__(self, total_s: float) -> None:
        self._total_s = total_s
        self._is_over = False
        self._opened: list[socket.socket] = []
        self._timer = threading.Timer(total_s, self._shut)
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        """Forget them."""
        self._timer.cancel()
        for connection in self._opened:
            connection.close()

    def keep(self, connection: socket.socket) -> socket.socket:
        """Return a connection that is shut in time."""
        # A second descriptor: TLS takes the first one away from this object.
        self._opened.append(connection.dup())
        if self._is_over:
            connection.close()
            self.refuse_after_time()
        return connection

    def refuse_after_time(self) -> None:
        """Go no further when the time is over."""
        if self._is_over:
            raise DownloadError(f"it takes longer than {self._total_s:g} s")

    def _shut(self) -> None:
        self._is_over = True
        for connection in self._opened:
            with contextlib.suppress(OSError):  # the server has shut it
                connection.shutdown(socket.SHUT_RDWR)


def _once(url: str, target: Path, limits: Limits, connections: _Connections, accept: str) -> str:
    """Download once; what may pass by is tried again before the body begins, and by the caller after."""
    for _ in range(_MOST_REDIRECTS + 1):
        with _answer(url, limits, connections, accept) as answer:
            if answer.status not in _REDIRECTS:
                digest = _write(answer, target, limits)
                connections.refuse_after_time()  # what was cut off may look like all
                return digest
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
def _answer(url: str, limits: Limits, connections: _Connections, accept: str) -> Iterator[BaseHTTPResponse]:
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
    password = _password(parts.hostname or "")
    if parts.username:
        headers["authorization"] = _basic(unquote_to_bytes(f"{parts.username}:{parts.password or ''}"))
    elif password:
        headers["authorization"] = _basic(password.encode("utf-8"))
    with _pool(_proxy(parts), connections) as pool:
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


def _basic(login: bytes) -> str:
    # In bytes: make_headers of urllib3 2.3 knows latin-1 alone, and passwords are UTF-8 (RFC 7617).
    return "Basic " + base64.b64encode(login).decode("ascii")


def _proxy(parts: SplitResult) -> str:
    """Return the address of the proxy for a host, "" for none."""
    proxies, host = getproxies(), parts.hostname or ""
    name = f"[{host}]" if ":" in host else host
    # With the port, since NO_PROXY may name it; without, since an IPv6 address stands there without brackets.
    is_direct = proxy_bypass(f"{name}:{parts.port or 443}") or proxy_bypass(host)
    return "" if is_direct else proxies.get("https") or proxies.get("all", "")


def _pool(proxy: str, connections: _Connections) -> PoolManager:
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Connection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connections.keep(super()._new_conn())

    class PlainConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connections.keep(super()._new_conn())

    class Pool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Connection

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = PlainConnection

    pool = _proxied(proxy) if proxy else urllib3.PoolManager()
    # Without TLS: an index on this very machine, and no other address is asked so (`adopt`).
    pool.pool_classes_by_scheme = {"https": Pool, "http": PlainPool}
    return pool


def _proxied(proxy: str) -> PoolManager:
    import urllib3
    from urllib3.util import parse_url

    try:
        parsed = parse_url(proxy if "://" in proxy else f"http://{proxy}")
        headers = {"proxy-authorization": _basic(unquote_to_bytes(parsed.auth))} if parsed.auth else None
        if parsed.host:
            return urllib3.ProxyManager(parsed.url, proxy_headers=headers)
    except urllib3.exceptions.ProxySchemeUnknown:
        raise DownloadError("the proxy speaks neither HTTP nor HTTPS") from None
    except (urllib3.exceptions.HTTPError, ValueError):
        pass
    # What it says has a password in it.
    raise DownloadError("the address of the proxy is none") from None


def _password(host: str) -> str | None:
    """Return login and password of a host from the user's .netrc, as pip and uv take them from there."""
    try:
        # Not authenticators(): the machine "default" would be sent to any host that a package names.
        found = netrc.netrc().hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return f"{found[0]}:{found[2]}" if found else None


def _write(answer: BaseHTTPResponse, target: Path, limits: Limits) -> str:
    if answer.status != 200:
        raise DownloadError(f"the server says {answer.status} {answer.reason or ''}".rstrip())
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
