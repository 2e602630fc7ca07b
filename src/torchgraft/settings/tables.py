"""Settings that are arrays of tables: how each table becomes a value, with every mistake in all of them at once.

May not know any setting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from .value_types import Kind, ValueProblem


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of such a table: which field it is, what it may be, and what the docs say of it."""

    key: str
    kind: Kind
    doc: str
    needed: bool = False

    @property
    def field(self) -> str:
        """The name of the field."""
        return self.key.replace("-", "_")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One mistake: at `path` below the setting `found` stands. `known` are the keys, where it is an unknown one."""

    path: str
    found: object
    wanted: str
    known: tuple[str, ...] = ()


class TableProblem(ValueProblem):
    """All that is wrong with an array of tables."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(fault.wanted for fault in faults))
        self.faults = faults


@dataclass(frozen=True, kw_only=True)
class TablesKind(Kind):
    """The kind of a setting that is an array of tables with these keys."""

    keys: tuple[Key, ...]


def array_of_tables(
    make: type, keys: tuple[Key, ...], *, check: Callable[[Any], str], off: str | None = None
) -> TablesKind:
    """Return the kind of a setting whose tables become values of `make`, a dataclass with a field for each key.

    :param check: says what is wrong with such a value as a whole; "" if nothing is
    :param off: a word that stands for no table at all
    """
    names = {field.name for field in fields(make)}
    if names != {key.field for key in keys}:
        raise TypeError(f"{make.__name__} has other fields than keys")

    def parse(data: object) -> tuple[Any, ...]:
        if off is not None and data == off:
            return ()
        if not isinstance(data, list):
            raise ValueProblem("an array of tables" + (f', or "{off}"' if off else ""))
        faults: list[Fault] = []
        made = tuple(_table(make, keys, check, item, f"[{i}]", faults) for i, item in enumerate(data, start=1))
        if faults:
            raise TableProblem(tuple(faults))
        return made

    return TablesKind(name="array of tables", schema=_schema(keys, off), from_toml=parse, from_text=_no_text, keys=keys)


def _table(
    make: type, keys: tuple[Key, ...], check: Callable[[Any], str], data: object, path: str, faults: list[Fault]
) -> Any:
    """Return one table as a value; None, with `faults` longer, where it is none."""
    if not isinstance(data, dict):
        faults.append(Fault(path=path, found=data, wanted="a table"))
        return None
    before = len(faults)
    by_name = {key.key: key for key in keys}
    values: dict[str, Any] = {}
    for name, item in data.items():
        if name not in by_name:
            faults.append(Fault(path=f"{path}.{name}", found=item, wanted="", known=tuple(sorted(by_name))))
            continue
        try:
            values[by_name[name].field] = by_name[name].kind.from_toml(item)
        except ValueProblem as problem:
            faults.append(Fault(path=f"{path}.{name}", found=item, wanted=str(problem)))
    missing = [key.key for key in keys if key.needed and key.key not in data]
    faults += [Fault(path=path, found=data, wanted=f"the key '{name}'") for name in missing]
    if len(faults) > before:
        return None
    value = make(**values)
    wanted = check(value)
    if wanted:
        faults.append(Fault(path=path, found=data, wanted=wanted))
    return value


def _schema(keys: tuple[Key, ...], off: str | None) -> Mapping[str, Any]:
    table = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.key: {"description": key.doc, **key.kind.schema} for key in keys},
    }
    needed = [key.key for key in keys if key.needed]
    items = {**table, "required": needed} if needed else table
    array = {"type": "array", "items": items}
    return array if off is None else {"anyOf": [array, {"const": off}]}


def _no_text(_: tuple[str, ...]) -> Any:
    raise ValueProblem("an array of tables, which only pyproject.toml can hold")
