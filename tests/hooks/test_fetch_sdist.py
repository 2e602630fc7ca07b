"""An sdist from an index on this machine, over real TLS."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import os
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
import uv

from support.https import Server, content, status
from torchgraft.cli import main

PYPROJECT = '[build-system]\nrequires = ["torch"]\n'


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.chdir(tmp_path)


def sdist() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, text in {"PKG-INFO": "Name: ext\nVersion: 1.0\n", "pyproject.toml": PYPROJECT}.items():
            member = tarfile.TarInfo(f"ext-1.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def page(digest: str) -> bytes:
    return json.dumps(
        {"files": [{"filename": "ext-1.0.tar.gz", "url": "/files/ext-1.0.tar.gz", "hashes": {"sha256": digest}}]}
    ).encode()


def test_the_index_that_pip_is_told_to_use(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = sdist()
    server.serve("/simple/ext/", content(page(hashlib.sha256(data).hexdigest())))
    server.serve("/files/ext-1.0.tar.gz", content(data))
    monkeypatch.setenv("PIP_INDEX_URL", server.address.replace("://", "://me:secret@") + "/simple/")
    assert main(["adopt", "Ext", "--no-deps", "--write"]) == 0
    assert (tmp_path / "adopted" / "ext-1.0.tar.gz").exists()
    assert server.requests == ["/simple/ext/", "/files/ext-1.0.tar.gz"]
    assert server.headers[0]["accept"].startswith("application/vnd.pypi.simple.v1+json")
    assert [headers["authorization"] for headers in server.headers] == ["Basic bWU6c2VjcmV0"] * 2


LOGINS = {
    "in the address": ("://bob:s3cret@", "", {}),
    "uv's variables": ("://", "", {"UV_INDEX_CORP_EU_USERNAME": "bob", "UV_INDEX_CORP_EU_PASSWORD": "s3cret"}),
    "of the machine's index": ("://bob:s3cret@", "PIP_INDEX_URL", {}),
}


@pytest.mark.parametrize(("login", "variable", "more"), LOGINS.values(), ids=LOGINS)
def test_a_locked_file_is_fetched_with_the_login_of_its_index(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    login: str,
    variable: str,
    more: dict[str, str],
) -> None:
    data = sdist()
    server.serve("/files/ext-1.0.tar.gz", content(data))
    index = server.address.replace("://", login) + "/simple"
    for name, value in {**more, **({variable: index} if variable else {})}.items():
        monkeypatch.setenv(name, value)
    table = "" if variable else f'[[tool.uv.index]]\nname = "corp-eu"\nurl = "{index}"\n'
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "app"\nversion = "1"\n{table}')
    file = f'url = "{server.address}/files/ext-1.0.tar.gz", hash = "sha256:{hashlib.sha256(data).hexdigest()}"'
    locked = (
        f'name = "ext"\nversion = "1.0"\nsource = {{ registry = "{server.address}/simple" }}\nsdist = {{ {file} }}\n'
    )
    (tmp_path / "uv.lock").write_text(f"version = 1\n[[package]]\n{locked}")
    assert main(["adopt", "--project", ".", "--write"]) == 0
    assert [headers["authorization"] for headers in server.headers] == ["Basic Ym9iOnMzY3JldA=="]
    said = capsys.readouterr()
    assert "s3cret" not in said.out + said.err
    assert "adopted/ext-1.0.tar.gz" in said.out
    (tmp_path / "pyproject.toml").unlink()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()] == []


def test_the_next_index(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = sdist()
    server.serve("/more/ext/", content(page(hashlib.sha256(data).hexdigest())))
    server.serve("/files/ext-1.0.tar.gz", content(data))
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{server.address}/more")
    assert main(["adopt", "ext", "--no-deps", "--output", "."]) == 0
    assert server.requests == ["/simple/ext/", "/more/ext/", "/files/ext-1.0.tar.gz"]
    assert (tmp_path / "ext-1.0.tar.gz").exists()


def test_an_index_that_refuses(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.serve("/simple/ext/", status(403))
    url = server.address.replace("://", "://me:secret@") + "/simple"
    assert main(["adopt", "ext", "--no-deps", "--index-url", url]) == 1
    err = capsys.readouterr().err
    assert "the server says 403" in err
    assert "uv auth login 127.0.0.1" in err
    assert "secret" not in err


@pytest.mark.parametrize("kind", ["uv", "keyring"])
def test_a_login_that_a_store_has(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    data = sdist()
    server.serve("/simple/ext/", status(401), content(page(hashlib.sha256(data).hexdigest())))
    server.serve("/files/ext-1.0.tar.gz", status(401), content(data))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    url = f"{server.address}/simple"
    if kind == "uv":
        login = [uv.find_uv_bin(), "auth", "login", server.address, "--username", "bob", "--password", "s3cret"]
        subprocess.run(login, check=True, capture_output=True)
        programs = Path(uv.find_uv_bin()).parent
    else:
        url = url.replace("://", "://bob@")
        programs = tmp_path / "bin"
        programs.mkdir()
        (programs / "keyring").write_text(f'#!/bin/sh\n[ "$*" = "get {server.address}/simple bob" ] && echo s3cret\n')
        (programs / "keyring").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    assert main(["adopt", "ext", "--no-deps", "--index-url", url, "--output", "."]) == 0
    assert [headers.get("authorization") for headers in server.headers][1::2] == ["Basic Ym9iOnMzY3JldA=="] * 2
    said = capsys.readouterr()
    assert "s3cret" not in said.out + said.err


def test_another_file_than_the_index_says(server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    server.serve("/simple/ext/", content(page("0" * 64)))
    server.serve("/files/ext-1.0.tar.gz", content(sdist()))
    assert main(["adopt", "ext", "--no-deps", "--index-url", f"{server.address}/simple", "--write"]) == 1
    assert "and it should be 0000" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "adopted").exists()


def test_another_file_than_the_lock_says_of_an_address(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    server.serve("/files/ext-1.0.tar.gz", content(sdist()))
    (tmp_path / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "test"\n\n[[packages]]\nname = "ext"\nversion = "1.0"\n'
        f'archive = {{ url = "{server.address}/files/ext-1.0.tar.gz", hashes = {{ sha256 = "{"0" * 64}" }} }}\n'
    )
    main(["adopt", "--lock", "pylock.toml", "--write"])
    said = " ".join("".join(capsys.readouterr()).split())
    assert "ext comes from an address" in said
    assert "and it should be 0000" in said
    assert not (tmp_path / "adopted").exists()


def test_an_index_on_this_machine_without_tls(tmp_path: Path) -> None:
    files = tmp_path / "index"
    (files / "simple" / "ext").mkdir(parents=True)
    data = sdist()
    (files / "ext-1.0.tar.gz").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    link = f'<a href="/ext-1.0.tar.gz#sha256={digest}">ext-1.0.tar.gz</a>'
    (files / "simple" / "ext" / "index.html").write_text(link)
    handler = functools.partial(QuietHandler, directory=str(files))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{served.server_port}/simple"
        assert main(["adopt", "ext", "--no-deps", "--index-url", url, "--write"]) == 0
        served.shutdown()
    assert (tmp_path / "adopted" / "ext-1.0.tar.gz").exists()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
