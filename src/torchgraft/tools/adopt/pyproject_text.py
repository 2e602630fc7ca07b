"""The text of a pyproject.toml with another [build-system], and every other byte as it was.

May not decide what changes. What it returns says what it should and nothing else: that is checked each time.
"""

from __future__ import annotations

import copy
import enum
import functools
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import ConfigError
from ...settings.config import TABLE
from ...settings.sources import parse_pyproject

_BOM = "\ufeff"
_BARE_LF = re.compile(r"(?<!\r)\n")


@dataclass(kw_only=True)
class Edits:
    """What changes. `replaced` are requirements by their index, None where one is taken out.

    `backend_path` is None where it stays as it is, and empty where there is to be none.
    """

    replaced: dict[int, str | None] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    backend: str | None = None
    backend_path: tuple[str, ...] | None = None
    settings: dict[str, str | list[str]] = field(default_factory=dict)


def rewrite_pyproject(text: str | None, edits: Edits) -> str:
    """Return the text after the edits.

    :param text: with its own line ends and byte order mark; None where there is no file
    :raises ConfigError: if it cannot be rewritten without changing something else
    """
    given = text or ""
    mark = _BOM if given.startswith(_BOM) else ""
    old = given.removeprefix(_BOM)
    wanted = _expected(parse_pyproject(old), edits)
    for draft in _drafts(old, edits):
        # Lines that were added get the line ends of the others.
        new = _BARE_LF.sub("\r\n", draft) if "\r\n" in old and not _BARE_LF.search(old) else draft
        if _says(new, wanted):
            return mark + new
    raise ConfigError.of(
        code="cannot-rewrite",
        headline="pyproject.toml is written in a way that cannot be changed without touching the rest of it",
        why="every byte outside of [build-system] has to stay as it is",
        fixes=("write [build-system] as a table of its own, with a header",),
    )


def edit_toml(text: str, change: Callable[[Any], None], name: str) -> str:
    """Return a text in which `change` has been made of what it says, and every other byte as it was.

    :param change: is called with plain tables, and with those of tomlkit, which remember how they are written
    :raises ConfigError: if it cannot be rewritten without changing something else
    """
    data = parse_pyproject(text)
    wanted = copy.deepcopy(dict(data))
    try:
        change(wanted)
        if wanted == data:
            return text
        document = _document(text)
        change(document)
        draft = document.as_string()
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError):
        draft = ""  # a table that is none, or tomlkit knows less TOML than tomllib
    # tomlkit leaves no line between an entry of an array of tables and one that it is put before.
    draft = draft if '"\n[[' in text else draft.replace('"\n[[', '"\n\n[[')
    draft = draft.rstrip("\r\n") + text[len(text.rstrip("\r\n")) :] if text.endswith("\n") else draft
    new = _BARE_LF.sub("\r\n", draft) if "\r\n" in text and not _BARE_LF.search(text) else draft
    if _without_empty(_tables(new)) != _without_empty(wanted):
        raise ConfigError.of(
            code="cannot-rewrite",
            headline=f"{name} is written in a way that cannot be changed without touching the rest of it",
            why="every other byte of it has to stay as it is",
            fixes=("write each table of it with a header of its own",),
        )
    return new


def inline_table(**items: Any) -> Any:
    """Return a table that is written on one line."""
    import tomlkit

    made = tomlkit.inline_table()
    made.update(items)
    return made


def prune(data: Any, *keys: str) -> None:
    """Take out a table, and those above it, where nothing stands in them any more, comments included."""
    path: list[tuple[Any, str]] = []
    for key in keys:
        if key not in data:
            break
        path.append((data, key))
        data = data[key]
    for above, key in reversed(path):
        if not above[key] and "#" not in getattr(above[key], "as_string", str)():
            del above[key]


def _without_empty(data: Any) -> Any:
    """Return what a text says without tables of nothing: those that only comments stand in are left."""
    if not isinstance(data, dict):
        return data
    found = {key: _without_empty(value) for key, value in data.items()}
    return {key: value for key, value in found.items() if value != {}}


def _expected(data: Mapping[str, Any], edits: Edits) -> dict[str, Any]:
    new = copy.deepcopy(dict(data))
    table = new.setdefault("build-system", {})
    kept = [edits.replaced.get(index, item) for index, item in enumerate(table.get("requires", []))]
    table["requires"] = [item for item in kept if item is not None] + edits.added
    if edits.backend is not None:
        table["build-backend"] = edits.backend
    if edits.backend_path is not None:
        table.pop("backend-path", None)
        if edits.backend_path:
            table["backend-path"] = list(edits.backend_path)
    if edits.settings:
        new.setdefault("tool", {}).setdefault(TABLE, {}).update(edits.settings)
    return new


def _says(text: str, wanted: Mapping[str, Any]) -> bool:
    """Return whether a text means what it should, whatever the order of its requirements."""
    data = _tables(text)
    return data is not None and _without_order(data) == _without_order(wanted)


def _without_order(data: Mapping[str, Any]) -> dict[str, Any]:
    table = dict(data["build-system"])
    table["requires"] = sorted(table["requires"])
    return {**data, "build-system": table}


def _drafts(old: str, edits: Edits) -> Iterator[str]:
    """Yield texts that may do, best first."""
    changes: list[Callable[[], str]]
    if "build-system" in parse_pyproject(old):
        ways = itertools.product(_Array, (True, False))
        changes = [functools.partial(_with_table, old, edits, array=array, together=both) for array, both in ways]
    else:
        changes = [lambda: _with_table_on_top(old, edits), lambda: f"{_ended(old)}\n{_table_text(edits)}"]
    for change in changes:
        try:
            middle = change()
            draft = _with_settings(middle, edits) if edits.settings else middle
        except (ConfigError, ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError):
            continue  # tomlkit knows less TOML than tomllib
        yield draft


class _Array(enum.Enum):
    """How a list of requirements is edited. tomlkit stumbles over a comment before a comma."""

    BELOW = "what is added comes last"
    ABOVE = "it comes first"
    ANEW = "the list is written anew, without the comments in it"


def _table_span(text: str, *path: str) -> tuple[int, int]:
    """Return where a table begins, with its header, and where the next one does; the whole text if it has none.

    What looks like a header may stand in a string. It is one if the text before it is TOML by itself.
    """
    header: dict[str, Any] = functools.reduce(lambda below, name: {name: below}, reversed(path), {})
    starts = [match.start() for match in re.finditer(r"^[ \t]*\[", text, re.MULTILINE)]
    for index, start in enumerate(starts):
        line = text[start:].partition("\n")[0].rstrip("\r")
        if _tables(line) == header and _tables(text[:start]) is not None:
            end = next((end for end in starts[index + 1 :] if _tables(text[:end]) is not None), len(text))
            return start, end
    return 0, len(text)


def _tables(text: str) -> Mapping[str, Any] | None:
    try:
        return parse_pyproject(text)
    except ConfigError:
        return None


def _document(text: str) -> Any:
    """Return a document of tomlkit that gives back the very text; raise ValueError if tomlkit cannot do that."""
    import tomlkit

    document = tomlkit.parse(text)
    if tomlkit.dumps(document) != text:
        raise ValueError("tomlkit does not keep this")
    return document


def _with_table(text: str, edits: Edits, *, array: _Array, together: bool) -> str:
    """Return a text with its table edited, new keys `together` behind `requires`, not behind comments at its end."""
    import tomlkit

    start, end = _table_span(text, "build-system")
    document = _document(text[start:end])
    table = document["build-system"]
    if "requires" not in table:
        table["requires"] = edits.added
    elif array is _Array.ANEW:
        table["requires"] = _expected(parse_pyproject(text), edits)["build-system"]["requires"]
    else:
        _edit_array(table["requires"], edits, last=array is _Array.BELOW)
    new: dict[str, str | list[str]] = {}
    if edits.backend is not None:
        new["build-backend"] = edits.backend
    if edits.backend_path:
        new["backend-path"] = list(edits.backend_path)
    elif edits.backend_path is not None and "backend-path" in table:
        del table["backend-path"]
    for key, value in new.items():
        if key in table or not together:
            table[key] = value
    if together:
        trivia = table["requires"].trivia
        lines = "".join(f"\n{trivia.indent}{key} = {_toml(value)}" for key, value in new.items() if key not in table)
        trivia.trail = lines + trivia.trail
    return text[:start] + tomlkit.dumps(document) + text[end:]


def _edit_array(array: Any, edits: Edits, *, last: bool) -> None:
    """Put what is added into the place of what goes, as far as that reaches: a comment there is about the same."""
    added = list(edits.added)
    gone = []
    for index in sorted(edits.replaced):
        item = edits.replaced[index]
        if item is None and not added:
            gone.append(index)
        else:
            array[index] = added.pop(0) if item is None else item
    for index in reversed(gone):
        del array[index]
    for item in added if last else reversed(added):
        array.insert(len(array) if last else 0, item)


def _table_text(edits: Edits) -> str:
    lines = ["[build-system]", f"requires = {_toml(edits.added)}"]
    if edits.backend is not None:
        lines.append(f"build-backend = {_toml(edits.backend)}")
    if edits.backend_path:
        lines.append(f"backend-path = {_toml(list(edits.backend_path))}")
    return "\n".join(lines) + "\n"


def _with_table_on_top(text: str, edits: Edits) -> str:
    """Return a text with the table before all others, and after what is said about the whole file."""
    lines = text.splitlines(keepends=True)
    end = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if not end or end == len(lines) or lines[end].strip():
        end = 0  # a comment that is followed by something is about that
    head, rest = "".join(lines[:end]), "".join(lines[end:])
    if head:
        return f"{head}\n{_table_text(edits)}{rest}"
    return f"{_table_text(edits)}\n{rest}" if rest.strip() else _table_text(edits) + rest


def _with_settings(text: str, edits: Edits) -> str:
    """Return a text with our settings: where they stand already, else in a table at the end."""
    import tomlkit

    tool = parse_pyproject(text).get("tool", {})
    if TABLE not in tool:
        lines = [f"[tool.{TABLE}]", *(f"{key} = {_toml(value)}" for key, value in edits.settings.items())]
        gap = "" if text.endswith(("\n\n", "\n\r\n")) or not text else "\n"
        return f"{_ended(text)}{gap}" + "\n".join(lines) + "\n"
    start, end = _table_span(text, "tool", TABLE)
    document = _document(text[start:end])
    for key, value in edits.settings.items():
        document["tool"][TABLE][key] = value
    return text[:start] + tomlkit.dumps(document) + text[end:]


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _toml(value: str | list[str]) -> str:
    """Return a string or a list of strings in TOML: JSON's escapes are TOML's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
