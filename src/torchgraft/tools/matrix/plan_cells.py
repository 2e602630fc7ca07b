"""Which wheels a project has to have: the cells of Python x torch x CUDA that exist and that it supports.

May not look at the machine, nor ask an index: what exists stands here, for Linux on x86-64, and `python
docs/torch_releases.py` writes the rows anew. Sources: PyPI's page of torch and what its wheels require; builds up to
2.14 are those of the release compatibility matrix in RELEASE.md of pytorch/pytorch, stable and experimental ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.specifiers import SpecifierSet  # noqa: TC002 - the type of a field
from packaging.version import Version

from ...values import dataclass

CPU = "cpu"


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


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One wheel: for this Python and this torch, which is installed from this index ("": from PyPI).

    `torch` is the version that the front end is told, with its local part where an index other than PyPI has it;
    `build` is the name of its folder on PyTorch's index.
    """

    python: str
    torch: str
    build: str
    index: str

    @property
    def public(self) -> str:
        """The version of torch without its local part."""
        return self.torch.partition("+")[0]

    @property
    def name(self) -> str:
        """What the cell is called in the names of folders and files."""
        return f"torch-{self.public}-{self.build}-cp{self.python.replace('.', '')}"


@dataclass(frozen=True, kw_only=True)
class Range:
    """What a project supports, or somebody asks for. `cuda` is `cpu` for that build alone, None for all builds.

    `torch` are specifiers all of which have to hold.
    """

    python: SpecifierSet
    torch: tuple[SpecifierSet, ...]
    cuda: SpecifierSet | str | None = None
    every_patch: bool = False


def plan_cells(releases: Sequence[Release], wanted: Range, index: str) -> tuple[Cell, ...]:
    """Return the cells, the newest torch first; of each minor version the newest release, if not all are wanted."""
    fitting = [one for one in releases if all(specifier.contains(one.version) for specifier in wanted.torch)]
    ordered = sorted(fitting, key=lambda release: Version(release.version), reverse=True)
    minors = {Version(release.version).release[:2]: release for release in reversed(ordered)}
    chosen = ordered if wanted.every_patch else [r for r in ordered if minors[Version(r.version).release[:2]] is r]
    return tuple(_cells(chosen, wanted, index))


def _cells(releases: Iterable[Release], wanted: Range, index: str) -> Iterable[Cell]:
    for release in releases:
        for build in release.builds:
            if not _is_wanted(build, wanted.cuda):
                continue
            is_default = build == release.on_pypi
            for python in release.pythons:
                # A range of patch versions is one of the minor version, too: >=3.10.4.
                if any(wanted.python.contains(f"{python}.{patch}") for patch in (0, 99)):
                    yield Cell(
                        python=python,
                        torch=release.version if is_default else f"{release.version}+{build}",
                        build=build,
                        index="" if is_default else index.replace("{build}", build),
                    )


def cuda_of(build: str) -> str:
    """Return the CUDA version that a build is named for: 12.8 of cu128; "" for CPUs."""
    digits = build.removeprefix("cu")
    return f"{digits[:-1]}.{digits[-1]}" if digits.isdecimal() else ""


def _is_wanted(build: str, cuda: SpecifierSet | str | None) -> bool:
    version = cuda_of(build)
    if cuda is None or isinstance(cuda, str):
        return cuda is None or build == cuda
    return bool(version) and cuda.contains(version)
