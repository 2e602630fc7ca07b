"""The kinds of values that stand only in tables of an array: addresses with facts in them, digests, conditions.

May not know any table. Imported only where a project has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..untrusted import split_address
from .kinds import VARIABLE_NAME, Kind, ValueProblem, parse_relative, parse_text, scalar
from .template import ADDRESS_FACTS, template_fault


def one_or_more(name: str, parse: Callable[[object], tuple[str, ...]], **item: Any) -> Kind:
    """Return the kind of a string or a list of some."""
    schema = {"type": "string", **item}
    return Kind(name, parse, lambda: {"anyOf": [schema, {"type": "array", "items": schema, "minItems": 1}]})


def some_of(known: tuple[str, ...]) -> Kind:
    """Return the kind of value that is one of these words, or a list of some."""

    def parse(data: object) -> tuple[str, ...]:
        words = data if isinstance(data, list) else [data]
        if not words or not all(word in known for word in words):
            raise ValueProblem(f"one or more of: {', '.join(known)}")
        return tuple(words)

    name = " | ".join(f'"{word}"' for word in known) + ", or a list of them"
    return one_or_more(name, parse, enum=list(known))


# Of a regular expression: as often as it likes.
_REPEAT = r"[*+]|\{\d*,\d*\}"
_MOST_REPEATS = 3


def _pattern(data: object) -> str:
    text = parse_text(data)
    try:
        re.compile(text)
    except re.error:
        raise ValueProblem("a regular expression, such as linux|darwin") from None
    if _may_take_for_ever(text):
        raise ValueProblem("a regular expression with three repeats at most, and none of them in another")
    return text


def _may_take_for_ever(pattern: str) -> bool:
    """Return whether matching may take more than time by the third power: it repeats what repeats, or has a choice."""
    text = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern)
    while group := re.search(rf"\(([^()]*)\)({_REPEAT})?", text):
        repeats = re.search(_REPEAT, group[1])
        if group[2] and (repeats or "|" in group[1]):
            return True
        inside = "x".join(re.findall(_REPEAT, group[1])) if repeats else ""
        text = f"{text[: group.start()]}x{inside}{group[2] or ''}{text[group.end() :]}"
    return len(re.findall(_REPEAT, text)) > _MOST_REPEATS


def _conditions(data: object) -> Mapping[str, str | bool]:
    if not isinstance(data, dict) or not data:
        raise ValueProblem("a table of names of variables, such as { CI = true }")
    for name, value in data.items():
        VARIABLE_NAME.from_toml(name)
        if not isinstance(value, bool):
            _pattern(value)
    return MappingProxyType(dict(data))


# Where files are taken from. What is no HTTPS is on this machine: wheels are tried there before they are published.
_OPEN_ADDRESS = r"https://[^/\s]|file:///[^/\s]|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?/"


def _template(data: object) -> str:
    text = parse_text(data)
    fault = template_fault(text, ADDRESS_FACTS)
    if fault:
        raise ValueProblem(fault)
    return text


def _address(data: object) -> str:
    text = _template(data)
    if not re.match(_OPEN_ADDRESS, text) or re.search(r"[\s#]", text) or not split_address(text).scheme:
        raise ValueProblem(
            "an address that begins with https:// (here file:/// or http://127.0.0.1 too), without a fragment"
        )
    return text


def _local(data: object) -> str:
    text = _template(data)
    if not re.fullmatch(r"[A-Za-z0-9{}._-]+", text):
        raise ValueProblem("the local part of a version, such as cu{cuda_digits}torch{torch_minor}")
    return text


def _address_or_file(data: object) -> str:
    return _address(data) if "://" in parse_text(data) else parse_relative(data)


def _digests(data: object) -> tuple[str, ...]:
    texts = data if isinstance(data, list) else [data]
    if not texts or not all(isinstance(text, str) and re.fullmatch(r"[0-9a-fA-F]{64}", text) for text in texts):
        raise ValueProblem("SHA-256 digests of 64 hexadecimal digits")
    return tuple(str(text).lower() for text in texts)


PATTERN = scalar("regular expression", _pattern)
ADDRESS = scalar("address", _address, pattern=f"^(?:{_OPEN_ADDRESS})")
LOCAL = scalar("local part of a version", _local)
ADDRESS_OR_FILE = scalar("address, or file of the source tree", _address_or_file)
DIGESTS = one_or_more("SHA-256 digest, or a list of them", _digests, pattern="^[0-9a-fA-F]{64}$")
CONDITIONS = Kind(
    "table of `true`, `false` or regular expressions",
    _conditions,
    lambda: {"type": "object", "minProperties": 1, "additionalProperties": {"type": ["boolean", "string"]}},
)
