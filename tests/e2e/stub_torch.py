"""Wheels of a stub named torch, and package indexes on 127.0.0.1 that remember what was downloaded.

The stub has what a setup.py reads of torch, and weighs nothing. As on the indexes of the real one, the default index
has 2.8.0, whose `torch.__version__` has a local part that its metadata has not, and a second one has 2.8.0+cu128.

May not answer anybody beyond this machine.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import http.server
import os
import re
import shutil
import sys
import sysconfig
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import canonicalize_name

from .laboratory import Workplace, make_project_wheel, make_wheelhouse, system_path

DEFAULT = "default"
CU128 = "cu128"
ANY = "py3-none-any"
HERE_TAG = "cp{0}{1}-cp{0}{1}-{2}".format(*sys.version_info[:2], re.sub(r"[^A-Za-z0-9]", "_", sysconfig.get_platform()))
# Refuses connections: whoever looks beyond this machine fails at once.
NOWHERE = "http://127.0.0.1:9"

_INIT = """\
from torch import version as version
from torch.version import __version__ as __version__


def get_num_threads():
    return 1
"""
_CPP_EXTENSION = """\
from setuptools import Extension as CppExtension
from setuptools.command.build_ext import build_ext as BuildExtension

CUDA_HOME = None


def include_paths(device_type="cpu"):
    return []


def CUDAExtension(*args, **kwargs):
    raise OSError("the stub of torch has no CUDA")
"""


@dataclass(frozen=True)
class StubTorch:
    """One wheel. `version` is that of its metadata, `runtime` is `torch.__version__`."""

    version: str
    runtime: str
    index: str = DEFAULT
    tag: str = ANY

    @property
    def wheel(self) -> str:
        return f"torch-{self.version}-{self.tag}.whl"

    @property
    def git_version(self) -> str:
        """Tells any two builds apart."""
        return hashlib.sha256(f"{self.index} {self.runtime}".encode()).hexdigest()[:40]


STUBS = (
    StubTorch("2.8.0", "2.8.0+cu126"),
    StubTorch("2.9.0", "2.9.0+cu126"),
    StubTorch("2.8.0+cu128", "2.8.0+cu128", CU128, HERE_TAG),
    StubTorch("2.9.0+cu128", "2.9.0+cu128", CU128, HERE_TAG),
    # For others: nothing here may ever take them.
    StubTorch("2.8.0+cu128", "2.8.0+cu128", CU128, HERE_TAG.rpartition("-")[0] + "-win_amd64"),
    StubTorch("2.8.0+cu128", "2.8.0+cu128", CU128, "cp27-cp27m-" + HERE_TAG.rpartition("-")[2]),
)


def make_torch_wheel(folder: Path, stub: StubTorch) -> Path:
    """Return a stub wheel, the same bytes each time."""
    local = stub.runtime.partition("+")[2]
    cuda = f"{local[2:-1]}.{local[-1]}" if local.startswith("cu") else None
    files = {
        "torch/__init__.py": _INIT,
        "torch/version.py": (
            f"__version__ = {stub.runtime!r}\ndebug = False\ncuda = {cuda!r}\nhip = None\n"
            f"git_version = {stub.git_version!r}\n"
        ),
        "torch/utils/__init__.py": "",
        "torch/utils/cpp_extension.py": _CPP_EXTENSION,
    }
    return make_wheel(folder, "torch", stub.version, files, tag=stub.tag)


def make_wheel(
    folder: Path, name: str, version: str, files: dict[str, str], *, tag: str = ANY, requires: tuple[str, ...] = ()
) -> Path:
    """Return a wheel of these files."""
    info = f"{name}-{version}.dist-info"
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    texts = {
        **files,
        f"{info}/METADATA": "\n".join([*lines, ""]),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    rows = [f"{file},sha256={_digest(text)},{len(text.encode())}" for file, text in texts.items()]
    texts[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in texts.items():
            archive.writestr(zipfile.ZipInfo(file, date_time=(2025, 1, 1, 0, 0, 0)), text)
    return wheel


def make_sdist(source: Path, folder: Path, name: str, version: str) -> Path:
    """Return an sdist of a source tree, as a tool that runs none of its code would make it."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{version}"
    sdist = folder / f"{stem}.tar.gz"
    info = source / "PKG-INFO"
    info.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    with tarfile.open(sdist, "w:gz") as archive:
        archive.add(source, arcname=stem)
    info.unlink()
    return sdist


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Indexes:
    """Simple repositories, one for each folder below `folder`. Files that are added there are served."""

    address: str
    folder: Path
    requests: list[str] = field(default_factory=list)

    def url(self, index: str = DEFAULT) -> str:
        return f"{self.address}/{index}/simple/"

    def file_url(self, index: str, name: str) -> str:
        return f"{self.address}/{index}/files/{name.replace('+', '%2B')}"

    def forget(self) -> None:
        self.requests.clear()

    def downloads(self, project: str) -> list[str]:
        """Return the files of a project that were downloaded, as INDEX/FILE, each once."""
        return sorted(set(self.fetches(project)))

    def fetches(self, project: str) -> list[str]:
        """Return the files of a project as often as they were downloaded; their metadata alone is not counted."""
        found = []
        for path in self.requests:
            index, kind, name = path.strip("/").split("/", 2)
            if kind == "files" and not name.endswith(".metadata") and _project_of(name) == canonicalize_name(project):
                found.append(f"{index}/{name}")
        return found

    def torch_downloads(self) -> list[str]:
        return self.downloads("torch")


@contextmanager
def serve(folder: Path) -> Iterator[Indexes]:
    """Serve every folder below `folder` as an index of that name, for as long as the block lasts."""
    requests: list[str] = []
    handler = functools.partial(_Handler, folder=folder, requests=requests)
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Indexes(f"http://127.0.0.1:{server.server_port}", folder, requests)
        finally:
            server.shutdown()
            thread.join()


def make_indexes(folder: Path, *wheelhouses: Path) -> None:
    """Lay out a default index with the stub and what is in `wheelhouses`, and one with the stub for CUDA 12.8."""
    for stub in STUBS:
        make_torch_wheel(folder / stub.index, stub)
    for wheelhouse in wheelhouses:
        for wheel in wheelhouse.glob("*.whl"):
            shutil.copy(wheel, folder / DEFAULT)


@dataclass
class Stubs:
    """Served indexes, and workplaces whose front ends know the default one and nothing else."""

    indexes: Indexes
    outside: Path
    path: str
    number: int = 0

    def workplace(self) -> Workplace:
        self.number += 1
        folder = self.outside / f"workplace-{self.number}"
        folder.mkdir()
        place = Workplace(folder, self.path, ())
        for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "UV_FIND_LINKS", "UV_OFFLINE", "UV_NO_CONFIG"):
            del place.variables[name]
        place.variables.update(
            {
                "PIP_INDEX_URL": self.indexes.url(),
                "UV_DEFAULT_INDEX": self.indexes.url(),
                "HTTP_PROXY": NOWHERE,
                "HTTPS_PROXY": NOWHERE,
                "NO_PROXY": "127.0.0.1,localhost",
                "no_proxy": "127.0.0.1,localhost",
                "XDG_CONFIG_DIRS": str(folder / "home"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "UV_PYTHON": os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
            }
        )
        self.indexes.forget()
        return place


@contextmanager
def made_stubs(keep: Path, outside: Path) -> Iterator[Stubs]:
    """Make the wheels and serve them, for as long as the block lasts."""
    wheelhouse = make_wheelhouse(keep)
    own = make_project_wheel(outside / "own", wheelhouse)
    make_indexes(outside / "indexes", wheelhouse, own)
    with serve(outside / "indexes") as indexes:
        yield Stubs(indexes, outside, system_path(outside / "path"))


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # uv opens 50 connections at once


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: object, folder: Path, requests: list[str]) -> None:
        self._folder = folder
        self._requests = requests
        super().__init__(*args)

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        """Take what is uploaded, and forget it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].replace("%2B", "+").replace("%2b", "+")
        if self.command == "GET":
            self._requests.append(path)
        parts = path.strip("/").split("/")
        folder = self._folder / parts[0]
        if ".." in parts or len(parts) not in {2, 3} or not folder.is_dir():
            self._answer(404, b"")
        elif parts[1] == "files":
            self._file(folder / parts[2])
        else:
            self._page(folder, parts[2] if len(parts) == 3 else None)

    def _file(self, file: Path) -> None:
        if file.name.endswith(".whl.metadata") and file.with_suffix("").is_file():
            self._answer(200, _metadata(file.with_suffix("")))
        elif file.is_file():
            self._answer(200, file.read_bytes())
        else:
            self._answer(404, b"")

    def _page(self, folder: Path, project: str | None) -> None:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        if project is None:
            lines = [f'<a href="{name}/">{name}</a>' for name in sorted({_project_of(file.name) for file in files})]
        else:
            wanted = canonicalize_name(project)
            lines = [_link(folder.name, file) for file in files if _project_of(file.name) == wanted]
        if lines:
            self._answer(
                200, "\n".join(["<!DOCTYPE html><html><body>", *lines, "</body></html>"]).encode(), "text/html"
            )
        else:
            self._answer(404, b"")

    def _answer(self, status: int, body: bytes, kind: str = "application/octet-stream") -> None:
        # What uv's cache does hangs on these: the headers are those of PyPI.
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if status == 200 and self.headers.get("If-None-Match") == tag:
            status, body = 304, b""
        is_page = kind == "text/html"
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Cache-Control", "max-age=600, public" if is_page else "max-age=365000000, immutable, public")
        self.send_header("Content-Type", kind)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _project_of(file: str) -> str:
    if file.endswith(".tar.gz"):
        return canonicalize_name(file.rpartition("-")[0])
    return canonicalize_name(file.split("-", maxsplit=1)[0])


@functools.cache
def _link(index: str, file: Path) -> str:
    address = f"/{index}/files/{file.name.replace('+', '%2B')}#sha256={hashlib.sha256(file.read_bytes()).hexdigest()}"
    if file.suffix != ".whl":
        return f'<a href="{address}">{file.name}</a>'
    metadata = _metadata(file)
    python = re.search(rb"^Requires-Python: *(.+?)\r?$", metadata, re.MULTILINE)
    requires = f' data-requires-python="{html.escape(python[1].decode())}"' if python else ""
    digest = hashlib.sha256(metadata).hexdigest()
    # Both names that the standard (PEP 658, PEP 714) has had.
    says = f'data-core-metadata="sha256={digest}" data-dist-info-metadata="sha256={digest}"'
    return f'<a href="{address}"{requires} {says}>{file.name}</a>'


@functools.cache
def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        return archive.read(name)
