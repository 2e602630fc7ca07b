"""Downloads from a server on this machine, over real TLS."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.https import Server, content, drip, partial_content, serve_tunnels, silence, status, trickle
from torchgraft.prebuilt.connections import DownloadError
from torchgraft.prebuilt.download import Limits, download
from torchgraft.prebuilt.store_server import StoreServerError, get_file

DATA = b"wheel" * 100_000
QUICK = Limits(connect_s=2, read_s=0.3, total_s=5, pause_s=0.01, tries=2, largest_bytes=1_000_000)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def refusal(url: str, target: Path, limits: Limits = QUICK) -> str:
    with pytest.raises(DownloadError) as caught:
        download(url, target, limits=limits)
    return str(caught.value)


def test_a_file(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file"
    assert download(server.serve("/a.whl", content(DATA)), target, limits=QUICK) == hashlib.sha256(DATA).hexdigest()
    assert target.read_bytes() == DATA
    assert "torchgraft/" in server.headers[0]["user-agent"]
    assert "authorization" not in server.headers[0]


def test_a_server_error_that_passes(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.whl", status(500), status(503), content(DATA))
    assert download(url, tmp_path / "file", limits=QUICK)
    assert len(server.requests) == 3


def test_a_body_that_breaks_off_once(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.whl", partial_content(DATA[:1000], len(DATA)), content(DATA))
    server.answers["/a.whl"] = _closing(server.answers["/a.whl"])
    assert download(url, tmp_path / "file", limits=QUICK) == hashlib.sha256(DATA).hexdigest()


def test_a_body_that_always_breaks_off(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.whl", _closing(partial_content(DATA[:1000], len(DATA))))
    assert "IncompleteRead" in refusal(url, tmp_path / "file")


@pytest.mark.parametrize(("code", "said"), [(404, "the server says 404"), (403, "the server says 403")])
def test_what_is_not_there_is_not_asked_for_again(server: Server, tmp_path: Path, code: int, said: str) -> None:
    assert said in refusal(server.serve("/a.whl", status(code)), tmp_path / "file")
    assert len(server.requests) == 1


def test_a_server_error_that_stays(server: Server, tmp_path: Path) -> None:
    assert "the server says 500" in refusal(server.serve("/a.whl", status(500)), tmp_path / "file")


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    server.serve("/b.whl", content(DATA))
    assert download(server.serve("/a.whl", status(302, Location="/b.whl")), tmp_path / "file", limits=QUICK)


def test_a_redirect_to_http_is_not(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.whl", status(302, Location="http://127.0.0.1:9/b.whl?signature=secret"))
    assert refusal(url, tmp_path / "file") == "it redirects to http://127.0.0.1, which is not HTTPS"
    url = server.serve("/a.whl", status(302, Location="file:///etc/passwd"))
    assert "which is not HTTPS" in refusal(url, tmp_path / "file")


def test_what_cannot_be_written_is_said_without_a_path(server: Server, tmp_path: Path) -> None:
    said = refusal(server.serve("/a.whl", content(DATA)), tmp_path / "missing" / "file")
    assert said == "FileNotFoundError: No such file or directory"


def test_redirects_end(server: Server, tmp_path: Path) -> None:
    url = server.serve("/a.whl", status(302, Location="/a.whl"))
    assert refusal(url, tmp_path / "file") == "more than 5 redirects"


def test_a_server_that_says_nothing(server: Server, tmp_path: Path, released: threading.Event) -> None:
    url = server.serve("/a.whl", silence(released))
    assert "Timeout" in refusal(url, tmp_path / "file", Limits(read_s=0.1, pause_s=0.01, tries=1))


def test_a_server_that_takes_for_ever(server: Server, tmp_path: Path, released: threading.Event) -> None:
    url = server.serve("/a.whl", trickle(released))
    assert "longer than 0.2 s" in refusal(url, tmp_path / "file", Limits(total_s=0.2, tries=1))


HEADER = b"HTTP/1.1 200 OK\r\nX-Long: "


@pytest.mark.parametrize(
    ("start", "again"), [(b"", b"H"), (HEADER, b"x"), (HEADER, b"x\r\nX-Y: "), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")]
)
def test_a_header_that_never_ends(
    server: Server, tmp_path: Path, released: threading.Event, start: bytes, again: bytes
) -> None:
    url = server.serve("/a.whl", drip(released, start, again))
    before = time.monotonic()
    said = refusal(url, tmp_path / "file", Limits(total_s=0.5, tries=3, pause_s=0.01))
    assert said == "it takes longer than 0.5 s"
    assert time.monotonic() - before < 5


def test_a_greeting_of_tls_that_never_ends(tmp_path: Path, released: threading.Event) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 kB follows
                while not released.wait(timeout=0.02):
                    connection.sendall(b"\x02")

        threading.Thread(target=greet, daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/a.whl"
        said = refusal(url, tmp_path / "file", Limits(total_s=0.5, tries=3, pause_s=0.01))
    assert said == "it takes longer than 0.5 s"


def test_a_name_that_is_looked_up_without_end(
    tmp_path: Path, released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(60))
    before = time.monotonic()
    said = refusal("https://x.example/a.whl", tmp_path / "file", Limits(total_s=0.5, tries=3, pause_s=0.01))
    assert said == "it takes longer than 0.5 s"
    with pytest.raises(StoreServerError, match=r"it takes longer than 0\.5 s"):
        get_file("https://x.example/a", tmp_path / "file", token="", largest_bytes=1, total_s=0.5)
    assert time.monotonic() - before < 5


def test_more_than_it_may_be(server: Server, tmp_path: Path) -> None:
    small = Limits(largest_bytes=1000, tries=1)
    assert "more than 1000" in refusal(server.serve("/a.whl", content(DATA)), tmp_path / "file", small)
    endless = server.serve("/b.whl", _closing(_without_length(DATA)))
    assert refusal(endless, tmp_path / "file", small) == "it has more than 1000 bytes"


def test_a_certificate_that_nobody_vouches_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "CERTIFICATE_VERIFY_FAILED" in refusal(server.serve("/a.whl", content(DATA)), tmp_path / "file")
    assert not server.requests


def test_a_password_from_netrc_goes_to_its_host_alone(server: Server, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\ndefault login all password other\n")
    netrc.chmod(0o600)
    server.serve("/b.whl", content(DATA))
    port = server.address.rpartition(":")[2]
    url = server.serve("/a.whl", status(302, Location=f"https://localhost:{port}/b.whl"))
    assert download(url, tmp_path / "file", limits=QUICK)
    assert "authorization" in server.headers[0]
    assert "authorization" not in server.headers[1]


def test_the_proxy_of_the_environment_is_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    said = refusal(server.serve("/a.whl", content(DATA)), tmp_path / "file")
    assert "proxy" in said.lower()
    assert "secret" not in said
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert download(server.address + "/a.whl", tmp_path / "file", limits=QUICK)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://someuser:S3CRET@127.0.0.1:1",
        "http://someuser:S3/CRET@127.0.0.1:1",
        "http://someuser:S3#CRET@127.0.0.1:1",
        "http://someuser:S3?CRET@127.0.0.1:1",
        "http://someuser:S3CRET@corp-proxy.invalid:1",
        "http://someuser:S3CRET@corp-proxy.invalid:port",
        "http://[corp-proxy.invalid",
        "https://someuser:S3CRET@127.0.0.1:1",
        "socks5h://someuser:S3CRET@corp-proxy.invalid:1",
        "corp-proxy.invalid",
        "http://someuser:p%E2%82%ACS3@127.0.0.1:1",
        "http://someuser:p\u20acS3@127.0.0.1:1",
    ],
)
def test_nothing_of_a_proxy_that_cannot_be_used_is_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    said = refusal(server.serve("/a.whl", content(DATA)), tmp_path / "file")
    assert "proxy" in said
    assert not re.search(r"someuser|S3|CRET|127\.0\.0\.1|corp|invalid|socks5", said)
    assert not server.requests


def test_nothing_of_a_proxy_that_nobody_vouches_for_is_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("https_proxy", server.address)
    monkeypatch.setenv("no_proxy", "")
    said = refusal("https://x.invalid/a.whl", tmp_path / "file")
    assert said == "the proxy cannot be used: SSLCertVerificationError"


def test_a_certificate_for_another_host_is_said_without_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_tunnels(to=server.address.removeprefix("https://")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.address)
        monkeypatch.setenv("no_proxy", "")
        said = refusal("https://x.invalid/a.whl", tmp_path / "file")
    assert said == "SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED: Hostname mismatch"


def test_a_proxy_that_refuses_is_said_to(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_tunnels(refuse=True) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
        monkeypatch.setenv("no_proxy", "")
        said = refusal(server.serve("/a.whl", content(DATA)), tmp_path / "file")
    assert said == "the proxy says 407"


def test_passwords_may_have_any_letters(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password p\u20ac\n", encoding="utf-8")
    netrc.chmod(0o600)
    url = server.serve("/a.whl", content(DATA))
    with serve_tunnels() as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:p%E2%82%AC@{proxy.address}")
        monkeypatch.setenv("no_proxy", "")
        assert download(url, tmp_path / "file", limits=QUICK)
    expected = "Basic " + base64.b64encode("me:p\u20ac".encode()).decode()
    assert server.headers[0]["authorization"] == expected
    assert proxy.passwords == [expected]


@pytest.mark.parametrize("length", ["9" * 5000, "1e9", "-1", "5, 6"])
def test_a_length_that_is_none(server: Server, tmp_path: Path, length: str) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", length)
        handler.end_headers()
        handler.wfile.write(DATA)
        handler.close_connection = True

    assert refusal(server.serve("/a.whl", answer), tmp_path / "file", Limits(largest_bytes=1000, tries=1))


@pytest.mark.parametrize(
    ("variables", "is_used"),
    [
        ({"all_proxy": "PROXY"}, True),
        ({"ALL_PROXY": "PROXY"}, True),
        ({"https_proxy": "PROXY", "all_proxy": "http://127.0.0.1:1"}, True),
        ({"https_proxy": "http://PROXY"}, True),
        ({"http_proxy": "PROXY"}, False),
        ({"https_proxy": "PROXY", "no_proxy": "127.0.0.1"}, False),
        ({"https_proxy": "PROXY", "no_proxy": "127.0.0.1:PORT"}, False),
        ({"https_proxy": "PROXY", "NO_PROXY": "x.example, 127.0.0.1:PORT"}, False),
        ({"https_proxy": "PROXY", "no_proxy": "127.0.0.1:1"}, True),
        ({"all_proxy": "PROXY", "no_proxy": "*"}, False),
    ],
)
def test_which_proxy_is_used(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    is_used: bool,  # noqa: FBT001 - a row of the table
) -> None:
    url = server.serve("/a.whl", content(DATA))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    port = server.address.rpartition(":")[2]
    with serve_tunnels() as proxy:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("PROXY", proxy.address).replace("PORT", port))
        assert download(url, tmp_path / "file", limits=QUICK)
    assert proxy.asked == ([f"127.0.0.1:{port}"] if is_used else [])


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_and_nothing_elsewhere(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve("/a.whl", content(DATA))
    terminal, file = _Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    download(url, tmp_path / "file", limits=QUICK)
    assert not file.getvalue()
    monkeypatch.setattr(sys, "stderr", terminal)
    download(url, tmp_path / "file", limits=QUICK)
    assert "of 0.5 MB" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def _closing(answer: Any) -> Any:
    def closing(handler: Any) -> None:
        answer(handler)
        handler.close_connection = True

    return closing


def _without_length(data: bytes) -> Any:
    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data)

    return answer
