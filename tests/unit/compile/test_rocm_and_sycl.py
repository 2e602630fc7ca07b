"""What a ROCm or XPU build of torch needs, from snapshots."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from support import snapshots
from support.compiling import codes, hardware, plan, values
from torchgraft.model.hardware_values import RocmToolkit, SyclCompiler
from torchgraft.model.observation import Hook
from torchgraft.model.source_tree import SetupScript
from torchgraft.settings.config import Cuda

ASK = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
ROCM_TORCH = dataclasses.replace(snapshots.CPU_TORCH, version="2.9.0+rocm6.4", hip="6.4.43482")
XPU_TORCH = dataclasses.replace(snapshots.CPU_TORCH, version="2.9.0+xpu", xpu="20250101")
ROCM_6_4 = RocmToolkit(home="/opt/rocm-6.4.1", version="6.4.1", source="/opt")
ROCM_7_0 = dataclasses.replace(ROCM_6_4, home="/opt/rocm-7.0.0", version="7.0.0")
SYCL = snapshots.project(setup_script=SetupScript(imports=("torch",), names_sycl=True))
ICPX = SyclCompiler(
    icpx="/opt/intel/oneapi/compiler/2025.2/bin/icpx",
    source="/opt/intel/oneapi",
    on_path=False,
    setvars="/opt/intel/oneapi/setvars.sh",
)


def test_the_rocm_of_torchs_release_and_the_gpus_that_are_there() -> None:
    seen = hardware(rocm=(ROCM_7_0, ROCM_6_4), gpus=("gfx90a", "gfx90a", "gfx1100"), gpus_source="sysfs")
    made = plan(ROCM_TORCH, seen)
    assert not made.problems
    assert values(made)["ROCM_HOME"] == values(made)["ROCM_PATH"] == "/opt/rocm-6.4.1"
    assert values(made)["PYTORCH_ROCM_ARCH"] == "gfx90a;gfx1100"
    assert values(made)["MAX_JOBS"] == "16"
    assert "TORCH_CUDA_ARCH_LIST" not in values(made)
    assert "CUDA_HOME" not in values(made)


def test_without_a_gpu_it_is_compiled_for_all_that_torch_was_built_for() -> None:
    # torch itself would pass an empty --offload-arch.
    torch = dataclasses.replace(ROCM_TORCH, architectures=("gfx90a", "gfx942"))
    assert values(plan(torch, hardware(rocm=(ROCM_6_4,))))["PYTORCH_ROCM_ARCH"] == "gfx90a;gfx942"
    assert "PYTORCH_ROCM_ARCH" not in values(plan(ROCM_TORCH, hardware(rocm=(ROCM_6_4,))))


def test_another_release_is_used_and_the_plan_says_so() -> None:
    made = plan(ROCM_TORCH, hardware(rocm=(ROCM_7_0,)))
    assert values(made)["ROCM_HOME"] == "/opt/rocm-7.0.0"
    assert "the toolkit is ROCm 7.0.0, torch's is 6.4.43482" in made.notes


def test_the_users_own_comes_first_and_one_without_hipcc_is_replaced() -> None:
    own = dataclasses.replace(ROCM_7_0, home="/mine", source="ROCM_HOME")
    kept = values(plan(ROCM_TORCH, hardware(rocm=(own, ROCM_6_4)), variables_set=("ROCM_HOME",)))
    assert (kept["ROCM_HOME"], kept["ROCM_PATH"]) == (None, "/mine")
    replaced = plan(ROCM_TORCH, hardware(rocm=(ROCM_6_4,)), variables_set=("ROCM_HOME",))
    assert values(replaced)["ROCM_HOME"] == "/opt/rocm-6.4.1"
    assert "ROCM_HOME is not used: there is no bin/hipcc; /opt/rocm-6.4.1 has one" in replaced.overrides


@pytest.mark.parametrize("hook", [ASK, Hook.BUILD_WHEEL])
def test_no_hipcc_is_a_problem_before_anything_is_compiled(hook: Hook) -> None:
    made = plan(ROCM_TORCH, hardware(), hook=hook)
    assert codes(made) == ["no-rocm-toolkit"]
    assert "ROCm 6.4" in made.problems[0].headline


@pytest.mark.parametrize(
    ("torch", "config", "sources"),
    [
        (snapshots.CPU_TORCH, {}, "a.cu"),
        (ROCM_TORCH, {}, ""),
        (ROCM_TORCH, {"cuda": Cuda.OFF}, "a.cu"),
    ],
)
def test_no_rocm_where_none_is_needed(torch: Any, config: dict[str, Any], sources: str) -> None:
    made = plan(torch, hardware(rocm=(ROCM_6_4,)), config=config, project=snapshots.project(cuda_sources=sources))
    assert not made.problems
    assert "ROCM_HOME" not in values(made)


def test_required_cuda_is_met_by_rocm() -> None:
    assert not plan(ROCM_TORCH, hardware(rocm=(ROCM_6_4,)), config={"cuda": Cuda.REQUIRED}).problems


def test_for_metadata_the_variables_are_set_and_nothing_is_a_problem() -> None:
    metadata = Hook.PREPARE_METADATA_FOR_BUILD_WHEEL
    assert not plan(ROCM_TORCH, hardware(), hook=metadata).problems
    assert values(plan(ROCM_TORCH, hardware(rocm=(ROCM_6_4,)), hook=metadata))["ROCM_HOME"] == "/opt/rocm-6.4.1"


def test_icpx_that_is_not_on_path() -> None:
    made = plan(XPU_TORCH, hardware(sycl=(ICPX,)), project=SYCL, hook=ASK)
    assert codes(made) == ["no-sycl-compiler"]
    assert made.problems[0].fixes == (". /opt/intel/oneapi/setvars.sh   (then build in the same shell)",)
    none = plan(XPU_TORCH, hardware(), project=SYCL)
    assert "apt-get install" in none.problems[0].fixes[0]


@pytest.mark.parametrize(
    ("torch", "project", "on_path"),
    [(XPU_TORCH, SYCL, True), (XPU_TORCH, snapshots.project(), False), (snapshots.CPU_TORCH, SYCL, False)],
)
def test_no_problem_with_sycl(torch: Any, project: Any, on_path: bool) -> None:  # noqa: FBT001 - a parameter
    seen = hardware(sycl=(dataclasses.replace(ICPX, on_path=on_path),))
    assert not plan(torch, seen, project=project).problems
