from __future__ import annotations

from pathlib import Path

import pytest

from support import sites, snapshots
from torchgraft.look.distributions import list_distributions, read_distributions
from torchgraft.model import Distribution


def read(site: Path, *wanted: str) -> dict[str, Distribution]:
    return {d.name: d for d in read_distributions((str(site),), wanted, python=snapshots.PYTHON)}


def names(distribution: Distribution) -> list[str]:
    return [link.name for link in distribution.links]


def test_torch_and_the_closure_of_its_requirements(tmp_path: Path) -> None:
    sites.install_torch(
        tmp_path, requires=("typing-extensions>=4", "sympy; extra == 'x'", "networkx; python_version < '3'", "missing")
    )
    sites.install(tmp_path, "typing_extensions", "4.16", {"typing_extensions.py": ""}, requires=("torch",))
    for name in ("sympy", "networkx", "other"):
        sites.install(tmp_path, name, "1.0", {f"{name}/__init__.py": ""})
    found = read(tmp_path, "torch", "numpy")
    assert sorted(found) == ["torch", "typing-extensions"]
    assert names(found["torch"]) == ["torch", "torch-2.8.0.dist-info", "torchgen"]
    assert names(found["typing-extensions"]) == ["typing_extensions-4.16.dist-info", "typing_extensions.py"]
    assert found["torch"].links[0].target == str(tmp_path / "torch")


def test_a_namespace_is_linked_child_by_child(tmp_path: Path) -> None:
    sites.install(tmp_path, "nvidia-cublas-cu12", "12.8", {"nvidia/cublas/lib/libcublas.so.12": b""})
    found = read(tmp_path, "nvidia-cublas-cu12")
    assert names(found["nvidia-cublas-cu12"]) == ["nvidia/cublas", "nvidia_cublas_cu12-12.8.dist-info"]


def test_a_folder_that_distributions_share_is_linked_child_by_child(tmp_path: Path) -> None:
    common: dict[str, str | bytes] = {"nvidia/__init__.py": ""}
    sites.install(tmp_path, "nvidia-cublas", "1", {**common, "nvidia/cublas/__init__.py": ""})
    sites.install(tmp_path, "nvidia-cudnn", "1", {**common, "nvidia/cudnn/__init__.py": ""})
    found = read(tmp_path, "nvidia-cublas", "nvidia-cudnn")
    assert names(found["nvidia-cublas"]) == ["nvidia/__init__.py", "nvidia/cublas", "nvidia_cublas-1.dist-info"]
    assert names(found["nvidia-cudnn"]) == ["nvidia/__init__.py", "nvidia/cudnn", "nvidia_cudnn-1.dist-info"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a/__init__.py": "", "a.libs/liba.so": b""}, ["a", "a.libs"]),
        ({"a.cpython-311-x86_64-linux-gnu.so": b""}, ["a.cpython-311-x86_64-linux-gnu.so"]),
        ({"a/__init__.py": "", "a/__pycache__/b.pyc": b"", "__pycache__/c.pyc": b""}, ["a"]),
        ({"a.py": "", "a.pth": "", "bin/tool": ""}, ["a.py"]),
        ({"a, b/__init__.py": ""}, ["a, b"]),
    ],
)
def test_what_is_linked(tmp_path: Path, files: dict[str, str | bytes], expected: list[str]) -> None:
    sites.install(tmp_path, "a", "1", files)
    assert names(read(tmp_path, "a")["a"]) == sorted([*expected, "a-1.dist-info"])


def test_entries_that_are_gone_are_not_linked(tmp_path: Path) -> None:
    sites.install(tmp_path, "a", "1", {"a/__init__.py": "", "b.py": ""})
    (tmp_path / "b.py").unlink()
    assert names(read(tmp_path, "a")["a"]) == ["a", "a-1.dist-info"]


@pytest.mark.parametrize("listed", ["top_level.txt", None])
def test_without_a_record(tmp_path: Path, listed: str | None) -> None:
    info = sites.install(tmp_path, "a-b", "1", {"a_b/__init__.py": ""})
    (info / "RECORD").unlink()
    if listed:
        (info / listed).write_text("a_b\n")
    assert names(read(tmp_path, "a-b")["a-b"]) == ["a_b", "a_b-1.dist-info"]


def test_an_egg_info_folder(tmp_path: Path) -> None:
    sites.write(
        tmp_path,
        {
            "a-1-py3.11.egg-info/PKG-INFO": "Name: a\nVersion: 1\n",
            "a-1-py3.11.egg-info/installed-files.txt": "../a/__init__.py\nPKG-INFO\n../../../bin/x\n",
            "a/__init__.py": "",
        },
    )
    assert names(read(tmp_path, "a")["a"]) == ["a", "a-1-py3.11.egg-info"]


def test_an_editable_installation_is_linked_to_its_source(tmp_path: Path) -> None:
    site = tmp_path / "site"
    sites.write(tmp_path / "src", {"torch/__init__.py": ""})
    finder = f"MAPPING: dict[str, str] = {{'torch': {str(tmp_path / 'src' / 'torch')!r}}}\n"
    sites.install(site, "torch", "2", {"__editable___torch_2_finder.py": finder, "__editable__.torch-2.pth": ""})
    links = {link.name: link.target for link in read(site, "torch")["torch"].links}
    assert links == {"torch": str(tmp_path / "src" / "torch"), "torch-2.dist-info": str(site / "torch-2.dist-info")}


def test_listing_by_folder_names(tmp_path: Path) -> None:
    for entry in ("Foo_Bar-1.0.dist-info", "baz-2.0-py3.11.egg-info", "foo_bar-0.9.dist-info", "not-a-dist"):
        (tmp_path / "one" / entry).mkdir(parents=True)
    (tmp_path / "two" / "baz-1.0.dist-info").mkdir(parents=True)
    path = (str(tmp_path / "one"), str(tmp_path / "two"), str(tmp_path / "nowhere"))
    assert list_distributions(path) == (("baz", "2.0"), ("foo-bar", "1.0"))


def test_rubbish_is_nothing(tmp_path: Path) -> None:
    sites.write(tmp_path, {"torch-1.dist-info/METADATA": b"\xff\xfe\0", "torch-1.dist-info/RECORD": b'"\xff'})
    assert [d.name for d in read_distributions((str(tmp_path),), ("torch",), python=snapshots.PYTHON)] == ["torch"]
