"""The kinds of values that stand in the tables of rules and prebuilt wheels.

May not know any setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .facts import ADDRESS_FACTS
from .template import template_fault
from .value_types import RELATIVE_PATHS, TEXT, VARIABLE_NAME, Kind, ValueProblem, one_value


def _pattern(data: object) -> str:
    text = str(TEXT.from_toml(data))
    try:
        re.compile(text)
    except re.error:
        raise ValueProblem("a regular expression, such as linux|darwin") from None
    return text


def _conditions(data: object) -> Mapping[str, str | bool]:
    if not isinstance(data, dict) or not data:
        raise ValueProblem("a table of names of variables, such as { CI = true }")
    for name, value in data.items():
        VARIABLE_NAME.from_toml(name)
        if not isinstance(value, bool):
            _pattern(value)
    return MappingProxyType(dict(data))


def _address(data: object) -> str:
    text = str(TEXT.from_toml(data))
    fault = template_fault(text, ADDRESS_FACTS)
    if fault:
        raise ValueProblem(fault)
    if not re.match(r"https://[^/\s]", text) or re.search(r"[\s#]", text):
        raise ValueProblem("an address that begins with https://, without a fragment")
    return text


def _address_or_file(data: object) -> str:
    if "://" in str(TEXT.from_toml(data)):
        return _address(data)
    return str(RELATIVE_PATHS.from_toml([data])[0])


def _digests(data: object) -> tuple[str, ...]:
    texts = data if isinstance(data, list) else [data]
    if not texts or not all(isinstance(text, str) and re.fullmatch(r"[0-9a-fA-F]{64}", text) for text in texts):
        raise ValueProblem("SHA-256 digests of 64 hexadecimal digits")
    return tuple(str(text).lower() for text in texts)


def _one_or_more(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _kind(name: str, schema: Mapping[str, Any], parse: Callable[[object], Any]) -> Kind:
    return Kind(name=name, schema=schema, from_toml=parse, from_text=one_value(parse))


def some_of(known: tuple[str, ...]) -> Kind:
    """Return the kind of value that is one of these words, or a list of some."""

    def parse(data: object) -> tuple[str, ...]:
        words = data if isinstance(data, list) else [data]
        if not words or not all(word in known for word in words):
            raise ValueProblem(f"one or more of: {', '.join(known)}")
        return tuple(words)

    name = " | ".join(f'"{word}"' for word in known) + ", or a list of them"
    return _kind(name, _one_or_more({"type": "string", "enum": list(known)}), parse)


PATTERN = _kind("regular expression", {"type": "string", "minLength": 1}, _pattern)
ADDRESS = _kind("address", {"type": "string", "pattern": "^https://"}, _address)
ADDRESS_OR_FILE = _kind("address, or file of the source tree", {"type": "string", "minLength": 1}, _address_or_file)
DIGESTS = _kind(
    "SHA-256 digest, or a list of them", _one_or_more({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}), _digests
)
CONDITIONS = _kind(
    "table of `true`, `false` or regular expressions",
    {"type": "object", "minProperties": 1, "additionalProperties": {"type": ["boolean", "string"]}},
    _conditions,
)
