from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from torchgraft.errors import ActError
from torchgraft.wheel.contents import read_wheel_contents

INFO = "ext-1.0.dist-info"


def test_a_wheel_whose_bytes_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "ext-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{INFO}/METADATA", "Name: ext\nVersion: 1.0\n" * 9)
        archive.writestr(f"{INFO}/RECORD", "")
    data = bytearray(path.read_bytes())
    data[30 + len(f"{INFO}/METADATA")] = 0xFF  # no kind of block in deflate
    path.write_bytes(data)
    with pytest.raises(ActError, match="is not a wheel") as caught:
        read_wheel_contents(path, tmp_path)
    assert caught.value.problems[0].code == "bad-wheel"
