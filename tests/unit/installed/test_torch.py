from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from support import sites
from support.sites import SUFFIX, VERSION_PY, install_torch, write
from torchgraft.installed.torch import TorchReading, read_architectures, read_torch
from torchgraft.model.torch_values import Origin, Torch


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    return folder


def read(*folders: Path) -> TorchReading:
    return read_torch(tuple(map(str, folders)))


def torch_in(*folders: Path) -> Torch:
    reading = read(*folders)
    assert reading.fault is None
    assert reading.torch is not None
    return reading.torch


def test_a_wheel_from_pypi_whose_metadata_lacks_the_local_part(site: Path) -> None:
    install_torch(site, "2.8.0", requires=["filelock", 'nvidia-cuda-runtime-cu12==12.8.90; sys_platform == "linux"'])
    assert torch_in(site) == Torch(
        version="2.8.0+cu128",
        folder=str(site / "torch"),
        origin=Origin.WHEEL,
        cuda="12.8",
        git_version="ba56102387ef21a3b04b357e5b183d48f0afefc7",
        cxx11_abi=True,
        extension_suffix=SUFFIX,
        toolkit="12.8.90",
    )


@pytest.mark.parametrize("folders", [[], ["missing"], ["empty"], ["empty/a file"]])
def test_no_torch(tmp_path: Path, folders: list[str]) -> None:
    write(tmp_path / "empty", {"a file": "", "torchvision/__init__.py": "", "torch/__pycache__/x.pyc": ""})
    assert read(*(tmp_path / folder for folder in folders)) == TorchReading()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__version__ = '2.13.0+cpu'\ncuda = None\n", {"version": "2.13.0+cpu", "cuda": None}),
        ("__version__: str = '2.6.0a0+ecf3bae40a.nv25.01'", {"version": "2.6.0a0+ecf3bae40a.nv25.01"}),
        ("__version__ = TorchVersion('2.8.0')", {"version": "2.8.0"}),
        ("internal_version = '2.8.0'\n__version__ = TorchVersion(internal_version)", {"version": "2.8.0"}),
        ("base = '2.8.0'\n__version__ = base + '+cu128'", {"version": "2.8.0+cu128"}),
        ("a = 'x'\n" + "a = a + a\n" * 24 + "__version__ = '2.8.0'\ncuda = a", {"version": "2.8.0", "cuda": None}),
        ("a = __version__ = '2.8.0'", {"version": "2.8.0"}),
        ("__version__ = '2.8.0'\nhip: Optional[str] = '6.4.43482'", {"hip": "6.4.43482", "cuda": None}),
        ("__version__ = '2.8.0'\nxpu: Optional[str] = '20250101'\ndebug = True", {"xpu": "20250101", "debug": True}),
        ("__version__ = '2.8.0'\ncuda = 12.8\ndebug = 1\ngit_version = ''", {"cuda": None, "debug": False}),
        ("\ufeff__version__ = '2.8.0'\r\ncuda = '12.8'\r\n", {"version": "2.8.0", "cuda": "12.8"}),
        ("'\\d'\n__version__ = '2.8.0'", {"version": "2.8.0"}),  # an escape that Python warns of
    ],
)
def test_version_file(site: Path, text: str, expected: Mapping[str, Any]) -> None:
    install_torch(site, files={"torch/version.py": text})
    torch = torch_in(site)
    assert {name: getattr(torch, name) for name in expected} == expected


def test_the_version_file_is_not_run(site: Path) -> None:
    marker = site / "was run"
    install_torch(site, files={"torch/version.py": f"open({str(marker)!r}, 'w')\n{VERSION_PY}"})
    assert torch_in(site).version == "2.8.0+cu128"
    assert not marker.exists()


@pytest.mark.parametrize(
    ("requires", "toolkit"),
    [
        (['cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"'], "13.0.3"),
        (["nvidia-cuda-runtime==13.0.96", "cuda-toolkit[nvcc]==13.0.3"], "13.0.3"),
        (["nvidia-cuda-runtime-cu12 (==12.1.105) ; platform_system == 'Linux'"], "12.1.105"),
        (["nvidia-cuda-runtime==13.0.96"], "13.0.96"),
        (["cuda-toolkit==13.*"], None),
        (["cuda-toolkit==13.0.*"], None),
        (["cuda-toolkit>=13.0", "nvidia-cuda-nvrtc-cu12==12.8.93", "x-cuda-toolkit==1.2"], None),
        ([], None),
    ],
)
def test_toolkit(site: Path, requires: list[str], toolkit: str | None) -> None:
    install_torch(site, requires=requires)
    assert torch_in(site).toolkit == toolkit


@pytest.mark.parametrize(
    ("content", "abi"),
    [
        (sites.NEW_ABI, True),
        (sites.OLD_ABI, False),
        (b"\0" * 9000 + sites.OLD_ABI.replace(b"C1", b"C2") + b"\0", False),
        (b"_ZN3c105ErrorC1ENS_14SourceLocationENSt3__112basic_stringIc", None),  # libc++ has one ABI
        (b"", None),
        (None, None),
    ],
)
def test_cxx11_abi(site: Path, content: bytes | None, *, abi: bool | None) -> None:
    install_torch(site, files={"torch/lib/libc10.so": content, "torch/lib/other": ""})
    assert torch_in(site).cxx11_abi is abi


@pytest.mark.parametrize(
    ("names", "suffix"),
    [
        (["_C.cpython-313t-x86_64-linux-gnu.so"], ".cpython-313t-x86_64-linux-gnu.so"),
        (["_C.cp311-win_amd64.pyd"], ".cp311-win_amd64.pyd"),
        (["_C.cpython-311-darwin.so", "_C/__init__.pyi"], ".cpython-311-darwin.so"),
        (["_C.so"], None),
        (["_C.abi3.so"], None),
        (["_C_flatbuffer.cpython-39-x86_64-linux-gnu.so", "_C.cpython-39-darwin.so"], ".cpython-39-darwin.so"),
    ],
)
def test_extension_suffix(site: Path, names: list[str], suffix: str | None) -> None:
    install_torch(site, files={f"torch/_C{SUFFIX}": None, **{f"torch/{name}": "" for name in names}})
    assert torch_in(site).extension_suffix == suffix


CUDA_FLAGS = b"sm_75 sm_80 sm_90a compute_120"
NVCC_FLAGS = b"flags: -gencode;arch=compute_80,code=sm_80;-gencode;arch=compute_90a,code=[sm_90a,compute_90a]\n\0"


@pytest.mark.parametrize(
    ("libraries", "cuda", "architectures"),
    [
        ({"libtorch_python.so": b"\0" + CUDA_FLAGS + b"\0"}, "12.8", "sm_75 sm_80 sm_90a compute_120"),
        ({"libtorch_python.so": b"asm_5\0sm_61\0Xx" + CUDA_FLAGS + b"\0"}, "12.8", "sm_75 sm_80 sm_90a compute_120"),
        ({"libtorch_python.so": b"\0sm_90\0"}, "12.8", "sm_90"),
        ({"libtorch_python.so": b"\0gfx900 gfx90a gfx942 gfx1100\0"}, None, "gfx900 gfx90a gfx942 gfx1100"),
        ({"libtorch_python.so": b"sm_7 5", "libtorch_cuda.so": NVCC_FLAGS}, "12.8", "sm_80 sm_90a compute_90a"),
        ({"libtorch_cuda.so": NVCC_FLAGS}, "12.8", "sm_80 sm_90a compute_90a"),
        ({"torch_python.dll": CUDA_FLAGS + b"\0"}, "12.8", "sm_75 sm_80 sm_90a compute_120"),
        ({"libtorch_python.so": b"", "libtorch_cuda.so": b"-gencode;arch=compute_"}, "12.8", ""),
        ({}, "12.8", ""),
    ],
)
def test_architectures(site: Path, libraries: Mapping[str, bytes], cuda: str | None, architectures: str) -> None:
    version = f"__version__ = '2.8.0'\ncuda = {cuda!r}\nhip = {None if cuda else '6.4'!r}\n"
    install_torch(site, files={"torch/version.py": version, **{f"torch/lib/{n}": c for n, c in libraries.items()}})
    assert read_architectures(Path(torch_in(site).folder)) == tuple(architectures.split())
    assert torch_in(site).architectures == ()


def direct_url(**fields: object) -> dict[str, str]:
    return {"direct_url.json": json.dumps({"url": "file:///src/pytorch", **fields})}


@pytest.mark.parametrize(
    ("information", "version", "origin"),
    [
        ({}, "2.8.0+cu128", Origin.WHEEL),
        ({}, "2.9.0a0+git1234567", Origin.SOURCE),
        (direct_url(dir_info={}), "2.9.0", Origin.SOURCE),
        (direct_url(dir_info={"editable": True}), "2.9.0", Origin.EDITABLE),
        (direct_url(dir_info={"editable": "yes"}), "2.9.0", Origin.SOURCE),
        (direct_url(archive_info={}), "2.9.0", Origin.WHEEL),
        (direct_url(dir_info=3), "2.9.0", Origin.WHEEL),
        ({"direct_url.json": "[]"}, "2.9.0", Origin.WHEEL),
        ({"direct_url.json": "{"}, "2.9.0", Origin.WHEEL),
        ({"INSTALLER": "conda\n", **direct_url(dir_info={})}, "2.9.0", Origin.CONDA),
        ({"INSTALLER": "uv"}, "2.9.0", Origin.WHEEL),
        ({"INSTALLER": ""}, "2.9.0", Origin.WHEEL),
    ],
)
def test_origin(site: Path, information: Mapping[str, str], version: str, origin: Origin) -> None:
    install_torch(site, files={"torch/version.py": f"__version__ = {version!r}"}, information=information)
    assert torch_in(site).origin is origin


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("pytorch-2.8.0-cuda128_py311_0.json", Origin.CONDA),
        ("pytorch-cuda-12.1-h_0.json", Origin.WHEEL),
        ("pytorch-lightning-2.1-0.json", Origin.WHEEL),
    ],
)
@pytest.mark.parametrize("site_name", ["lib/python3.11/site-packages", "Lib/site-packages"])
def test_conda_lists_its_pytorch(tmp_path: Path, site_name: str, name: str, origin: Origin) -> None:
    write(tmp_path / "conda-meta", {name: "{}", "history": ""})
    install_torch(tmp_path / site_name)
    assert torch_in(tmp_path / site_name).origin is origin


def test_a_target_folder_has_the_first_torch(tmp_path: Path, site: Path) -> None:
    install_torch(site, files={"torch/version.py": "__version__ = '2.9.0'"})
    install_torch(tmp_path / "target")
    assert torch_in(tmp_path / "target", site).origin is Origin.WHEEL
    assert torch_in(tmp_path / "target", site).version == "2.8.0+cu128"
    assert torch_in(site, tmp_path / "target").version == "2.9.0"


def test_metadata_of_another_torch_is_not_taken_for_its_own(tmp_path: Path, site: Path) -> None:
    install_torch(site, "2.9.0", requires=["cuda-toolkit==13.0.3"])
    write(tmp_path / "tree", {"torch/__init__.py": "", "torch/version.py": VERSION_PY})
    torch = torch_in(tmp_path / "tree", site)
    assert (torch.version, torch.toolkit, torch.origin) == ("2.8.0+cu128", None, Origin.SOURCE)


@pytest.mark.parametrize(
    ("stated", "version", "expected"),
    [
        ("2.8.0", "2.8.0a0+git1234", "2.8.0"),
        ("2.8.0a0+git1234", "2.8.0", "2.8.0a0+git1234"),
        ("2.8.0", "2.8.0+cu128", ""),
        ("2.8.0+cu128", "2.8.0+cu128", ""),
        ("2.7.0", "2.8.0", ""),
        ("2.8.0", "own", ""),
    ],
)
def test_what_resolvers_see_is_in_the_metadata(site: Path, stated: str, version: str, expected: str) -> None:
    install_torch(site, stated, files={"torch/version.py": f"__version__ = '{version}'"})
    torch = torch_in(site)
    assert (torch.version, torch.metadata_version) == (version, expected)
    assert torch.resolved_version == (expected or version)


def test_a_killed_upgrade_leaves_two_dist_infos(site: Path) -> None:
    install_torch(site, "2.7.0", requires=["nvidia-cuda-runtime-cu12==12.6.77"])
    install_torch(site, "2.8.0", requires=["nvidia-cuda-runtime-cu12==12.8.90"])
    (site / "torch-2.6.0.dist-info").mkdir()
    assert torch_in(site).toolkit == "12.8.90"


STUB = {"torch/__init__.py": "__version__ = '9'"}


def test_a_stub_package(site: Path) -> None:
    sites.install(site, "torch", "2.8.0", STUB)
    assert torch_in(site) == Torch(version="2.8.0", folder=str(site / "torch"), origin=Origin.WHEEL)


def test_a_stub_module(site: Path) -> None:
    sites.install(site, "torch", "2.8.0+cpu", {"torch.py": ""})
    assert torch_in(site) == Torch(version="2.8.0+cpu", folder=str(site), origin=Origin.WHEEL)


def test_an_egg_info_file_of_distutils(site: Path) -> None:
    write(site, {**STUB, "torch-1.0.egg-info": sites.metadata_text("torch", "1.0")})
    assert torch_in(site).version == "1.0"


FINDER = """from __future__ import annotations
import sys
MAPPING: dict[str, str] = {mapping!r}
NAMESPACES: dict[str, list[str]] = {{}}
raise SystemExit("it was run")
"""
FINDER_NAME = "__editable___torch_2_9_0a0_gitabc_finder.py"


def install_editable(site: Path, tree: Path, *, record: bool = True) -> None:
    files = {
        FINDER_NAME: FINDER.format(mapping={"torch": str(tree / "torch")}),
        "__editable__.torch-2.9.0a0.pth": "import x",
    }
    url = direct_url(dir_info={"editable": True})
    sites.install(site, "torch", "2.9.0a0+gitabc", files, information=url, record="" if record else None)


@pytest.mark.parametrize("record", [True, False])
def test_editable_with_the_finder_of_setuptools(tmp_path: Path, site: Path, *, record: bool) -> None:
    write(tmp_path / "tree", sites.TORCH)
    install_editable(site, tmp_path / "tree", record=record)
    torch = torch_in(site)
    assert (torch.origin, torch.folder) == (Origin.EDITABLE, str(tmp_path / "tree" / "torch"))
    assert (torch.cxx11_abi, torch.extension_suffix) == (True, SUFFIX)


def test_editable_with_a_path_line(tmp_path: Path, site: Path) -> None:
    tree = tmp_path / "tree"
    write(tree, sites.TORCH)
    sites.install(site, "torch", "2.9.0a0", {"__editable__.torch-2.9.0a0.pth": f"{tree}\n"})
    for folders in ((site,), (site, tree)):  # whether the path line was followed already or not
        assert torch_in(*folders).folder == str(tree / "torch")
        assert torch_in(*folders).origin is Origin.EDITABLE


def test_setup_py_develop(tmp_path: Path, site: Path) -> None:
    tree = tmp_path / "tree"
    write(tree, {**sites.TORCH, "torch.egg-info/PKG-INFO": sites.metadata_text("torch", "2.9.0a0")})
    write(site, {"torch.egg-link": f"{tree}\n.", "easy-install.pth": f"{tree}\n"})
    for folders in ((site,), (site, tree)):
        assert torch_in(*folders).folder == str(tree / "torch")
        assert torch_in(*folders).origin is Origin.EDITABLE


def test_editable_that_is_compiled_anew_when_it_is_imported(tmp_path: Path, site: Path) -> None:
    tree, rebuilt = tmp_path / "tree", tmp_path / "tree" / "build" / "platlib"
    sites.install_in_two_folders(site, tree, path_line=False, rebuilt=rebuilt)
    torch = torch_in(site)
    assert (torch.folder, torch.modules) == (str(rebuilt / "torch"), str(tree / "torch"))
    assert (torch.origin, torch.cxx11_abi) == (Origin.EDITABLE, True)


@pytest.mark.parametrize("path_line", [True, False])
def test_editable_in_two_folders(tmp_path: Path, site: Path, *, path_line: bool) -> None:
    tree = tmp_path / "tree"
    sites.install_in_two_folders(site, tree, path_line=path_line)
    for folders in [(site,), *([(site, tree)] if path_line else [])]:
        torch = torch_in(*folders)
        assert (torch.folder, torch.modules) == (str(site / "torch"), str(tree / "torch"))
        assert (torch.version, torch.origin, torch.cxx11_abi) == ("2.8.0+cu128", Origin.EDITABLE, True)
    (site / "torch" / f"_C{SUFFIX}").unlink()
    assert str(read(site).fault).startswith(f"{site / 'torch' / '_C'} is missing")
    sites.remove(site / "torch")
    assert read(site, tree).fault == f"{site / 'torch' / 'lib'} is missing"


def test_a_version_file_beside_what_was_compiled(tmp_path: Path, site: Path) -> None:
    sites.install_in_two_folders(site, tmp_path / "tree")
    (tmp_path / "tree" / "torch" / "version.py").rename(site / "torch" / "version.py")
    assert torch_in(site).cuda == "12.8"


def delete(*names: str) -> Callable[[Path], None]:
    def break_it(site: Path) -> None:
        install_torch(site)
        for name in names:
            path = site / name
            sites.remove(path) if path.is_dir() else path.unlink()

    return break_it


def overwrite(name: str, content: str | bytes) -> Callable[[Path], None]:
    def break_it(site: Path) -> None:
        install_torch(site)
        write(site, {name: content})

    return break_it


def make_pipe(site: Path) -> None:
    delete("torch/version.py")(site)
    os.mkfifo(site / "torch" / "version.py")


def make_loop(site: Path) -> None:
    delete("torch/version.py")(site)
    (site / "torch" / "version.py").symlink_to("version.py")


def make_folder(site: Path) -> None:
    delete("torch/version.py")(site)
    (site / "torch" / "version.py").mkdir()


def only_cpp_extension(site: Path) -> None:
    write(site, {"torch/utils/cpp_extension.py": ""})


@pytest.mark.parametrize(
    ("break_it", "fault"),
    [
        (delete("torch/version.py"), "{site}/torch/version.py is missing"),
        (delete("torch/version.py", "torch/lib", f"torch/_C{SUFFIX}"), "{site}/torch/version.py is missing"),
        (delete("torch/version.py", "torch-2.8.0.dist-info"), "{site}/torch/version.py is missing"),
        (delete("torch/__init__.py"), "{site}/torch/__init__.py is missing, and {info} says that it is there"),
        (delete("torch"), "{site}/torch is missing, and {info} says that it is there"),
        (
            delete("torch/__init__.py", "torch-2.8.0.dist-info"),
            "{site}/torch/__init__.py is missing, and so is the metadata of torch",
        ),
        (only_cpp_extension, "{site}/torch/__init__.py is missing, and so is the metadata of torch"),
        (delete("torch/lib"), "{site}/torch/lib is missing"),
        (delete(f"torch/_C{SUFFIX}"), "{site}/torch/_C is missing: the extension module of torch"),
        (delete("torch-2.8.0.dist-info/METADATA"), "{info}/METADATA is missing"),
        (overwrite("torch/version.py", b"\0\xff\xfe" * 9), "{site}/torch/version.py is not Python"),
        (overwrite("torch/version.py", "-" * 9000 + "1"), "{site}/torch/version.py is not Python"),
        (overwrite("torch/version.py", "__version__ = os.environ['V']"), "{site}/torch/version.py says no __version__"),
        (overwrite("torch/version.py", ""), "{site}/torch/version.py says no __version__"),
        *(
            (
                overwrite("torch/version.py", f"__version__ = {version!r}"),
                f"{{site}}/torch says that its version is {version!r}, which is none",
            )
            for version in ("2.8.0+a\nb", "2.8.0 ;x", "2.8.0)", "2.8,0", "2.8\x1b[31m", "2.8\u202e")
        ),
        (overwrite("torch/version.py", "#" * 70_000), "{site}/torch/version.py has more than 65536 bytes"),
        (make_folder, "{site}/torch/version.py cannot be read"),
        (make_loop, "{site}/torch/version.py cannot be read"),
        (make_pipe, "{site}/torch/version.py cannot be read"),
    ],
)
def test_half_of_a_torch_is_a_fault(site: Path, break_it: Callable[[Path], None], fault: str) -> None:
    break_it(site)
    expected = fault.replace("{site}", str(site)).replace("{info}", str(site / "torch-2.8.0.dist-info"))
    assert read(site) == TorchReading(fault=expected.replace("/", os.sep))


def test_a_version_file_that_may_not_be_read(site: Path) -> None:
    install_torch(site)
    (site / "torch" / "version.py").chmod(0)
    if os.access(site / "torch" / "version.py", os.R_OK):
        pytest.skip("this user may read everything")
    assert read(site).fault == f"{site / 'torch' / 'version.py'} cannot be read"


def test_a_sum_without_end_is_a_fault(site: Path) -> None:
    install_torch(site, files={"torch/version.py": "__version__ = " + "'1' + " * 9000 + "'1'"})
    assert read(site).torch is None
    assert str(read(site).fault).startswith(("torch cannot be read: ", f"{site / 'torch' / 'version.py'} is not"))


def test_a_stub_that_nothing_vouches_for(site: Path) -> None:
    write(site, STUB)
    assert read(site).fault == f"{site / 'torch'} has neither a version.py nor a dist-info"
    (site / "torch" / "__init__.py").rename(site / "torch.py")
    assert read(site).fault == f"{site / 'torch.py'} has neither a version.py nor a dist-info"


def test_a_stub_without_a_version(site: Path) -> None:
    write(site, {**STUB, "torch.dist-info/METADATA": "Name: torch\n"})
    assert read(site).fault == f"{site / 'torch'} has no version, neither in a version.py nor in its metadata"


def test_an_editable_torch_whose_source_tree_is_gone(tmp_path: Path, site: Path) -> None:
    install_editable(site, tmp_path / "gone")
    assert "an editable installation, and its source folder is not to be found" in str(read(site).fault)


def test_an_editable_torch_whose_package_is_gone(tmp_path: Path, site: Path) -> None:
    (tmp_path / "tree" / "torch").mkdir(parents=True)
    install_editable(site, tmp_path / "tree")
    assert str(read(site).fault).startswith(f"{tmp_path / 'tree' / 'torch' / '__init__.py'} is missing")
