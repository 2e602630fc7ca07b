"""Where NVIDIA's wheels have put parts of a CUDA toolkit: folders such as nvidia/cu13 and nvidia/cublas.

May not judge whether the parts make a toolkit.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..files import is_folder, names_in, real

# Since CUDA 13 all of a toolkit is in one folder; before, each wheel had its own. cudnn, nccl, nvshmem and cusparselt
# are no part of a toolkit, and have generic header names.
_TREE = re.compile(r"cu\d+")
_PARTS = frozenset(
    {
        "cublas",
        "cuda_cccl",
        "cuda_cupti",
        "cuda_nvcc",
        "cuda_nvrtc",
        "cuda_profiler_api",
        "cuda_runtime",
        "cufft",
        "cufile",
        "curand",
        "cusolver",
        "cusparse",
        "npp",
        "nvjitlink",
        "nvjpeg",
        "nvml_dev",
        "nvtx",
    }
)
_DISTRIBUTION = re.compile(r"nvidia_(cuda_nvcc|nvvm)-(\d+\.\d+)[\d.]*\.dist-info")
_ANY_DISTRIBUTION = re.compile(r"(nvidia_[\w.]+-[\w.]+)\.dist-info")


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


def find_wheel_trees(search_paths: tuple[str, ...], *, build_paths: Collection[str] = ()) -> tuple[WheelTree, ...]:
    """Return each tree once, the build environment's first.

    :param build_paths: those of `search_paths` that are the build environment's; the others are the consumer's
    """
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


def read_wheel_versions(site: str) -> dict[str, str]:
    """Return the versions (13.0) of the wheels of nvcc and of its other half, by name: cuda_nvcc, nvvm."""
    matches = (_DISTRIBUTION.fullmatch(name) for name in names_in(Path(site)))
    return {match[1]: match[2] for match in matches if match}
