"""Which CUDA toolkit compiles for the chosen torch, and with the C library of the machine.

May not assemble one; the plan only says from which folders.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from ..errors import Problem
from ..ladder.torch_problems import install_fix
from ..model.decision import Planned, PlannedToolkit
from ..model.hardware_values import Hardware, HostCompiler, Toolkit
from ..model.observation import FrontEndName, Link, Snapshot
from ..model.torch_values import Torch
from ..settings.config import Config
from ..untrusted import numbers_in
from ..values import dataclass
from .plan_needs import TOOLKIT_VARIABLES, cuda_need, major, toolkits_for

# What nvcc alone needs: the rest of a toolkit comes with torch (cublas, cusparse, ...). All in one requirement, or
# their versions drift apart: nvcc 13.0 with nvvm 13.5 dies of "Unsupported .version".
_COMPONENTS = ("nvcc", "nvvm", "crt", "cudart", "cccl")
_FIRST_ON_PYPI = 13
_MOST_FAULTS = 3
# How `toolkits` begins what it says of a variable.
_OF_VARIABLES = tuple(f"{name}=" for name in TOOLKIT_VARIABLES)


class LibcClash(NamedTuple):
    """What a release of glibc has declared `noexcept` since, and the first CUDA whose headers say so too.

    Nothing that includes math.h compiles with the others. `function` is one that crt/math_functions.h declares for
    double, alone or with others. `before` is the release of glibc before that one.
    """

    glibc: str
    before: str
    function: str
    cuda: str
    source: str


# By glibc's release. The releases of CUDA: nvidia-cuda-nvcc-cu12 12.4 to 12.9, nvidia-cuda-crt 13.0 to 13.5, read.
CLASHES = (
    LibcClash("2.41", "2.40", "cospi", "13.0", "https://github.com/opencv/opencv/issues/27111"),
    LibcClash("2.42", "2.41", "rsqrt", "13.2", "https://github.com/llvm/llvm-project/pull/185701"),
)


@dataclass(frozen=True, kw_only=True)
class ToolkitChoice:
    """The toolkit, or the requirement that brings one, or why there is none; all empty where none is needed.

    `overrides` say which variables of the user cannot work, and why.
    """

    toolkit: PlannedToolkit | None = None
    requirement: Planned | None = None
    problem: Problem | None = None
    notes: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    highest_gcc: int | None = None
    highest_libc: str = ""


def plan_toolkit(config: Config, snapshot: Snapshot, torch: Torch | None) -> ToolkitChoice:
    """Return the user's toolkit if it fits, else the nearest on the machine, else NVIDIA's from PyPI.

    An extension and its torch have to share CUDA's major version (torch/utils/cpp_extension.py,
    `_check_cuda_version`); another minor works.
    """
    hardware = snapshot.hardware
    if not cuda_need(config, snapshot.project, torch) or torch is None or hardware is None:
        return ToolkitChoice()
    if torch.hip:
        return ToolkitChoice()  # what is named CUDAExtension is compiled by hipcc there
    if torch.cuda is None:
        return ToolkitChoice(problem=_no_cuda_torch(config, snapshot, torch))
    fitting = toolkits_for(hardware.toolkits, torch.cuda)
    clashes = {t: c for t in fitting if (c := _clashing_compiler(t, hardware.compilers)) is not None}
    agreeing = [toolkit for toolkit in fitting if toolkit not in clashes]
    if agreeing:
        return _local(snapshot, hardware, torch, agreeing[0])
    if major(torch.cuda) >= _FIRST_ON_PYPI:
        return ToolkitChoice(
            requirement=_requirement(config, hardware, torch),
            notes=_faults_of_others(hardware),
            overrides=tuple(_unfit(hardware, torch)),
        )
    for toolkit, compiler in clashes.items():
        return ToolkitChoice(problem=_libc_problem(toolkit, compiler, torch=torch_place(torch)))
    return ToolkitChoice(problem=_mismatch(hardware, torch))


def is_other_minor(version: str, torch: Torch) -> bool:
    """Return whether a toolkit is of another minor version than torch's CUDA."""
    return minor_version(version) != minor_version(str(torch.cuda))


def _local(snapshot: Snapshot, hardware: Hardware, torch: Torch, toolkit: Toolkit) -> ToolkitChoice:
    reason = f"CUDA {toolkit.version} from {toolkit.source} for torch's CUDA {torch.cuda}"
    notes = []
    if is_other_minor(toolkit.version, torch):
        notes.append(f"the toolkit is CUDA {toolkit.version}, torch's is {torch.cuda}: the same major version works")
        notes += _faults_of_others(hardware)  # one of the same minor version may be among them
    of_wheels = _wheel_folders(snapshot, hardware, major(toolkit.version))
    layers = (toolkit.home, *(tree for tree in of_wheels if tree != toolkit.home))
    from_wheels = toolkit.home in of_wheels
    planned = PlannedToolkit(home=toolkit.home, version=toolkit.version, reason=reason)
    if from_wheels or (toolkit.missing_headers and len(layers) > 1):
        if not from_wheels:
            missing = ", ".join(toolkit.missing_headers[:4])
            notes.append(f"{toolkit.home} lacks {missing}: taken from NVIDIA's wheels in the consumer")
        copies = tuple(_copies(snapshot, hardware, layers))
        kept = {copy.target: copy.name for copy in copies}
        layers = tuple(kept.get(layer, layer) for layer in layers)
        planned = replace(planned, home=_assembled(snapshot, hardware, layers), layers=layers, copies=copies)
    return ToolkitChoice(
        toolkit=planned,
        notes=tuple(notes),
        overrides=tuple(_unfit(hardware, torch)),
        architectures=toolkit.architectures,
        highest_gcc=toolkit.highest_gcc,
        highest_libc=toolkit.highest_libc,
    )


def _wheel_folders(snapshot: Snapshot, hardware: Hardware, cuda: int) -> tuple[str, ...]:
    """Return the folders of NVIDIA's wheels of one major version: nvidia/cu13, or nvidia/cublas and the like."""
    wanted = re.compile(f"cu{cuda}" if cuda >= _FIRST_ON_PYPI else r"(?!cu[0-9]+\Z).*")
    return tuple(tree for tree in hardware.wheel_trees if wanted.fullmatch(snapshot.python.path(tree).name))


def _copies(snapshot: Snapshot, hardware: Hardware, layers: tuple[str, ...]) -> Iterator[Link]:
    """Yield what is copied out of the build environment: it has another path in every build, the copy has not."""
    lasting = set(snapshot.consumer.search_path) if snapshot.consumer else set()
    for layer in layers:
        site = str(snapshot.python.path(layer).parent.parent)
        if layer in hardware.wheel_trees and site not in lasting:
            yield Link(name=_assembled(snapshot, hardware, (snapshot.python.path(layer).name,)), target=layer)


def _assembled(snapshot: Snapshot, hardware: Hardware, layers: tuple[str, ...]) -> str:
    """Return where the toolkit of these layers is assembled: one path for one content, so that compiler caches hit.

    Wheels are upgraded in their place: their versions are part of the content.
    """
    digest = hashlib.sha256(json.dumps([layers, hardware.wheels]).encode()).hexdigest()[:16]
    return str(snapshot.python.path(snapshot.cache_folder) / "toolkits" / digest)


def _requirement(config: Config, hardware: Hardware, torch: Torch) -> Planned:
    extras = ",".join(dict.fromkeys((*_COMPONENTS, *config.cuda_components)))
    version = torch.toolkit or f"{minor_version(str(torch.cuda))}.*"
    here = f"no toolkit {major(str(torch.cuda))}.x is here"
    # The oldest among those that compilers take; none where one is not known.
    known = [compiler.libc for compiler in hardware.compilers if compiler.name]
    libc = min(known, key=numbers_in) if known and all(known) else ""
    clash = first_cuda(libc)
    if clash and numbers_in(minor_version(version)) < numbers_in(clash.cuda):
        version = f"{clash.cuda}.*"
        here = f"{here} whose headers agree with glibc {libc}: {clash.cuda} is the first one"
    reason = f"torch {torch.version} was built with CUDA {torch.cuda}, and {here}"
    return Planned(text=f"cuda-toolkit[{extras}]=={version}", reason=reason)


def _unfit(hardware: Hardware, torch: Torch) -> Iterator[str]:
    """Yield why the user's own choice is not taken."""
    yield from (f"{fault}: not used" for fault in hardware.toolkit_faults if fault.startswith(_OF_VARIABLES))
    for toolkit in (toolkit for toolkit in hardware.toolkits if toolkit.source in TOOLKIT_VARIABLES):
        if major(toolkit.version) != major(str(torch.cuda)):
            named = toolkit.nvcc if toolkit.source == "CUDACXX" else toolkit.home
            yield (
                f"{toolkit.source}={named} is not used: CUDA {toolkit.version} cannot compile for"
                f" torch {torch.version}, which was built with CUDA {torch.cuda}"
            )
        elif c := _clashing_compiler(toolkit, hardware.compilers):
            yield (
                f"{toolkit.source}={toolkit.home} is not used: its headers agree with glibc up to"
                f" {toolkit.highest_libc}, and {c.cxx} compiles with {c.libc}"
            )


def _faults_of_others(hardware: Hardware) -> tuple[str, ...]:
    """Return why toolkits are not taken that nobody named: of what is named, `_unfit` says it."""
    others = (fault for fault in hardware.toolkit_faults if not fault.startswith(_OF_VARIABLES))
    return tuple(f"{fault}: not used" for fault in others)[:_MOST_FAULTS]


def _mismatch(hardware: Hardware, torch: Torch) -> Problem:
    cuda, its_major = minor_version(str(torch.cuda)), major(str(torch.cuda))
    package = f"cuda-toolkit-{cuda.replace('.', '-')}"
    found = hardware.toolkits
    what = f"nvcc {found[0].version} cannot compile" if found else "no CUDA toolkit to compile"
    return Problem.of(
        code="cuda-mismatch" if found else "no-cuda-toolkit",
        headline=f"{what} for a PyTorch built with CUDA {torch.cuda}",
        torch=torch_place(torch),
        nvcc=[f"{t.version} at {t.nvcc} ({t.source})" for t in found[:3]],
        unfit=hardware.toolkit_faults[:3],
        why=f"only a toolkit of CUDA {its_major} will do, and PyPI has none to download",
        fixes=(
            f"conda install -c nvidia cuda-toolkit={cuda}",
            f"apt-get install {package}   (from NVIDIA's repository; any {its_major}.x will do)",
            f"export CUDA_HOME=/usr/local/cuda-{cuda}   (where one is installed)",
        ),
    )


def _no_cuda_torch(config: Config, snapshot: Snapshot, torch: Torch) -> Problem:
    install = install_fix(snapshot, snapshot.consumer, f"torch=={torch.version.partition('+')[0]}")
    if not install.startswith("--with"):
        # A build without CUDA meets the same requirement.
        again = "--reinstall-package torch" if snapshot.front_end.name is FrontEndName.UV else "--force-reinstall"
        install = f"{install} {again}"
    return Problem.of(
        code="torch-without-cuda",
        headline=f"the package needs CUDA, and torch {torch.version} is built without it",
        torch=torch_place(torch),
        wanted=f"cuda = required ({config.origin('cuda')})",
        why="torch itself would only say that CUDA_HOME is not set, whatever it is set to",
        fixes=(f"{install}   (PyPI's is a CUDA build on Linux)", "-C torchgraft.cuda=auto   (to build without CUDA)"),
    )


def torch_place(torch: Torch) -> str:
    """Return a torch and where it is, for messages: one that is only going to be installed is nowhere yet."""
    return f"{torch.version} in {torch.folder}" if torch.folder else f"{torch.version}, which will be installed"


def minor_version(version: str) -> str:
    """Return the first two parts of a version."""
    return ".".join(version.split(".")[:2])


def _agrees(libc: str, highest: str) -> bool:
    """Return whether headers that agree with glibc up to `highest` agree with a release; "" is none that is known."""
    return not libc or not highest or numbers_in(libc) <= numbers_in(highest)


def first_cuda(libc: str) -> LibcClash | None:
    """Return the clash that a release of glibc has with older CUDAs than the one it names; None if it has none."""
    found = [clash for clash in CLASHES if libc and numbers_in(clash.glibc) <= numbers_in(libc)]
    return found[-1] if found else None


def takes(compiler: HostCompiler, *, highest_gcc: int | None, highest_libc: str = "") -> bool:
    """Return whether a toolkit with these limits takes a compiler as the one for the host."""
    return (
        compiler.name == "gcc"
        and (highest_gcc is None or numbers_in(compiler.version)[:1] <= (highest_gcc,))
        and _agrees(compiler.libc, highest_libc)
    )


def _clashing_compiler(toolkit: Toolkit, compilers: Iterable[HostCompiler]) -> HostCompiler | None:
    """Return a compiler whose C library a toolkit's headers clash with; None where they agree with that of another."""
    usable = [compiler for compiler in compilers if compiler.name]
    fitting = [c for c in usable if takes(c, highest_gcc=toolkit.highest_gcc)] or usable[:1]
    if not fitting or any(_agrees(compiler.libc, toolkit.highest_libc) for compiler in fitting):
        return None
    return fitting[0]


def _libc_problem(toolkit: Toolkit, compiler: HostCompiler, *, torch: str) -> Problem:
    """Return what is wrong where no release of a CUDA's major version agrees with the machine's glibc."""
    clash = first_cuda(compiler.libc)
    function = clash.function if clash else "some functions"
    return Problem.of(
        code="libc-too-new",
        headline=f"CUDA {toolkit.version} cannot compile with glibc {compiler.libc}",
        torch=torch,
        nvcc=f"{toolkit.version} at {toolkit.nvcc} ({toolkit.source})",
        glibc=f"{compiler.libc}, whose headers {compiler.cxx} uses",
        limit=f"glibc {toolkit.highest_libc} (crt/math_functions.h of the toolkit)",
        why=f"newer versions of glibc declare {function} differently: nothing that includes math.h compiles",
        fixes=(
            "conda install -c conda-forge gxx   (in an active environment: it has headers of an older glibc)",
            "install a torch for CUDA 13   (its toolkit comes from PyPI)",
            f"build in a container whose glibc is {toolkit.highest_libc} or older",
        ),
    )
