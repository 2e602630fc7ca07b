"""What `torchgraft check` found, whether it fits the torch that is there, and its text for people.

May not look at anything: what links and what does not is told.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ...errors import printable_text
from ...link.linkage import LinkReport, ModuleReport, Reason, Verdict
from ...model.torch_values import Torch
from ...values import dataclass
from ...wheel.guarding import differences

_MOST_SHOWN = 3
NAMED = "as named"  # by the user
_ELSEWHERE = "torchgraft check PATH   (to look at another environment)"


class Fit(enum.Enum):
    """Whether the modules of a package link with the torch that is there."""

    FITS = "fits"
    LINKS = "links, though built for another torch"
    NOT_CHECKED = "not checked"
    NO_TORCH = "does not link: no torch to link with"
    DOES_NOT_LINK = "does not link"


_UNWELL = frozenset({Fit.NO_TORCH, Fit.DOES_NOT_LINK})
# No other torch helps, and the same build comes back as it was.
_SYSTEM_CURES = {
    Reason.GLIBC: "a build made on this system, or on one whose C library is as old; or a newer system to run it on",
    Reason.GLIBCXX: "a newer C++ library (conda: libstdcxx-ng), or a build made with this system's own compiler",
}
_WORDS = {"version": "version", "cuda": "CUDA", "hip": "ROCm", "cxx11_abi": "C++11 ABI", "git_version": "commit"}


@dataclass(frozen=True, kw_only=True)
class CheckedPackage:
    """One distribution. `built` is the torch of its record, "" where it has none or says nothing of torch.

    `differs` are the facts in which that torch and the present one differ; `stable_since` the version of torch from
    which on it fits, where it uses the stable ABI alone; `cures` are commands that run as typed.
    """

    name: str
    version: str
    installer: str = ""
    built: str = ""
    fit: Fit
    differs: tuple[str, ...] = ()
    stable_since: str = ""
    modules: tuple[ModuleReport, ...] = ()
    cures: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of an environment, or of a file. `why` says how the environment was found."""

    place: str
    why: str = ""
    torch: Torch | None = None
    torch_fault: str | None = None
    packages: tuple[CheckedPackage, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether everything links."""
        return not any(package.fit in _UNWELL for package in self.packages)


def is_for_newer_system(modules: Iterable[ModuleReport]) -> bool:
    """Return whether all that does not link lacks nothing but versions of the system's own libraries."""
    reasons = _reasons(modules)
    return bool(reasons) and all(set(found) <= _SYSTEM_CURES.keys() for found in reasons)


def with_lost(module: ModuleReport, lost: Mapping[str, tuple[str, ...]]) -> ModuleReport:
    """Return the report of a module with the libraries that it needs, and that nothing here provides."""
    names = lost.get(module.file, ())
    if not names:
        return module
    faults = (*(f"needs {name}, which nothing here provides" for name in names), *module.faults)
    reasons = tuple(dict.fromkeys((*module.reasons, Reason.LOST)))
    return replace(module, verdict=Verdict.DOES_NOT_LINK, faults=faults, reasons=reasons, said="")


def _reasons(modules: Iterable[ModuleReport]) -> list[tuple[Reason, ...]]:
    failed = [module.reasons for module in modules if module.verdict is Verdict.DOES_NOT_LINK]
    # A module without any was built for another C library.
    return failed if all(failed) else []


def report_text(report: Report) -> str:
    """Return a report as a person reads it: a line for each package, then what does not link, with the cure."""
    torch = f"torch {report.torch.version}" if report.torch else report.torch_fault or "no torch"
    lines = [f"{torch} in {report.place}" + (f" ({report.why})" if report.why else "")]
    if not report.packages:
        # Of a tool's own environment, say, where no other was found.
        hint = "" if report.torch or report.torch_fault or report.why == NAMED else f"\n{_ELSEWHERE}"
        return f"{printable_text(lines[0])}\nno package needs it{hint}"
    lines += ["", *_table([("package", "built for", "verdict"), *map(_row, report.packages)])]
    for package in report.packages:
        if package.fit is not Fit.FITS:
            lines += ["", *_explained(package, torch, report.place)]
    return "\n".join(map(printable_text, lines))


def _row(package: CheckedPackage) -> tuple[str, str, str]:
    since = f" (stable ABI, from torch {package.stable_since} on)" if package.stable_since else ""
    return f"{package.name} {package.version}".rstrip(), package.built or "-", package.fit.value + since


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _explained(package: CheckedPackage, torch: str, place: str) -> list[str]:
    lines = [f"{package.name} {package.version}".rstrip() + f": {package.fit.value}"]
    if package.fit is Fit.NO_TORCH:
        cures = package.cures or (f"install torch in {place}, or name another environment: --consumer PATH",)
        return [*lines, *(f"  cure:    {command}" for command in cures)]
    if package.differs:
        lines.append(f"  differs: {'; '.join(package.differs)}")
    if package.fit is Fit.LINKS:
        lines.append("  why:     every symbol is there: it most likely works; a new build works for certain")
    if not package.modules:
        lines.append("  it has no library that could be looked at")
    order = list(Verdict)
    modules = [module for module in package.modules if module.verdict is not Verdict.LINKS]
    modules.sort(key=lambda module: -order.index(module.verdict))
    for module in modules[:_MOST_SHOWN]:
        why = module.said or (module.reasons[0].value if module.reasons else "")
        faults = module.faults[:_MOST_SHOWN]
        lines += [f"  {module.file}: {why}", *(f"    {fault}" for fault in faults)]
        lines += _more(len(module.faults) - len(faults), "    and {} more")
    lines += _more(len(modules) - _MOST_SHOWN, "  and {} more libraries")
    lines += [f"  cure:    {command}" for command in package.cures]
    if package.fit is Fit.DOES_NOT_LINK and not package.cures:
        lines += [f"  cure:    {cure}" for cure in _other_builds(package, torch)]
    return lines


def _other_builds(package: CheckedPackage, torch: str) -> list[str]:
    """Return what helps where no command does."""
    if not is_for_newer_system(package.modules):
        target = torch if any(module.reasons for module in package.modules) else "this system's own C library"
        whose = "" if package.built else ": this one is not by torchgraft"
        return [f"another build of {package.name}, made for {target}{whose}"]
    lacking = set().union(*_reasons(package.modules))
    return [cure for reason, cure in _SYSTEM_CURES.items() if reason in lacking]


def _more(number: int, text: str) -> list[str]:
    return [text.format(number)] if number > 0 else []


def plan_fit(report: LinkReport, *, differs: bool, lacks_torch: bool = False, has_libraries: bool = True) -> Fit:
    """Return the verdict on a package.

    :param differs: whether it was built for another torch; of a package without a record nobody knows
    :param has_libraries: whether there was anything to look at
    """
    if lacks_torch or report.verdict is not Verdict.LINKS:
        known = {Verdict.DOES_NOT_LINK: Fit.DOES_NOT_LINK, Verdict.NOT_CHECKED: Fit.NOT_CHECKED}
        return Fit.NO_TORCH if lacks_torch else known[report.verdict]
    if not report.modules:
        # None of its libraries needs torch; and who has none may have been made for that torch in another way.
        return Fit.FITS if has_libraries or not differs else Fit.NOT_CHECKED
    # To the stable ABI, another torch is as good.
    return Fit.LINKS if differs and not report.stable_since else Fit.FITS


def differing_facts(built: Mapping[str, object], torch: Torch) -> tuple[str, ...]:
    """Return in which facts the torch of a record and the present one differ, of those that are known of both."""
    here = {key: getattr(torch, key) for key in _WORDS}
    return tuple(f"{_WORDS[key]} {_text(built[key])}, here {_text(here[key])}" for key in differences(built, here))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)[:40]
