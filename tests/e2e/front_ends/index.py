"""Package indexes on 127.0.0.1, which remember what they were asked for, and wheels of a stub named torch.

May not hold anything that is large, nor answer to anybody beyond this machine.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import http.server
import io
import re
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Index:
    """Folders of wheels, served by name as simple repositories (PEP 503) with hashes and metadata (PEP 658)."""

    def __init__(self, address: str, requests: list[str]) -> None:
        self._address = address
        self._requests = requests

    def url(self, name: str) -> str:
        """Return the address of an index."""
        return f"{self._address}/{name}/"

    def forget(self) -> None:
        """Forget what was asked for."""
        self._requests.clear()

    def fetched(self, project: str) -> list[str]:
        """Return the wheels of a project that were downloaded, their metadata alone not counted."""
        names = [path.rpartition("/")[2] for path in self._requests]
        return sorted({name for name in names if name.startswith(f"{project}-") and name.endswith((".whl", ".gz"))})

    @staticmethod
    @contextmanager
    def served(**folders: Path) -> Iterator[Index]:
        """Serve folders of wheels, for as long as the block lasts."""
        requests: list[str] = []
        handler = functools.partial(_Handler, folders=folders, requests=requests)
        with _Server(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield Index(f"http://127.0.0.1:{server.server_port}", requests)
            finally:
                server.shutdown()
                thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # uv opens 50 connections at once


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: object, folders: dict[str, Path], requests: list[str]) -> None:
        self._folders = folders
        self._asked = requests
        super().__init__(*args)  # type: ignore[arg-type]  # what socketserver passes on

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].partition("#")[0].replace("%2B", "+").replace("%2b", "+")
        if self.command == "GET":
            self._asked.append(path)
        name, *rest = path.strip("/").split("/")
        folder = self._folders.get(name)
        if folder is None or len(rest) > 1:
            self._answer(404, b"", "text/plain")
        elif rest and rest[0].endswith((".whl", ".tar.gz")):
            self._file(folder / rest[0])
        elif rest and rest[0].endswith(".whl.metadata"):
            self._metadata(folder / rest[0].removesuffix(".metadata"))
        else:
            self._page(name, folder, rest[0] if rest else None)

    def _file(self, file: Path) -> None:
        if file.is_file():
            self._answer(200, file.read_bytes(), "application/octet-stream")
        else:
            self._answer(404, b"", "text/plain")

    def _metadata(self, wheel: Path) -> None:
        self._answer(200, wheel_metadata(wheel), "text/plain")

    def _page(self, index: str, folder: Path, project: str | None) -> None:
        files = sorted(file for file in folder.iterdir() if file.name.endswith((".whl", ".tar.gz")))
        names = {file: canonicalize_name(file.name.split("-")[0]) for file in files}
        if project is None:
            lines = [f'<a href="/{index}/{name}/">{name}</a>' for name in sorted(set(names.values()))]
        else:
            lines = [_line(index, wheel) for wheel in files if names[wheel] == canonicalize_name(project)]
        if not lines:
            self._answer(404, b"", "text/plain")
            return
        text = '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0"></head><body>'
        self._answer(200, "<br>\n".join([text, *lines, "</body></html>"]).encode(), "text/html; charset=utf-8")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@functools.cache
def _line(index: str, wheel: Path) -> str:
    data, metadata = wheel.read_bytes(), wheel_metadata(wheel) if wheel.suffix == ".whl" else b""
    python = re.search(rb"^Requires-Python: *(.+?)\r?$", metadata, re.MULTILINE)
    requires = f' data-requires-python="{html.escape(python[1].decode())}"' if python else ""
    known = hashlib.sha256(metadata).hexdigest()
    # Both names that the standard has had.
    says = f' data-core-metadata="sha256={known}" data-dist-info-metadata="sha256={known}"' if metadata else ""
    address = f"/{index}/{wheel.name.replace('+', '%2B')}#sha256={hashlib.sha256(data).hexdigest()}"
    return f'<a href="{address}"{requires}{says}>{wheel.name}</a>'


@functools.cache
def wheel_metadata(wheel: Path) -> bytes:
    """Return the METADATA of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        return archive.read(name)


def torch_wheel(folder: Path, version: str) -> Path:
    """Return a wheel of a stub named torch: what setup.py of an extension and `torchgraft` look at, and no more."""
    local = version.partition("+")[2]
    cuda = f"{local[2:-1]}.{local[-1]}" if local.startswith("cu") else None
    git = hashlib.sha256(version.encode()).hexdigest()[:40]
    info = f"torch-{version}.dist-info"
    files = {
        "torch/__init__.py": "from torch import version as version\nfrom torch.version import __version__\n",
        "torch/version.py": (
            f"__version__ = {version!r}\ndebug = False\ncuda = {cuda!r}\nhip = None\ngit_version = {git!r}\n"
        ),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\nRequires-Python: >=3.10\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{name},sha256={_digest(text)},{len(text.encode())}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    wheel = folder / f"torch-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(2025, 1, 1, 0, 0, 0)), text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def sdist(source: Path, folder: Path) -> Path:
    """Return an sdist of a project with static metadata, as any tool would make it of these files."""
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stem = f"{project['name']}-{project['version']}"
    lines = ["Metadata-Version: 2.2", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Python: {project['requires-python']}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in project["dependencies"]]
    made = folder / f"{stem}.tar.gz"
    with tarfile.open(made, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.add(source, stem, filter=lambda member: None if "__pycache__" in member.name else member)
        text = "\n".join([*lines, ""]).encode()
        member = tarfile.TarInfo(f"{stem}/PKG-INFO")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return made
