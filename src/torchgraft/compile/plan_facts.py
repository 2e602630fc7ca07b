"""What is known of torch, of the interpreter and of the machine: the facts that conditions and templates are about.

The vocabulary says some of them in the words of well-known packages. May not guess: what is not known yet has no
value. May not override what the user or the package has set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from ..ladder.plan_torch import Choice
from ..model.decision import Compiling, PlannedVariable
from ..model.observation import Snapshot
from ..model.torch_values import Knowledge, Torch
from ..settings.config import Config, Cuda
from ..settings.kinds import OF_MACHINE
from ..untrusted import parse_version
from ..values import dataclass

if TYPE_CHECKING:
    from ..settings.vocabulary import Word


_PREFIXES = {"cpython": "cp", "pypy": "pp"}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The values of facts by name, and what is known of torch; `why` says why that is not all, "" where it is."""

    torch: Torch
    why: str
    values: Mapping[str, str]

    def missing(self, name: str) -> str:
        """Return why a fact has no value."""
        if name in OF_MACHINE:
            return f"{{{name}}} has no value here: nothing is compiled, or nothing that needs it"
        if name in {"name", "version"}:
            return f"{{{name}}} has no value: no file states it"
        return f"{{{name}}} has no value: {self.why or f'torch {self.torch.version} has none'}"


def plan_facts(snapshot: Snapshot, choice: Choice, torch: Torch, compiling: Compiling) -> Facts:
    """Return the facts that have a value in this hook, of the torch that the wheel will meet, as far as known."""
    values = dict([*_of_torch(torch), *_of_project(snapshot), *_of_machine(compiling)])
    python = snapshot.python
    values |= {
        # As tags call it (PEP 425).
        "python": _PREFIXES.get(python.implementation, python.implementation) + "".join(python.version.split(".")[:2]),
        "python_minor": python.minor_version,
        "abi": python.abi,
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
        return "nothing says which torch"
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


def plan_vocabulary(
    config: Config, snapshot: Snapshot, compiling: Compiling, *, torch: str | None
) -> Iterator[PlannedVariable]:
    """Yield the variables by which well-known packages learn what was decided: the words that apply to this project.

    With a torch that has no CUDA none of them forces anything: the package then does what it does by itself.

    :param torch: the version of torch without its local part, None if it is not known yet
    """
    from ..settings.vocabulary import Decision, words_of

    made = {
        Decision.NO_CUDA: config.cuda is Cuda.OFF,
        Decision.NO_CUDA_BY_SETTING: config.cuda is Cuda.OFF and not snapshot.switched_off,
        Decision.TOOLKIT: compiling.toolkit is not None,
        Decision.OTHER_MINOR: compiling.other_minor,
        Decision.ROCM: compiling.rocm,
        Decision.TORCH: bool(torch),
    }
    for word in words_of(snapshot.project.name, config.vocabulary):
        value = _value(word, compiling, torch) if made[word.when] else ""
        if value:
            whose = ", ".join(word.packages[:2]) or "every package"
            yield PlannedVariable(
                name=word.variable,
                value=value,
                reason=f"vocabulary of {whose}: {word.when.value}",
                of_machine=word.when.of_machine,
            )


def _value(word: Word, compiling: Compiling, torch: str | None) -> str:
    """Return the value of a word, "" where what it says has no value here."""
    if not word.value.endswith("}"):
        return word.value
    values: Mapping[str, str] = {
        "{numbers}": ";".join(number for number, _ in covered(compiling.architectures, word.known)),
        "{dotted}": ";".join(dotted for _, dotted in covered(compiling.architectures, word.known)),
        "{gfx}": ";".join(compiling.gfx),
        "{gfx_words}": " ".join(compiling.gfx),
        "{one_gfx}": compiling.gfx[0] if len(compiling.gfx) == 1 else "",
        "{jobs}": str(compiling.jobs or ""),
        "-j{jobs}": f"-j{compiling.jobs}" if compiling.jobs else "",
        "{torch}": torch or "",
    }
    return values[word.value]


def covered(names: tuple[str, ...], known: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return architectures as numbers and dotted (86, 8.6), within what a package knows, lowest first, each once.

    Code for 8.0 runs on 8.6, and not on 9.0: what is not known becomes the highest known one of the same major
    version that is not above it (CUDA C++ Programming Guide, "Binary Compatibility"). Suffixes are left out: neither
    +PTX nor 90a is understood everywhere.

    :param known: as 80; all if it is empty
    """
    found = set()
    for name in names:
        match = re.match(r"(\d+)\.(\d)", name)
        if match is None:
            continue
        major, minor = int(match[1]), int(match[2])
        fitting = [number for number in map(int, known) if number // 10 == major and number % 10 <= minor]
        if not known:
            found.add((major, minor))
        elif fitting:
            found.add((major, max(fitting) % 10))
    return tuple((f"{major}{minor}", f"{major}.{minor}") for major, minor in sorted(found))
