"""What is known of torch, of the interpreter and of the machine: the facts that conditions and templates are about.

May not guess: what is not known yet has no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from ..ladder.plan_torch import Choice
from ..model.observation import Knowledge, Snapshot, Torch
from ..settings.template import FACTS
from ..versions import parse_version
from .plan_compiling import Compiling


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The values of facts by name, and what is known of torch; `why` says why that is not all, "" where it is."""

    torch: Torch
    why: str
    values: Mapping[str, str]

    def missing(self, name: str) -> str:
        """Return why a fact has no value."""
        if FACTS[name].of_machine:
            return f"{{{name}}} has no value here: nothing is compiled, or nothing that needs it"
        if name in {"name", "version"}:
            return f"{{{name}}} has no value: no file states it"
        return f"{{{name}}} has no value: {self.why or f'torch {self.torch.version} has none'}"


def plan_facts(snapshot: Snapshot, choice: Choice, torch: Torch, compiling: Compiling) -> Facts:
    """Return the facts that have a value in this hook.

    :param torch: the one that the wheel will meet, as far as it is known
    """
    values = dict([*_of_torch(torch), *_of_project(snapshot), *_of_machine(compiling)])
    python = snapshot.python
    abi = python.abi
    values |= {
        "python": _python_tag(python.implementation, python.version),
        "python_minor": python.minor_version,
        "abi": abi,
        "platform": python.platform,
        "machine": python.machine,
        "accelerator": torch.accelerator,
    }
    return Facts(torch=torch, why=_why_not(choice, torch), values={n: value for n, value in values.items() if value})


def _why_not(choice: Choice, torch: Torch) -> str:
    """Return why not all is known of a torch; "" where it is."""
    if torch.known is Knowledge.SEEN:
        return ""
    if choice.requirement is None:
        return "no rung of the ladder knows a torch"
    what = f"torch {torch.version}" if torch.known is Knowledge.NAMED else choice.requirement.text
    return f"{what} is not installed yet"


def _of_torch(torch: Torch) -> Iterator[tuple[str, str]]:
    if torch.known is Knowledge.GUESSED:
        return
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
