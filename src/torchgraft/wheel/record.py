"""The record: what a wheel was built with.

May not look for anything: all that stands in it is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .. import __version__
from ..model.decision import Plan, PlannedPrebuilt

RECORD_NAME = "torchgraft.json"
_RECORD_FORMAT = 1


def record_text(plan: Plan, *, reads: tuple[str, ...] = (), original: Mapping[str, Any] | None = None) -> str:
    """Return the record: what the wheel was built with, as JSON.

    :param reads: what setup.py asked the stand-in: metadata that was made without torch may depend on it
    :param original: the record that a prebuilt wheel came with, None if it had none

    The same plan gives the same text on every machine: nothing in it is a path, a time or a value of the user.
    """
    torch = plan.torch
    data: dict[str, Any] = {
        "torchgraft": __version__,
        "record": _RECORD_FORMAT,
        "delegate": plan.delegate.backend,
        "rung": plan.rung.value if plan.rung else None,
        "rule": plan.rule.value if plan.rule else None,
        "way": plan.way.value,
        "torch": None
        if torch is None
        else {
            "version": torch.version,
            "accelerator": torch.accelerator,
            "cuda": torch.cuda,
            "hip": torch.hip,
            "xpu": torch.xpu,
            "cxx11_abi": torch.cxx11_abi,
            "debug": torch.debug,
            "git_version": torch.git_version,
        },
        "variables": [variable.name for variable in plan.variables if not variable.of_machine],
    }
    if plan.from_files:
        data["metadata"] = {"made_from": "files"}
    elif plan.stand_in is not None:
        if plan.asks_version:
            reads = (*reads, "importlib.metadata.version('torch')")
        stand_in = {"version": plan.stand_in.version, "known": plan.stand_in.known}
        data["metadata"] = {"made_from": "stand-in", "stand_in": stand_in, "reads": list(reads)}
    if plan.prebuilt:
        data["prebuilt"] = [_prebuilt(wheel, original) for wheel in plan.prebuilt]
    if plan.runtime_torch is not None:
        data["runtime_torch"] = plan.runtime_torch.text
    return _text(data)


def write_metadata_record(folder: Path, plan: Plan, *, reads: tuple[str, ...] = ()) -> None:
    """Add the record to a prepared `.dist-info` folder."""
    (folder / RECORD_NAME).write_text(record_text(plan, reads=reads), encoding="ascii", newline="\n")


def built_text(record: str, built: Mapping[str, Any]) -> str:
    """Return the record of a wheel: the prepared one, and what is known only when the wheel is built."""
    return _text({**json.loads(record), "built": built})


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def _prebuilt(wheel: PlannedPrebuilt, original: Mapping[str, Any] | None) -> dict[str, Any]:
    data = {
        "url": _public(wheel.url),
        "used": wheel.used,
        "refused": wheel.refused,
        "sha256": list(wheel.sha256),
    }
    return {**data, "record": original} if wheel.used and original is not None else data


def _public(url: str) -> str:
    """Return an address without what may be a password: login, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
