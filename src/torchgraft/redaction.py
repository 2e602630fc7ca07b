"""Take out of text what is nobody else's business: credentials, home folders, names of people and of hosts.

May not look for any of them: it is given what they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .values import dataclass

# Of URLs: user and password, which may hold an @ too, and what comes after the question mark, which signs those of
# private storage. Where one was taken for a path, a slash is gone.
_CREDENTIALS = re.compile(r"(?:(?<=://)|(?<=http:/)|(?<=https:/))[^/\s\"]+@")
# It matches without a question mark, too: what has been looked through is not looked through again.
_QUERY = re.compile(r"(?:(?<=[a-z]://)|(?<=https:/)|(?<=http:/))([^\s?\"'<>]+)(\?[^\s#\"'<>)]+)?", re.IGNORECASE)
_HOMES = re.compile(r"(?P<above>/(?:home|Users)/)(?P<name>[^/\s:;,\"'()]+)")
_HOMES_WINDOWS = re.compile(r"(?P<above>[A-Za-z]:[\\/]+Users[\\/]+)(?P<name>[^\\/\s:;,\"'()]+)")
# They are nobody's names, and words of their own.
_NOBODY = frozenset({"root", "localhost", "user", "users", "home", "torch", "python", "cuda", "build"})
_SHORTEST = 2


@dataclass(frozen=True, kw_only=True)
class Names:
    """What is to be taken out: folders that are homes, names of people (accounts), names of hosts."""

    homes: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def without_credentials(text: str) -> str:
    """Return a text without the users and passwords of URLs: they are the same URLs to those who compare them."""
    return _CREDENTIALS.sub("", text)


def without_secrets(text: str) -> str:
    """Return a text without the credentials and queries of URLs."""
    return _QUERY.sub(lambda url: f"{url[1]}?..." if url[2] else url[1], _CREDENTIALS.sub("...@", text))


def redacted(text: str, names: Names) -> str:
    """Return a text without secrets, home folders and names; a home becomes ~, and names USER and HOST."""
    text = without_secrets(text)
    for home in sorted(names.homes, key=len, reverse=True):
        if len(home.rstrip("/\\")) > _SHORTEST:
            text = re.sub(re.escape(home.rstrip("/\\")) + r"(?![A-Za-z0-9_.-])", "~", text)
    for pattern in (_HOMES, _HOMES_WINDOWS):
        text = pattern.sub(r"\g<above>USER", text)
    for name, instead in (*((n, "HOST") for n in names.hosts), *((n, "USER") for n in names.people)):
        if len(name) >= _SHORTEST and name.lower() not in _NOBODY:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", instead, text, flags=re.IGNORECASE)
    return text


def redacted_json(data: Any, names: Names | None) -> Any:
    """Return what the json module writes, every string redacted; only without secrets, where no names are given."""
    if isinstance(data, str):
        return without_secrets(data) if names is None else redacted(data, names)
    if isinstance(data, list):
        return [redacted_json(item, names) for item in data]
    if isinstance(data, Mapping):
        return {redacted_json(key, names): redacted_json(item, names) for key, item in data.items()}
    return data
