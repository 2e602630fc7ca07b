"""What is known of prebuilt wheels before one is downloaded, and whether one that was downloaded fits.

May not download anything.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..link.linkage import Format, Libraries, LinkReport, Module, Verdict
from ..model.decision import PlannedPrebuilt
from ..model.observation import Torch
from ..model.source_tree import HashFile
from ..settings.config import Config, UsePrebuilt
from .plan_prebuilt import WheelAnswer, parse_hashes

Judge = Callable[[tuple[Module, ...], Libraries], LinkReport]

_LARGEST_BYTES = 10_000_000


def read_hash_files(source: Path, config: Config) -> tuple[HashFile, ...]:
    """Return the files of digests that the settings name; nothing is read where no prebuilt wheel is looked for."""
    names = {place.hashes for place in config.prebuilt if place.hashes and "://" not in place.hashes}
    return tuple(_read(source, name) for name in sorted(names)) if config.use_prebuilt is UsePrebuilt.ON else ()


def inspect_prebuilt(
    path: Path, wheel: PlannedPrebuilt, prepared: Path | None, torch: Torch | None, *, judge: Judge
) -> WheelAnswer:
    """Return whether a file is the wheel that was planned, see `wheel`, and links with the torch that it will meet.

    Names of wheels lie; symbols do not. Where an ELF module cannot be judged, the wheel is not used: it can be
    compiled.

    :param judge: says whether modules link with libraries
    """
    from ..link.libraries import read_libraries
    from ..link.modules import read_wheel_modules
    from .inspect import inspect_wheel
    from .promised_modules import module_fault

    answer = inspect_wheel(path, wheel, prepared, torch=torch.resolved_version if torch else "")
    if answer.fault:
        return answer
    modules = read_wheel_modules(path)
    formats = {module.file: module.format for module in modules}
    fault = module_fault(path, formats)
    if fault:
        return WheelAnswer(fault=fault)
    for module in judge(modules, read_libraries(torch, modules)).modules:
        if module.verdict is Verdict.DOES_NOT_LINK:
            version = torch.version if torch else "unknown"
            why = module.said or module.reasons[0].value
            fault = f"{module.file} does not link with torch {version}: {why}; {module.faults[0]}"
            return WheelAnswer(fault=fault)
        if module.verdict is Verdict.NOT_CHECKED and formats[module.file] is Format.ELF:
            return WheelAnswer(fault=f"{module.file} cannot be checked: {module.said}")
    return answer


def read_original_record(wheel: Path, name: str) -> Mapping[str, Any] | None:
    """Return the record with which a prebuilt wheel came, None if it has none that can be read.

    :param name: of the record in the wheel
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(name).file_size > _LARGEST_BYTES:
                return None
            record = json.loads(archive.read(name))
    except (KeyError, OSError, RecursionError, ValueError, zipfile.BadZipFile):
        return None
    return record if isinstance(record, dict) else None


def _read(source: Path, name: str) -> HashFile:
    try:
        with (source / name).open("rb") as file:
            text = file.read(_LARGEST_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        return HashFile(file=name, fault=f"{error.strerror or error}")
    return HashFile(file=name, digests=tuple(sorted(parse_hashes(text).items())))
