"""A wheel store on a server: files that are got and put, with what comes with Python.

May not know what is in them. No redirect is followed, which would show a token to somebody else, and no address is
said, which may hold a password.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from .. import __version__
from .connections import Connections, DownloadError
from .download import password_of

_CHUNK_BYTES = 1 << 20
_SILENCE_S = 15.0
TOTAL_S = 900.0


class StoreServerError(OSError):
    """Why a server did not do it, in one line."""


class _AbsentError(StoreServerError):
    """The server has no such file."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        """Follow none: what is answered instead of the file is an error then."""


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens connections that are shut when the time of a request is over."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open what is asked for without TLS."""
        return self.do_open(self._kept(http.client.HTTPConnection), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open what is asked for with TLS, whose greeting counts too."""
        return self.do_open(self._kept(http.client.HTTPSConnection), request)

    def _kept(self, kind: Any) -> Any:
        def make(*arguments: Any, **options: Any) -> Any:
            made = kind(*arguments, **options)
            connect = made._create_connection  # noqa: SLF001 - there is no other way between socket and TLS
            made._create_connection = lambda *to: self._connections.keep(lambda: connect(*to))  # noqa: SLF001
            return made

        return make


def get_file(address: str, target: Path, *, token: str, largest_bytes: int, total_s: float = TOTAL_S) -> bool:
    """Write what is at an address to a file; return False if there is none, raise StoreServerError if it fails."""
    try:
        with _one_line(), contextlib.closing(Connections(total_s)) as connections:
            with _open(_request(address, token), connections) as answer, target.open("wb") as file:
                while chunk := answer.read1(_CHUNK_BYTES):
                    largest_bytes -= len(chunk)
                    if largest_bytes < 0:
                        raise StoreServerError("what it gives is too large")
                    file.write(chunk)
            connections.refuse_after_time()  # what was cut off may look like all
    except _AbsentError:
        return False
    return True


def put_file(address: str, source: Path, *, token: str, total_s: float = TOTAL_S) -> None:
    """Write a file to an address in a time; raise StoreServerError if the server does not take it."""
    with _one_line(), source.open("rb") as file, contextlib.closing(Connections(total_s)) as connections:
        request = _request(address, token)
        request.method, request.data = "PUT", file
        request.add_header("content-length", str(source.stat().st_size))
        request.add_header("content-type", "application/octet-stream")
        _open(request, connections).close()


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Have a StoreServerError say what else goes wrong."""
    try:
        yield
    except StoreServerError:
        raise
    except DownloadError as error:
        raise StoreServerError(str(error)) from None
    except urllib.error.HTTPError as error:
        with error:
            kind = _AbsentError if error.code in {404, 410} else StoreServerError
            raise kind(f"the server says {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise StoreServerError(_reason(error)) from None


def _open(request: urllib.request.Request, connections: Connections) -> Any:
    # Proxies are those of the environment.
    opener = urllib.request.build_opener(_NoRedirects, _Handler(connections))
    try:
        return opener.open(request, timeout=_SILENCE_S)
    except (OSError, http.client.HTTPException, ValueError):
        connections.refuse_after_time()
        raise


def _request(address: str, token: str) -> urllib.request.Request:
    parts = urlsplit(address)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = urllib.request.Request(bare, headers={"user-agent": f"torchgraft/{__version__}"})  # noqa: S310 - http(s)
    login = login or ("" if token else password_of(parts.hostname or "") or "")
    if login:
        request.add_unredirected_header("authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    elif token:
        request.add_unredirected_header("authorization", f"Bearer {token}")
    return request


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    said = cause.strerror if isinstance(cause, OSError) else ""
    return f"{type(cause).__name__}: {said}".rstrip(": ") if isinstance(cause, Exception) else str(cause)[:200]
