"""Read values out of JSON as `codec` writes it, and refuse JSON that is something else.

May not know any single value type: the field annotations say everything.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ..codec import is_text_value
from ..errors import TorchgraftError

T = TypeVar("T")
_hints = functools.cache(typing.get_type_hints)


class SnapshotError(TorchgraftError):
    """A recorded snapshot or plan is not one."""

    exit_code = 2


class _MisfitError(Exception):
    """What is wrong with one part of the JSON; on the way out, `path` becomes the way to it."""

    def __init__(self, what: str, path: str = "") -> None:
        self.what, self.path = what, path


def from_json_text(kind: type[T], text: str, *, source: str) -> T:
    """Return the value of type `kind` that `text` holds.

    :param source: where the text is from, for messages
    :raises SnapshotError: if it is no JSON, or JSON of another shape; the message has the full path
    """
    try:
        return typing.cast("T", _read(kind, json.loads(text)))
    except _MisfitError as misfit:
        found = f"{misfit.path} {misfit.what}".lstrip(". ")
    except RecursionError:
        found = "is nested too deeply"
    except ValueError as error:
        found = f"is not JSON: {error}"
    raise SnapshotError.of(
        code="bad-snapshot",
        headline=f"{source}: {found}"[:400],
        wanted="a file written by 'torchgraft snapshot' of this version",
        why="a plan made from a misread snapshot would be a plan for no machine",
        fixes=("torchgraft snapshot > snapshot.json",),
    )


def _read(kind: Any, data: object) -> Any:
    origin, arms = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (arm for arm in arms if arm is not type(None))
        return None if data is None else _read(inner, data)
    if origin is tuple:
        items = _of_type(list, data, "a list")
        arms = arms[:1] * len(items) if arms[-1] is Ellipsis else arms
        if len(arms) != len(items):
            raise _MisfitError(f"has {len(items)} items, not {len(arms)}")
        return tuple(_read_part(*pair, f"[{index}]") for index, pair in enumerate(zip(arms, items, strict=True)))
    if origin in (Mapping, dict):
        return {key: _read_part(arms[1], item, f".{key}") for key, item in _of_type(dict, data, "a table").items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(data)
        except ValueError:
            known = ", ".join(str(member.value) for member in kind)
            raise _MisfitError(f"is {_shown(data)}, not one of: {known}") from None
    if is_text_value(kind):
        try:
            return kind.parse(_of_type(str, data, "of type str"))
        except ValueError:
            raise _MisfitError(f"is {_shown(data)}, no {kind.__name__}") from None
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, _of_type(dict, data, "a table"))
    return data if kind is float and type(data) is int else _of_type(kind, data, f"of type {kind.__name__}")


def _read_dataclass(kind: Any, data: dict[str, object]) -> Any:
    fields, hints = {field.name: field for field in dataclasses.fields(kind)}, _hints(kind)
    for name in sorted(data.keys() - fields.keys()):
        raise _MisfitError("is not known", f".{name}")
    for name, field in fields.items():
        if name not in data and field.default is field.default_factory is dataclasses.MISSING:
            raise _MisfitError("is missing", f".{name}")
    return kind(**{name: _read_part(hints[name], item, f".{name}") for name, item in data.items()})


def _read_part(kind: Any, data: object, step: str) -> Any:
    try:
        return _read(kind, data)
    except _MisfitError as misfit:
        raise _MisfitError(misfit.what, step + misfit.path) from None


def _of_type(kind: type[T], data: object, said: str) -> T:
    if type(data) is not kind:
        raise _MisfitError(f"is {_shown(data)}, not {said}")
    return data


def _shown(data: object) -> str:
    text = json.dumps(data)
    return text if len(text) <= 40 else text[:37] + "..."
