"""Recorded snapshots in tests/cases/plans, each with its settings and with the plan that they give."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from torchgraft.codec import to_json
from torchgraft.hook.plan import plan_build
from torchgraft.model.observation import Snapshot
from torchgraft.settings.sources import resolve_config
from torchgraft.tools.from_json import from_json_text

RECORDED = sorted((Path(__file__).parents[1] / "cases" / "plans").glob("*.json"))


def read_recording(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def replayed(recording: dict[str, Any]) -> Any:
    """Return the plan of a recording as JSON, made here and now."""
    config = resolve_config({"tool": {"torchgraft": recording["settings"]}}, variables={}, arguments={})
    snapshot = from_json_text(Snapshot, json.dumps(recording["snapshot"]), source="recording")
    return told(plan_build(config, snapshot))


def told(value: object) -> Any:
    """Return a value as JSON without the fields that are as they are by default."""
    if isinstance(value, tuple):
        return [told(item) for item in value]
    written = to_json(value)
    if not dataclasses.is_dataclass(value) or not isinstance(written, dict):
        return written
    fields = {field.name: field for field in dataclasses.fields(value)}
    values = {name: getattr(value, name) for name in fields}
    return {
        name: told(item)
        for name, item in values.items()
        if item != fields[name].default
        and (fields[name].default_factory is dataclasses.MISSING or item != fields[name].default_factory())
    }


def write_recording(path: Path, recording: dict[str, Any]) -> None:
    """Write a recording, its plan made here and now."""
    text = json.dumps({**recording, "plan": replayed(recording)}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
