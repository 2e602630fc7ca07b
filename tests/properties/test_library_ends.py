from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.wheels import write_wheel
from torchgraft.link.linkage import Module
from torchgraft.link.modules import Ends, LetGoError, read_archive_modules

_lengths = st.integers(min_value=1, max_value=40)


@given(data=st.binary(max_size=120), start=_lengths, end=_lengths, place=st.integers(0, 130), size=st.integers(0, 130))
def test_what_is_read_is_what_stands_there(data: bytes, start: int, end: int, place: int, size: int) -> None:
    ends, whole = Ends(io.BytesIO(data), start=start, end=end), io.BytesIO(data)
    ends.seek(place)
    whole.seek(place)
    for wanted in (whole.read(size), whole.read(size)):
        try:
            found = ends.read(size)
        except LetGoError:
            assert place < len(data) - end
            assert place + 2 * size > start
            break
        assert found == wanted


def read_modules(wheel: Path) -> tuple[Module, ...]:
    with zipfile.ZipFile(wheel) as archive:
        return read_archive_modules(archive)


def test_a_member_is_read_whole_where_its_ends_are_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    library = next(iter(Path(psutil.__file__).parent.glob("*.so")), None)
    if library is None:
        pytest.skip("there is no ELF file")
    files = {"a.so": library.read_bytes(), "b.so": b"\x7fELF damaged", "c.so": b"", "d.pyd": b"MZ", "e.py": b"\x7fELF"}
    wheel = write_wheel(tmp_path / "x.whl", name="x", version="1", tags=("py3-none-any",), files=files)
    found = read_modules(wheel)
    monkeypatch.setattr(Ends, "__init__", _short(Ends.__init__))
    assert read_modules(wheel) == found
    assert [(m.file, bool(m.fault)) for m in found] == [("a.so", False), ("b.so", True), ("d.pyd", False)]
    with zipfile.ZipFile(wheel) as archive, archive.open("a.so") as member:
        short = Ends(member)
        short.seek(2_000)
        with pytest.raises(LetGoError):
            short.read(10)


def _short(init: object) -> object:
    return lambda self, stream: init(self, stream, start=200, end=200)  # type: ignore[operator]
