"""Turn the values of `model` into JSON.

May not know any single value type: the field annotations say everything. `tools.from_json` reads them again.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from typing import Any

from .redaction import redacted_json


def to_json(value: object) -> Any:
    """Return `value` as what the json module writes: dicts, lists, strings, numbers, None."""
    if isinstance(value, enum.Enum):
        return value.value
    if is_text_value(type(value)):
        return value.text  # type: ignore[attr-defined]  # see is_text_value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in sorted(value.items())}
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} is not a value of the model")


def json_text(value: object) -> str:
    """Return `value` as JSON text that is the same for the same value, without secrets in addresses."""
    return json.dumps(redacted_json(to_json(value), None), indent=2, ensure_ascii=True) + "\n"


def is_text_value(kind: Any) -> bool:
    """Return whether values are written as text in a form that they know themselves, such as a requirement."""
    return hasattr(kind, "parse") and hasattr(kind, "text")
