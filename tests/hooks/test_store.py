"""Wheels that were built before: the same is handed out, anything else is compiled."""

from __future__ import annotations

import base64
import contextlib
import errno
import getpass
import hashlib
import http.server
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from torchgraft.prebuilt.store import _put

from .conftest import EXT_C, SETUP_PY, write_consumer

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "compile-once.md"
COUNTS = f"""
import os
with open(os.environ["SEEN"], "a") as seen:
    seen.write("compiled ")
{SETUP_PY}
"""


def listed(consumer: Path) -> Path:
    """Return a consumer whose torch says which files it has, as real ones do."""
    (record,) = consumer.glob("lib/*/site-packages/torch-*.dist-info/RECORD")
    rows = []
    for name in ("torch/__init__.py", "torch/version.py"):
        digest = hashlib.sha256((record.parent.parent / name).read_bytes()).digest()
        rows.append(f"{name},sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()},1")
    record.write_text("\n".join(rows))
    return consumer


class Bench:
    """Builds the same sdist again and again, each time unpacked elsewhere."""

    def __init__(self, project: Path, make_caller: Any, folder: Path, consumer: Path) -> None:
        self.project, self._make_caller, self.folder, self.consumer = project, make_caller, folder, consumer
        self._number = 0

    def build(self, *, settings: Any = None, metadata: bool = False, **variables: str) -> tuple[Path, bool]:
        """Return the wheel, and whether something was compiled."""
        self._number += 1
        source = self.folder / f"unpacked-{self._number}" / "source"
        shutil.copytree(self.project, source)
        seen = self.folder / "seen"
        seen.write_text("")
        variables = {"TORCHGRAFT_CONSUMER": str(self.consumer), "SEEN": str(seen), **variables}
        caller = self._make_caller(source, **variables)
        made = self.folder / f"made-{self._number}"
        made.mkdir()
        info = str(made / caller.prepare_metadata_for_build_wheel(made, settings)) if metadata else None
        seen.write_text("")
        return made / caller.build_wheel(made, settings, metadata_directory=info), bool(seen.read_text())


@pytest.fixture
def bench(make_project: Any, make_caller: Any, tmp_path: Path, consumer: Path) -> Bench:
    project = make_project({"setup.py": COUNTS, "PKG-INFO": "Metadata-Version: 2.4\n"})
    return Bench(project, make_caller, tmp_path, listed(consumer))


def record(wheel: Path) -> Any:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return json.loads(archive.read("ext-1.0.dist-info/torchgraft.json"))


def test_the_same_is_handed_out_and_nothing_is_compiled(bench: Bench, capfd: Any) -> None:
    first, compiled = bench.build(metadata=True)
    assert compiled
    again, compiled = bench.build(metadata=True)
    assert not compiled
    assert again.name == first.name
    assert "has a wheel of the same sources, torch and settings: nothing is compiled" in capfd.readouterr().err
    assert record(again)["built"].pop("stored") is True
    before, after = record(first), record(again)
    assert {**before, "built": None} == {**after, "built": None}
    assert (before["built"].get("stored"), before["built"]["link"]) == (None, after["built"]["link"])


def test_anything_else_is_compiled(bench: Bench, tmp_path: Path) -> None:
    bench.build()
    bench.consumer = listed(write_consumer(tmp_path / "other", "2.8.1+cu128"))
    script = (bench.project / "setup.py").read_text()
    (bench.project / "setup.py").write_text(script.replace("2.8.0", "2.8.1"))
    assert bench.build()[1]
    assert not bench.build()[1]
    for settings, variables in (({"--build-option": "-v"}, {}), (None, {"CFLAGS": "-O1"}), (None, {"SEEN_TOO": "1"})):
        if "SEEN_TOO" in variables:
            (bench.project / "setup.py").write_text(script.replace("2.8.0", "2.8.1") + "\nos.environ.get('SEEN_TOO')\n")
        assert bench.build(settings=settings, **variables)[1]
        assert not bench.build(settings=settings, **variables)[1]
    (bench.project / "ext.c").write_text(EXT_C + "\n")
    assert bench.build()[1]


@pytest.mark.parametrize("where", ["variable", "pyproject.toml"])
def test_off_is_off(bench: Bench, where: str, tmp_path: Path) -> None:
    variables = {"TORCHGRAFT_STORE": "off"} if where == "variable" else {}
    if not variables:
        with (bench.project / "pyproject.toml").open("a") as file:
            file.write('\n[tool.torchgraft]\nstore = "off"\n')
    assert [bench.build(**variables)[1] for _ in range(2)] == [True, True]
    assert not (tmp_path / "cache" / "wheels").exists()


@pytest.mark.parametrize(
    "damage", ["bytes", "about", "half", "another wheel", "open", "open entry", "open above", "endless"]
)
def test_what_is_damaged_or_anybody_s_is_compiled_again(bench: Bench, damage: str, tmp_path: Path, capfd: Any) -> None:
    store = tmp_path / "above" / "store"
    store.mkdir(mode=0o755, parents=True)
    variables = {"TORCHGRAFT_STORE": str(store)}
    bench.build(**variables)
    (entry,) = store.iterdir()
    wheel, about = entry / "wheel.whl", entry / "about.json"
    match damage:
        case "bytes":
            wheel.write_bytes(wheel.read_bytes()[:-1] + b"x")
        case "about":
            about.write_text("[]")
        case "half":  # whoever removed it was killed
            wheel.unlink()
        case "another wheel":  # as it says itself, whatever the digest is
            with zipfile.ZipFile(wheel, "a") as archive:
                archive.writestr("evil.py", "")
            said = json.loads(about.read_text())
            about.write_text(json.dumps({**said, "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}))
        case "open":
            store.chmod(0o777)
        case "open entry":
            entry.chmod(0o777)
        case "open above":
            store.parent.chmod(0o777)
        case "endless":
            wheel.unlink()
            wheel.symlink_to("/dev/zero")
    capfd.readouterr()
    assert bench.build(**variables)[1]
    assert f"torchgraft: the store {store} has no wheel for this build that can be used: " in capfd.readouterr().err
    if damage in {"bytes", "about", "half", "endless"}:  # what was made instead is kept
        assert not bench.build(**variables)[1]
    assert [path.name for path in store.iterdir()] == [entry.name]


def test_an_entry_without_its_last_file_is_made_again(bench: Bench, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o755)
    variables = {"TORCHGRAFT_STORE": str(store)}
    bench.build(**variables)
    (entry,) = store.iterdir()
    (entry / "about.json").unlink()
    assert [bench.build(**variables)[1] for _ in range(2)] == [True, False]


def test_who_may_read_the_folder_may_read_what_is_in_it(bench: Bench, tmp_path: Path) -> None:
    """A team's folder: group and others get what the folder gives them."""
    store = tmp_path / "store"
    store.mkdir(mode=0o755)
    store.chmod(0o755)
    bench.build(TORCHGRAFT_STORE=str(store))
    (entry,) = store.iterdir()
    assert entry.stat().st_mode & 0o777 == 0o755
    assert {file.stat().st_mode & 0o777 for file in entry.iterdir()} == {0o644}


def test_a_share_whose_modes_are_fixed_keeps_wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    (tmp_path / "a.whl").write_bytes(b"x")
    monkeypatch.setattr(Path, "chmod", refuse)
    _put(tmp_path / "store", "key", tmp_path / "a.whl", {"sha256": "x"})
    assert sorted(file.name for file in (tmp_path / "store" / "key").iterdir()) == ["about.json", "wheel.whl"]


def test_one_that_cannot_be_written_costs_a_line(bench: Bench, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "file").write_text("")
    assert bench.build(TORCHGRAFT_STORE=f"{tmp_path}/file/store")[1]
    assert f"torchgraft: the store {tmp_path}/file/store did not take the wheel: " in capfd.readouterr().err


def test_the_folder_that_the_page_keeps_is_all_of_it(bench: Bench, tmp_path: Path) -> None:
    (kept,) = re.findall(r"(?m)^ +path: ~/(.+)", PAGE.read_text(encoding="utf-8"))
    one, other = tmp_path / "one", tmp_path / "other"
    told = {"TORCHGRAFT_CACHE_DIR": "", "XDG_CACHE_HOME": ""}
    assert bench.build(HOME=str(one), **told)[1]
    shutil.copytree(one / kept, other / kept)
    assert not bench.build(HOME=str(other), **told)[1]


class Files(http.server.BaseHTTPRequestHandler):
    """GET and PUT, as WebDAV has them, for who has the token."""

    kept: dict[str, bytes]
    asked: list[str]

    def _is_allowed(self) -> bool:
        self.asked.append(f"{self.command} {self.headers.get('authorization', '')}")
        if self.headers.get("authorization") != "Bearer t0ken":
            self.send_error(401)
            return False
        return True

    def do_GET(self) -> None:
        if not self._is_allowed():
            return
        data = self.kept.get(self.path)
        self.send_response(404 if data is None else 200)
        self.send_header("content-length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def do_PUT(self) -> None:
        if self._is_allowed():
            self.kept[self.path] = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(201)
            self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[tuple[str, type[Files]]]:
    kind = type("Kept", (Files,), {"kept": {}, "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/wheels", kind
        server.shutdown()


def test_a_server_gives_what_another_machine_has_built(bench: Bench, address: Any, tmp_path: Path, capfd: Any) -> None:
    url, server = address
    told = {"TORCHGRAFT_STORE_TOKEN": "t0ken", "TORCHGRAFT_STORE": url, "NO_PROXY": "127.0.0.1"}
    assert bench.build(**told)[1]
    assert not server.kept  # nobody has said that it may be written to
    assert bench.build(**told, TORCHGRAFT_STORE_WRITE="true")[1]
    assert sorted(name.rpartition(".")[2] for name in server.kept) == ["json", "whl"]
    other = {**told, "TORCHGRAFT_STORE": f"auto {url}", "TORCHGRAFT_CACHE_DIR": str(tmp_path / "another machine")}
    assert not bench.build(**other)[1]
    server.kept.clear()
    assert not bench.build(**other)[1]  # it is kept here now
    assert bench.build(**{**told, "TORCHGRAFT_STORE_TOKEN": "wr0ng"})[1]
    said = capfd.readouterr().err
    assert f"torchgraft: the store {url} has no wheel for this build that can be used: the server says 401" in said
    assert "wr0ng" not in said


def test_no_server_costs_a_line(bench: Bench, capfd: Any) -> None:
    assert bench.build(TORCHGRAFT_STORE="http://user:secret@127.0.0.1:9/w", NO_PROXY="127.0.0.1")[1]
    said = capfd.readouterr().err
    assert "torchgraft: the store http://...@127.0.0.1:9/w has no wheel for this build that can be used: " in said
    assert "secret" not in said


@pytest.mark.slow
def test_nginx_as_the_page_sets_it_up(bench: Bench, tmp_path: Path, capfd: Any) -> None:
    """Everybody reads, and CI writes: nginx with its module for WebDAV (`apt-get install nginx-light`)."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no nginx: apt-get install nginx-light")
    location = PAGE.read_text(encoding="utf-8").partition("```text\nlocation ")[2].partition("```")[0]
    location = location.replace("/srv/wheels", str(tmp_path / "srv")).replace("/etc/nginx/ci", str(tmp_path / "ci"))
    (tmp_path / "srv" / "torchgraft").mkdir(parents=True)
    (tmp_path / "ci").write_text("ci:{PLAIN}s3cret\n")
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"user {getpass.getuser()}; daemon off; pid {tmp_path}/pid; error_log stderr; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {tmp_path}/body;\n"
        f"server {{ listen 127.0.0.1:{port}; location {location} }} }}\n"
    )
    url = f"http://127.0.0.1:{port}/torchgraft"
    told = {"NO_PROXY": "127.0.0.1", "TORCHGRAFT_STORE_WRITE": "true"}
    with serving(port, program, "-c", str(config)):
        assert bench.build(TORCHGRAFT_STORE=url, **told)[1]
        assert f"the store {url} did not take the wheel: the server says 401" in capfd.readouterr().err
        assert bench.build(TORCHGRAFT_STORE=url.replace("//", "//ci:s3cret@"), **told)[1]
        assert not bench.build(TORCHGRAFT_STORE=url, **told)[1]
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ci password s3cret\n")
        (tmp_path / ".netrc").chmod(0o600)
        assert bench.build(TORCHGRAFT_STORE=url, HOME=str(tmp_path), CFLAGS="-O1", **told)[1]
        assert not bench.build(TORCHGRAFT_STORE=url, CFLAGS="-O1", **told)[1]


@pytest.mark.slow
def test_a_bucket_of_s3_as_the_page_says(bench: Bench) -> None:
    """rclone signs, for a server that stands for S3 (`pip install "moto[server]"`, `apt-get install rclone`)."""
    programs = [shutil.which(name) for name in ("moto_server", "rclone")]
    if None in programs:
        pytest.skip('no moto_server, or no rclone: pip install "moto[server]"; apt-get install rclone')
    server, rclone = map(str, programs)
    amazon, port = free_port(), free_port()
    (line,) = re.findall(r"(?m)^\$ (rclone serve webdav .*)", PAGE.read_text(encoding="utf-8"))
    place = shlex.split(line)[3].replace("AWS,", f'Minio,endpoint="http://127.0.0.1:{amazon}",')
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "NO_PROXY": "127.0.0.1", "AWS_CA_BUNDLE": ""}
    url, told = f"http://127.0.0.1:{port}", {"NO_PROXY": "127.0.0.1", "TORCHGRAFT_STORE_WRITE": "true"}
    signing = (rclone, "serve", "webdav", place, "--addr", f"127.0.0.1:{port}")
    with serving(amazon, server, "-H", "127.0.0.1", "-p", str(amazon)), serving(port, *signing, **keys):
        assert bench.build(TORCHGRAFT_STORE=url, **told)[1]
        assert not bench.build(TORCHGRAFT_STORE=url, **told)[1]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextlib.contextmanager
def serving(port: int, *command: str, **variables: str) -> Iterator[None]:
    """Run a server as long as the context, which begins when the server answers."""
    with subprocess.Popen(command, env={**os.environ, **variables}) as server:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.1)
            yield
        finally:
            server.terminate()
