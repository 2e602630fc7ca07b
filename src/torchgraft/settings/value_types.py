"""The kinds of values that a setting may have: how TOML and text become them, and what schema and docs say.

May not know any setting.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from .facts import FACTS
from .template import template_fault


class ValueProblem(Exception):  # noqa: N818 - never leaves the settings: it becomes a Problem
    """What was wanted instead of the value that was found."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of value: how TOML and text become it, and what the schema and the docs say about it.

    `from_text` gets all values of a repeated -C.
    """

    name: str
    schema: Mapping[str, Any]
    from_toml: Callable[[object], Any]
    from_text: Callable[[tuple[str, ...]], Any]


def _text(data: object) -> str:
    if not isinstance(data, str) or not data.strip():
        raise ValueProblem("a string that is not empty")
    return data.strip()


def one_value(parse: Callable[[object], Any]) -> Callable[[tuple[str, ...]], Any]:
    """Return a parser of what the command line gives as text, one value and no more."""

    def parse_one(values: tuple[str, ...]) -> Any:
        if len(values) != 1:
            raise ValueProblem("one value; it was given several times")
        return parse(values[0])

    return parse_one


def _each(parse: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    def parse_each(data: object) -> tuple[str, ...]:
        if not isinstance(data, list):
            raise ValueProblem("a list of strings")
        return tuple(parse(item) for item in data)

    return parse_each


def _split(pattern: str, parse: Callable[[object], str]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def parse_split(values: tuple[str, ...]) -> tuple[str, ...]:
        parts = (part.strip() for value in values for part in re.split(pattern, value))
        return tuple(parse(part) for part in parts if part)

    return parse_split


def _scalar(name: str, parse: Callable[[object], Any], **schema: Any) -> Kind:
    return Kind(name=name, schema={"type": "string", **schema}, from_toml=parse, from_text=one_value(parse))


def _list(name: str, parse: Callable[[object], str], pattern: str) -> Kind:
    schema = {"type": "array", "items": {"type": "string", "minLength": 1}}
    return Kind(name=name, schema=schema, from_toml=_each(parse), from_text=_split(pattern, parse))


def choice(members: type[enum.Enum]) -> Kind:
    """Return the kind of value that is one of an enum's."""

    def parse(data: object) -> enum.Enum:
        try:
            return members(data)
        except ValueError:
            raise ValueProblem(f"one of: {', '.join(known)}") from None

    known = [str(member.value) for member in members]
    return _scalar(" | ".join(f'"{value}"' for value in known), parse, enum=known)


def _name(data: object) -> str:
    text = _text(data)
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        raise ValueProblem("names of distributions")
    return str(canonicalize_name(text))


def _requirement(data: object) -> str:
    text = _text(data)
    try:
        Requirement(text)
    except InvalidRequirement:
        raise ValueProblem(f"requirements (PEP 508); {text!r} is none") from None
    return text


def _specifier(data: object) -> str:
    text = _text(data)
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        raise ValueProblem("version specifiers, such as >=2.4,<2.9") from None


def _version(data: object) -> str:
    text = _text(data)
    try:
        return str(Version(text))
    except InvalidVersion:
        raise ValueProblem("one version, such as 2.8.0+cu128") from None


def _backend(data: object) -> str:
    text = _text(data)
    # The grammar of an object reference, as PEP 517 wants it for build-backend.
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?", text):
        raise ValueProblem("an object reference, such as setuptools.build_meta")
    if text.partition(":")[0] == f"{__package__.rpartition('.')[0]}.build_meta":
        raise ValueProblem("another backend than torchgraft, which would wrap itself for ever")
    return text


def _relative(data: object) -> str:
    text = _text(data)
    if re.match(r"[/\\~]|[A-Za-z]:", text) or ".." in re.split(r"[/\\]", text):
        raise ValueProblem("folders inside the source tree")
    return text


def _count(data: object) -> int:
    text = str(data) if isinstance(data, int) and not isinstance(data, bool) else data
    if not isinstance(text, str) or not re.fullmatch(r"[1-9][0-9]{0,4}", text.strip()):
        raise ValueProblem("a whole number from 1")
    return int(text)


def _flag(data: object) -> bool:
    texts = {"true": True, "false": False}
    if isinstance(data, bool):
        return data
    if not isinstance(data, str) or data not in texts:
        raise ValueProblem("true or false")
    return texts[data]


_UNITS = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}


def _size(data: object) -> int:
    match = (
        re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([KMG]i?B)", data.strip(), re.IGNORECASE)
        if isinstance(data, str)
        else None
    )
    if match is None:
        raise ValueProblem("an amount of memory, such as 7GB or 512MiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _architecture(data: object) -> str:
    text = _text(data)
    if not re.fullmatch(r"[0-9]+\.[0-9][a-z]?(\+PTX)?", text):
        raise ValueProblem("compute capabilities, such as 8.0 or 9.0a or 12.0+PTX")
    return text


def _component(data: object) -> str:
    text = _text(data)
    if not re.fullmatch(r"[a-z][a-z0-9-]*", text):
        raise ValueProblem("names of components, such as curand")
    return text


def _variable_name(data: object) -> str:
    text = _text(data)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueProblem("the name of a variable")
    return text


def _variables(data: object) -> Mapping[str, str]:
    if not isinstance(data, dict):
        raise ValueProblem("a table of strings")
    for name, value in data.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueProblem(f"names of variables; {name!r} is none")
        if not isinstance(value, str) or "\0" in value:
            raise ValueProblem(f"strings as values; that of {name} is something else")
        fault = template_fault(value, FACTS)
        if fault:
            raise ValueProblem(f"in {name}, {fault}")
    return MappingProxyType(dict(data))


def _no_text(_: tuple[str, ...]) -> Any:
    raise ValueProblem("a name after it, as in -C torchgraft.env.NAME=VALUE")


TEXT = _scalar("string", _text, minLength=1)
PATH = _scalar("path", _text, minLength=1)
BACKEND = _scalar("object reference", _backend, minLength=1)
SPECIFIERS = _scalar("version specifiers", _specifier, minLength=1)
VERSION = _scalar("version", _version, minLength=1)
NAMES = _list("list of names", _name, r"[,\s]+")
REQUIREMENTS = _list("list of requirements", _requirement, r"\n")
RELATIVE_PATHS = _list("list of folders", _relative, r"\n")
COUNT = Kind(
    name="whole number",
    schema={"type": "integer", "minimum": 1},
    from_toml=_count,
    from_text=one_value(_count),
)
FLAG = Kind(name="true | false", schema={"type": "boolean"}, from_toml=_flag, from_text=one_value(_flag))
SIZE = _scalar("amount of memory", _size, pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGkmg][iI]?[bB]$")
ARCHITECTURES = _list("list of compute capabilities", _architecture, r"[;,\s]+")
COMPONENTS = _list("list of names", _component, r"[,\s]+")
VARIABLE_NAME = _scalar("name of a variable", _variable_name, minLength=1)
VARIABLES = Kind(
    name="table of strings",
    schema={"type": "object", "additionalProperties": {"type": "string"}},
    from_toml=_variables,
    from_text=_no_text,
)
