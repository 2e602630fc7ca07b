"""Wheels that were damaged on their way: there is an answer to each, and never an exception."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from support.wheels import write_wheel
from torchgraft.model.decision import PlannedPrebuilt
from torchgraft.prebuilt.inspect import inspect_wheel
from torchgraft.prebuilt.plan_prebuilt import parse_hashes

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
    answer = inspect_wheel(path, WANTED, None)
    assert bool(answer.file) is not bool(answer.fault)


@given(st.text())
def test_files_of_digests(text: str) -> None:
    assert all(len(digest) == 64 for digest in parse_hashes(text).values())
