from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .front_ends.bench import Grounds, made_grounds
from .laboratory import CHECKOUT, Laboratory, Workplace
from .stub_torch import Stubs, made_stubs


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """Make the wheelhouse, the wheel of this checkout and an installation of torch, or take what was kept."""
    if sys.platform == "win32":
        pytest.skip("environments of hard links and POSIX layout; Windows has tests of its own in unit and hooks")
    keep = CHECKOUT / ".environments"
    keep.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="run-", dir=keep))
    try:
        yield Laboratory(keep=keep, scratch=scratch, outside=tmp_path_factory.mktemp("e2e"))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@pytest.fixture
def workplace(laboratory: Laboratory) -> Workplace:
    return laboratory.workplace()


@pytest.fixture(scope="session")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stubs]:
    """Serve a stub named torch, and what else a build needs, on this machine alone."""
    if sys.platform == "win32":
        pytest.skip("environments in POSIX layout")
    keep = CHECKOUT / ".environments"
    keep.mkdir(exist_ok=True)
    with made_stubs(keep, tmp_path_factory.mktemp("stubs")) as made:
        yield made


@pytest.fixture(scope="session")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    """Serve the same, and start front ends of known versions, each at a bench of its own."""
    keep = CHECKOUT / ".environments"
    keep.mkdir(exist_ok=True)
    with made_grounds(keep, tmp_path_factory.mktemp("front_ends")) as grounds:
        yield grounds
