"""A consumer with a stub torch, and projects whose hooks are called as front ends call them."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyproject_hooks
import pytest

from support.https import Server, serve_https
from torchgraft.tools.vendor.vendored_copy import read_own_files

ROOT = Path(__file__).parents[2]
PYTHON_FOLDER = f"python{sys.version_info[0]}.{sys.version_info[1]}"

SETUP_PY = """
import torch
from setuptools import Extension, setup

assert torch.__version__ == "2.8.0+cu128", torch.__version__
setup(ext_modules=[Extension("ext_c", ["ext.c"])])
"""
EXT_C = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ext_c", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_ext_c(void) { return PyModule_Create(&module); }
"""
PYPROJECT = """
[build-system]
requires = ["torchgraft", "setuptools>=77"]
build-backend = "{backend}"
{backend_path}
[project]
name = "ext"
version = "1.0"
dependencies = ["torch"]
[tool.setuptools]
py-modules = ["ext"]
{extra}
"""

MakeProject = Callable[..., Path]
MakeCaller = Callable[..., pyproject_hooks.BuildBackendHookCaller]


def write_consumer(folder: Path, version: str = "2.8.0+cu128") -> Path:
    site = folder / "lib" / PYTHON_FOLDER / "site-packages"
    (site / "torch").mkdir(parents=True)
    (site / "torch" / "__init__.py").write_text("from .version import __version__\n")
    (site / "torch" / "version.py").write_text(f"__version__ = {version!r}\ncuda = '12.8'\ndebug = False\n")
    info = site / f"torch-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
    (info / "RECORD").write_text(
        f"torch/__init__.py,,\ntorch/version.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n"
    )
    (info / "INSTALLER").write_text("pip\n")
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\nversion = {sys.version.split()[0]}\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(sys.executable)
    return folder


@pytest.fixture
def consumer(tmp_path: Path) -> Path:
    return write_consumer(tmp_path / "consumer")


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    def make(files: dict[str, str] | None = None, *, extra: str = "", backend: str = "torchgraft.build_meta") -> Path:
        folder = tmp_path / "project"
        folder.mkdir()
        vendored = backend.startswith("vendored")
        backend_path = 'backend-path = ["_build"]' if vendored else ""
        texts = {
            "pyproject.toml": PYPROJECT.format(backend=backend, backend_path=backend_path, extra=extra),
            "setup.py": SETUP_PY,
            "ext.c": EXT_C,
            "ext.py": "import ext_c\n",
            **(files or {}),
        }
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(textwrap.dedent(text))
        if vendored:
            for name, path in read_own_files().items():
                place = folder / "_build" / "vendored" / name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        return folder

    return make


@pytest.fixture
def make_caller(tmp_path: Path, consumer: Path) -> MakeCaller:
    """Call hooks in a process of their own. Its environment has our dependencies and setuptools, and no torch."""

    def make(project: Path, *, backend: str = "torchgraft.build_meta", **variables: str) -> Any:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TORCHGRAFT_")}
        environment = {
            **inherited,
            "TORCHGRAFT_CONSUMER": str(consumer),
            "TORCHGRAFT_CACHE_DIR": str(tmp_path / "cache"),
            "PYTHONPATH": "" if backend.startswith("vendored") else str(ROOT / "src"),
            **variables,
        }

        def run(command: list[str], cwd: str | None = None, extra_environ: dict[str, str] | None = None) -> None:
            import subprocess

            subprocess.run(command, cwd=cwd, env={**environment, **(extra_environ or {})}, check=True, timeout=120)

        return pyproject_hooks.BuildBackendHookCaller(
            str(project),
            backend,
            backend_path=["_build"] if backend.startswith("vendored") else None,
            runner=run,
        )

    return make


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve on this machine, over real TLS, for all tests."""
    with serve_https(tmp_path_factory.mktemp("https")) as made:
        yield made


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    """Return a server that has nothing yet; whoever asks it in this process trusts it and knows no proxy."""
    running.answers.clear()
    running.requests.clear()
    running.headers.clear()
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(running.authority))
    monkeypatch.setenv("HOME", str(tmp_path))
    return running
