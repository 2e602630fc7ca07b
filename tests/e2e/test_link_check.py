"""A wheel tells the truth: what does not link with the real torch is refused, and the record says what was built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import textwrap
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import uv

from torchgraft.hook.call import Call
from torchgraft.hook.finish import finish_wheel
from torchgraft.installed.torch import read_torch
from torchgraft.link.elf import ElfFile, SymbolTable
from torchgraft.link.libraries import read_libraries
from torchgraft.link.linkage import Verdict, is_of_torch
from torchgraft.link.modules import read_file_modules
from torchgraft.link.plan_link import plan_link
from torchgraft.model.decision import Delegate, Plan
from torchgraft.model.observation import FrontEnd, FrontEndName, Hook, Way

from .laboratory import Environment, Laboratory, Outcome, Workplace

pytestmark = pytest.mark.e2e

UV = uv.find_uv_bin()
PYPROJECT = """
[build-system]
requires = ["torchgraft", "setuptools>=77"]
build-backend = "torchgraft.build_meta"

[project]
name = "linked"
version = "1.0"
dependencies = ["torch"]
"""
SETUP_PY = """
import os
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension, library_paths

extension = CppExtension(
    "linked._C",
    ["linked/_C.cpp"],
    extra_compile_args=os.environ.get("LINKED_FLAGS", "").split(),
    extra_link_args=[f"-Wl,-rpath,{library_paths()[0]}"],
)
build_ext = BuildExtension.with_options(use_ninja=False)
setup(packages=["linked"], ext_modules=[extension], cmdclass={"build_ext": build_ext})
"""
# Few headers: torch/extension.h would take a minute.
MODULE = """
#include <Python.h>
#include <c10/util/Exception.h>

static PyObject* complain(PyObject*, PyObject*) {
  try {
    throw c10::Error({__func__, __FILE__, __LINE__}, std::string("as expected"));
  } catch (const c10::Error& error) {
    return PyUnicode_FromString(error.what_without_backtrace());
  }
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"complain", complain, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C", nullptr, -1, methods};
PyMODINIT_FUNC PyInit__C() { return PyModule_Create(&module); }
"""
OLD_ABI = "-D_GLIBCXX_USE_CXX11_ABI=0"
USE = "import torch, linked._C; print(linked._C.complain())"


@pytest.fixture
def project(laboratory: Laboratory) -> Path:
    folder = laboratory.new_folder("project") / "linked"
    files = {"pyproject.toml": PYPROJECT, "setup.py": SETUP_PY, "linked/_C.cpp": MODULE, "linked/__init__.py": ""}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text).lstrip())
    return folder


def assert_it_is_refused(outcome: Outcome, consumer: Environment) -> None:
    assert outcome.status != 0
    assert "error[does-not-link]: linked/_C" in outcome.said
    assert "undefined: c10::Error::Error(c10::SourceLocation, std::string)" in outcome.said
    assert "compiled with the old C++ ABI, and torch with the new one" in outcome.said
    assert not list(consumer.site_packages.glob("linked*"))


def assert_it_works(consumer: Environment, workplace: Workplace) -> Path:
    assert "as expected" in workplace.run([consumer.python, "-c", USE]).succeeded().said
    (info,) = consumer.site_packages.glob("linked-1.0.dist-info")
    built: dict[str, Any] = json.loads((info / "torchgraft.json").read_text())["built"]
    assert built["link"]["verdict"] == "links"
    assert built["link"]["symbols"].startswith("sha256:")
    assert built["compilers"][0].startswith("gcc ")
    (module,) = built["link"]["modules"]
    assert built["run_paths"][module] == ["$ORIGIN/../torch/lib"]
    return info


def test_pip_installs_what_links_and_nothing_of_the_other_abi(
    laboratory: Laboratory, workplace: Workplace, project: Path
) -> None:
    consumer = laboratory.environment("pip")
    command = [consumer.python, "-m", "pip", "install", project]
    assert_it_is_refused(workplace.run(command, LINKED_FLAGS=OLD_ABI), consumer)
    shutil.rmtree(project / "build")

    workplace.run(command).succeeded()

    assert_it_works(consumer, workplace)


def test_uv_builds_what_links_twice_the_same_and_nothing_of_the_other_abi(
    laboratory: Laboratory, workplace: Workplace, project: Path
) -> None:
    consumer = laboratory.environment()
    install = [UV, "pip", "install", "--no-deps", "--python", consumer.python]
    assert_it_is_refused(workplace.run([*install, project], LINKED_FLAGS=OLD_ABI), consumer)
    wheels = []
    for number in ("1", "2"):
        shutil.rmtree(project / "build", ignore_errors=True)
        build = [UV, "build", "--wheel", "--python", consumer.python, "--out-dir", workplace.folder / number, project]
        told = ["-C", f"torchgraft.consumer={consumer.prefix}"]
        workplace.run([*build, *told], SOURCE_DATE_EPOCH="1700000000").succeeded()
        (wheel,) = (workplace.folder / number).glob("*.whl")
        wheels.append(wheel)
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as archive:
        assert {member.date_time for member in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}

    workplace.run([*install, wheels[0]]).succeeded()

    bill = json.loads((assert_it_works(consumer, workplace) / "sboms" / "torchgraft.cdx.json").read_text())
    versions = {part["name"]: part["version"].partition("+")[0] for part in bill["components"]}
    assert versions == {"torch": laboratory.torch_release}


@pytest.mark.alone
def test_a_module_with_a_thousand_symbols_is_checked_in_less_than_a_second(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    site = laboratory.environment().site_packages
    torch = read_torch((str(site),)).torch
    assert torch is not None
    with (site / "torch/lib/libtorch_cpu.so").open("rb") as file:
        defined = {name.decode() for name in SymbolTable(ElfFile(file)).defined() if name.endswith(b"v")}
    functions = sorted(filter(is_of_torch, defined))[:1_000]
    source = f"void use(void) {{ {''.join(f'{name}();' for name in functions)} }}"
    module = tmp_path / "many.so"
    command = ["gcc", "-w", "-shared", "-fPIC", "-x", "c", "-", "-x", "none", "-o", module, "-Wl,--no-as-needed"]
    libraries = [f"-L{site / 'torch/lib'}", "-ltorch", "-ltorch_cpu", "-lc10"]
    subprocess.run([*command, *libraries], input=source, text=True, check=True, timeout=60)

    start = time.perf_counter()
    modules = read_file_modules({"many.so": module})
    report = plan_link(modules, read_libraries(torch, modules))
    took_s = time.perf_counter() - start

    assert len(modules[0].undefined) == 1_000
    assert report.verdict is Verdict.LINKS
    assert took_s < 1


@pytest.mark.alone
def test_a_large_wheel_is_finished_in_less_than_three_times_a_copy(tmp_path: Path) -> None:
    """Of code for GPUs, which is compressed already; what zip has made much smaller has to be unpacked to be read."""
    wheel = tmp_path / "large-1.0-cp311-cp311-linux_x86_64.whl"
    module = Path(psutil.__file__).with_name("_psutil_linux.abi3.so").read_bytes() + os.urandom(200_000_000)
    files = {"METADATA": "Name: large\nVersion: 1.0\n", "WHEEL": "Tag: cp311-cp311-linux_x86_64\n", "RECORD": ""}
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("large/_C.so", module)
        for name, text in files.items():
            archive.writestr(f"large-1.0.dist-info/{name}", text)

    def seconds(act: Callable[[], object]) -> float:
        start = time.perf_counter()
        act()
        return time.perf_counter() - start

    delegate = Delegate(backend="setuptools.build_meta", asked=False, reason="")
    front_end = FrontEnd(name=FrontEndName.PIP)
    plan = Plan(hook=Hook.BUILD_WHEEL, way=Way.GRAFT, way_reason="", delegate=delegate, front_end=front_end)
    call = Call(plan=plan, source=tmp_path, cache_folder=tmp_path, config_settings=None, variables={})
    copies = [seconds(lambda: shutil.copy(wheel, tmp_path / "copy")) for _ in range(3)]
    finishes = [seconds(lambda: finish_wheel(call, wheel)) for _ in range(3)]

    assert min(finishes) < 3 * min(copies)
