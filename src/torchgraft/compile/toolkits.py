"""Every CUDA toolkit of the machine, each once, and where NVIDIA's wheels have put parts of one (nvidia/cu13).

May not choose one. What is broken is left out, with a sentence that says why.
"""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..consumer.ownership import read_exposures
from ..files import is_file, is_folder, names_in, real
from ..model.hardware_values import Toolkit
from ..model.observation import Exposure
from ..programs import find_programs
from ..values import dataclass
from .nvcc import (
    HEADERS,
    NVCC,
    Nvcc,
    has_header,
    read_highest_gcc,
    read_highest_libc,
    read_version,
    resolve_nvcc,
    take_architectures,
)
from .plan_needs import Looking, toolkits_for

# Patterns of homes. On Debian nvcc is on PATH, and its home is /usr.
PLACES = (
    "/usr/local/cuda*",
    "/opt/cuda*",
    "/opt/nvidia/hpc_sdk/Linux_*/*/cuda/*",
    "C:/Program Files/NVIDIA GPU Computing Toolkit/CUDA/v*",
)
# Of homes, in torch's order. What is wrong with one begins with NAME=VALUE.
_VARIABLES = ("CUDA_HOME", "CUDA_PATH")
_ON_PATH = "nvcc on PATH"
# Since CUDA 13 all of a toolkit is in one folder; before, each wheel had its own. cudnn, nccl, nvshmem and cusparselt
# are no part of a toolkit, and have generic header names.
_TREE = re.compile(r"cu\d+")
_PARTS = frozenset(
    {
        *("cublas", "cuda_cccl", "cuda_cupti", "cuda_nvcc", "cuda_nvrtc", "cuda_profiler_api", "cuda_runtime", "cufft"),
        *("cufile", "curand", "cusolver", "cusparse", "npp", "nvjitlink", "nvjpeg", "nvml_dev", "nvtx"),
    }
)
_DISTRIBUTION = re.compile(r"nvidia_(cuda_nvcc|nvvm)-(\d+\.\d+)[\d.]*\.dist-info")
_ANY_DISTRIBUTION = re.compile(r"(nvidia_[\w.]+-[\w.]+)\.dist-info")


@dataclass(frozen=True, kw_only=True)
class ToolkitSearch:
    """The toolkits that can be used, in the order in which they were looked for, and what is wrong with the others.

    `trees` are the folders of NVIDIA's wheels, the build environment's first.
    """

    toolkits: tuple[Toolkit, ...] = ()
    faults: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WheelTree:
    """A folder with include/, lib/ or bin/ of a toolkit. `site` is the folder that the wheels are installed in."""

    folder: str
    site: str
    in_build: bool

    @property
    def owner(self) -> str:
        """Whose wheels these are, in words."""
        return "NVIDIA's wheels in the build environment" if self.in_build else "NVIDIA's wheels in the consumer"


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """An nvcc that may be there. `home` is the folder it was looked for in, None where only nvcc was named.

    `fault` says what it means that there is none; "" where that is nothing to speak of. `guess`: nobody has named it.
    """

    nvcc: str
    source: str
    home: str | None = None
    fault: str = ""
    guess: bool = False


class _UnusableError(Exception):
    """A candidate that cannot be used; the text says why."""


def find_toolkits(variables: Mapping[str, str], looking: Looking, *, places: tuple[str, ...] = PLACES) -> ToolkitSearch:
    """Return every toolkit that is named, on PATH, in a usual place, in a conda environment, or made of wheels.

    A toolkit that is found twice keeps what the user called it by first.
    """
    guess, trees = looking.guess, find_wheel_trees(looking.search_paths, build_paths=looking.build_paths)
    found: dict[str, tuple[_Candidate, Toolkit]] = {}
    faults: list[str] = []
    seen: set[tuple[str, str]] = set()
    candidates = itertools.chain(
        _named(variables),
        (_Candidate(nvcc=path, source=_ON_PATH) for path in find_programs(NVCC, variables)),
        _placed(places),
        _in_environments((variables.get("CONDA_PREFIX", ""),)),
        _in_environments(looking.prefixes, guess=guess),
        (_in_home(tree.folder, source=tree.owner, guess=guess and not tree.in_build) for tree in trees),
    )
    for candidate in candidates:
        # Not the real path of nvcc: a home of links has another one's nvcc, and other headers.
        key = (real(Path(candidate.nvcc).parent), Path(candidate.nvcc).name)
        if key in seen:
            continue
        seen.add(key)
        if not is_file(Path(candidate.nvcc)):
            faults += [candidate.fault] if candidate.fault else []
            continue
        if others := _others(candidate, looking.trusting):
            faults.append(f"{candidate.nvcc} ({candidate.source}) is not used: {others}")
            continue
        try:
            toolkit = _read(candidate, variables, trees=trees, known=found)
        except _UnusableError as error:
            faults.append(str(error))
        else:
            if toolkit:
                found[real(Path(toolkit.home))] = candidate, toolkit
                faults += _misleading(candidate, toolkit)
    search = _start(tuple(found.values()), variables, cudas=looking.cudas)
    return replace(
        search, faults=tuple(dict.fromkeys((*faults, *search.faults))), trees=tuple(tree.folder for tree in trees)
    )


def _start(
    found: tuple[tuple[_Candidate, Toolkit], ...], variables: Mapping[str, str], *, cudas: tuple[str, ...]
) -> ToolkitSearch:
    """Return the toolkits less those whose nvcc does not start, with the architectures of those that do."""
    candidates = {toolkit.home: candidate for candidate, toolkit in found}
    left = {toolkit.home: toolkit for _, toolkit in found}
    faults = []
    queues = [toolkits_for(left.values(), cuda) for cuda in cudas] or [(toolkit,) for toolkit in left.values()]
    for toolkit in itertools.chain.from_iterable(_until_started(queue, left) for queue in queues):
        names, fault = take_architectures(toolkit.nvcc, variables)
        if names:
            left[toolkit.home] = replace(toolkit, architectures=names)
        else:
            del left[toolkit.home]
            faults.append(f"{_who(candidates[toolkit.home], toolkit.nvcc)} does not start: {fault}")
    return ToolkitSearch(toolkits=tuple(left.values()), faults=tuple(faults))


def _until_started(queue: tuple[Toolkit, ...], left: Mapping[str, Toolkit]) -> Iterator[Toolkit]:
    """Yield what has to be tried, looking at what came of it: nothing after the first that has started."""
    for toolkit in queue:
        if toolkit.home in left and not left[toolkit.home].architectures:
            yield toolkit
        if toolkit.home in left:
            return


def _misleading(candidate: _Candidate, toolkit: Toolkit) -> Iterator[str]:
    """Yield that the user's variable leads to a toolkit by its nvcc alone: torch takes headers from what is named."""
    if candidate.source in _VARIABLES and candidate.home and real(Path(candidate.home)) != real(Path(toolkit.home)):
        yield f"{candidate.source}={candidate.home} has no headers, its nvcc is that of {toolkit.home}"


def _who(candidate: _Candidate, path: str) -> str:
    """Return what a fault is about: the user's variable, or a path with who led to it."""
    if candidate.source in (*_VARIABLES, "CUDACXX"):
        return f"{candidate.source}={candidate.home or candidate.nvcc}"
    return f"{path} ({candidate.source})"


def _named(variables: Mapping[str, str]) -> Iterator[_Candidate]:
    """Yield what the user's variables name."""
    for name in _VARIABLES:
        if home := variables.get(name):
            yield _in_home(home, source=name, fault=f"{name}={home} has no bin/{NVCC}")
    if compiler := variables.get("CUDACXX"):
        # Never one of this name in the working folder, which is the source tree.
        path = next(iter(find_programs(compiler, variables)), compiler if Path(compiler).is_absolute() else "")
        yield _Candidate(nvcc=path, source="CUDACXX", fault=f"CUDACXX={compiler} is no program")


def _placed(places: tuple[str, ...]) -> Iterator[_Candidate]:
    for pattern in places:
        # /usr/local/cuda is a link to one of the others.
        for folder in dict.fromkeys(real(Path(path)) for path in sorted(glob.glob(pattern))):  # noqa: PTH207
            if is_folder(Path(folder)):
                fault = f"{folder} has no bin/{NVCC}"
                yield _in_home(folder, source=_fixed_part(pattern), fault=fault, guess=True)


def _in_environments(prefixes: tuple[str, ...], *, guess: bool = False) -> Iterator[_Candidate]:
    for prefix in dict.fromkeys(prefixes):
        if prefix and is_folder(Path(prefix, "conda-meta")):
            yield _in_home(prefix, source=f"the conda environment {prefix}", guess=guess)


def _in_home(home: str, *, source: str, fault: str = "", guess: bool = False) -> _Candidate:
    folder = Path(home).absolute()
    return _Candidate(nvcc=str(folder / "bin" / NVCC), source=source, home=str(folder), fault=fault, guess=guess)


def _others(candidate: _Candidate, trusting: Mapping[str, Any]) -> str:
    """Return who could have put another nvcc where we found one that nobody named: it is about to be started."""
    if candidate.source in {*_VARIABLES, "CUDACXX", _ON_PATH}:
        return ""
    found = read_exposures([Path(candidate.nvcc), Path(candidate.nvcc).parent], **trusting)
    others = (one for one in found if candidate.guess or one.by == Exposure.EVERYBODY)
    return next((f"{one.by} can change {one.path}" for one in others), "")


def _fixed_part(pattern: str) -> str:
    """Return the fixed part of a pattern: /usr/local for /usr/local/cuda*."""
    parts = Path(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return str(Path(*parts[:fixed]))


def _read(
    candidate: _Candidate, variables: Mapping[str, str], *, trees: Iterable[WheelTree], known: Collection[str]
) -> Toolkit | None:
    """Return the toolkit of an nvcc, None where it is known already; raise _UnusableError if it is of no use."""
    if not os.access(candidate.nvcc, os.X_OK):
        raise _UnusableError(f"{_who(candidate, candidate.nvcc)} cannot be run: its nvcc is not executable")
    nvcc = resolve_nvcc(candidate.nvcc, variables)
    if nvcc is None:
        raise _UnusableError(f"{_who(candidate, candidate.nvcc)} does not say which toolkit is behind it")
    home = _home(candidate, nvcc)
    if real(Path(home)) in known:
        return None
    tree = next((tree for tree in trees if real(Path(tree.folder)) == real(Path(home))), None)
    # As it is spelled among the trees, which it is compared with.
    home = tree.folder if tree else home
    own = Path(home, "bin", NVCC)
    path = str(own) if is_file(own) else nvcc.path
    version = (tree and _wheel_version(tree)) or read_version(Nvcc(path=path, home=home), variables)
    if version is None:
        raise _UnusableError(f"{_who(candidate, home)} does not say its version, and neither does its nvcc")
    return Toolkit(
        home=home,
        version=version,
        source=candidate.source,
        nvcc=path,
        highest_gcc=read_highest_gcc(Path(home)),
        missing_headers=tuple(name for name in HEADERS if not has_header(Path(home), name)),
        highest_libc=read_highest_libc(Path(home)),
    )


def _home(candidate: _Candidate, nvcc: Nvcc) -> str:
    """Return the folder that was named if it has headers; else that of nvcc.

    CUDA_HOME=/usr/local with a wrapper script in /usr/local/bin is what torch guesses, and has no headers. On Debian
    it is the other way round: nvcc is in a folder of its own, and the headers beside the script, in /usr/include.
    """
    folders = (candidate.home, nvcc.home, str(Path(candidate.nvcc).parent.parent))
    return next((folder for folder in folders if folder and has_header(Path(folder), "cuda_runtime.h")), nvcc.home)


def _wheel_version(tree: WheelTree) -> str | None:
    """Return the version of nvcc's wheel.

    :raises _UnusableError: if half of the compiler is missing, or of another version: it dies of "Unsupported .version"
    """
    matches = (_DISTRIBUTION.fullmatch(name) for name in names_in(Path(tree.site)))
    versions = {match[1]: match[2] for match in matches if match}
    nvcc, nvvm = versions.get("cuda_nvcc"), versions.get("nvvm")
    if not is_folder(Path(tree.folder, "nvvm", "bin")):
        raise _UnusableError(
            f"{tree.folder} ({tree.owner}) has nvcc without nvidia-nvvm, which holds half of the compiler"
        )
    if nvcc and nvvm and nvcc != nvvm:
        raise _UnusableError(f"{tree.folder} ({tree.owner}) has nvcc {nvcc} with nvvm {nvvm}: they have to be the same")
    return nvcc


def find_wheel_trees(search_paths: tuple[str, ...], *, build_paths: Collection[str] = ()) -> tuple[WheelTree, ...]:
    """Return each tree once, the build environment's first: those of its `build_paths`."""
    builds = {real(Path(path)) for path in build_paths}
    found: dict[str, WheelTree] = {}
    for site in sorted(dict.fromkeys(search_paths), key=lambda path: real(Path(path)) not in builds):
        nvidia = Path(site, "nvidia")
        for name in names_in(nvidia):
            folder = nvidia / name
            if (_TREE.fullmatch(name) or name in _PARTS) and any(is_folder(folder / p) for p in ("include", "bin")):
                tree = WheelTree(folder=str(folder.absolute()), site=site, in_build=real(Path(site)) in builds)
                found.setdefault(real(folder), tree)
    return tuple(found.values())


def find_wheel_names(search_paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return NVIDIA's wheels with their versions (nvidia_cublas-13.1.0.3): what the trees hold changes with them."""
    matches = (_ANY_DISTRIBUTION.fullmatch(name) for site in search_paths for name in names_in(Path(site)))
    return tuple(sorted({match[1] for match in matches if match}))
