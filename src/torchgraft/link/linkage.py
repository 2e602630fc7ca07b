"""Whether libraries link: what modules need of torch, what its libraries define, what is loaded with what, the verdict.

May not look at a file: every type here is frozen, keyword-only, and round-trips through JSON (see `codec`).

`modules` reads what is checked, `libraries` what there is to link with; `plan_link` compares both.
"""

from __future__ import annotations

import enum
import functools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from ..values import dataclass

# What a library of torch is called. Its CUDA and ROCm parts are among them: libc10_cuda.so, libtorch_hip.so.
TORCH_LIBRARY = re.compile(r"lib(?:torch|c10|caffe2|shm|aoti)[a-z0-9_]*\.so(?:\.\d+)*")
# Wheels of torch 1.13 to 2.0 hold one whose name has a digest in it: libcudart-d0da41ae.so.11.0.
CUDART = re.compile(r"libcudart(?:-[0-9a-f]+)?\.so\.(\d+)(?:\.\d+)*")
# The namespaces of torch in the mangling of the Itanium C++ ABI, after what may stand before a name: virtual tables,
# type information, guards, thunks, and the qualifiers of a member function.
_OF_TORCH = re.compile(
    r"_Z(?:T[VTIS]|GV|T[hv]n?\d+_(?:n?\d+_)?|Tc[hv]n?\d+_(?:n?\d+_)?[hv]n?\d+_(?:n?\d+_)?)?"
    r"(?:N[rVK]*[RO]?(?:3c10|4c10d|2at|5torch|6caffe2|8pybind116detail11type_casterIN(?:3c10|2at|5torch))"
    r"|\d+THP[A-Z]\w*)"
)
_C_OF_TORCH = re.compile(r"(?:aoti_torch|torch)_\w+")
_PYTHON_OF_TORCH = re.compile(r"THP[A-Z]\w*")


def is_of_torch(symbol: str) -> bool:
    """Return whether a symbol is torch's to define: those of its namespaces, its C interface, its Python classes."""
    return bool(_OF_TORCH.match(symbol) or _C_OF_TORCH.fullmatch(symbol) or _PYTHON_OF_TORCH.fullmatch(symbol))


def is_of_stable_abi(symbol: str) -> bool:
    """Return whether a symbol of torch is of its stable ABI, which has C functions alone."""
    return _C_OF_TORCH.fullmatch(symbol) is not None


class Format(enum.Enum):
    """What kind of library a file is. Only ELF can be checked."""

    ELF = "ELF"
    MACH_O = "Mach-O"
    PE = "PE"


class Verdict(enum.Enum):
    """Whether a module links with the torch that it was compared with, the worst last."""

    LINKS = "links"
    NOT_CHECKED = "not checked"
    DOES_NOT_LINK = "does not link"


class Reason(enum.Enum):
    """Why a module does not link, most telling first: the first that holds is the likely one."""

    CXX11_ABI = "it was compiled with the other C++ ABI"
    ACCELERATOR = "it was built for a torch with another accelerator"
    CUDA_MAJOR = "it was built for another major version of CUDA"
    GLIBC = "it was built for a newer C library"
    GLIBCXX = "it was built for a newer C++ library"
    LIBRARY = "it was built for a newer version of another library"
    LOST = "a library that it needs is not there"
    NOT_NAMED = "it was not linked with the library of torch that has them"
    VERSION = "it was built for another version of torch"


# What says nothing of torch, and everything of the machine: another build for another torch does not help.
OF_THE_MACHINE = frozenset({Reason.GLIBC, Reason.GLIBCXX, Reason.LIBRARY})


class WhetherFound(enum.Enum):
    """Whether the loader finds a library. It may if it cannot be known here where a module will be, or who loads it."""

    HERE = "here"
    PERHAPS = "perhaps"
    NOWHERE = "nowhere"


@dataclass(frozen=True, kw_only=True)
class VersionNeed:
    """The symbol versions that a module needs of a system library: GLIBCXX_3.4.30 of libstdc++.so.6."""

    library: str
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Module:
    """One library of a wheel or folder. `file` is relative to it, with forward slashes.

    `machine` and `bits` are those of the ELF header (EM_X86_64, 64). `needed` are the names of the libraries that it
    asks for; `run_path` is where they are looked for, `old_run_path` whether by DT_RPATH. `undefined` are the symbols
    of torch that it needs and that are not weak, `defines` those in torch's namespaces that it has itself, both
    sorted. `inits` are the PyInit functions that it defines. `compilers` are what compilers have written into it, such
    as `GCC: (Debian 12.2.0-14) 12.2.0`. `fault` says why an ELF file cannot be read.
    """

    file: str
    format: Format
    machine: str = ""
    bits: int = 0
    soname: str = ""
    needed: tuple[str, ...] = ()
    run_path: tuple[str, ...] = ()
    old_run_path: bool = False
    undefined: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    version_needs: tuple[VersionNeed, ...] = ()
    inits: tuple[str, ...] = ()
    compilers: tuple[str, ...] = ()
    fault: str = ""

    @property
    def name(self) -> str:
        """What other modules call it in `needed`."""
        return self.soname or self.file.rpartition("/")[2]

    @property
    def needs_torch(self) -> bool:
        """Whether it has to be linked with torch."""
        return bool(self.undefined) or any(TORCH_LIBRARY.fullmatch(name) for name in self.needed)

    @property
    def is_stable(self) -> bool:
        """Whether it uses torch's stable ABI, and nothing else of torch."""
        return bool(self.undefined) and all(map(is_of_stable_abi, self.undefined))


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library that modules may be linked with. `defines` are, of the symbols that were asked for, those it has."""

    name: str
    file: str
    of_torch: bool
    needed: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Libraries:
    """What there is to link with. `fault` says why it cannot be compared with: there is no torch, or no library of it.

    `machine` and `bits` are those of torch's own. `missing` are names in `needed` that were looked for and not found:
    what such a library defines is not known. `cudart` is the name of the CUDA runtime that torch loads, "" without;
    `runtimes` says of others that modules need, and do not bring themselves, whether they are found.
    `versions` are the symbol versions that the system's libraries define. `other_abi` are symbols that cannot be
    resolved, while torch has the same ones with the other C++ ABI. `since` says of symbols of the stable ABI which
    version of torch had them first. `readable` are the names of such symbols as people write them.
    """

    fault: str = ""
    machine: str = ""
    bits: int = 0
    libraries: tuple[Library, ...] = ()
    missing: tuple[str, ...] = ()
    cudart: str = ""
    runtimes: Mapping[str, WhetherFound] = field(default_factory=lambda: MappingProxyType({}))
    versions: tuple[VersionNeed, ...] = ()
    other_abi: tuple[str, ...] = ()
    since: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    readable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class ModuleReport:
    """Whether one module links. `faults` say what does not, a line each, the symbols as people write them.

    `missing` are the symbols as the linker writes them. `said` says why a module was not checked.
    """

    file: str
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    missing: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    said: str = ""

    @property
    def lacks_versions_alone(self) -> bool:
        """Whether nothing is wrong with it but that the libraries of this machine are too old for it."""
        return bool(self.reasons) and OF_THE_MACHINE.issuperset(self.reasons)


@dataclass(frozen=True, kw_only=True)
class LinkReport:
    """Whether the modules of a wheel or folder link, those that need torch; the others have no part in it.

    `symbols` is a digest of all symbols of torch that they need, "" if there are none. `stable_since` is the version
    of torch from which on all of them fit, if they use its stable ABI alone; "" if not.
    """

    modules: tuple[ModuleReport, ...] = ()
    symbols: str = ""
    stable_since: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict; what needs no torch links."""
        order = list(Verdict)
        return max((module.verdict for module in self.modules), key=order.index, default=Verdict.LINKS)

    @property
    def lacks_versions_alone(self) -> bool:
        """Whether all that does not link is made for newer libraries than this machine's: no other torch helps."""
        failed = [module for module in self.modules if module.verdict is Verdict.DOES_NOT_LINK]
        return bool(failed) and all(module.lacks_versions_alone for module in failed)


def names_of(modules: Iterable[Module]) -> frozenset[str]:
    """Return all names by which modules may be asked for."""
    return frozenset(name for module in modules for name in (module.name, module.file.rpartition("/")[2]))


class Loading:
    """Where the loader looks for the symbols of modules: in what each needs, and what that needs, and so on (ld.so(8)).

    A library that others are linked with is loaded with them, and finds what they need too. `import torch` is no help:
    it loads its libraries for itself. Who needs whom is found out once, for thousands of modules.
    """

    def __init__(self, modules: Iterable[Module], libraries: Iterable[Library]) -> None:
        """Take the modules that are installed together, and what else there is. A module goes before a library."""
        self.modules = tuple(modules)
        self.names = names_of(self.modules)
        others = (library for library in libraries if library.name not in self.names)
        self._nodes: tuple[Module | Library, ...] = (*self.modules, *others)
        self._places = {id(node): place for place, node in enumerate(self._nodes)}
        named: dict[str, set[int]] = {}
        for place, node in enumerate(self._nodes):
            for name in names_of([node]) if isinstance(node, Module) else [node.name]:
                named.setdefault(name, set()).add(place)
        self._needed = [
            sorted({place for name in node.needed for place in named.get(name, ())}) for node in self._nodes
        ]
        self._defines = [frozenset(node.defines) for node in self._nodes]

    @functools.cached_property
    def _needed_by(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in self._nodes]
        for place, needed in enumerate(self._needed):
            for other in needed:
                found[other].append(place)
        return found

    def unresolved(self, module: Module) -> tuple[str, ...]:
        """Return the symbols of torch that a module, one of those given before, needs and cannot find, sorted."""
        start = self._places[id(module)]
        seen: set[int] = set()
        lacking = self._lacking(frozenset(module.undefined), [start], seen)
        if lacking:
            loaders = [place for place in _walk([start], self._needed_by, set()) if place < len(self.modules)]
            lacking = self._lacking(lacking, loaders, seen)
        return tuple(sorted(lacking))

    def _lacking(self, symbols: frozenset[str], starts: Iterable[int], seen: set[int]) -> frozenset[str]:
        for place in _walk(starts, self._needed, seen):
            symbols -= self._defines[place]
            if not symbols:
                break
        return symbols

    def reached(self, module: Module) -> Iterator[Module | Library]:
        """Yield a module and what is loaded with it because it needs that, the nearest first."""
        for place in _walk([self._places[id(module)]], self._needed, set()):
            yield self._nodes[place]


def _walk(starts: Iterable[int], edges: Sequence[Sequence[int]], seen: set[int]) -> Iterator[int]:
    """Yield what is reached and was not seen before, breadth first."""
    ahead = deque(starts)
    while ahead:
        place = ahead.popleft()
        if place not in seen:
            seen.add(place)
            yield place
            ahead += edges[place]
