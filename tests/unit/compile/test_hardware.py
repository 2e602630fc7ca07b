from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.toolkits import install_compiler, install_toolkit
from torchgraft.codec import json_text
from torchgraft.compile.hardware import take_hardware
from torchgraft.compile.plan_needs import Looking
from torchgraft.model.hardware_values import Hardware
from torchgraft.tools.from_json import from_json_text

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake programs are shell scripts")


def test_processors_and_memory_alone_without_cuda(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "cuda")
    hardware = take_hardware({"CUDA_HOME": str(home)}, Looking())
    assert hardware == Hardware(
        cores=hardware.cores,
        cores_limit=hardware.cores_limit,
        memory_bytes=hardware.memory_bytes,
        memory_limit=hardware.memory_limit,
    )
    assert hardware.cores_limit
    assert hardware.memory_limit


def test_everything_with_cuda(tmp_path: Path) -> None:
    home = install_toolkit(tmp_path / "cuda", "12.8")
    tree = install_toolkit(tmp_path / "site" / "nvidia" / "cu13")
    for name in ("nvidia_cuda_nvcc-13.0.88", "nvidia_cudnn_cu13-9.24.0.43", "numpy-2.3.4"):
        (tmp_path / "site" / f"{name}.dist-info").mkdir()
    for name in ("gcc", "g++"):
        install_compiler(tmp_path / "bin" / name, "12.2.0")
    variables = {
        "CUDA_HOME": str(home),
        "CUDA_PATH": "/nowhere",
        "NVCC_APPEND_FLAGS": "-t2",
        "PATH": f"{tmp_path}/bin:/bin",
    }
    looking = Looking(search_paths=(str(tmp_path / "site"),), prefixes=(str(tmp_path),), cuda=True)
    hardware = take_hardware(variables, looking)
    assert hardware.toolkits[0].home == str(home)
    assert hardware.toolkits[0].architectures
    assert str(tree) in [toolkit.home for toolkit in hardware.toolkits]
    assert hardware.wheel_trees == (str(tree),)
    assert hardware.wheels == ("nvidia_cuda_nvcc-13.0.88", "nvidia_cudnn_cu13-9.24.0.43")
    assert "CUDA_PATH=/nowhere has no bin/nvcc" in hardware.toolkit_faults
    assert hardware.appended_threads == 2
    assert "12.2.0" in [compiler.version for compiler in hardware.compilers]
    assert from_json_text(Hardware, json_text(hardware), source="test") == hardware
