"""What somebody else wrote, of TOML, JSON, Python and versions: what is something else counts as empty, or is None."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from .files import UnreadableError, read_whole

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import ast

LARGEST_TOML_BYTES = 20_000_000  # the lock of a large workspace has five

_MOST_BOUNDS = 100

_DEEP_KEY = r"(?:\.[^,\n=\[\]{}.]*){300}"


def load_toml(text: str) -> Mapping[str, Any]:
    """Return what stands in TOML; raise ValueError if it is none, too deep, or has a number of thousands of digits."""
    # What parses them takes memory by the square of their parts: a gigabyte for a file of 30 kB.
    if re.search(_DEEP_KEY, text):
        raise ValueError("nested too deeply")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_toml(path: Path) -> Mapping[str, Any]:
    """Return what stands in a TOML file; raise UnreadableError if it cannot be read, or does not parse."""
    return parse_toml(read_whole(path, LARGEST_TOML_BYTES))


def find_toml(path: Path) -> Mapping[str, Any]:
    """Return what stands in a TOML file; nothing where it cannot be read."""
    try:
        return read_toml(path)
    except UnreadableError:
        return {}


def parse_toml(content: bytes) -> Mapping[str, Any]:
    """Return what stands in TOML; raise UnreadableError if it does not parse."""
    try:
        return load_toml(content.decode("utf-8-sig"))
    except ValueError as error:
        raise UnreadableError(f"does not parse: {' '.join(str(error).split())[:120]}") from None


def json_table(content: str | bytes) -> Mapping[str, Any]:
    """Return what stands in JSON if it is a table; else, and for what is no JSON, an empty one."""
    import json

    try:
        return table(json.loads(content))
    except (ValueError, RecursionError):
        return {}


def is_json_table(data: object) -> bool:
    """Return whether a value is a table that JSON can hold."""
    import json

    try:
        return isinstance(data, Mapping) and all(isinstance(key, str) for key in data) and bool(json.dumps(dict(data)))
    except (TypeError, ValueError, RecursionError):
        return False


def table(data: object, *keys: str) -> Mapping[str, Any]:
    """Return `data` if it is a table, or the one that these keys lead to in it; else an empty one."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
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


def parse_version(text: str | None) -> Version | None:
    """Return a version (PEP 440), None where the text is none."""
    try:
        return Version(text or "")
    except ValueError:  # InvalidVersion is one, and so is what int says to thousands of digits
        return None


def split_address(text: str) -> SplitResult:
    """Return the parts of a URL; all of it is a path where it is none, as with half an IPv6 address."""
    try:
        return urlsplit(text)
    except ValueError:
        return SplitResult("", "", text, "", "")


def parse_requirement(text: str) -> Requirement:
    """Return a requirement, raise InvalidRequirement for none; many bounds take packaging too long, and are none."""
    if text.count(",") > _MOST_BOUNDS:
        raise InvalidRequirement("it has too many bounds")
    return Requirement(text)


def parse_specifier(text: str) -> SpecifierSet:
    """Return specifiers of versions, as `parse_requirement` does; raise InvalidSpecifier if they are none."""
    if text.count(",") > _MOST_BOUNDS:
        raise InvalidSpecifier("they have too many bounds")
    return SpecifierSet(text)


def numbers_in(text: str) -> tuple[int, ...]:
    """Return the whole numbers of a text: of 12.8, of python3.11, of 13.2.0-4ubuntu3."""
    return tuple(int(number) for number in re.findall(r"\d{1,18}", text))


def requirement_lines(strings: Iterable[str]) -> tuple[str, ...]:
    r"""Return requirements as setuptools takes them out of strings: a line each, without comments, `\` joins lines.

    The character before a backslash goes too, and a last line that is to be joined is lost (setuptools/_reqs.py).
    """
    stripped = (line.strip() for string in strings for line in string.splitlines())
    lines = (line.partition(" #")[0] for line in stripped if line and not line.startswith("#"))
    found = []
    for line in lines:
        joined: str | None = line
        while joined is not None and joined.endswith("\\"):
            following = next(lines, None)
            joined = None if following is None else joined[:-2].strip() + following
        if joined is not None:
            found.append(joined.strip())
    return tuple(found)


def read_syntax_tree(data: bytes) -> ast.Module | None:
    """Return the syntax tree of a source file, None if it is none."""
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def bindings_in(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield each target of the assignments among nodes of a syntax tree, with its value."""
    import ast

    for node in nodes:
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node.target, node.value
