from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

PYPROJECT = '[build-system]\nrequires = ["torch", "setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
SETUP = "import torch\nraise SystemExit('it ran')\n"


@pytest.fixture
def sdist(tmp_path: Path) -> Path:
    path = tmp_path / "ext-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in {
            "PKG-INFO": "Name: ext\nVersion: 1.0\n",
            "setup.py": SETUP,
            "pyproject.toml": PYPROJECT,
        }.items():
            member = tarfile.TarInfo(f"ext-1.0/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path
