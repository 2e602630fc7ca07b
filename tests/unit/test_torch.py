from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support import sites
from torchgraft.look.torch import TorchReading, read_torch
from torchgraft.model import Origin, Torch


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    return folder


def read(*folders: Path, architectures: bool = False) -> TorchReading:
    return read_torch(tuple(map(str, folders)), architectures=architectures)


def torch_of(*folders: Path, architectures: bool = False) -> Torch:
    reading = read(*folders, architectures=architectures)
    assert reading.fault is None
    assert reading.torch is not None
    return reading.torch


def test_a_wheel(site: Path) -> None:
    sites.install_torch(site)
    assert torch_of(site) == Torch(
        version="2.8.0+cu128",
        folder=str(site / "torch"),
        origin=Origin.WHEEL,
        cuda="12.8",
        cxx11_abi=True,
        extension_suffix=sites.SUFFIX,
        git_version="ba56102",
    )


def test_none(site: Path) -> None:
    assert read(site) == TorchReading()
    assert read(site / "nowhere") == TorchReading()


@pytest.mark.parametrize(
    ("libc10", "abi"), [(sites.NEW_ABI, True), (sites.OLD_ABI, False), (b"other", None), (b"", None)]
)
def test_the_cxx_abi_is_that_of_libc10(site: Path, libc10: bytes, *, abi: bool | None) -> None:
    sites.install_torch(site, libc10=libc10)
    assert torch_of(site).cxx11_abi is abi


@pytest.mark.parametrize(
    ("requirement", "toolkit"),
    [
        ("cuda-toolkit[cublas,cudart]==13.0.2; platform_system == 'Linux'", "13.0.2"),
        ("nvidia-cuda-runtime-cu12==12.8.90; platform_system == 'Linux'", "12.8.90"),
        ("nvidia-cuda-runtime-cu12 (==12.1.105)", "12.1.105"),
        ("nvidia-cudnn-cu12==9.10.2.21", None),
    ],
)
def test_the_toolkits_release_is_in_the_metadata(site: Path, requirement: str, toolkit: str | None) -> None:
    sites.install_torch(site, requires=(requirement,))
    assert torch_of(site).toolkit == toolkit


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("__version__ = '2.9'\nhip = '6.4.1'", {"version": "2.9", "hip": "6.4.1", "accelerator": "rocm"}),
        ("__version__: str = '2.9'\nxpu = '20250101'", {"version": "2.9", "accelerator": "xpu"}),
        ("__version__ = TorchVersion('2.9')\ndebug = True", {"version": "2.9", "debug": True, "accelerator": "cpu"}),
        ("__version__ = '2.8.0a0+5228986c39.nv25.06'\ncuda = '12.9'", {"version": "2.8.0a0+5228986c39.nv25.06"}),
    ],
)
def test_version_files(site: Path, text: str, facts: dict[str, object]) -> None:
    sites.install(site, "torch", "2.9", sites.torch_files(text))
    torch = torch_of(site)
    assert {name: getattr(torch, name) for name in facts} == facts


def test_a_stub_has_the_version_of_its_metadata(site: Path) -> None:
    sites.install(site, "torch", "2.8.0+cu128", {"torch/__init__.py": ""})
    assert torch_of(site).version == "2.8.0+cu128"


BREAKAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no version.py": (lambda site: (site / "torch" / "version.py").unlink(), "version.py is missing"),
    "version.py is not Python": (
        lambda site: (site / "torch" / "version.py").write_bytes(b"\0\xff"),
        "says no __version__",
    ),
    "version.py is a folder": (
        lambda site: ((site / "torch" / "version.py").unlink(), (site / "torch" / "version.py").mkdir()),
        "version.py is missing",
    ),
    "no package": (lambda site: shutil.rmtree(site / "torch"), "no folder torch with an __init__.py"),
    "no __init__": (lambda site: (site / "torch" / "__init__.py").unlink(), "no folder torch with an __init__.py"),
    "no METADATA": (lambda site: (site / "torch-2.8.0.dist-info" / "METADATA").unlink(), "has no METADATA"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_torch_is_a_fault(site: Path, name: str) -> None:
    breakage, message = BREAKAGES[name]
    sites.install_torch(site)
    breakage(site)
    reading = read(site)
    assert reading.torch is None
    assert message in str(reading.fault)


def test_a_missing_record_is_no_fault(site: Path) -> None:
    (sites.install_torch(site) / "RECORD").unlink()
    assert torch_of(site).version == "2.8.0+cu128"


@pytest.mark.parametrize(
    ("files", "origin"),
    [
        ({"torch-2.8.0.dist-info/direct_url.json": '{"url": "file:///x", "dir_info": {}}'}, Origin.SOURCE),
        ({"torch-2.8.0.dist-info/direct_url.json": '{"dir_info": {"editable": true}}'}, Origin.EDITABLE),
        ({"torch-2.8.0.dist-info/direct_url.json": "not json"}, Origin.WHEEL),
        ({"torch-2.8.0.dist-info/direct_url.json": "[1]"}, Origin.WHEEL),
        ({"torch-2.8.0.dist-info/INSTALLER": "conda\n"}, Origin.CONDA),
        ({"../../../conda-meta/pytorch-2.8.0-cuda.json": "{}"}, Origin.CONDA),
        ({}, Origin.WHEEL),
    ],
)
def test_origins(site: Path, files: dict[str, str], origin: Origin) -> None:
    sites.install_torch(site)
    sites.write(site, files)
    assert torch_of(site).origin is origin


def test_a_source_build_by_its_version(site: Path) -> None:
    sites.install(site, "torch", "2.9.0a0", sites.torch_files("__version__ = '2.9.0a0+git1234'"))
    assert torch_of(site).origin is Origin.SOURCE


def test_an_egg_link(tmp_path: Path, site: Path) -> None:
    source = sites.write(tmp_path / "pytorch", sites.torch_files())
    sites.write(source, {"torch.egg-info/PKG-INFO": "Name: torch\nVersion: 2.8.0\n"})
    torch = torch_of(site, source)
    assert (torch.folder, torch.origin) == (str(source / "torch"), Origin.EDITABLE)


def test_an_editable_finder(tmp_path: Path, site: Path) -> None:
    source = sites.write(tmp_path / "pytorch", sites.torch_files())
    sites.install(
        site,
        "torch",
        "2.8.0",
        {"__editable___torch_2_8_0_finder.py": f"MAPPING: dict[str, str] = {{'torch': {str(source / 'torch')!r}}}\n"},
    )
    torch = torch_of(site)
    assert (torch.folder, torch.origin) == (str(source / "torch"), Origin.EDITABLE)


ARCHITECTURES = b"xxsm_75 sm_80 sm_86 sm_90a compute_120\0"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"torch/lib/libtorch_python.so": ARCHITECTURES}, ("sm_75", "sm_80", "sm_86", "sm_90a", "compute_120")),
        (
            {"torch/lib/libtorch_cuda.so": b"-gencode;arch=compute_80,code=sm_80;-gencode;arch=compute_90"},
            ("sm_80", "sm_90"),
        ),
        ({}, ()),
    ],
)
def test_architectures_when_they_are_asked_for(site: Path, files: dict[str, bytes], expected: tuple[str, ...]) -> None:
    sites.install_torch(site)
    sites.write(site, files)
    assert torch_of(site, architectures=True).architectures == expected
    assert torch_of(site).architectures == ()


def test_the_first_on_the_path_wins(tmp_path: Path, site: Path) -> None:
    sites.install(tmp_path / "target", "torch", "2.9", sites.torch_files("__version__ = '2.9'"))
    sites.install_torch(site)
    assert torch_of(tmp_path / "target", site).version == "2.9"
