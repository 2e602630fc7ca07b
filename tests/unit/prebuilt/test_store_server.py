"""The client of a store against servers that never end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.https import Server, content, drip, serve_https, status
from torchgraft.prebuilt.store_server import StoreServerError, get_file, put_file

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serve_https(tmp_path) as made:
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        yield made


@pytest.mark.parametrize(
    ("start", "again"),
    [
        pytest.param(HEAD, b"X-A: b\r\n", id="headers without end"),
        pytest.param(HEAD + b"X-A: ", b"b", id="a header that never ends"),
        pytest.param(HEAD + b"\r\n", b"x", id="a body that never ends"),
    ],
)
def test_a_server_that_goes_on_for_ever_is_given_up_in_time(
    server: Server, tmp_path: Path, start: bytes, again: bytes
) -> None:
    released = threading.Event()
    address = server.serve("/a", drip(released, start, again))
    began = time.monotonic()
    try:
        with pytest.raises(StoreServerError, match=r"^it takes longer than 0\.5 s$|^HTTPException: "):
            get_file(address, tmp_path / "a", token="", largest_bytes=10_000_000, total_s=0.5)
    finally:
        released.set()
    assert time.monotonic() - began < 10


def test_what_is_there_and_what_is_not(server: Server, tmp_path: Path) -> None:
    address = server.serve("/a", content(b"wheel"))
    assert get_file(address, tmp_path / "a", token="", largest_bytes=10)
    assert (tmp_path / "a").read_bytes() == b"wheel"
    assert not get_file(f"{server.address}/b", tmp_path / "b", token="", largest_bytes=10)
    with pytest.raises(StoreServerError, match="too large"):
        get_file(address, tmp_path / "a", token="", largest_bytes=4)
    with pytest.raises(StoreServerError, match="the server says 503"):
        get_file(server.serve("/c", status(503)), tmp_path / "c", token="", largest_bytes=10)


def test_a_redirect_is_not_followed(server: Server, tmp_path: Path) -> None:
    there = server.serve("/there", content(b"wheel"))
    with pytest.raises(StoreServerError, match="the server says 302"):
        get_file(server.serve("/a", status(302, Location=there)), tmp_path / "a", token="", largest_bytes=10)
    assert server.requests == ["/a"]


def test_a_server_that_takes_nothing(server: Server, tmp_path: Path) -> None:
    (tmp_path / "wheel").write_bytes(b"wheel")
    with pytest.raises(StoreServerError, match=r"the server says 501|Remote|Reset|Pipe"):
        put_file(f"{server.address}/a", tmp_path / "wheel", token="")
