from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from torchgraft.errors import ActError
from torchgraft.tools.adopt.sdist import unpack_sdist, write_sdist

FILES = {"ext-1.0/PKG-INFO": b"Name: ext\n", "ext-1.0/setup.py": b"x = 1\n" * 200, "ext-1.0/pyproject.toml": b"old\n"}


def make_tar(path: Path, files: dict[str, bytes], *, kind: int = tarfile.PAX_FORMAT, mode: str = "w:gz") -> Path:
    with tarfile.open(
        path, mode, format=kind, pax_headers={"comment": "x"} if kind == tarfile.PAX_FORMAT else None
    ) as tar:  # type: ignore[call-overload]  # mode is one of its words
        for number, (name, data) in enumerate(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode, member.uname = len(data), 1000.5 + number, 0o640, "builder"
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("ext-1.0/link")
        link.type, link.linkname = tarfile.SYMTYPE, "setup.py"
        tar.addfile(link)
    return path


def members(path: Path) -> dict[str, tuple[dict[str, object], bytes]]:
    with tarfile.open(path) as tar:
        return {
            member.name: (
                dict(member.get_info()),
                file.read() if (file := tar.extractfile(member)) and member.isreg() else b"",
            )
            for member in tar
        }


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("long", ["a.py", f"{'deep/' * 30}a.py"])
def test_only_pyproject_differs(tmp_path: Path, kind: int, long: str) -> None:
    if kind == tarfile.USTAR_FORMAT and "deep" in long:
        long = long[50:]
    old = make_tar(tmp_path / "ext-1.0.tar.gz", {**FILES, f"ext-1.0/{long}": b"y" * 511}, kind=kind)
    before = old.read_bytes()
    new = write_sdist(old, tmp_path / "new" / old.name, "new text, a longer one \u00e9\n" * 40)
    one, other = members(old), members(new)
    assert list(one) == list(other)
    info, data = other.pop("ext-1.0/pyproject.toml")
    assert data.decode() == "new text, a longer one \u00e9\n" * 40
    kept, _ = one.pop("ext-1.0/pyproject.toml")
    assert {**info, "size": 0, "chksum": 0} == {**kept, "size": 0, "chksum": 0}
    assert one == other
    assert old.read_bytes() == before


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("has", [True, False])
def test_one_format_throughout(tmp_path: Path, kind: int, has: bool) -> None:  # noqa: FBT001 - a parameter of the test
    files = {name: data for name, data in FILES.items() if has or name != "ext-1.0/pyproject.toml"}
    old = make_tar(tmp_path / "ext-1.0.tar.gz", files, kind=kind)
    new = write_sdist(old, tmp_path / "new" / old.name, "new")
    raw = gzip.decompress(new.read_bytes())
    with tarfile.open(new) as tar:
        magics = {raw[member.offset + 257 : member.offset + 265] for member in tar}
    assert magics == {tarfile.GNU_MAGIC if kind == tarfile.GNU_FORMAT else tarfile.POSIX_MAGIC}


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_new_pyproject(tmp_path: Path, mode: str) -> None:
    files = {name: data for name, data in FILES.items() if "pyproject" not in name}
    old = make_tar(tmp_path / "ext-1.0.tar.gz", files, mode=mode)
    other = members(write_sdist(old, tmp_path / "new.tar.gz", "text"))
    assert other.pop("ext-1.0/pyproject.toml")[1] == b"text"
    assert other == members(old)


def test_the_same_makes_the_same_bytes(tmp_path: Path) -> None:
    old = make_tar(tmp_path / "ext-1.0.tar.gz", FILES)
    one = write_sdist(old, tmp_path / "one.tar.gz", "x")
    assert write_sdist(old, tmp_path / "two.tar.gz", "x").read_bytes() == one.read_bytes()
    assert write_sdist(old, one, "x") == one
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ext-1.0.tar.gz", "one.tar.gz", "two.tar.gz"]


def test_another_file_is_never_written_over(tmp_path: Path) -> None:
    old = make_tar(tmp_path / "ext-1.0.tar.gz", FILES)
    with pytest.raises(ActError, match=r"error\[file-exists\]"):
        write_sdist(old, old, "x")
    assert members(old)["ext-1.0/pyproject.toml"][1] == b"old\n"


@pytest.mark.parametrize("has", [True, False])
def test_a_zip(tmp_path: Path, has: bool) -> None:  # noqa: FBT001 - a parameter of the test
    path = tmp_path / "ext-1.0.zip"
    files = {name: data for name, data in FILES.items() if has or "pyproject" not in name}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    new = write_sdist(path, tmp_path / "new.zip", "text")
    assert write_sdist(path, tmp_path / "again.zip", "text").read_bytes() == new.read_bytes()
    with zipfile.ZipFile(new) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {**files, "ext-1.0/pyproject.toml": b"text"}
    assert (unpack_sdist(new, tmp_path / "tree") / "pyproject.toml").read_text() == "text"


def test_unpacking(tmp_path: Path) -> None:
    old = make_tar(tmp_path / "ext-1.0.tar.gz", FILES)
    (tmp_path / "tree").mkdir()
    tree = unpack_sdist(old, tmp_path / "tree")
    assert {f"ext-1.0/{path.name}": path.read_bytes() for path in tree.iterdir()} == FILES


@pytest.mark.parametrize("name", ["/etc/x", "ext-1.0/../../x", "C:/x", "ext-1.0/a\\b", "."])
def test_a_member_that_would_stand_elsewhere(tmp_path: Path, name: str) -> None:
    bad = make_tar(tmp_path / "ext-1.0.tar.gz", {**FILES, name: b"x"})
    (tmp_path / "tree").mkdir()
    with pytest.raises(ActError, match=r"error\[no-sdist\]"):
        unpack_sdist(bad, tmp_path / "tree")
    assert {path.name for path in tmp_path.iterdir()} == {"ext-1.0.tar.gz", "tree"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"text", "it is neither a tar archive nor a zip file, or damaged"),
        (b"PK\x03\x04", "it is neither a tar archive nor a zip file, or damaged"),
        (b"\x1f\x8b\x08\x00", "it ends before it is complete"),
    ],
)
def test_no_archive(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "x.tar.gz").write_bytes(data)
    with pytest.raises(ActError, match="is no sdist") as caught:
        unpack_sdist(tmp_path / "x.tar.gz", tmp_path)
    assert caught.value.problems[0].evidence[0].text == reason


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_sdist(tmp_path: Path, mode: str, damage: str) -> None:
    noise = b"".join(hashlib.sha256(bytes([number])).digest() * 7 for number in range(256))
    data = make_tar(tmp_path / "x.tar.gz", {**FILES, "ext-1.0/z": noise}, mode=mode).read_bytes()
    middle = len(data) // 2
    broken = data[:middle] if damage == "cut" else data[:middle] + bytes(100) + data[middle + 100 :]
    (tmp_path / "y.tar.gz").write_bytes(broken)
    (tmp_path / "tree").mkdir()
    with pytest.raises(ActError, match="is no sdist") as caught:
        unpack_sdist(tmp_path / "y.tar.gz", tmp_path / "tree")
    assert "\n" not in caught.value.problems[0].evidence[0].text


def test_a_new_sdist_that_cannot_be_written(tmp_path: Path) -> None:
    old = make_tar(tmp_path / "ext-1.0.tar.gz", FILES)
    (tmp_path / "adopted").write_text("")
    with pytest.raises(ActError, match=r"error\[not-written\]") as caught:
        write_sdist(old, tmp_path / "adopted" / old.name, "x")
    assert "--output FOLDER" in caught.value.problems[0].fixes[0]


def test_no_single_folder(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "x.tar.gz", {"a/PKG-INFO": b"", "b/PKG-INFO": b""})
    (tmp_path / "tree").mkdir()
    with pytest.raises(ActError, match="no single folder"):
        unpack_sdist(archive, tmp_path / "tree")
