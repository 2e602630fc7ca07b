"""Get and put files of a store over HTTP, with what comes with Python: a store needs nothing installed for the build.

May not follow a redirect, which would show a token to somebody else, nor say an address, which may hold a password.
"""

from __future__ import annotations

import base64
import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from .. import __version__
from .download import password_of

_SILENCE_S = 15.0
_TOTAL_S = 900.0
_CHUNK_BYTES = 1 << 20


class StoreServerError(Exception):
    """Why a server did not do it, in one line."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        """Follow none: what is answered instead of the file is an error then."""


def get_file(address: str, target: Path, *, token: str, largest_bytes: int) -> bool:
    """Write what is at an address to a file; return False if there is nothing.

    :raises StoreServerError: if the server has it, and does not give it
    """
    deadline = time.monotonic() + _TOTAL_S
    try:
        with _open(_request(address, token)) as answer, target.open("wb") as file:
            while chunk := answer.read1(_CHUNK_BYTES):
                largest_bytes -= len(chunk)
                if largest_bytes < 0 or time.monotonic() > deadline:
                    raise StoreServerError("what it gives is too large, or takes too long")
                file.write(chunk)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in {404, 410}:
                return False
            raise StoreServerError(f"the server says {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise StoreServerError(_reason(error)) from None
    return True


def put_file(address: str, source: Path, *, token: str) -> None:
    """Write a file to an address.

    :raises StoreServerError: if the server does not take it
    """
    try:
        with source.open("rb") as file:
            request = _request(address, token)
            request.method, request.data = "PUT", file
            request.add_header("content-length", str(source.stat().st_size))
            request.add_header("content-type", "application/octet-stream")
            _open(request).close()
    except urllib.error.HTTPError as error:
        with error:
            raise StoreServerError(f"the server says {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise StoreServerError(_reason(error)) from None


def _open(request: urllib.request.Request) -> Any:
    # Proxies are those of the environment.
    return urllib.request.build_opener(_NoRedirects).open(request, timeout=_SILENCE_S)


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
