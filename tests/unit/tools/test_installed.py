from __future__ import annotations

import json
from pathlib import Path

from torchgraft.tools.check.packages import read_installed
from torchgraft.wheel.record import read_record

ELF = b"\x7fELF" + b"\0" * 60
RECORD = {"torch": {"version": "2.8.0"}}


def install(
    site: Path,
    name: str,
    files: dict[str, bytes],
    *,
    version: str = "1.0",
    record: object = None,
    installer: str = "uv",
) -> Path:
    info = site / f"{name}-{version}.dist-info"
    texts = {
        f"{info.name}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info.name}/INSTALLER": f"{installer}\n".encode(),
        **({f"{info.name}/torchgraft.json": json.dumps(record).encode()} if record is not None else {}),
        **files,
    }
    for file, data in texts.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_bytes(data)
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in texts))
    return info


def test_packages_with_libraries_or_a_record(tmp_path: Path) -> None:
    install(tmp_path, "torch", {"torch/lib/libc10.so": ELF})
    install(tmp_path, "pure", {"pure.py": b""})
    install(tmp_path, "numbers-ext", {"numbers_ext/a.so": ELF, "numbers_ext.libs/libz.so.1": ELF}, installer="pip")
    install(tmp_path, "stable", {"stable.py": b""}, record=RECORD)
    found = read_installed([str(tmp_path)], prefix=tmp_path)
    assert [(p.name, p.version, p.installer) for p in found] == [("numbers-ext", "1.0", "pip"), ("stable", "1.0", "uv")]
    assert found[0].libraries == {
        "numbers_ext/a.so": tmp_path / "numbers_ext/a.so",
        "numbers_ext.libs/libz.so.1": tmp_path / "numbers_ext.libs/libz.so.1",
    }
    assert (found[0].record, found[1].record) == ({}, RECORD)
    assert found[1].cures == (f"uv pip install --python {tmp_path} --no-cache --reinstall-package stable stable==1.0",)


def test_what_only_looks_like_a_library(tmp_path: Path) -> None:
    install(tmp_path, "ext", {"ext/a.py": b"", "ext/so": b"", "ext/b.a": b"x"})
    assert read_installed([str(tmp_path)], prefix=tmp_path) == ()


def test_files_elsewhere_and_files_that_are_gone(tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = install(site, "ext", {"ext/a.so": ELF})
    (tmp_path / "out.so").write_bytes(ELF)
    with (info / "RECORD").open("a") as file:
        file.write(f"../out.so,,\n{tmp_path}/out.so,,\next/gone.so,,\n")
    (found,) = read_installed([str(site)], prefix=tmp_path)
    assert list(found.libraries) == ["ext/a.so", "ext/gone.so"]


def test_an_editable_installation_has_those_of_its_source_tree(tmp_path: Path) -> None:
    site, source = tmp_path / "site", tmp_path / "source"
    (source / "ext" / "inner").mkdir(parents=True)
    (source / "ext" / "inner" / "_C.so").write_bytes(ELF)
    (source / "ext" / "__pycache__").mkdir()
    (source / "ext" / "__pycache__" / "x.so").write_bytes(ELF)
    (source / "ext_c.so").write_bytes(ELF)
    install(site, "ext", {"__editable__.ext-1.0.pth": f"{source}\n".encode()})
    (site / "ext-1.0.dist-info" / "top_level.txt").write_text("ext\next_c\n")
    (found,) = read_installed([str(site)], prefix=tmp_path)
    assert found.libraries == {
        "ext/inner/_C.so": source / "ext/inner/_C.so",
        "ext_c.so": source / "ext_c.so",
    }


def test_a_record_that_is_none(tmp_path: Path) -> None:
    info = install(tmp_path, "ext", {}, record=[])
    assert read_record(info) == {}
    (info / "torchgraft.json").write_bytes(b"\xff{")
    assert read_record(info) == {}
    assert read_record(tmp_path) == {}
