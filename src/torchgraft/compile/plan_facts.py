"""What is known of torch, of the interpreter and of the machine: the facts that conditions and templates are about.

May not guess: what is not known yet has no value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from ..ladder.plan_expected_torch import cuda_of_local_part
from ..ladder.plan_torch import Choice
from ..ladder.plan_way import Reach
from ..ladder.plan_without_torch import chosen_version
from ..model.observation import Snapshot
from ..settings.template import FACTS
from ..versions import parse_version
from .plan_compiling import Compiling


@dataclass(frozen=True, kw_only=True)
class KnownTorch:
    """What is known of the torch that the wheel will meet. None: not known yet; "": it has none.

    `why` says why something is not known; "" where all is.
    """

    version: str | None = None
    accelerator: str | None = None
    cuda: str | None = None
    hip: str | None = None
    cxx11_abi: bool | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The values of facts by name, and what torch is."""

    torch: KnownTorch
    values: Mapping[str, str]

    def missing(self, name: str) -> str:
        """Return why a fact has no value."""
        if FACTS[name].of_machine:
            return f"{{{name}}} has no value here: nothing is compiled, or nothing that needs it"
        if name in {"name", "version"}:
            return f"{{{name}}} has no value: no file states it"
        return f"{{{name}}} has no value: {self.torch.why or f'torch {self.torch.version} has none'}"


def known_torch(snapshot: Snapshot, choice: Choice, reach: Reach) -> KnownTorch:
    """Return what is known of torch: all where there is one to look at, else what the version of a rung says.

    A local part says what a build is for (2.8.0+cu128). Without one, 2.8.0 is for CUDA on one platform and for CPUs on
    the next.
    """
    torch = reach.torch
    if torch is not None:
        return KnownTorch(
            version=torch.version,
            accelerator=torch.accelerator,
            cuda=torch.cuda or "",
            hip=torch.hip or "",
            cxx11_abi=torch.cxx11_abi,
        )
    if choice.requirement is None:
        return KnownTorch(why="no rung of the ladder knows a torch")
    version, is_known = chosen_version(snapshot, choice)
    if not is_known:
        return KnownTorch(why=f"{choice.requirement} is not installed yet")
    local = version.partition("+")[2]
    why = f"torch {version} is not installed yet"
    cuda = cuda_of_local_part(local)
    if cuda:
        return KnownTorch(version=version, accelerator="cuda", cuda=cuda, hip="", why=why)
    rocm = re.fullmatch(r"rocm(\d+\.\d+)[\d.]*", local)
    if rocm:
        return KnownTorch(version=version, accelerator="rocm", cuda="", hip=rocm[1], why=why)
    if local in {"cpu", "xpu"}:
        return KnownTorch(version=version, accelerator=local, cuda="", hip="", why=why)
    return KnownTorch(version=version, why=why)


def plan_facts(snapshot: Snapshot, torch: KnownTorch, compiling: Compiling) -> Facts:
    """Return the facts that have a value in this hook."""
    values = dict([*_of_torch(torch), *_of_project(snapshot), *_of_machine(compiling)])
    python = snapshot.python
    abi = python.abi
    values |= {
        "python": _python_tag(python.implementation, python.version),
        "python_minor": python.minor_version,
        "abi": abi,
        "platform": python.platform,
        "machine": python.machine,
        "accelerator": torch.accelerator or "",
    }
    return Facts(torch=torch, values={name: value for name, value in values.items() if value})


def _of_torch(torch: KnownTorch) -> Iterator[tuple[str, str]]:
    version = parse_version(torch.version)
    if version is not None:
        minor = f"{version.major}.{version.minor}"
        yield "torch", version.public
        yield "torch_minor", minor
        yield "torch_digits", minor.replace(".", "")
        yield "torch_local", version.local or ""
    if torch.cuda:
        yield "cuda", torch.cuda
        yield "cuda_major", torch.cuda.partition(".")[0]
        yield "cuda_digits", "".join(torch.cuda.split(".")[:2])
    if torch.hip:
        yield "hip", ".".join(torch.hip.split(".")[:2])
    if torch.cxx11_abi is not None:
        yield "cxx11abi", str(torch.cxx11_abi).upper()


def _of_project(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    name, version = snapshot.project.name, parse_version(snapshot.project.version)
    if name:
        yield "name", canonicalize_name(name).replace("-", "_")
    if version is not None:
        yield "version", str(version)


def _of_machine(compiling: Compiling) -> Iterator[tuple[str, str]]:
    if compiling.jobs:
        yield "jobs", str(compiling.jobs)
    if compiling.toolkit:
        yield "cuda_home", compiling.toolkit.home
        yield "nvcc", compiling.toolkit.version
    for variable in compiling.variables:
        if variable.name == "TORCH_CUDA_ARCH_LIST" and variable.value:
            yield "cuda_architectures", variable.value


def _python_tag(implementation: str, version: str) -> str:
    """Return the tag of an interpreter (PEP 425)."""
    prefix = {"cpython": "cp", "pypy": "pp"}.get(implementation, implementation)
    return prefix + "".join(version.split(".")[:2])
