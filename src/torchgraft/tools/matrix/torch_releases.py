"""The releases of PyTorch as data: the CUDA of the wheel on PyPI, the builds of PyTorch's own index, and the Pythons.

Of Linux on x86-64. `python docs/torch_releases.py` writes the rows anew. Sources: PyPI's page of torch and what its
wheels require; builds up to 2.14 are those of the release compatibility matrix in RELEASE.md of pytorch/pytorch,
stable and experimental ones.
"""

from __future__ import annotations

from ...values import dataclass


@dataclass(frozen=True, kw_only=True)
class Release:
    """A version of torch. `builds` are the folders of PyTorch's index (cpu, cu130), `on_pypi` is one of them."""

    version: str
    on_pypi: str
    builds: tuple[str, ...]
    pythons: tuple[str, ...]


_ROWS = """
2.15.0 cu132 cpu,cu132 3.11,3.12,3.13,3.14,3.15
2.14.1 cu130 cpu,cu126,cu130,cu132 3.10,3.11,3.12,3.13,3.14
2.14.0 cu130 cpu,cu126,cu130,cu132 3.10,3.11,3.12,3.13,3.14
2.13.0 cu130 cpu,cu126,cu130,cu132 3.10,3.11,3.12,3.13,3.14
2.12.1 cu130 cpu,cu126,cu130,cu132 3.10,3.11,3.12,3.13,3.14
2.12.0 cu130 cpu,cu126,cu130,cu132 3.10,3.11,3.12,3.13,3.14
2.11.0 cu130 cpu,cu126,cu128,cu130 3.10,3.11,3.12,3.13,3.14
2.10.0 cu128 cpu,cu126,cu128,cu130 3.10,3.11,3.12,3.13,3.14
2.9.1 cu128 cpu,cu126,cu128,cu130 3.10,3.11,3.12,3.13,3.14
2.9.0 cu128 cpu,cu126,cu128,cu130 3.10,3.11,3.12,3.13,3.14
2.8.0 cu128 cpu,cu126,cu128,cu129 3.9,3.10,3.11,3.12,3.13
2.7.1 cu126 cpu,cu118,cu126,cu128 3.9,3.10,3.11,3.12,3.13
2.7.0 cu126 cpu,cu118,cu126,cu128 3.9,3.10,3.11,3.12,3.13
2.6.0 cu124 cpu,cu118,cu124,cu126 3.9,3.10,3.11,3.12,3.13
2.5.1 cu124 cpu,cu118,cu121,cu124 3.9,3.10,3.11,3.12,3.13
2.5.0 cu124 cpu,cu118,cu121,cu124 3.9,3.10,3.11,3.12,3.13
2.4.1 cu121 cpu,cu118,cu121,cu124 3.8,3.9,3.10,3.11,3.12
2.4.0 cu121 cpu,cu118,cu121,cu124 3.8,3.9,3.10,3.11,3.12
2.3.1 cu121 cpu,cu118,cu121 3.8,3.9,3.10,3.11,3.12
2.3.0 cu121 cpu,cu118,cu121 3.8,3.9,3.10,3.11,3.12
2.2.2 cu121 cpu,cu118,cu121 3.8,3.9,3.10,3.11,3.12
2.2.1 cu121 cpu,cu118,cu121 3.8,3.9,3.10,3.11,3.12
2.2.0 cu121 cpu,cu118,cu121 3.8,3.9,3.10,3.11,3.12
2.1.2 cu121 cpu,cu118,cu121 3.8,3.9,3.10,3.11
2.1.1 cu121 cpu,cu118,cu121 3.8,3.9,3.10,3.11
2.1.0 cu121 cpu,cu118,cu121 3.8,3.9,3.10,3.11
2.0.1 cu117 cpu,cu117,cu118 3.8,3.9,3.10,3.11
2.0.0 cu117 cpu,cu117,cu118 3.8,3.9,3.10,3.11
"""
RELEASES = tuple(
    Release(version=version, on_pypi=on_pypi, builds=tuple(builds.split(",")), pythons=tuple(pythons.split(",")))
    for version, on_pypi, builds, pythons in (row.split() for row in _ROWS.split("\n") if row)
)
