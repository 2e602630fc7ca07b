"""Wheels that were damaged on their way: there is an answer to each, and never an exception."""

from __future__ import annotations

import contextlib
import io
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag

from support.wheels import write_wheel
from torchgraft.installed.dist_info import parse_file_list
from torchgraft.model.decision import PlannedPrebuilt
from torchgraft.prebuilt.inspect import inspect_wheel
from torchgraft.prebuilt.plan_prebuilt import UnfitError, parse_hashes

WANTED = PlannedPrebuilt(url="https://example.org/a.whl", name="a", version="1.0")


def _wheel(folder: Path) -> bytes:
    path = write_wheel(
        folder / "wheel", name="a", version="1.0", tags=("py3-none-any",), files={"a.py": "x = 1\n" * 50}
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return buffer.getvalue()


@given(st.data())
def test_damaged_wheels(tmp_path_factory: object, data: st.DataObject) -> None:
    folder = Path(str(tmp_path_factory.mktemp("wheel")))  # type: ignore[attr-defined]
    content = bytearray(_wheel(folder))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    path = folder / "download"
    path.write_bytes(bytes(content) if data.draw(st.booleans()) else bytes(content[:end]))
    found = "a-1.0-py3-none-any.whl"
    with contextlib.suppress(UnfitError):
        found = inspect_wheel(path, WANTED, None, tags=[Tag("py3", "none", "any")])
    assert found == "a-1.0-py3-none-any.whl"


def test_a_file_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "download"
    path.write_bytes(_wheel(tmp_path).replace(b"a.py", b"\0.py"))
    with pytest.raises(UnfitError):
        inspect_wheel(path, WANTED, None, tags=[Tag("py3", "none", "any")])


@given(st.text())
def test_files_of_digests(text: str) -> None:
    assert all(len(digest) == 64 for digest in parse_hashes(text).values())


@pytest.mark.alone
def test_a_million_rows_take_seconds() -> None:
    data = b"".join(b"package/module_%d.py,sha256=%043d,1234\n" % (number, number) for number in range(1_000_000))
    start = time.process_time()
    assert len(parse_file_list(data)) == 1_000_000
    assert time.process_time() - start < 10
