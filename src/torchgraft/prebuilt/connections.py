"""The connections of a download: through which proxy, and for how long at most, whatever a server sends.

May not ask for anything. No address of a proxy is said: its password may stand where a port should.
"""

from __future__ import annotations

import base64
import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote_to_bytes
from urllib.request import getproxies, proxy_bypass

from ..untrusted import split_address

if TYPE_CHECKING:
    from urllib3 import PoolManager

_MOST_SILENT = 3


class DownloadError(Exception):
    """A file that could not be had, for a reason that may be shown."""


class MissingError(DownloadError):
    """A file that is not there."""


class SilentError(DownloadError):
    """A server that gave no answer to any of the tries, or none but that it is in trouble."""


@contextlib.contextmanager
def asking(url: str, silent: set[str]) -> Iterator[None]:
    """Refuse to ask a server that was silent before, or any after some were: each of 300 addresses takes a minute.

    :param silent: the names of those servers; what is asked inside adds to them
    :raises DownloadError: if it is not asked
    """
    host = split_address(url).hostname or ""
    if host in silent or len(silent) >= _MOST_SILENT:
        raise DownloadError(
            f"not asked for, since {host if host in silent else f'{_MOST_SILENT} servers'} did not answer"
        )
    try:
        yield
    except SilentError:
        silent.add(host)
        raise


class Connections:
    """The connections of one download, all shut when its time is over.

    A limit of silence is none of time: a byte now and then is no silence, be it of a header, of headers without end, of
    a greeting of TLS or of a proxy. Nor is one of connecting a limit of looking up a name.
    """

    def __init__(self, total_s: float) -> None:
        self._total_s, self._end_s = total_s, time.monotonic() + total_s
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

    def keep(self, connect: Callable[[], socket.socket]) -> socket.socket:
        """Return the connection that `connect` makes; it is shut in time.

        A thread makes it, which can be left alone: nothing ends the look-up of a name.
        """
        made: queue.SimpleQueue[socket.socket | Exception] = queue.SimpleQueue()

        def make() -> None:
            try:
                connection = connect()
            except Exception as error:  # noqa: BLE001 - the caller's thread raises it
                made.put(error)
                return
            made.put(connection)
            if self._is_over:  # nobody may be there any more to take it
                connection.close()

        threading.Thread(target=make, daemon=True).start()
        try:
            connection = made.get(timeout=max(0, self._end_s - time.monotonic()))
        except queue.Empty:
            self._is_over = True
            self.refuse_after_time()
            raise
        if isinstance(connection, Exception):
            raise connection
        # A second descriptor: TLS takes the first one away from this object.
        self._opened.append(connection.dup())
        if self._is_over:
            connection.close()
            self.refuse_after_time()
        return connection

    def refuse_after_time(self) -> None:
        """Go no further when the time is over."""
        if self._is_over:
            raise SilentError(f"it takes longer than {self._total_s:g} s")

    def _shut(self) -> None:
        self._is_over = True
        for connection in self._opened:
            with contextlib.suppress(OSError):  # the server has shut it
                connection.shutdown(socket.SHUT_RDWR)


def basic_authorization(login: bytes) -> str:
    """Return the value of a header that says `login:password`."""
    # In bytes: make_headers of urllib3 2.3 knows latin-1 alone, and passwords are UTF-8 (RFC 7617).
    return "Basic " + base64.b64encode(login).decode("ascii")


def proxy_of(parts: SplitResult) -> str:
    """Return the address of the proxy for a host, "" for none."""
    proxies, host = getproxies(), parts.hostname or ""
    name = f"[{host}]" if ":" in host else host
    # With the port, since NO_PROXY may name it; without, since an IPv6 address stands there without brackets.
    is_direct = parts.scheme == "http" or proxy_bypass(f"{name}:{parts.port or 443}") or proxy_bypass(host)
    return "" if is_direct else proxies.get("https") or proxies.get("all", "")


def connection_pool(proxy: str, connections: Connections) -> PoolManager:
    """Return what makes connections through a proxy, "" for none, and keeps them; raise DownloadError if it is none."""
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connections.keep(super()._new_conn)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connections.keep(super()._new_conn)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    pool = _proxied(proxy) if proxy else urllib3.PoolManager()
    pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return pool


def _proxied(proxy: str) -> PoolManager:
    import urllib3
    from urllib3.util import parse_url

    try:
        url = parse_url(proxy if "://" in proxy else f"http://{proxy}")
        headers = {"proxy-authorization": basic_authorization(unquote_to_bytes(url.auth))} if url.auth else None
        if url.host:
            return urllib3.ProxyManager(url.url, proxy_headers=headers)
    except urllib3.exceptions.ProxySchemeUnknown:
        raise DownloadError("the proxy speaks neither HTTP nor HTTPS") from None
    except (urllib3.exceptions.HTTPError, ValueError):
        pass
    # What it says has a password in it.
    raise DownloadError("the address of the proxy is none") from None
