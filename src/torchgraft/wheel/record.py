"""The record and the bill of materials: what a wheel was built with. Writes them, and reads the record of any wheel.

May not look for anything else: all that stands in them is given.
"""

from __future__ import annotations

import json
import re
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import __version__
from ..files import read_start
from ..model.decision import Plan, PlannedPrebuilt
from ..model.torch_values import Knowledge
from ..untrusted import json_table, split_address
from ..values import dataclass
from .plan_finishing import Guard, PlannedRunPath

if TYPE_CHECKING:
    from ..link.linkage import LinkReport, Module
    from .contents import WheelContents

RECORD_NAME = "torchgraft.json"
BILL_NAME = "sboms/torchgraft.cdx.json"
_RECORD_FORMAT = 1
_LARGEST_BYTES = 10_000_000
# Of documents of this kind alone: the same contents have the same number (RFC 9562, version 5).
_NAMESPACE = uuid.UUID("8d3c5a5e-0a49-5f0e-9d53-7b6f5f6d1c11")
_OF_TORCH = ("version", "accelerator", "cuda", "hip", "xpu", "cxx11_abi", "debug", "git_version")
_ARCHITECTURE_VARIABLES = ("TORCH_CUDA_ARCH_LIST", "PYTORCH_ROCM_ARCH")
_GCC = re.compile(r"GCC: \([^)]*\) (\d[\w.]*).*")
# setuptools (80.9.0), scikit-build-core 0.11.5, meson
_GENERATOR = re.compile(r"([\w.-]+)(?:[ (]+([\w.+-]+)\)?)?")
_CLANG = re.compile(r"(?:.* )?clang version (\d[\w.]*).*")


def record_text(
    plan: Plan,
    *,
    reads: tuple[str, ...] = (),
    original: Mapping[str, Any] | None = None,
    built: Mapping[str, Any] | None = None,
) -> str:
    """Return the record: what the wheel was built with, as JSON.

    :param reads: what setup.py asked the stand-in: metadata that was made without torch may depend on it
    :param original: the record that a prebuilt wheel came with, if it had one
    :param built: what is known only when the wheel is built, see `built_facts`

    The same plan gives the same text on every machine: nothing in it is a path, a time or a value of the user.
    """
    torch = plan.torch
    data: dict[str, Any] = {
        "torchgraft": __version__,
        "record": _RECORD_FORMAT,
        "delegate": plan.delegate.backend,
        "rung": plan.rung.value if plan.rung else None,
        "guess": plan.guess or None,
        "rule": plan.rule.value if plan.rule else None,
        "way": plan.way.value,
        "torch": None if torch is None else {name: getattr(torch, name) for name in _OF_TORCH},
        "variables": [variable.name for variable in plan.variables if not variable.of_machine],
    }
    if plan.from_files:
        data["metadata"] = {"made_from": "files"}
    elif plan.stand_in is not None:
        if plan.asks_version:
            reads = (*reads, "importlib.metadata.version('torch')")
        stand_in = {"version": plan.stand_in.version, "known": plan.stand_in.known is not Knowledge.GUESSED}
        data["metadata"] = {"made_from": "stand-in", "stand_in": stand_in, "reads": list(reads)}
    if plan.prebuilt:
        data["prebuilt"] = [_prebuilt(wheel, original) for wheel in plan.prebuilt]
    if plan.runtime_torch is not None:
        data["runtime_torch"] = plan.runtime_torch.text
    if built is not None:
        data["built"] = built
    return _text(data)


def write_metadata_record(folder: Path, plan: Plan, *, reads: tuple[str, ...] = ()) -> None:
    """Add the record to a prepared `.dist-info` folder."""
    (folder / RECORD_NAME).write_text(record_text(plan, reads=reads), encoding="ascii", newline="\n")


def read_record(info: Path) -> Mapping[str, Any]:
    """Return the record in a `.dist-info` folder; {} where there is none that can be read."""
    return json_table(read_start(info / RECORD_NAME, _LARGEST_BYTES) or b"")


def read_wheel_record(archive: zipfile.ZipFile) -> Mapping[str, Any]:
    """Return the record in a wheel; {} where there is none.

    :raises zipfile.BadZipFile: if the archive is damaged there, or one of `archive.ZIP_FAULTS`
    """
    member = next((m for m in archive.infolist() if m.filename.endswith(f".dist-info/{RECORD_NAME}")), None)
    return {} if member is None or member.file_size > _LARGEST_BYTES else json_table(archive.read(member))


def read_record_of(wheel: Path) -> Mapping[str, Any]:
    """Return the record in a wheel that is a file; see `read_wheel_record`."""
    with zipfile.ZipFile(wheel) as archive:
        return read_wheel_record(archive)


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def _prebuilt(wheel: PlannedPrebuilt, original: Mapping[str, Any] | None) -> dict[str, Any]:
    data = {"url": _public(wheel.url), "used": wheel.used, "refused": wheel.refused, "sha256": list(wheel.sha256)}
    return {**data, "record": original} if wheel.used and original else data


def _public(url: str) -> str:
    """Return an address without what may be a password: login, query."""
    parts = split_address(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


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
        "jobs": None if reproducible else 1 if plan.serial else plan.jobs,
        "jobs_shared": None if reproducible else plan.budget is not None,
        "serial": None if reproducible else plan.serial or None,
        "link": _link(wheel.report, wheel.modules),
        "stable_abi": {
            "torch": wheel.report.stable_since or None,
            "python": limited_api(wheel.contents, wheel.modules),
        },
    }
    if plan.store is not None and plan.store.used:
        facts["stored"] = True
    # What is absolute is of one machine; the wheel has it, and had it before.
    changed = {c.file: [entry for entry in c.entries if not entry.startswith("/")] for c in wheel.run_paths}
    if changed:
        facts["run_paths"] = changed
    guard = wheel.guard
    if guard is not None:
        left = {planned.text: planned.reason for planned in guard.left}
        names = [module.name for module in guard.modules]
        facts["guard"] = {"modules": names, "packages": list(guard.watched or guard.tops), "left": left}
    return facts


def bill_text(plan: Plan, wheel: BuiltWheel, *, date: int | None) -> str:
    """Return the bill of materials of a wheel (PEP 770), as CycloneDX 1.6 has it: the same text for the same contents.

    :param date: its time, by SOURCE_DATE_EPOCH
    """
    torch = plan.torch
    parts = []
    if torch is not None:
        known = {"accelerator": torch.accelerator, "commit": torch.git_version, "cxx11_abi": torch.cxx11_abi}
        facts = [{"name": f"torchgraft:{k}", "value": str(v)} for k, v in sorted(known.items()) if v is not None]
        part = _component("framework", "torch", torch.version, on_pypi=True)
        parts.append({**part, "properties": facts})
    own = _component("library", wheel.contents.name, wheel.contents.version, on_pypi=True)
    # No two may have one reference: a wheel with libraries of two versions of gcc has two tools of that name.
    tools = {tool["bom-ref"]: tool for tool in _tools(plan, wheel)}
    needs = [{"ref": own["bom-ref"], **({"dependsOn": [part["bom-ref"] for part in parts]} if parts else {})}]
    metadata: dict[str, Any] = {"component": own, "tools": {"components": [tools[ref] for ref in sorted(tools)]}}
    if date is not None:
        metadata["timestamp"] = datetime.fromtimestamp(date, tz=timezone.utc).isoformat()
    data = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": parts,
        "dependencies": [*needs, *({"ref": part["bom-ref"]} for part in parts)],
    }
    return _text({**data, "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, _text(data))}"})


def _tools(plan: Plan, wheel: BuiltWheel) -> Iterator[dict[str, Any]]:
    yield _component("application", "torchgraft", __version__, on_pypi=True, ref="tool:")
    generator = _GENERATOR.fullmatch(wheel.contents.generator)
    if generator:
        yield _component("application", generator[1], generator[2] or "", ref="tool:")
    if plan.toolkit is not None:
        yield _component("application", "cuda-toolkit", plan.toolkit.version, ref="tool:")
    for compiler in compilers_of(wheel.modules):
        name, _, version = compiler.partition(" ")
        yield _component("application", name, version, ref="tool:")


def _component(kind: str, name: str, version: str, *, on_pypi: bool = False, ref: str = "") -> dict[str, Any]:
    """Return one entry of a bill; with its package URL (PURL, type pypi), if it has one."""
    public = quote(version.partition("+")[0], safe="")
    purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'), safe='')}" + (f"@{public}" if public else "")
    return {
        "type": kind,
        "bom-ref": f"{ref}{name}@{version}",
        "name": name,
        **({"version": version} if version else {}),
        **({"purl": purl} if on_pypi else {}),
    }


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
    from ..link.linkage import Verdict

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
