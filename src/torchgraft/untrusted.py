"""Values out of parsed TOML or JSON, of which nobody knows the shape: what is something else counts as empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def table(data: object) -> Mapping[str, Any]:
    """Return `data` if it is a table, else an empty one."""
    return data if isinstance(data, dict) else {}


def tables(data: object) -> list[Mapping[str, Any]]:
    """Return the tables in an array, [] if it is none."""
    return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []


def text_of(data: object) -> str | None:
    """Return `data` if it is a string that is not empty."""
    return data if isinstance(data, str) and data else None


def strings(data: object) -> tuple[str, ...]:
    """Return the strings in an array, () if it is none."""
    return tuple(item for item in data if isinstance(item, str)) if isinstance(data, list) else ()
