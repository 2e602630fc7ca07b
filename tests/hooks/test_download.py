"""Downloads from a server on this machine, over real TLS."""

from __future__ import annotations

import hashlib
import io
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.https import Server, content, partial_content, silence, status, trickle
from torchgraft.act.download import DownloadError, Limits, download

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
