"""Whether modules link with a torch, and if not, the likely reason.

May not look at a library: what is needed and what is there are given.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

from packaging.version import InvalidVersion, Version

from ..errors import Evidence, Problem
from ..model.torch_values import Torch
from .linkage import (
    CUDART,
    TORCH_LIBRARY,
    Format,
    Libraries,
    LinkReport,
    Loading,
    Module,
    ModuleReport,
    Reason,
    Verdict,
    WhetherFound,
)

_MOST_SHOWN = 2
_LONGEST_NAME = 120
# Whose versions they are, by how they begin.
_VERSIONS = {"GLIBC_": Reason.GLIBC, "GLIBCXX_": Reason.GLIBCXX, "CXXABI_": Reason.GLIBCXX}
_ACCELERATORS = ("cuda", "hip", "xpu")
# What the C library is called, by its name: that of Alpine, and what musl-gcc links with elsewhere.
_LIBCS = {"glibc": re.compile(r"libc\.so\.6(?:\.\d+)*"), "musl": re.compile(r"libc\.musl-[\w-]+\.so\.\d+|libc\.so")}
_OWN_COMPILER = "unset CC CXX   (a compiler for this system's own C library has to be taken)"
_FIXES = {
    Reason.CXX11_ABI: "remove -D_GLIBCXX_USE_CXX11_ABI from the compiler's flags: torch itself sets the right one",
    Reason.NOT_NAMED: "link it with ${TORCH_LIBRARIES} and libtorch_python, as torch.utils.cpp_extension does",
    Reason.CUDA_MAJOR: "remove what names another CUDA from the build: its flags, and libraries built before",
}
_OLDER = "compile on or for an older machine (a manylinux container, a sysroot); or run it where these versions are"
_FRESH = "remove build folders and caches of an earlier build (build/, ccache), and build again"


def plan_link(modules: Iterable[Module], libraries: Libraries) -> LinkReport:
    """Return whether the modules of one wheel or distribution link, each with the others too.

    Those that need nothing of torch have no part in it, unless the machine's own libraries are too old for them.
    """
    modules = tuple(modules)
    judge = _Judge(modules, libraries)
    reports = (judge.report(module) for module in modules)
    return LinkReport(
        modules=tuple(report for report in reports if report is not None),
        symbols=_digest(modules),
        stable_since=_stable_since(modules, libraries),
    )


def link_problem(report: LinkReport, torch: Torch | None, *, what: str) -> Problem | None:
    """Return why a build stops, with the wheel or folder; None where nothing says that it does not link."""
    failed = [module for module in report.modules if module.verdict is Verdict.DOES_NOT_LINK]
    if not failed:
        return None
    first = failed[0]
    shown = [Evidence(label="fault", text=fault) for fault in first.faults[:_MOST_SHOWN]]
    more = len(first.faults) - len(shown)
    rest = [f"{more} more of this module"] if more > 0 else []
    rest += [f"{len(failed) - 1} more modules"] if len(failed) > 1 else []
    why, fix = first.said, _OWN_COMPILER
    if first.reasons:
        why, fix = _reason_text(first.reasons[0], torch), _FIXES.get(first.reasons[0], _FRESH)
    fails = f"does not link with torch {torch.version if torch else ''}".rstrip()
    if first.lacks_versions_alone:
        # Another torch, or the same build once more, would be no help.
        fails, why, fix = "needs newer libraries than this machine has", first.reasons[0].value, _OLDER
    return Problem(
        code="does-not-link",
        headline=f"{first.file} in {what} {fails}",
        evidence=(*shown, *([Evidence(label="and", text=", ".join(rest))] if rest else [])),
        why=f"{why}; importing it would fail",
        fixes=(fix,),
    )


def _reason_text(reason: Reason, torch: Torch | None) -> str:
    said = str(reason.value)
    if torch is None:
        return said
    if reason is Reason.CXX11_ABI:
        one, other = ("old", "new") if torch.cxx11_abi else ("new", "old")
        return f"it was compiled with the {one} C++ ABI, and torch with the {other} one"
    if reason in {Reason.ACCELERATOR, Reason.CUDA_MAJOR}:
        version = torch.cuda or torch.hip or torch.xpu
        return f"{said}; this one is for {torch.accelerator}{f' {version}' if version else ''}"
    return said


class CudaRuntimes:
    """The CUDA runtimes that modules of one wheel ask for. One that the wheel brings is not shared with torch."""

    def __init__(self, libraries: Libraries, loading: Loading) -> None:
        self._libraries = libraries
        self._loading = loading
        self._loaded = CUDART.fullmatch(libraries.cudart)
        # Most wheels ask for the one that torch loads, or for none: nothing is walked through then.
        self._is_any = any(True for module in loading.modules for _ in self._others(module))

    def faults(self, module: Module) -> Iterator[tuple[str, Reason]]:
        """Yield what is wrong with those that a module asks for, or a library of the wheel that it needs."""
        for library, name, found in self._asked(module):
            needs = f"needs {name}" if library is module else f"needs {library.name}, which needs {name}"
            if self._loaded and (library is module or found is WhetherFound.NOWHERE):
                yield f"{needs}, and torch loads {self._libraries.cudart}", Reason.CUDA_MAJOR
            elif found is WhetherFound.NOWHERE:
                yield f"{needs}, which is not found, and this torch loads none", Reason.ACCELERATOR

    def doubts(self, module: Module) -> Iterator[str]:
        """Yield what nobody knows of them."""
        for library, name, found in self._asked(module):
            if self._loaded and library is not module and found is not WhetherFound.NOWHERE:
                yield f"{library.name}, which it needs, needs {name}, and torch loads {self._libraries.cudart}"
            elif not self._loaded and found is WhetherFound.PERHAPS:
                yield f"{name}, which it needs, may be found when it is loaded, and this torch loads none"

    def _asked(self, module: Module) -> Iterator[tuple[Module, str, WhetherFound | None]]:
        """Yield the runtimes that are not torch's, each with the library that asks for it."""
        for library in self._loading.reached(module) if self._is_any else ():
            # What is not of the wheel is somebody else's affair.
            if isinstance(library, Module):
                for name in self._others(library):
                    yield library, name, self._libraries.runtimes.get(name)

    def _others(self, module: Module) -> Iterator[str]:
        for name in module.needed:
            needed = CUDART.fullmatch(name)
            if needed and name not in self._loading.names and not (self._loaded and needed[1] == self._loaded[1]):
                yield name


class _Judge:
    """Judges the modules of one wheel; what does not depend on the module is found out once."""

    def __init__(self, modules: tuple[Module, ...], libraries: Libraries) -> None:
        self._libraries = libraries
        self._loading = Loading(modules, libraries.libraries)
        self._there = self._loading.names | {library.name for library in libraries.libraries}
        self._versions = {library.library: frozenset(library.names) for library in libraries.versions}
        self._missing = frozenset(libraries.missing)
        self._other_abi = frozenset(libraries.other_abi)
        self._defined = {symbol for library in libraries.libraries if library.of_torch for symbol in library.defines}
        libcs = (_libc(library.needed) for library in libraries.libraries if library.of_torch)
        self._libc = next(filter(None, libcs), None)
        self._runtimes = CudaRuntimes(libraries, self._loading)

    def report(self, module: Module) -> ModuleReport | None:
        """Return whether a module links; None where it has no part in it."""
        libraries = self._libraries
        if module.format is not Format.ELF:
            return _not_checked(module, f"{module.format.value} is not checked")
        if module.fault:
            return _not_checked(module, module.fault)
        unmet = dict(self._unmet(module))
        if not module.needs_torch and not unmet:
            return None
        if libraries.fault:
            return _not_checked(module, libraries.fault)
        if (module.machine, module.bits) != (libraries.machine, libraries.bits):
            machine = f"{module.machine.removeprefix('EM_').lower()} ({module.bits} bits)"
            return _not_checked(module, f"it is for {machine}, torch for another machine")
        if libc := self._other_libc(module):
            # Whatever else it lacks is a consequence.
            said = "it was built for another C library"
            return ModuleReport(file=module.file, verdict=Verdict.DOES_NOT_LINK, faults=(libc,), said=said)
        faults = {**dict(self._missing_libraries(module)), **dict(self._runtimes.faults(module)), **unmet}
        missing = self._loading.unresolved(module)
        reasons = {symbol: self._reason(symbol) for symbol in missing}
        if not faults and (doubt := self._doubt(module, reasons)):
            return _not_checked(module, doubt)
        # By the reason that tells most: what is only a consequence of it comes later.
        order = list(Reason)
        faults.update(
            (f"undefined: {_name(symbol, libraries)}", reasons[symbol])
            for symbol in sorted(missing, key=lambda symbol: (order.index(reasons[symbol]), symbol))
        )
        return ModuleReport(
            file=module.file,
            verdict=Verdict.DOES_NOT_LINK if faults else Verdict.LINKS,
            reasons=tuple(sorted(set(faults.values()), key=order.index)),
            missing=missing,
            faults=tuple(faults),
        )

    def _doubt(self, module: Module, reasons: Mapping[str, Reason]) -> str:
        """Return why nothing certain can be said of a module; "" where something can.

        Missing symbols may be found all the same, when it is loaded: in a library that was not found; or, if it is no
        extension module, in what a program has loaded before it.
        """
        if Reason.CXX11_ABI in reasons.values():
            return ""
        if reasons:
            unknown = sorted({name for node in self._loading.reached(module) for name in node.needed} & self._missing)
            if unknown or (set(reasons.values()) == {Reason.NOT_NAMED} and not module.inits):
                where = ", ".join(unknown) or "whatever loads it"
                first = _name(min(reasons), self._libraries)
                return f"{len(reasons)} symbols of torch, {first} first, may come from {where}"
            return ""
        return next(self._runtimes.doubts(module), "")

    def _other_libc(self, module: Module) -> str:
        """Return the C library that a module needs while torch is linked with another one; "" where that is not so."""
        needed, here = _libc(module.needed), self._libc
        if needed is None or here is None or needed[0] == here[0]:
            return ""
        return f"needs {needed[1]}, which is {needed[0]}; torch and its Python need {here[1]}, which is {here[0]}"

    def _missing_libraries(self, module: Module) -> Iterator[tuple[str, Reason]]:
        for name in module.needed:
            if TORCH_LIBRARY.fullmatch(name) and name not in self._there:
                accelerator = any(word in name for word in _ACCELERATORS)
                reason = Reason.ACCELERATOR if accelerator else Reason.VERSION
                yield f"needs {name}, which this torch does not have", reason

    def _unmet(self, module: Module) -> Iterator[tuple[str, Reason]]:
        """Yield what the system's libraries are too old for; of one that was not found, nothing is known."""
        for need in module.version_needs:
            there = self._versions.get(need.library)
            for name in need.names:
                if there is not None and name not in there:
                    reason = next((_VERSIONS[start] for start in _VERSIONS if name.startswith(start)), Reason.LIBRARY)
                    yield f"needs {name}, which {need.library} here does not have", reason

    def _reason(self, symbol: str) -> Reason:
        if symbol in self._other_abi:
            return Reason.CXX11_ABI
        return Reason.NOT_NAMED if symbol in self._defined else Reason.VERSION


def _not_checked(module: Module, said: str) -> ModuleReport:
    return ModuleReport(file=module.file, verdict=Verdict.NOT_CHECKED, said=said)


def _libc(needed: Iterable[str]) -> tuple[str, str] | None:
    """Return the kind and the name of the C library among these."""
    found = ((kind, name) for name in needed for kind, pattern in _LIBCS.items() if pattern.fullmatch(name))
    return next(found, None)


def _name(symbol: str, libraries: Libraries) -> str:
    name = libraries.readable.get(symbol, symbol)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."


def _digest(modules: tuple[Module, ...]) -> str:
    symbols = sorted({symbol for module in modules for symbol in module.undefined})
    return "sha256:" + hashlib.sha256("\n".join(symbols).encode()).hexdigest() if symbols else ""


def _stable_since(modules: tuple[Module, ...], libraries: Libraries) -> str:
    """Return the version of torch that had the last of the functions first; "" where they are not stable alone.

    A function that torch's headers do not declare says nothing of any other version.
    """
    users = [module for module in modules if module.needs_torch]
    if not users or not all(module.is_stable or not module.undefined for module in users):
        return ""
    symbols = {symbol for module in users for symbol in module.undefined}
    if not symbols or not symbols <= libraries.since.keys():
        return ""
    try:
        return str(max((libraries.since[symbol] for symbol in symbols), key=Version))
    except InvalidVersion:
        return ""
