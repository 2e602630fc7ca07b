"""Machines to compile on, as values, and plans for them."""

from __future__ import annotations

import dataclasses
from typing import Any

from torchgraft.hook.plan import plan_build
from torchgraft.model.decision import Plan
from torchgraft.model.hardware_values import Hardware, HostCompiler, Toolkit
from torchgraft.settings.config import Config

from . import snapshots

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
