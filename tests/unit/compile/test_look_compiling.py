"""What a hook looks at before it is decided what it needs: toolkits only where CUDA code may be compiled."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from support import snapshots
from support.compiling import CU130
from support.toolkits import install_toolkit, script
from torchgraft.compile.hardware import take_hardware_for, with_architectures
from torchgraft.model.hardware_values import Hardware
from torchgraft.model.observation import BuildEnvironment, Hook
from torchgraft.model.source_tree import SetupScript
from torchgraft.model.torch_values import Locked, Torch, TorchRequirement
from torchgraft.settings.config import Config, Cuda
from torchgraft.settings.sources import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake programs are shell scripts")

ASK, BUILD, METADATA = (
    Hook.GET_REQUIRES_FOR_BUILD_WHEEL,
    Hook.BUILD_WHEEL,
    Hook.PREPARE_METADATA_FOR_BUILD_WHEEL,
)
CPU = snapshots.CPU_TORCH
ROCM_TORCH = dataclasses.replace(CPU, version="2.9.0+rocm6.4", hip="6.4.43482")
XPU_TORCH = dataclasses.replace(CPU, version="2.9.0+xpu", xpu="20250101")
LOCKED = Locked(file="uv.lock", version="2.14.1", requirement=TorchRequirement.parse("torch==2.14.1"), said="it does")


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a machine with a toolkit of each kind."""
    cuda = install_toolkit(tmp_path / "cuda")
    hipcc = script(tmp_path / "rocm" / "bin" / "hipcc", "#!/bin/sh\n")
    script(tmp_path / "oneapi" / "compiler" / "2025.1" / "bin" / "icpx", "#!/bin/sh\n")
    return {
        "CUDA_HOME": str(cuda),
        "ROCM_HOME": str(hipcc.parents[1]),
        "ONEAPI_ROOT": str(tmp_path / "oneapi"),
        "PATH": "",
    }


def look(
    variables: dict[str, str],
    hook: Hook,
    *,
    build: Torch | None = None,
    consumer: Torch | None = None,
    config: dict[str, Any] | None = None,
    **more: Any,
) -> Hardware | None:
    settings = Settings(
        config=Config(**(config or {})),
        source=Path("/src"),
        pyproject={},
        config_settings=None,
        variables=MappingProxyType(variables),
        cache_folder=Path("/cache"),
    )
    project = more.pop("project", snapshots.project(cuda_sources="a.cu"))
    return take_hardware_for(
        settings,
        hook,
        project,
        build=BuildEnvironment(prefix="/build", torch=build),
        build_paths=(),
        consumer=snapshots.consumer(consumer, search_path=()),
        **more,
    )


@pytest.mark.parametrize(
    ("hook", "seen"),
    [
        (BUILD, {"consumer": CU130}),
        (METADATA, {"consumer": CU130}),
        (ASK, {"consumer": CU130}),
        # The consumer's is about to be replaced by the one that came into the build.
        (BUILD, {"consumer": CPU, "build": CU130}),
        # Which one it will be is not known before it is decided.
        (ASK, {}),
        (ASK, {"consumer": CPU, "locked": LOCKED}),
        (BUILD, {"consumer": CPU, "config": {"cuda": Cuda.REQUIRED}}),
    ],
)
def test_toolkits_are_looked_for(machine: dict[str, str], hook: Hook, seen: dict[str, Any]) -> None:
    hardware = look(machine, hook, **seen)
    assert hardware
    assert machine["CUDA_HOME"] in [toolkit.home for toolkit in hardware.toolkits]
    assert not hardware.rocm


@pytest.mark.parametrize("hook", [ASK, METADATA, BUILD])
def test_every_hook_that_takes_a_toolkit_notices_one_that_does_not_start(machine: dict[str, str], hook: Hook) -> None:
    home = Path(machine["CUDA_HOME"])
    (home / "bin" / "nvcc").write_text("not for this machine")
    hardware = look(machine, hook, consumer=CU130)
    assert hardware
    assert str(home) not in [toolkit.home for toolkit in hardware.toolkits]
    assert f"CUDA_HOME={home} does not start: Exec format error" in hardware.toolkit_faults


@pytest.mark.parametrize(
    ("hook", "seen"),
    [
        (ASK, {"consumer": CPU}),
        (METADATA, {"consumer": CPU}),
        (ASK, {"config": {"cuda": Cuda.OFF}}),
        (ASK, {"project": snapshots.project(cuda_sources="")}),
        (Hook.GET_REQUIRES_FOR_BUILD_SDIST, {"consumer": CU130}),
    ],
)
def test_nothing_is_looked_at(machine: dict[str, str], hook: Hook, seen: dict[str, Any]) -> None:
    assert look(machine, hook, **seen) is None
    assert not (Path(machine["CUDA_HOME"]) / "ran").exists()


def test_without_cuda_a_build_looks_at_processors_and_memory_alone(machine: dict[str, str]) -> None:
    hardware = look(machine, BUILD, consumer=CPU)
    assert hardware
    assert hardware.cores
    assert (hardware.toolkits, hardware.rocm, hardware.sycl, hardware.compilers) == ((), (), (), ())


def test_rocm_and_nothing_of_cuda_for_a_rocm_build(machine: dict[str, str]) -> None:
    hardware = look(machine, BUILD, consumer=ROCM_TORCH)
    assert hardware
    assert [toolkit.source for toolkit in hardware.rocm] == ["ROCM_HOME"]
    assert not hardware.toolkits
    assert not (Path(machine["CUDA_HOME"]) / "ran").exists()


def test_sycl_compilers_for_an_xpu_build(machine: dict[str, str]) -> None:
    sycl = snapshots.project(setup_script=SetupScript(names_sycl=True))
    hardware = look(machine, BUILD, consumer=XPU_TORCH, project=sycl)
    assert hardware
    assert [compiler.source for compiler in hardware.sycl] == ["ONEAPI_ROOT"]
    none = look(machine, BUILD, consumer=XPU_TORCH)
    assert none
    assert not none.sycl


@pytest.mark.parametrize(("torch", "read"), [(CU130, True), (ROCM_TORCH, True), (CPU, False)])
def test_what_torch_was_built_for_is_read_where_it_is_asked(tmp_path: Path, torch: Torch, *, read: bool) -> None:
    library = tmp_path / "lib" / "libtorch_python.so"
    library.parent.mkdir()
    library.write_bytes(b"\0gfx90a gfx942\0" if torch.hip else b"\0sm_80 sm_90\0")
    bare = dataclasses.replace(torch, folder=str(tmp_path), architectures=())
    found = with_architectures(Config(), snapshots.project(cuda_sources="a.cu"), bare)
    assert found
    assert bool(found.architectures) is read
    pure = with_architectures(Config(), snapshots.project(), bare)
    assert pure == bare
