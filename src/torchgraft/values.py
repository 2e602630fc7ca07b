"""Frozen dataclasses that take their fields by name, made in a twentieth of the time that the standard library takes.

May not do anything else. `dataclasses` compiles six methods for each class and looks at each field; asking for
requirements imports 70 classes, and half of its time went into that. Here all classes share these methods, and the
standard library makes what it knows a dataclass by when somebody asks for it: `fields` and `replace` work as ever.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: Literal[True], kw_only: Literal[True]) -> Callable[[type], type]:  # noqa: ARG001
        """Return what makes a class such a dataclass. `frozen` and `kw_only` stand there for readers and checkers."""
        return _with_fields


class _FieldsWhenAsked:
    """The fields of a class, of which the standard library makes its own at the first look."""

    def __get__(self, _: object, cls: type) -> Any:
        return dataclasses.dataclass(init=False, repr=False, eq=False)(cls).__dataclass_fields__  # type: ignore[attr-defined]


def _with_fields(cls: type) -> type:
    for name, method in _METHODS.items():
        if name not in vars(cls):
            setattr(cls, name, method)
    # Each field, those of bases first, with what it is where it is not given.
    fields = dict(getattr(cls, "_fields", {}))
    for name, kind in cls.__annotations__.items():
        if not kind.startswith("ClassVar"):
            fields[name] = vars(cls).get(name, dataclasses.MISSING)
    cls._fields = fields  # type: ignore[attr-defined]
    cls.__dataclass_fields__ = _FieldsWhenAsked()  # type: ignore[attr-defined]
    return cls


def _init(self: Any, **given: object) -> None:
    for name, default in self._fields.items():
        if name in given:
            value = given.pop(name)
        elif default is dataclasses.MISSING:
            raise TypeError(f"{type(self).__name__} needs {name}")
        else:
            value = default.default_factory() if isinstance(default, dataclasses.Field) else default  # type: ignore[operator]  # it has one
        self.__dict__[name] = value
    if given:
        raise TypeError(f"{type(self).__name__} has no {', '.join(given)}")


def _values(self: Any) -> tuple[object, ...]:
    return tuple(self.__dict__[name] for name in self._fields)


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    shown = (f"{name}={self.__dict__[name]!r}" for name in self._fields)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse(self: Any, name: str, _value: object = None) -> None:
    raise dataclasses.FrozenInstanceError(f"{name} of {type(self).__name__} cannot be changed")


_METHODS = {
    "__init__": _init,
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
}
