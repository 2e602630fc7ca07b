from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from installer.records import RecordEntry, parse_record_file
from installer.sources import WheelFile

from support import snapshots
from torchgraft.act.record import record_text, write_metadata_record, write_wheel_record
from torchgraft.config import Config
from torchgraft.decide.plan import plan_build
from torchgraft.errors import ActError
from torchgraft.model import Way
from torchgraft.planned import Planned

PLAN = plan_build(Config(env={"SECRET": "hunter2"}), snapshots.snapshot())
INFO = "ext-1.0.dist-info"


def digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def make_wheel(folder: Path, *, extra: dict[str, bytes] | None = None, record_last: bool = True) -> Path:
    files = {
        "ext/__init__.py": b"",
        "ext/_c.so": bytes(range(256)) * 100,
        f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: ext\nVersion: 1.0\n",
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-linux_x86_64\n",
        **(extra or {}),
    }
    rows = [(name, digest(data), str(len(data))) for name, data in files.items()] + [(f"{INFO}/RECORD", "", "")]
    record = "".join(",".join(row) + "\n" for row in rows).encode()
    members = [*files.items(), (f"{INFO}/RECORD", record)]
    path = folder / "ext-1.0-cp311-cp311-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members if record_last else members[::-1]:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)), data)
    return path


def test_the_record_has_the_torch_and_no_secret_and_no_path() -> None:
    text = record_text(PLAN)
    data = json.loads(text)
    assert data["torch"]["version"] == "2.13.0+cpu"
    assert data["torch"]["cxx11_abi"] is True
    assert (data["rung"], data["way"], data["rule"]) == ("installed", "graft", "R1")
    assert "SECRET" in data["variables"]
    assert "hunter2" not in text
    for path in ("/env", "/src", "/cache"):
        assert path not in text


def test_the_address_of_a_direct_url_is_left_out() -> None:
    line = Planned(text="torch @ https://user:word@host.example/torch-2.8.0-cp311-cp311-linux_x86_64.whl#x", reason="")
    text = record_text(dataclasses.replace(PLAN, requirements=(line,), torch=None, way=Way.INSTALL))
    assert json.loads(text)["requirements"] == ["torch @ torch-2.8.0-cp311-cp311-linux_x86_64.whl"]
    assert "word" not in text


@pytest.mark.parametrize("record_last", [True, False])
def test_a_finished_wheel_is_whole(tmp_path: Path, *, record_last: bool) -> None:
    path = make_wheel(tmp_path, record_last=record_last)
    write_wheel_record(path, PLAN)
    with WheelFile.open(path) as wheel:
        wheel.validate_record()  # installer's own check of every file against RECORD
        assert wheel.read_dist_info("torchgraft.json") == record_text(PLAN)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(set(archive.namelist()))
        assert archive.getinfo(f"{INFO}/torchgraft.json").date_time == (2026, 1, 2, 3, 4, 6)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_every_record_row_can_be_read(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, extra={"ext/data.txt": b"x"})
    write_wheel_record(path, PLAN)
    with zipfile.ZipFile(path) as archive:
        rows = list(parse_record_file(archive.read(f"{INFO}/RECORD").decode().splitlines()))
        for name, hash_, size in rows:
            if hash_:
                record = RecordEntry.from_elements(name, hash_, size)
                assert record.validate(archive.read(name))
        assert {row[0] for row in rows} == set(archive.namelist())


def test_a_record_taken_over_from_the_metadata_is_not_doubled(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, extra={f"{INFO}/torchgraft.json": record_text(PLAN).encode()})
    write_wheel_record(path, PLAN)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist().count(f"{INFO}/torchgraft.json") == 1
        rows = list(csv.reader(archive.read(f"{INFO}/RECORD").decode().splitlines()))
        assert [row[0] for row in rows].count(f"{INFO}/torchgraft.json") == 1


def test_two_builds_are_byte_identical(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        path = make_wheel(tmp_path / name)
        write_wheel_record(path, PLAN)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_source_date_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = make_wheel(tmp_path)
    write_wheel_record(path, PLAN)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo(f"{INFO}/torchgraft.json").date_time == (2023, 11, 14, 22, 13, 20)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip"])
def test_a_wheel_that_is_none_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ext-1.0-py3-none-any.whl"
    path.write_bytes(content)
    with pytest.raises(ActError, match="is not a wheel") as caught:
        write_wheel_record(path, PLAN)
    assert caught.value.problems[0].code == "bad-wheel"
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_wheel_without_a_record(tmp_path: Path) -> None:
    path = tmp_path / "ext-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ext.py", "")
    with pytest.raises(ActError, match=r"it has 0 \.dist-info folders"):
        write_wheel_record(path, PLAN)


def test_prepared_metadata_gets_the_same_record(tmp_path: Path) -> None:
    write_metadata_record(tmp_path, PLAN)
    assert (tmp_path / "torchgraft.json").read_text() == record_text(PLAN)
