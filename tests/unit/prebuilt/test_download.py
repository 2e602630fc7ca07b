from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from torchgraft.prebuilt import connections
from torchgraft.prebuilt import download as module
from torchgraft.prebuilt.connections import DownloadError, SilentError, asking


def test_a_redirect_to_what_is_no_address() -> None:
    with pytest.raises(DownloadError, match="it redirects to what is no address"):
        module._redirected("https://x.example/a", "https://[bad/")


def test_a_redirect_away_from_https_is_said_without_its_signature() -> None:
    with pytest.raises(DownloadError, match=r"^it redirects to http://y\.example, which is not HTTPS$"):
        module._redirected("https://x.example/a", "http://me:secret@y.example/b?sig=secret")


@pytest.mark.parametrize(
    ("there", "by"),
    [
        ("https://y.example/b", ("https", "http", "file")),
        ("http://127.0.0.1:8/b", ("http", "file")),
        ("http://[::1]/b", ("http", "file")),
        ("http://y.example/b", ()),
        ("file:///etc/b", ("file",)),
        ("ftp://127.0.0.1/b", ()),
    ],
)
def test_who_may_lead_where(there: str, by: tuple[str, ...]) -> None:
    froms = {"https": "https://x.example/a", "http": "http://127.0.0.1/a", "file": "file:///a"}
    assert tuple(scheme for scheme, url in froms.items() if module.may_lead(url, there)) == by


def test_an_address_without_tls_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"^http:// is not HTTPS$"):
        module.download("http://x.example/a", tmp_path / "a", limits=module.Limits())


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"machine x.example login me password secret\n", "me:secret"),
        (b"# Universit\xe4t\nmachine x.example login me password secret\n", None),
        (b"machine\n", None),
        (b"default login me password secret\n", None),
    ],
)
def test_passwords_of_netrc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, password: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".netrc").write_bytes(content)
    (tmp_path / ".netrc").chmod(0o600)
    assert module.password_of("x.example") == password


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_direct"),
    [
        ("https://x.example/a", "x.example", True),
        ("https://x.example/a", ".example", True),
        ("https://x.example/a", "x.example:443", True),
        ("https://x.example/a", "x.example:8443", False),
        ("https://x.example:8443/a", "x.example:8443", True),
        ("https://x.example:8443/a", "x.example:443", False),
        ("https://[2001:db8::1]:8443/a", "2001:db8::1", True),
        ("https://[2001:db8::1]:8443/a", "[2001:db8::1]:8443", True),
        ("https://[2001:db8::1]:8443/a", "2001:db8::2", False),
    ],
)
def test_hosts_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    no_proxy: str,
    is_direct: bool,  # noqa: FBT001 - a row of the table
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert connections.proxy_of(urlsplit(url)) == ("" if is_direct else "http://proxy.example:3128")


@pytest.mark.parametrize(
    "proxy", ["http://me:S3/CRET@x.example", "socks5://me:S3CRET@x.example", "http://:1", "http://["]
)
def test_an_address_of_a_proxy_is_never_said(proxy: str) -> None:
    with pytest.raises(
        DownloadError, match=r"^the (address of the proxy is none|proxy speaks neither HTTP nor HTTPS)$"
    ):
        connections._proxied(proxy)


def test_a_server_that_gave_no_answer_is_not_asked_again() -> None:
    silent: set[str] = set()
    for host in ("a", "b", "c"):
        with pytest.raises(SilentError, match="timed out"), asking(f"https://{host}.example/1", silent):
            raise SilentError("timed out")
        with pytest.raises(DownloadError, match=f"since {host}.example did not answer"):
            ask(f"https://me@{host}.example:8443/2", silent)
        if host != "c":
            ask("https://d.example/3", silent)
    with pytest.raises(DownloadError, match="since 3 servers did not answer"):
        ask("https://d.example/4", silent)


def test_a_server_that_has_another_answer_is_asked_again() -> None:
    silent: set[str] = set()
    with pytest.raises(DownloadError, match="403"), asking("https://a.example/1", silent):
        raise DownloadError("the server says 403")
    ask("https://a.example/2", silent)


def ask(url: str, silent: set[str]) -> None:
    with asking(url, silent):
        pass
