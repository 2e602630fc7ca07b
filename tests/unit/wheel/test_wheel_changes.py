from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from installer.records import RecordEntry, parse_record_file
from installer.sources import WheelFile

from torchgraft.errors import ActError
from torchgraft.wheel.archive import WheelChanges, read_wheel_file, rewrite_wheel
from torchgraft.wheel.reproducible import source_date

INFO = "ext-1.0.dist-info"
TIME = (2026, 1, 2, 3, 4, 6)
ADDED = {f"{INFO}/torchgraft.json": b"{}\n"}
# Signature, checksum and sizes behind a member, where its header does not have them.
DESCRIPTOR = bytes(16)
MODULE = bytes(range(256)) * 100


def digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def make_wheel(
    folder: Path, *, extra: dict[str, bytes] | None = None, record_last: bool = True, streamed: bool = False
) -> Path:
    files = {
        "ext/__init__.py": b"",
        "ext/_c.so": MODULE,
        f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: ext\nVersion: 1.0\n",
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-linux_x86_64\n",
        **(extra or {}),
    }
    rows = [(name, digest(data), str(len(data))) for name, data in files.items()] + [(f"{INFO}/RECORD", "", "")]
    record = io.StringIO(newline="")
    csv.writer(record, lineterminator="\n").writerows(rows)
    members = [*files.items(), (f"{INFO}/RECORD", record.getvalue().encode())]
    path = folder / "ext-1.0-cp311-cp311-linux_x86_64.whl"
    with path.open("wb") as file:
        target = Unseekable(file) if streamed else file
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
            for name, data in members if record_last else members[::-1]:
                member = zipfile.ZipInfo(name, TIME)
                member.external_attr = (stat.S_IFREG | 0o755) << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, data)
    return path


class Unseekable:
    """A pipe, say: sizes and checksums stand behind each member then."""

    def __init__(self, file: object) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return int(self._file.write(data))  # type: ignore[attr-defined]

    def flush(self) -> None:
        self._file.flush()  # type: ignore[attr-defined]


def assert_it_is_whole(path: Path) -> dict[str, bytes]:
    with WheelFile.open(path) as wheel:
        wheel.validate_record()  # installer's own check of every file against RECORD
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len(set(names))
        rows = list(parse_record_file(archive.read(f"{INFO}/RECORD").decode().splitlines()))
        assert {row[0] for row in rows} == set(names)
        for name, hash_, size in rows:
            if hash_:
                assert RecordEntry.from_elements(name, hash_, size).validate(archive.read(name))
        assert_nothing_is_between_the_members(path, archive)
        return {name: archive.read(name) for name in names}


def assert_nothing_is_between_the_members(path: Path, archive: zipfile.ZipFile) -> None:
    """uv and PyPI read an archive from its start, and refuse one with members that its directory does not list."""
    data = path.read_bytes()
    place = 0
    for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
        assert member.header_offset == place
        name, extra = struct.unpack_from("<2H", data, place + 26)
        place += 30 + name + extra + member.compress_size
        place += len(DESCRIPTOR) * data.startswith(b"PK\7\x08", place)
    assert place == archive.start_dir


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("record_last", [True, False])
def test_a_file_is_added(tmp_path: Path, *, record_last: bool, streamed: bool) -> None:
    path = make_wheel(tmp_path, record_last=record_last, streamed=streamed)
    rewrite_wheel(path, WheelChanges(added=ADDED))
    files = assert_it_is_whole(path)
    assert files[f"{INFO}/torchgraft.json"] == b"{}\n"
    assert files["ext/_c.so"] == MODULE
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo(f"{INFO}/torchgraft.json").date_time == TIME
        assert archive.getinfo(f"{INFO}/RECORD").external_attr == (stat.S_IFREG | 0o755) << 16
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("moved", [{}, {"ext/_c.so": "ext/_d.so"}])
def test_what_is_there_twice_is_listed_twice(tmp_path: Path, moved: dict[str, str]) -> None:
    path = make_wheel(tmp_path, record_last=False)
    draft = tmp_path / "draft"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(draft, "w") as new:
        rows = old.read(f"{INFO}/RECORD").splitlines(keepends=True)
        for name in old.namelist():
            new.writestr(name, old.read(name) if name != f"{INFO}/RECORD" else b"".join([*rows[:2], *rows[1:]]))
        with pytest.warns(UserWarning, match="Duplicate name"):
            new.writestr("ext/_c.so", MODULE)
    rewrite_wheel(draft.rename(path), WheelChanges(added=ADDED, moved=moved))
    with zipfile.ZipFile(path) as archive:
        listed = [line.partition(b",")[0].decode() for line in archive.read(f"{INFO}/RECORD").splitlines()]
        assert sorted(listed) == sorted(archive.namelist())
        assert listed.count(moved.get("ext/_c.so", "ext/_c.so")) == 2


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0b", "\x1c", "\n", ', "'])
def test_a_file_may_have_any_name(tmp_path: Path, mark: str) -> None:
    name = f"ext/a{mark}b.txt"
    path = make_wheel(tmp_path, extra={name: b"data"})
    rewrite_wheel(path, WheelChanges(added=ADDED))
    with zipfile.ZipFile(path) as archive:
        # Not installer, nor pip, which take some of these for ends of lines.
        rows = list(csv.reader(io.StringIO(archive.read(f"{INFO}/RECORD").decode(), newline="")))
        assert {row[0] for row in rows} == set(archive.namelist())
    assert [name, digest(b"data"), "4"] in rows


def test_what_is_added_takes_the_place_of_what_has_its_name(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, extra={f"{INFO}/torchgraft.json": b"old"})
    rewrite_wheel(path, WheelChanges(added={**ADDED, f"{INFO}/METADATA": b"Name: ext\n"}))
    files = assert_it_is_whole(path)
    assert (files[f"{INFO}/torchgraft.json"], files[f"{INFO}/METADATA"]) == (b"{}\n", b"Name: ext\n")
    rows = list(csv.reader(files[f"{INFO}/RECORD"].decode().splitlines()))
    assert [row[0] for row in rows].count(f"{INFO}/torchgraft.json") == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("record_last", [True, False])
def test_a_file_is_renamed_and_keeps_its_bytes_and_mode(tmp_path: Path, *, record_last: bool, streamed: bool) -> None:
    path = make_wheel(tmp_path, record_last=record_last, streamed=streamed)
    rewrite_wheel(path, WheelChanges(moved={"ext/_c.so": "ext/_moved.so"}, added={"ext/_c.py": b"import ext\n"}))
    files = assert_it_is_whole(path)
    assert "ext/_c.so" not in files
    assert (files["ext/_moved.so"], files["ext/_c.py"]) == (MODULE, b"import ext\n")
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("ext/_moved.so").external_attr >> 16 == stat.S_IFREG | 0o755
        assert archive.namelist()[-1] == f"{INFO}/RECORD"


def test_a_file_is_replaced_by_one_on_disk_and_renamed(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    other = tmp_path / "other"
    other.write_bytes(b"other bytes")
    rewrite_wheel(path, WheelChanges(replaced={"ext/_c.so": other}, moved={"ext/_c.so": "ext/_d.so"}))
    assert assert_it_is_whole(path)["ext/_d.so"] == b"other bytes"
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("ext/_d.so")
        assert (member.external_attr >> 16, member.date_time) == (stat.S_IFREG | 0o755, TIME)


CHANGES = {
    "adding": WheelChanges(added=ADDED),
    "moving": WheelChanges(added=ADDED, moved={"ext/_c.so": "ext/_d.so"}),
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_same_changes_give_the_same_bytes(tmp_path: Path, changes: WheelChanges) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        path = make_wheel(tmp_path / name)
        rewrite_wheel(path, changes)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_no_time_is_later_than_source_date_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: WheelChanges
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = make_wheel(tmp_path)
    rewrite_wheel(path, changes)
    assert_it_is_whole(path)
    with zipfile.ZipFile(path) as archive:
        assert {member.date_time for member in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}


@pytest.mark.parametrize("epoch", ["0", "99999999999"])
def test_a_date_that_no_archive_can_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    path = make_wheel(tmp_path)
    rewrite_wheel(path, WheelChanges(added=ADDED))
    assert_it_is_whole(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip"])
def test_what_is_no_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ext-1.0-py3-none-any.whl"
    path.write_bytes(content)
    with pytest.raises(ActError, match="is not a wheel") as caught:
        rewrite_wheel(path, WheelChanges(added=ADDED))
    assert caught.value.problems[0].code == "bad-wheel"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


# Each as (RECORD, whether its bytes in the archive are damaged).
BAD_RECORDS = {
    "four columns": (f"ext/a,b.json,sha256=x,2\n{INFO}/RECORD,,\n", False),
    "a name that is too long": (f"{'x' * 200_000},sha256=x,2\n{INFO}/RECORD,,\n", False),
    "damaged": (f"{INFO}/RECORD,,\n" * 9, True),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_a_record_that_is_none(tmp_path: Path, name: str) -> None:
    record, is_damaged = BAD_RECORDS[name]
    path = tmp_path / "ext-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ext/__init__.py", "")
        archive.writestr(f"{INFO}/RECORD", record)
        start = archive.getinfo(f"{INFO}/RECORD").header_offset + 30 + len(f"{INFO}/RECORD")
    if is_damaged:
        data = bytearray(path.read_bytes())
        data[start] = 0xFF  # no kind of block in deflate
        path.write_bytes(data)
    with pytest.raises(ActError, match="is not a wheel") as caught:
        rewrite_wheel(path, WheelChanges(added=ADDED))
    assert caught.value.problems[0].code == "bad-wheel"


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_signatures_of_the_old_record_are_taken_out(tmp_path: Path, changes: WheelChanges, *, listed: bool) -> None:
    signatures = {f"{INFO}/RECORD.jws": b"{}", f"{INFO}/RECORD.p7s": b"signed"}
    path = make_wheel(tmp_path, extra=signatures if listed else {})
    if not listed:
        with zipfile.ZipFile(path, "a") as archive:
            for name, data in signatures.items():
                archive.writestr(name, data)
    rewrite_wheel(path, changes)
    assert not signatures.keys() & assert_it_is_whole(path).keys()


def test_a_wheel_without_a_record(tmp_path: Path) -> None:
    path = tmp_path / "ext-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ext.py", "")
    with pytest.raises(ActError, match=r"it has 0 \.dist-info folders"):
        rewrite_wheel(path, WheelChanges(added=ADDED))


def test_a_member_that_is_not_where_the_directory_says(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    data = bytearray(path.read_bytes())
    data[0:4] = b"\0\0\0\0"
    path.write_bytes(data)
    with pytest.raises(ActError, match="is not a wheel"):
        rewrite_wheel(path, CHANGES["moving"])


def test_a_wheel_without_metadata_is_none(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr("x-1.dist-info/RECORD", "")
    with pytest.raises(ActError, match="is not a wheel") as caught:
        read_wheel_file(tmp_path / "x.whl", "x-1.dist-info/METADATA")
    assert caught.value.problems[0].code == "bad-wheel"


@pytest.mark.parametrize(
    ("epoch", "date"),
    [("0", 0), ("1700000000", 1_700_000_000), ("9" * 11, 99_999_999_999)]
    + [(odd, None) for odd in ("", "-1", "abc", " 5", "1e9", "\u00b2", "9" * 12, "9" * 5000)],
)
def test_what_source_date_epoch_says(monkeypatch: pytest.MonkeyPatch, epoch: str, date: int | None) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert source_date() == date
