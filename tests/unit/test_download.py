from __future__ import annotations

from pathlib import Path

import pytest

from torchgraft.act import download as module
from torchgraft.act.download import DownloadError


def test_a_redirect_to_what_is_no_address() -> None:
    with pytest.raises(DownloadError, match="it redirects to what is no address"):
        module._redirected("https://x.example/a", "https://[bad/")


def test_a_redirect_away_from_https_is_said_without_its_signature() -> None:
    with pytest.raises(DownloadError, match=r"^it redirects to http://y\.example, which is not HTTPS$"):
        module._redirected("https://x.example/a", "http://me:secret@y.example/b?sig=secret")


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
    assert module._password("x.example") == password
