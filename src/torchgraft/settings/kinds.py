"""The kinds of values that a setting may have: how TOML and text become them.

Texts with facts in them are parsed strictly and filled by name: `str.format` could reach attributes of our values. May
not know any setting, nor the value of a fact: `compile.plan_facts` does.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier
from packaging.utils import canonicalize_name

from ..untrusted import parse_requirement, parse_specifier, parse_version

_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNITS = {"KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}
# In this order: doubled braces stand for one, a name in braces for a fact, and a brace that is left is a mistake.
_TOKEN = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]*)\}|[{}]")
_DOUBLED = {"{{": "{", "}}": "}"}
# What texts may have between braces; of the machine that compiles, what is known only when it does.
OF_MACHINE = ("jobs", "cuda_home", "nvcc", "cuda_architectures")
# An address is the same on each machine that has the same torch.
ADDRESS_FACTS = (
    *("torch", "torch_minor", "torch_digits", "torch_local", "accelerator", "cuda", "cuda_major", "cuda_digits"),
    *("hip", "cxx11abi", "python", "python_minor", "abi", "platform", "machine", "name", "version"),
)
FACTS = (*ADDRESS_FACTS, *OF_MACHINE)


class ValueProblem(Exception):  # noqa: N818 - never leaves the settings: it becomes a Problem
    """What was wanted instead of the value that was found."""


class Fault(NamedTuple):
    """One mistake in an array of tables: below the setting, at `path`, stands `found`.

    `known` are the keys, where it is an unknown one.
    """

    path: str
    found: object
    wanted: str = ""
    known: tuple[str, ...] = ()


class TableProblem(ValueProblem):
    """All that is wrong with an array of tables."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(fault.wanted for fault in faults))
        self.faults = faults


class Kind:
    """A kind of value, by the name that messages and docs have for it: how TOML and text become it."""

    def __init__(self, name: str, parse: Callable[[object], Any], *, no_text: str = "") -> None:
        """Make a kind of which a source of text may give one value; none where `no_text` says what else is wanted."""
        self.name, self.parse, self._no_text = name, parse, no_text

    def from_toml(self, data: object) -> Any:
        """Return the value of what stands in TOML; raise ValueProblem if it is none."""
        return self.parse(data)

    def from_text(self, values: tuple[str, ...]) -> Any:
        """Return the value of what a variable holds, or of all values of a repeated -C."""
        if self._no_text or len(values) != 1:
            raise ValueProblem(self._no_text or "one value; it was given several times")
        return self.parse(values[0])


class ListKind(Kind):
    """A list of strings, which text separates by a pattern; `off` is a word that stands instead of a list, if any."""

    def __init__(self, name: str, parse: Callable[[object], str], separator: str, *, off: str | None = None) -> None:
        """Make a kind of which `parse` makes each item."""
        super().__init__(name, parse)
        self._separator, self.off = separator, off

    def from_toml(self, data: object) -> tuple[str, ...]:
        """Return the value of an array."""
        if self.off is not None and data == self.off:
            return (self.off,)
        if not isinstance(data, list):
            raise ValueProblem("a list of strings" if self.off is None else f"a {self.name}")
        return tuple(self.parse(item) for item in data)

    def from_text(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Return the parts of all values."""
        parts = [part.strip() for value in values for part in re.split(self._separator, value) if part.strip()]
        return self.from_toml(self.off if parts == [self.off] else parts)


def choice(members: type[enum.Enum]) -> Kind:
    """Return the kind of value that is one of an enum's."""

    def parse(data: object) -> enum.Enum:
        try:
            return members(data)
        except ValueError:
            raise ValueProblem(f"one of: {', '.join(known)}") from None

    known = [str(member.value) for member in members]
    return Kind(" | ".join(f'"{value}"' for value in known), parse)


def flag_or(members: type[enum.Enum]) -> Kind:
    """Return the kind of value that is true, false or another word of an enum's."""
    words = choice(members)
    known = [str(member.value) for member in members if member.value not in {"true", "false"}]
    return Kind(
        " | ".join(("true | false", *(f'"{word}"' for word in known))),
        lambda data: words.parse(str(data).lower() if isinstance(data, bool) else data),
    )


def parse_text(data: object) -> str:
    """Return a string that is not empty, without NUL, which no path has; raise ValueProblem for all else."""
    if not isinstance(data, str) or not data.strip() or "\0" in data:
        raise ValueProblem("a string that is not empty" if "\0" not in str(data) else "a string without NUL")
    return data.strip()


def text_that(holds: Callable[[str], object], wanted: str) -> Callable[[object], str]:
    """Return what parses a string of which something holds."""

    def parse(data: object) -> str:
        text = parse_text(data)
        if not holds(text):
            raise ValueProblem(wanted)
        return text

    return parse


def _like(pattern: str, wanted: str) -> Callable[[object], str]:
    return text_that(lambda text: re.fullmatch(pattern, text), wanted)


def _name(data: object) -> str:
    return str(canonicalize_name(_spelt_name(data)))


def _requirement(data: object) -> str:
    text = parse_text(data)
    try:
        parse_requirement(text)
    except InvalidRequirement:
        raise ValueProblem(f"requirements (PEP 508); {text!r} is none") from None
    return text


def _specifier(data: object) -> str:
    text = parse_text(data)
    try:
        return str(parse_specifier(text))
    except InvalidSpecifier:
        raise ValueProblem("version specifiers, such as >=2.4,<2.9") from None


def _version(data: object) -> str:
    version = parse_version(parse_text(data))
    if version is None:
        raise ValueProblem("one version, such as 2.8.0+cu128")
    return str(version)


def _backend(data: object) -> str:
    text = _object_reference(data)
    if text.partition(":")[0] == f"{__package__.rpartition('.')[0]}.build_meta":
        raise ValueProblem("another backend than torchgraft, which would wrap itself for ever")
    return text


def _count(data: object) -> int:
    text = str(data) if isinstance(data, int) and not isinstance(data, bool) else data
    if not isinstance(text, str) or not re.fullmatch(r"[1-9][0-9]{0,4}", text.strip()):
        raise ValueProblem("a whole number from 1")
    return int(text)


def _flag(data: object) -> bool:
    if not isinstance(data, (bool, str)) or data not in {True, False, "true", "false"}:
        raise ValueProblem("true or false")
    return data is True or data == "true"


def _size(data: object) -> int:
    text = data.strip() if isinstance(data, str) else ""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([KMG]i?B)", text, re.IGNORECASE)
    if match is None:
        raise ValueProblem("an amount, such as 7GB or 512MiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _duration(data: object) -> int:
    text = data.strip() if isinstance(data, str) else ""
    match = re.fullmatch(r"([0-9]{1,6}) ?(s|m|min|h|d|w)", text)
    if match is None and text != "off":
        raise ValueProblem("a time, such as 90min or 2h; or off")
    return int(match[1]) * _SECONDS[match[2]] if match else 0


def _variables(data: object) -> Mapping[str, str]:
    if not isinstance(data, dict):
        raise ValueProblem("a table of strings")
    for name, value in data.items():
        if not re.fullmatch(_VARIABLE, name):
            raise ValueProblem(f"names of variables; {name!r} is none")
        if not isinstance(value, str) or "\0" in value:
            raise ValueProblem(f"strings as values; that of {name} is something else")
        fault = template_fault(value, FACTS)
        if fault:
            raise ValueProblem(f"in {name}, {fault}")
    return MappingProxyType(dict(data))


parse_relative = text_that(
    lambda text: not re.match(r"[/\\~]|[A-Za-z]:", text) and ".." not in re.split(r"[/\\]", text),
    "folders inside the source tree",
)
_store = text_that(
    lambda text: text == "auto" or re.match(r"https?://[^/\s]|[/~]|[A-Za-z]:[\\/]", text),
    "folders by their full paths, addresses (https://...), auto; or off",
)
_spelt_name = _like(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "names of distributions")
# As PEP 517 wants it for build-backend.
_object_reference = _like(
    r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?",
    "an object reference, such as setuptools.build_meta",
)
_architecture = _like(r"[0-9]+\.[0-9][a-z]?(\+PTX)?", "compute capabilities, such as 8.0 or 9.0a or 12.0+PTX")

TEXT = Kind("string", parse_text)
PATH = Kind("path", parse_text)
BACKEND = Kind("object reference", _backend)
SPECIFIERS = Kind("version specifiers", _specifier)
VERSION = Kind("version", _version)
NAMES = ListKind("list of names", _name, r"[,\s]+")
STORES = ListKind("list of folders and addresses", _store, r"\s+", off="off")
PATHS = ListKind("list of paths", parse_text, re.escape(os.pathsep))
REQUIREMENTS = ListKind("list of requirements", _requirement, r"\n")
RELATIVE_PATHS = ListKind("list of folders", parse_relative, r"\n")
COUNT = Kind("whole number", _count)
FLAG = Kind("true | false", _flag)
SIZE = Kind("size", _size)
DURATION = Kind("time", _duration)
ARCHITECTURES = ListKind("list of compute capabilities", _architecture, r"[;,\s]+")
COMPONENTS = ListKind("list of names", _like(r"[a-z][a-z0-9-]*", "names of components, such as curand"), r"[,\s]+")
VARIABLE_NAME = Kind("name of a variable", _like(_VARIABLE, "the name of a variable"))
VARIABLES = Kind("table of strings", _variables, no_text="a name after it, as in -C torchgraft.env.NAME=VALUE")


def template_fault(text: str, known: Collection[str]) -> str:
    """Return what is wrong with a text that may have the facts of these names; "" if nothing is."""
    for token in _TOKEN.finditer(text):
        if token[1] is None and token[0] not in _DOUBLED:
            return f"a brace that stands for itself doubled, {token[0] * 2}, or the name of a fact between two"
        if token[1] is not None and token[1] not in known:
            return f"names of facts between braces; {{{token[1]}}} is none of: {', '.join(sorted(known))}"
    return ""


def template_names(text: str) -> tuple[str, ...]:
    """Return the names of the facts in a text, in order, each once."""
    return tuple(dict.fromkeys(token[1] for token in _TOKEN.finditer(text) if token[1] is not None))


def filled(text: str, facts: Mapping[str, str]) -> str:
    """Return a text with its facts in place: each of its `template_names` has a value."""

    def value(token: re.Match[str]) -> str:
        return facts[token[1]] if token[1] is not None else _DOUBLED.get(token[0], token[0])

    return _TOKEN.sub(value, text)
