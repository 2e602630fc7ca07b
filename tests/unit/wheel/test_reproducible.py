from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from torchgraft.wheel.reproducible import settle_sdist


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no tar", mtime=0), gzip.compress(b"a" * 9999, mtime=0)[:-20]],
    ids=["empty", "text", "no-tar", "cut-off"],
)
def test_what_is_no_sdist_stays_as_it_is(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    sdist = tmp_path / "ext-1.0.tar.gz"
    settle_sdist(sdist)
    sdist.write_bytes(content)
    settle_sdist(sdist)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]


def test_a_time_that_gzip_has_no_place_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "99999999999")
    sdist = tmp_path / "ext-1.0.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("ext-1.0/PKG-INFO"), io.BytesIO())
    settle_sdist(sdist)
    with tarfile.open(sdist) as archive:
        assert archive.getnames() == ["ext-1.0/PKG-INFO"]
