"""Toolkit, architectures, host compiler and jobs, from snapshots."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from support import snapshots
from torchgraft.config import ArchFormat, Config, Cuda
from torchgraft.decide.architectures import arch_list_text
from torchgraft.decide.plan import plan_build
from torchgraft.machine import Hardware, HostCompiler, Toolkit
from torchgraft.model import Hook
from torchgraft.planned import Plan

ASK = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
CU130 = dataclasses.replace(
    snapshots.CUDA_TORCH,
    version="2.14.1+cu130",
    cuda="13.0",
    toolkit="13.0.3",
    architectures=("sm_75", "sm_80", "sm_90", "sm_120", "compute_120"),
)
CU128 = dataclasses.replace(snapshots.CUDA_TORCH, architectures=("sm_80", "sm_90"))
NVCC = ("75", "80", "86", "90", "100", "120")
NVCC_13_0 = Toolkit(
    home="/usr/local/cuda-13.0",
    version="13.0",
    source="/usr/local/cuda-13.0",
    nvcc="/usr/local/cuda-13.0/bin/nvcc",
    architectures=NVCC,
    highest_gcc=15,
)
NVCC_13_2 = dataclasses.replace(NVCC_13_0, home="/opt/cuda-13.2", version="13.2", source="/opt/cuda-13.2")
NVCC_12_4 = dataclasses.replace(NVCC_13_0, home="/usr/local/cuda-12.4", version="12.4", highest_gcc=13)
GCC_12 = HostCompiler(cc="/usr/bin/gcc", cxx="/usr/bin/g++", name="gcc", version="12.2.0", source="PATH")
GCC_16 = dataclasses.replace(GCC_12, version="16.1.0")
GCC_13 = HostCompiler(cc="/usr/bin/gcc-13", cxx="/usr/bin/g++-13", name="gcc", version="13.3", source="PATH")


def hardware(*toolkits: Toolkit, **changes: Any) -> Hardware:
    values: dict[str, Any] = {
        "cores": 16,
        "cores_limit": "16 processors",
        "memory_bytes": 200_000_000_000,
        "memory_limit": "the machine's memory",
        "toolkits": toolkits,
        "compilers": (GCC_12,),
    }
    return Hardware(**{**values, **changes})


def plan(torch: Any, seen: Hardware, *, config: dict[str, Any] | None = None, **changes: Any) -> Plan:
    values = {"project": snapshots.project(cuda_sources="csrc/a.cu"), **changes}
    snapshot = snapshots.snapshot(consumer=snapshots.consumer(torch), hardware=seen, **values)
    return plan_build(Config(**(config or {})), snapshot)


def values(made: Plan) -> dict[str, str | None]:
    return {variable.name: variable.value for variable in made.variables}


def requirements(made: Plan) -> list[str]:
    return [line.text for line in made.requirements]


def codes(made: Plan) -> list[str]:
    return [problem.code for problem in made.problems]


# The toolkit.


def test_a_toolkit_of_the_same_version_is_used_where_it_is() -> None:
    made = plan(CU130, hardware(NVCC_12_4, NVCC_13_2, NVCC_13_0))
    assert made.toolkit
    assert (made.toolkit.home, made.toolkit.layers) == ("/usr/local/cuda-13.0", ())
    for name in ("CUDA_HOME", "CUDA_PATH", "CUDAToolkit_ROOT"):
        assert values(made)[name] == "/usr/local/cuda-13.0"
    assert values(made)["CUDACXX"] == "/usr/local/cuda-13.0/bin/nvcc"
    assert not made.problems
    assert not requirements(plan(CU130, hardware(NVCC_13_0), hook=ASK))


def test_another_minor_version_works_and_the_plan_says_so() -> None:
    made = plan(CU130, hardware(NVCC_13_2))
    assert made.toolkit
    assert made.toolkit.version == "13.2"
    assert any("same major version works" in note for note in made.notes)


def test_the_users_own_choice_wins_if_it_can_work() -> None:
    own = dataclasses.replace(NVCC_13_2, home="/mine", source="CUDA_HOME")
    made = plan(CU130, hardware(NVCC_13_0, own), variables_set=("CUDA_HOME",))
    assert made.toolkit
    assert made.toolkit.home == "/mine"
    assert values(made)["CUDA_HOME"] is None


def test_a_choice_that_cannot_work_is_overridden_and_the_plan_says_why() -> None:
    own = dataclasses.replace(NVCC_12_4, source="CUDA_HOME")
    made = plan(CU130, hardware(own, NVCC_13_0), variables_set=("CUDA_HOME",))
    assert values(made)["CUDA_HOME"] == "/usr/local/cuda-13.0"
    assert any("is not used: CUDA 12.4 cannot compile" in note for note in made.notes)


def test_for_cuda_13_nvidias_wheels_are_asked_for() -> None:
    made = plan(CU130, hardware(NVCC_12_4), hook=ASK, config={"cuda_components": ("curand",)})
    assert requirements(made) == ["cuda-toolkit[nvcc,nvvm,crt,cudart,cccl,curand]==13.0.3"]
    unknown = dataclasses.replace(CU130, toolkit=None)
    assert requirements(plan(unknown, hardware(), hook=ASK)) == ["cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]==13.0.*"]


def test_what_was_asked_for_and_not_installed_is_a_problem() -> None:
    assert codes(plan(CU130, hardware())) == ["no-cuda-toolkit"]


def test_installed_wheels_are_assembled_over_the_consumers() -> None:
    build = dataclasses.replace(
        NVCC_13_0,
        home="/build/nvidia/cu13",
        source="wheels of the build environment",
        nvcc="/build/nvidia/cu13/bin/nvcc",
    )
    trees = ("/build/nvidia/cu13", f"{snapshots.SITE}/nvidia/cu13")
    made = plan(CU130, hardware(build, wheel_trees=trees))
    assert made.toolkit
    assert made.toolkit.layers == trees
    assert made.toolkit.home.startswith("/cache/torchgraft/toolkits/")
    assert values(made)["CUDA_HOME"] == made.toolkit.home


def test_a_partial_toolkit_gets_the_consumers_headers() -> None:
    partial = dataclasses.replace(NVCC_13_0, missing_headers=("cusparse.h",))
    made = plan(CU130, hardware(partial, wheel_trees=(f"{snapshots.SITE}/nvidia/cu13",)))
    assert made.toolkit
    assert made.toolkit.layers == ("/usr/local/cuda-13.0", f"{snapshots.SITE}/nvidia/cu13")
    assert any("lacks cusparse.h" in note for note in made.notes)
    assert plan(CU130, hardware(partial)).toolkit == plan(CU130, hardware(NVCC_13_0)).toolkit


@pytest.mark.parametrize(("toolkits", "code"), [((NVCC_13_0,), "cuda-mismatch"), ((), "no-cuda-toolkit")])
def test_for_cuda_12_there_is_only_an_error_before_anything_is_compiled(toolkits: Any, code: str) -> None:
    made = plan(CU128, hardware(*toolkits), hook=ASK)
    assert codes(made) == [code]
    assert any("12-8" in fix for fix in made.problems[0].fixes)


@pytest.mark.parametrize(
    ("torch", "config", "sources"),
    [
        (CU128, {}, ""),
        (CU128, {"cuda": Cuda.OFF}, "a.cu"),
        (snapshots.CPU_TORCH, {}, "a.cu"),
    ],
)
def test_no_toolkit_where_none_is_needed(torch: Any, config: dict[str, Any], sources: str) -> None:
    made = plan(torch, hardware(), config=config, hook=ASK, project=snapshots.project(cuda_sources=sources))
    assert not made.problems
    assert not requirements(made)


def test_required_cuda_and_a_cpu_torch() -> None:
    assert codes(plan(snapshots.CPU_TORCH, hardware(), config={"cuda": Cuda.REQUIRED})) == ["torch-without-cuda"]


# Architectures.


@pytest.mark.parametrize(
    ("seen", "config", "expected"),
    [
        ({"gpus": ("9.0", "8.0", "9.0")}, {"cuda_architectures": ("7.5",)}, "8.0;9.0+PTX"),
        ({"gpus": ("8.9", "12.0")}, {}, "12.0+PTX"),  # nvcc does not know 8.9
        ({}, {"cuda_architectures": ("8.0", "9.0")}, "8.0;9.0+PTX"),
        ({}, {"cuda_architectures": ("8.0+PTX", "9.0")}, "8.0+PTX;9.0"),
        ({}, {}, "7.5;8.0;9.0;12.0+PTX"),
    ],
)
def test_architectures(seen: dict[str, Any], config: dict[str, Any], expected: str) -> None:
    assert values(plan(CU130, hardware(NVCC_13_0, **seen), config=config))["TORCH_CUDA_ARCH_LIST"] == expected


def test_a_toolkit_that_miscompiles_an_architecture_does_not_get_it() -> None:
    nvcc = dataclasses.replace(NVCC_13_2, architectures=(*NVCC, "103"))
    made = plan(CU130, hardware(nvcc), config={"cuda_architectures": ("9.0", "10.3")})
    assert values(made)["TORCH_CUDA_ARCH_LIST"] == "9.0+PTX"
    assert any("miscompiles sm_103" in note for note in made.notes)


def test_the_packages_own_variable_gets_the_same() -> None:
    made = plan(CU130, hardware(NVCC_13_0), config={"cuda_arch_variable": "FLASH_ATTN_CUDA_ARCHS"})
    assert values(made)["FLASH_ATTN_CUDA_ARCHS"] == "75;80;90;120"


@pytest.mark.parametrize(
    ("form", "expected"),
    [(ArchFormat.NUMBERS, "80;90a"), (ArchFormat.DOTTED, "8.0;9.0a+PTX"), (ArchFormat.SM, "sm_80;sm_90a")],
)
def test_formats(form: ArchFormat, expected: str) -> None:
    assert arch_list_text(("8.0", "9.0a+PTX"), form) == expected


# The host compiler.


def test_the_default_compiler_stays_where_the_toolkit_takes_it() -> None:
    assert "CC" not in values(plan(CU130, hardware(NVCC_13_0)))


def test_one_that_is_too_new_is_replaced_in_both_variables() -> None:
    made = plan(CU130, hardware(NVCC_13_0, compilers=(GCC_16, GCC_13, GCC_12)))
    assert (values(made)["CC"], values(made)["CXX"]) == ("/usr/bin/gcc-13", "/usr/bin/g++-13")


def test_none_that_fits() -> None:
    made = plan(CU130, hardware(NVCC_13_0, compilers=(GCC_16,)))
    assert codes(made) == ["compiler-too-new"]
    assert "g++-15" in made.problems[0].fixes[0]


def test_a_launcher_in_cc_is_replaced_for_nvcc_and_the_plan_says_why() -> None:
    launcher = HostCompiler(cc="ccache gcc", cxx="ccache g++", name="", version="12.2", source="CC and CXX")
    made = plan(CU130, hardware(NVCC_13_0, compilers=(launcher, GCC_12)), variables_set=("CC", "CXX"))
    assert (values(made)["CC"], values(made)["CXX"]) == ("/usr/bin/gcc", "/usr/bin/g++")
    assert any("takes one program" in variable.reason for variable in made.variables)


def test_wheels_of_another_major_version_are_no_layer() -> None:
    partial = dataclasses.replace(NVCC_13_0, missing_headers=("cusparse.h",))
    trees = (f"{snapshots.SITE}/nvidia/cublas", f"{snapshots.SITE}/nvidia/cu13")
    made = plan(CU130, hardware(partial, wheel_trees=trees))
    assert made.toolkit
    assert made.toolkit.layers == ("/usr/local/cuda-13.0", f"{snapshots.SITE}/nvidia/cu13")


# Jobs.


@pytest.mark.parametrize(
    ("sources", "seen", "config", "jobs"),
    [
        ("a.cu", {"cores": 16, "memory_bytes": 200_000_000_000}, {}, 16),
        ("a.cu", {"cores": 16, "memory_bytes": 17_000_000_000}, {}, 4),
        ("", {"cores": 16, "memory_bytes": 17_000_000_000}, {}, 8),
        ("a.cu", {"cores": 16, "memory_bytes": 1_000_000}, {}, 1),
        ("a.cu", {"cores": 16, "memory_bytes": 29_000_000_000}, {"memory_per_job": 7_000_000_000}, 4),
        ("a.cu", {"cores": 16}, {"max_jobs": 3}, 3),
        ("a.cu", {"cores": 2}, {"max_jobs": 3}, 2),
    ],
)
def test_jobs(sources: str, seen: dict[str, Any], config: dict[str, Any], jobs: int) -> None:
    made = plan(CU130, hardware(NVCC_13_0, **seen), config=config, project=snapshots.project(cuda_sources=sources))
    assert made.jobs == jobs
    assert values(made)["MAX_JOBS"] == str(jobs)
    assert values(made)["CMAKE_BUILD_PARALLEL_LEVEL"] == str(jobs)
    assert values(made).get("NVCC_THREADS") == ("1" if sources else None)


def test_the_users_number_of_jobs_wins() -> None:
    assert values(plan(CU130, hardware(NVCC_13_0), variables_set=("MAX_JOBS",)))["MAX_JOBS"] is None
