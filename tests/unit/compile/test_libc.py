"""CUDA's headers against the machine's glibc: what is read of both, and what is chosen."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from support.compiling import CU128, CU130, GCC_12, GCC_13, NVCC_12_4, NVCC_13_0, NVCC_13_2, hardware, plan, values
from support.sites import write
from support.toolkits import script
from torchgraft.compile.compilers import machine_libc, with_libc
from torchgraft.compile.nvcc import read_highest_libc
from torchgraft.compile.plan_toolkit import CLASHES, first_cuda
from torchgraft.model.hardware_values import HostCompiler, Toolkit
from torchgraft.model.observation import Hook
from torchgraft.untrusted import numbers_in

# Lines of nvidia-cuda-nvcc-cu12 12.8.93, nvidia-cuda-crt 13.0.88 and 13.2.78.
DECLARED = "extern __DEVICE_FUNCTIONS_DECL__ __device_builtin__ double                 "
CUDA_12 = f"{DECLARED}rsqrt(double x);\n{DECLARED}cospi(double x);\n__func__(double cospi(double a));\n"
CUDA_13_0 = f"{DECLARED}rsqrt(double x);\n{DECLARED}cospi(double x) __NV_IEC_60559_FUNCS_EXCEPTION_SPECIFIER;\n"
CUDA_13_2 = CUDA_13_0.replace("rsqrt(double x);", "rsqrt(double x) _NV_RSQRT_SPECIFIER;")
PATCHED = CUDA_12.replace("(double x);", "(double x) noexcept(true);")
# Debian sid, of a g++ 15.
MACROS = "#define __GLIBC_USE(F) __GLIBC_USE_ ## F\\n#define __GLIBC__ 2\\n#define __GLIBC_MINOR__ 43\\n"

OLD_13_0 = dataclasses.replace(NVCC_13_0, highest_libc="2.41")
OLD_12_4 = dataclasses.replace(NVCC_12_4, highest_libc="2.40")
NEW = dataclasses.replace(GCC_12, libc="2.43")
OF_CONDA = dataclasses.replace(GCC_13, libc="2.28")
ASKING = {"hook": Hook.GET_REQUIRES_FOR_BUILD_WHEEL}


@pytest.mark.parametrize(
    ("header", "highest"), [(CUDA_12, "2.40"), (CUDA_13_0, "2.41"), (CUDA_13_2, ""), (PATCHED, ""), (None, "")]
)
@pytest.mark.parametrize("folder", ["include", "targets/x86_64-linux/include"])
def test_what_headers_agree_with(tmp_path: Path, header: str | None, highest: str, folder: str) -> None:
    if header is not None:
        write(tmp_path, {f"{folder}/crt/math_functions.h": header})
    assert read_highest_libc(tmp_path) == highest


@pytest.mark.skipif(sys.platform == "win32", reason="the fake compilers are shell scripts")
def test_a_compiler_says_which_headers_it_takes(tmp_path: Path) -> None:
    said = script(tmp_path / "g++", f'#!/bin/sh\ncase "$*" in *-dM*features.h*) printf "{MACROS}" ;; esac\n')
    silent = script(tmp_path / "g++-9", "#!/bin/sh\nexit 1\n")
    compilers = (
        HostCompiler(cc="gcc", cxx=str(said), name="gcc", version="15.2", source="PATH"),
        HostCompiler(cc="gcc-9", cxx=str(silent), name="gcc", version="9", source="PATH"),
        HostCompiler(cc="ccache gcc", cxx="ccache g++", name="", version="", source="CC"),
    )
    assert [c.libc for c in with_libc(compilers, {}, machine="2.42")] == ["2.43", "", ""]
    # Nobody is asked where it does not matter.
    for machine in ("2.40", "2.36", ""):
        assert with_libc(compilers, {}, machine=machine) == compilers


@pytest.mark.skipif(sys.platform != "linux", reason="there is no glibc")
def test_the_machine_has_a_c_library() -> None:
    import platform

    name, version = platform.libc_ver()
    assert machine_libc() == (version if name == "glibc" else "")


def test_clashes_are_in_the_order_of_releases() -> None:
    assert [numbers_in(clash.glibc) for clash in CLASHES] == sorted(numbers_in(clash.glibc) for clash in CLASHES)
    found = [first_cuda(libc) for libc in ("", "2.9", "2.40", "2.41", "2.42", "3.0")]
    assert [clash and clash.cuda for clash in found] == [None, None, None, "13.0", "13.2", "13.2"]


def test_a_toolkit_whose_headers_agree_is_taken_before_the_nearest_one() -> None:
    made = plan(CU130, hardware(OLD_13_0, NVCC_13_2, compilers=(NEW,)))
    assert values(made)["CUDA_HOME"] == NVCC_13_2.home
    # Without that glibc the nearest one is.
    for compiler in (GCC_12, dataclasses.replace(GCC_12, libc="2.41")):
        made = plan(CU130, hardware(OLD_13_0, NVCC_13_2, compilers=(compiler,)))
        assert values(made)["CUDA_HOME"] == NVCC_13_0.home


def test_a_compiler_with_an_older_glibc_saves_the_toolkit() -> None:
    made = plan(CU130, hardware(OLD_13_0, compilers=(NEW, OF_CONDA)))
    assert values(made)["CUDA_HOME"] == NVCC_13_0.home
    assert values(made)["CXX"] == OF_CONDA.cxx
    (reason,) = {variable.reason for variable in made.variables if variable.name == "CXX"}
    assert reason == "/usr/bin/gcc takes the headers of glibc 2.43, and CUDA 13.0 those up to 2.41"


@pytest.mark.parametrize("toolkits", [(), (OLD_13_0,)])
def test_pypi_is_asked_for_the_first_release_that_agrees(toolkits: tuple[Toolkit, ...]) -> None:
    made = plan(CU130, hardware(*toolkits, compilers=(NEW,)), **ASKING)
    (line,) = (line for line in made.requirements if line.text.startswith("cuda-toolkit"))
    assert line.text == "cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]==13.2.*"
    assert line.reason.endswith("no toolkit 13.x is here whose headers agree with glibc 2.43: 13.2 is the first one")
    # That of torch's own version where there is no such glibc, or a compiler that takes an older one.
    for compilers in ((GCC_12,), (NEW, OF_CONDA)):
        made = plan(CU130, hardware(compilers=compilers), **ASKING)
        (line,) = (line for line in made.requirements if line.text.startswith("cuda-toolkit"))
        assert line.text.endswith("==13.0.3")


def test_a_newer_toolkit_than_the_first_that_agrees_stays() -> None:
    torch = dataclasses.replace(CU130, cuda="13.4", toolkit="13.4.1")
    made = plan(torch, hardware(compilers=(NEW,)), **ASKING)
    assert any(line.text.endswith("==13.4.1") for line in made.requirements)


def test_the_users_toolkit_that_cannot_work_is_not_used_and_the_plan_says_why() -> None:
    own = dataclasses.replace(OLD_13_0, source="CUDA_HOME")
    made = plan(CU130, hardware(own, NVCC_13_2, compilers=(NEW,)), variables_set=("CUDA_HOME",))
    assert values(made)["CUDA_HOME"] == NVCC_13_2.home
    assert made.overrides == (
        "CUDA_HOME=/usr/local/cuda-13.0 is not used: its headers agree with glibc up to 2.41, and /usr/bin/g++ compiles"
        " with 2.43",
    )


@pytest.mark.parametrize("hook", [Hook.GET_REQUIRES_FOR_BUILD_WHEEL, Hook.BUILD_WHEEL])
def test_for_cuda_12_there_is_none(hook: Hook) -> None:
    made = plan(CU128, hardware(OLD_12_4, compilers=(NEW,)), hook=hook)
    (problem,) = made.problems
    assert (problem.code, problem.headline) == ("libc-too-new", "CUDA 12.4 cannot compile with glibc 2.43")
    assert problem.fixes[0].startswith("conda install -c conda-forge gxx")
    assert not plan(CU128, hardware(OLD_12_4, compilers=(NEW, OF_CONDA)), hook=hook).problems
