"""Which host compiler nvcc and torch use, for which GPU architectures, and what compiles for ROCm and SYCL.

May not ask a compiler or a driver: what they know is in the snapshot.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import Problem
from ..model.decision import Compiling, PlannedVariable
from ..model.hardware_values import HostCompiler, RocmToolkit
from ..model.observation import Snapshot
from ..model.torch_values import Torch
from ..settings.config import ArchFormat, Config
from ..untrusted import numbers_in
from ..values import dataclass
from .plan_needs import rocm_need, sycl_need
from .plan_toolkit import ToolkitChoice, minor_version, takes, torch_place

# What `compilers` says of a compiler that variables name.
_USERS = frozenset({"CC", "CXX", "CC and CXX"})

_LETTERS = string.ascii_lowercase
_CAUSAL_CONV = "kernels of causal-conv1d give wrong results on a B300, those for sm_100 are exact there"
_NAMED = frozenset({"ROCM_HOME", "ROCM_PATH"})


@dataclass(frozen=True, kw_only=True)
class CompilerChoice:
    """A compiler to be set as CC and CXX, or why there is none; both empty where the default is right.

    `forced` says that the user's own CC cannot work.
    """

    compiler: HostCompiler | None = None
    reason: str = ""
    problem: Problem | None = None
    forced: bool = False


def plan_host_compiler(snapshot: Snapshot, choice: ToolkitChoice) -> CompilerChoice:
    """Return the newest gcc that the chosen toolkit takes, where what would compile is none that it takes.

    CC and CXX are set together or not at all: torch hands CC to nvcc as -ccbin and compiles .cpp with CXX.
    """
    toolkit, highest_gcc = choice.toolkit.version if choice.toolkit else "", choice.highest_gcc
    if snapshot.hardware is None or snapshot.python.system == "win32":
        return CompilerChoice()  # cl is not looked for
    compilers = snapshot.hardware.compilers
    usable = [compiler for compiler in compilers if compiler.name]
    if not usable:
        return CompilerChoice(problem=no_compiler(compilers))
    default, first = compilers[0], usable[0]
    fitting = [c for c in usable if takes(c, highest_gcc=highest_gcc, highest_libc=choice.highest_libc)]
    if first.name == "gcc" and first not in fitting:
        if not fitting:
            return CompilerChoice(problem=_too_new(first, toolkit, highest_gcc))
        reason = f"{first.cc} is gcc {first.version}, and CUDA {toolkit} takes gcc up to {highest_gcc}"
        if takes(first, highest_gcc=highest_gcc):
            limits = f"glibc {first.libc}, and CUDA {toolkit} those up to {choice.highest_libc}"
            reason = f"{first.cc} takes the headers of {limits}"
        return CompilerChoice(
            compiler=max(fitting, key=lambda compiler: numbers_in(compiler.version)),
            reason=reason,
            forced=default.source in _USERS,
        )
    if default is first:
        return CompilerChoice()
    # The one in `ccache gcc-11`, where there is such a one; else what would compile if nothing was set.
    same = next((c for c in fitting if c.version == default.version), first)
    return CompilerChoice(compiler=same, reason=_unusable(default), forced=True)


def _unusable(default: HostCompiler) -> str:
    """Return why what the user set cannot be used: torch writes CC behind -ccbin, and asks CXX for its version."""
    name, value = ("CXX", default.cxx) if default.source == "CXX" else ("CC", default.cc)
    why = "torch and nvcc take one program, without arguments" if " " in value else "no gcc or clang answers to it"
    return f"{name}={value} is not used: {why}"


def no_compiler(compilers: tuple[HostCompiler, ...] = ()) -> Problem:
    """Return that there is no host compiler; `compilers` are those that the user has set, and that cannot be used."""
    return Problem.of(
        code="no-compiler",
        headline="there is no C++ compiler",
        set=map(_unusable, compilers),
        why="an extension has to be compiled; nvcc compiles for GPUs alone, and needs gcc or clang for the rest",
        fixes=("apt-get install g++", "conda install -c conda-forge gxx"),
    )


def _too_new(compiler: HostCompiler, toolkit: str, highest_gcc: int | None) -> Problem:
    return Problem.of(
        code="compiler-too-new",
        headline=f"gcc {compiler.version} is too new for CUDA {toolkit}",
        gcc=f"{compiler.version} at {compiler.cc} ({compiler.source}); no older one found",
        limit=f"gcc {highest_gcc}, from the toolkit's crt/host_config.h",
        why="nvcc refuses it with '#error unsupported GNU version'",
        fixes=(
            f"apt-get install g++-{highest_gcc}   (it is then found by itself)",
            f"conda install -c conda-forge gxx={highest_gcc}",
        ),
    )


class KnownBad(NamedTuple):
    """A toolkit that makes wrong code for an architecture; code for `instead` runs on the same GPUs, and is right."""

    toolkit: str
    architecture: str
    instead: str
    why: str
    source: str


KNOWN_BAD = (
    KnownBad(
        "13.2",
        "10.3",
        "10.0",
        f"nvcc 13.2 miscompiles sm_103: {_CAUSAL_CONV}",
        "https://github.com/Dao-AILab/causal-conv1d/issues/105",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Architectures:
    """Compute capabilities as torch writes them (8.0, 9.0a, 12.0+PTX), none where nothing is known."""

    names: tuple[str, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()


def plan_architectures(
    config: Config, snapshot: Snapshot, *, torch: Torch, known: tuple[str, ...], toolkit_version: str
) -> Architectures:
    """Return the GPUs that are there, else what the package names, else what torch was built for, within nvcc's.

    The last one gets PTX, which later GPUs compile for themselves.

    :param known: the architectures of nvcc, as 80 or 90a; none if it was not asked
    """
    gpus = snapshot.hardware.gpus if snapshot.hardware else ()
    for names, reason in (
        (tuple(sorted(set(gpus), key=numbers_in)), "the GPUs of this machine"),
        (config.cuda_architectures, f"cuda-architectures ({config.origin('cuda-architectures')})"),
        (_of_torch(torch), "those that torch was built for and the toolkit knows"),
    ):
        wanted = tuple(name for name in names if _is_known(name, known))
        if not wanted:
            continue
        bad = {row.architecture: row for row in KNOWN_BAD if f"{toolkit_version}.".startswith(f"{row.toolkit}.")}
        chosen = tuple(dict.fromkeys(_instead(name, bad) for name in wanted))
        explicit = any("+PTX" in name for name in chosen)
        return Architectures(
            names=chosen if explicit else (*chosen[:-1], f"{chosen[-1]}+PTX"),
            reason=reason,
            notes=tuple(
                f"{row.why}: {row.instead} instead ({row.source})"
                for row in bad.values()
                if row.architecture in {_plain(name) for name in wanted}
            ),
        )
    return Architectures()


def _instead(name: str, bad: Mapping[str, KnownBad]) -> str:
    row = bad.get(_plain(name))
    return name if row is None else row.instead + ("+PTX" if name.endswith("+PTX") else "")


def _plain(name: str) -> str:
    """Return 10.3 of 10.3a+PTX."""
    return name.removesuffix("+PTX").rstrip(_LETTERS)


def arch_list_text(names: tuple[str, ...], form: ArchFormat) -> str:
    """Return architectures as a package's own variable wants them."""
    if form is ArchFormat.DOTTED:
        return ";".join(names)
    numbers = [name.removesuffix("+PTX").replace(".", "") for name in names]
    return ";".join(f"sm_{number}" if form is ArchFormat.SM else number for number in numbers)


def _of_torch(torch: Torch) -> tuple[str, ...]:
    """Return torch's own list (sm_75 ... compute_120) in dotted form, each once."""
    matches = (re.fullmatch(r"(?:sm|compute)_([0-9]+)([0-9])([a-z]?)", text) for text in torch.architectures)
    return tuple(dict.fromkeys(f"{m[1]}.{m[2]}{m[3]}" for m in matches if m))


def _is_known(name: str, known: tuple[str, ...]) -> bool:
    number = name.removesuffix("+PTX").replace(".", "")
    return not known or number in known or number.rstrip(_LETTERS) in known


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
