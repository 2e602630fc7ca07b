"""What compiles for a torch that was built with ROCm, and for which GPUs; whether SYCL code can be compiled for XPUs.

May not start hipcc or icpx, nor set up oneAPI's environment: its own script sets dozens of variables.
"""

from __future__ import annotations

from ..errors import Problem
from ..model.decision import Compiling, PlannedVariable
from ..model.hardware_values import RocmToolkit
from ..model.observation import Snapshot
from ..model.torch_values import Torch
from ..settings.config import Config
from .plan_needs import rocm_need, sycl_need
from .plan_toolkit import minor_version, torch_place

_NAMED = frozenset({"ROCM_HOME", "ROCM_PATH"})


def plan_rocm(config: Config, snapshot: Snapshot, torch: Torch) -> Compiling:
    """Return the user's ROCm, else the one of torch's own release, else any that has hipcc.

    torch itself takes ROCM_HOME, ROCM_PATH, hipcc on PATH, then /opt/rocm (torch/utils/cpp_extension.py,
    `_find_rocm_home`), whatever their versions. PYTORCH_ROCM_ARCH is the GPUs that are visible, else all that torch was
    built for: without it, torch asks the GPUs of this machine, and where there are none passes an empty name.
    """
    hardware = snapshot.hardware
    if not rocm_need(config, snapshot.project, torch) or hardware is None:
        return Compiling()
    if not hardware.rocm:
        return Compiling(problems=(_no_hipcc(torch),))
    wanted = minor_version(str(torch.hip))
    toolkit = min(hardware.rocm, key=lambda t: (t.source not in _NAMED, minor_version(t.version) != wanted))
    reason = f"ROCm {toolkit.version or 'of unknown version'} from {toolkit.source} for torch's ROCm {torch.hip}"
    variables = [PlannedVariable(name=name, value=toolkit.home, reason=reason) for name in ("ROCM_HOME", "ROCM_PATH")]
    gfx, said = _gfx(hardware.gpus), f"the GPUs of this machine ({hardware.gpus_source})"
    if not gfx:
        gfx, said = _gfx(torch.architectures), "those that torch was built for"
    if gfx:
        variables.append(PlannedVariable(name="PYTORCH_ROCM_ARCH", value=";".join(gfx), reason=said))
    differs = toolkit.version and minor_version(toolkit.version) != wanted
    unfit = sorted(name for name in _NAMED & set(snapshot.variables_set) if not _is_named(name, hardware.rocm))
    return Compiling(
        rocm=True,
        gfx=gfx,
        variables=tuple(variables),
        forced=tuple(unfit),
        overrides=tuple(f"{name} is not used: there is no bin/hipcc; {toolkit.home} has one" for name in unfit),
        notes=(f"the toolkit is ROCm {toolkit.version}, torch's is {torch.hip}",) if differs else (),
    )


def _gfx(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name.startswith("gfx")))


def _is_named(name: str, found: tuple[RocmToolkit, ...]) -> bool:
    """Return whether a variable led to a toolkit: both variables may name one, which is then that of the first."""
    sources = {toolkit.source for toolkit in found}
    return name in sources or (name == "ROCM_PATH" and "ROCM_HOME" in sources)


def _no_hipcc(torch: Torch) -> Problem:
    return Problem.of(
        code="no-rocm-toolkit",
        headline=f"no hipcc to compile for a PyTorch built with ROCm {torch.hip}",
        torch=torch_place(torch),
        looked="ROCM_HOME, ROCM_PATH, hipcc on PATH, /opt/rocm*",
        why="what is written for CUDA is compiled by ROCm's own compiler, for a torch that is built with ROCm",
        fixes=(
            "apt-get install rocm-hip-sdk   (from AMD's repository)",
            "export ROCM_HOME=/opt/rocm   (where one is installed)",
            "-C torchgraft.cuda=off   (if the package can be built without)",
        ),
    )


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
    return Problem.of(
        code="no-sycl-compiler",
        headline=f"icpx, which compiles SYCL code for torch {torch.version}, is not on PATH",
        torch=torch_place(torch),
        icpx=[f"{c.icpx} ({c.source}), not on PATH" for c in found],
        why="torch runs oneAPI's compiler from PATH alone",
        fixes=(
            *(() if found else ("apt-get install intel-oneapi-dpcpp-cpp   (from Intel's repository)",)),
            f". {script}   (then build in the same shell)",
        ),
    )
