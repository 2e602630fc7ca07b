"""Whether SYCL code can be compiled for a torch that was built for Intel's GPUs (XPU).

May not start a compiler, nor set up its environment: oneAPI's own script sets dozens of variables.
"""

from __future__ import annotations

from ..errors import Evidence, Problem
from ..model.observation import Snapshot, Torch
from ..settings.config import Config
from .plan_needs import sycl_need
from .plan_toolkit import torch_place


def plan_sycl(config: Config, snapshot: Snapshot, torch: Torch) -> Problem | None:
    """Return why SYCL code cannot be compiled here; None where it can, or where there is none.

    torch runs `icpx` from PATH alone; headers it finds in the wheel of intel-sycl-rt too (torch/utils/cpp_extension.py,
    `_write_ninja_file` and `_find_sycl_home`).
    """
    hardware = snapshot.hardware
    if not sycl_need(config, snapshot.project, torch) or hardware is None or any(c.on_path for c in hardware.sycl):
        return None
    found = hardware.sycl[:1]
    script = found[0].setvars if found and found[0].setvars else "/opt/intel/oneapi/setvars.sh"
    return Problem(
        code="no-sycl-compiler",
        headline=f"icpx, which compiles SYCL code for torch {torch.version}, is not on PATH",
        evidence=(
            Evidence(label="torch", text=torch_place(torch)),
            *(Evidence(label="icpx", text=f"{c.icpx} ({c.source}), not on PATH") for c in found),
        ),
        why="torch runs oneAPI's compiler from PATH alone",
        fixes=(
            *(() if found else ("apt-get install intel-oneapi-dpcpp-cpp   (from Intel's repository)",)),
            f". {script}   (then build in the same shell)",
        ),
    )
