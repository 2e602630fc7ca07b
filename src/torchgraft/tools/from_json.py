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
from typing import Any, Protocol, TypeVar

from ..codec import is_text_value
from ..errors import SnapshotError

T = TypeVar("T")


class _TextValue(Protocol):
    """A value that is written as text in a form that the field knows, such as a requirement."""

    @classmethod
    def parse(cls, text: str) -> object: ...

    @property
    def text(self) -> str: ...


def from_json_text(kind: type[T], text: str, *, source: str) -> T:
    """Return the value of type `kind` that `text` holds.

    :param source: where the text is from, for messages
    :raises SnapshotError: if it is no JSON, or JSON of another shape; the message has the full path
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise _refusal(source, "", f"is not JSON: {error}") from None
    except RecursionError:
        raise _refusal(source, "", "is nested too deeply") from None
    return typing.cast("T", _read(kind, data, source, ""))


def _refusal(source: str, path: str, what: str) -> SnapshotError:
    return SnapshotError.of(
        code="bad-snapshot",
        headline=f"{source}: {path + ' ' if path else ''}{what}"[:400],
        wanted="a file written by 'torchgraft snapshot' of this version",
        why="a plan made from a misread snapshot would be a plan for no machine",
        fixes=("torchgraft snapshot > snapshot.json",),
    )


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read(kind: Any, data: object, source: str, path: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_optional(kind, data, source, path)
    if origin is tuple:
        return _read_tuple(kind, data, source, path)
    if origin is Mapping or origin is dict:
        return _read_mapping(kind, data, source, path)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(data)
        except ValueError:
            known = ", ".join(str(member.value) for member in kind)
            raise _refusal(source, path, f"is {_shown(data)}, not one of: {known}") from None
    if is_text_value(kind):
        return _read_text(kind, data, source, path)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, data, source, path)
    if type(data) is kind or (kind is float and type(data) is int):
        return data
    raise _refusal(source, path, f"is {_shown(data)}, not of type {kind.__name__}")


def _read_text(kind: type[_TextValue], data: object, source: str, path: str) -> object:
    if not isinstance(data, str):
        raise _refusal(source, path, f"is {_shown(data)}, not of type str")
    try:
        return kind.parse(data)
    except ValueError:
        raise _refusal(source, path, f"is {_shown(data)}, no {kind.__name__}") from None


def _read_optional(kind: Any, data: object, source: str, path: str) -> Any:
    if data is None:
        return None
    (inner,) = (arm for arm in typing.get_args(kind) if arm is not type(None))
    return _read(inner, data, source, path)


def _read_tuple(kind: Any, data: object, source: str, path: str) -> Any:
    if not isinstance(data, list):
        raise _refusal(source, path, f"is {_shown(data)}, not a list")
    arms = typing.get_args(kind)
    if arms[-1] is Ellipsis:
        arms = (arms[0],) * len(data)
    elif len(arms) != len(data):
        raise _refusal(source, path, f"has {len(data)} items, not {len(arms)}")
    return tuple(_read(arm, item, source, f"{path}[{i}]") for i, (arm, item) in enumerate(zip(arms, data, strict=True)))


def _read_mapping(kind: Any, data: object, source: str, path: str) -> Any:
    if not isinstance(data, dict):
        raise _refusal(source, path, f"is {_shown(data)}, not a table")
    inner = typing.get_args(kind)[1]
    return {key: _read(inner, item, source, _join(path, key)) for key, item in data.items()}


def _read_dataclass(kind: Any, data: object, source: str, path: str) -> Any:
    if not isinstance(data, dict):
        raise _refusal(source, path, f"is {_shown(data)}, not a table")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise _refusal(source, _join(path, unknown[0]), "is not known")
    needed = (
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )
    for name in needed:
        if name not in data:
            raise _refusal(source, _join(path, name), "is missing")
    hints = _hints(kind)
    return kind(**{name: _read(hints[name], item, source, _join(path, name)) for name, item in data.items()})


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _shown(data: object) -> str:
    text = json.dumps(data)
    return text if len(text) <= 40 else text[:37] + "..."
