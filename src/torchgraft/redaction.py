"""Take out of text what is nobody else's business: credentials, home folders, names of people and of hosts.

May not look for any of them: it is given what they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .values import dataclass

# Of URLs: user and password, which may hold an @ too, or a slash, or be cut off before the @; and what comes after the
# question mark, which signs those of private storage. Where one was taken for a path, a slash is gone.
_CREDENTIALS = re.compile(
    r"(?:(?<=://)|(?<=http:/)|(?<=https:/))"
    r"(?:[^/\s\"]+@|[^/\s\":@\[]*:(?!\d{0,5}(?:[/\s\"'`?#,;.)\]>]|$))(?:[^\s\"]*@|[^\s\"]*))"
)
# Those of a proxy, whose address needs no scheme.
_BARE_CREDENTIALS = re.compile(
    r"(?<![^\s=,;(\"'])[^\s=,;(\"'/@:]+:[^\s\"'/@]{1,200}@(?=[\w.-]+(?::\d{1,5})?(?:[/\s\"',;)]|$))"
)
# What is called a secret, where it is written as NAME=VALUE, in JSON, or as a header.
_CALLED = (
    r"(?:TOKEN|PASSW(?:OR)?D|PASSPHRASE|SECRET|CREDENTIAL|COOKIE|AUTHORIZATION"
    r"|(?:ACCESS|ACCOUNT|API|DEPLOY|PRIVATE|SIGNING|STORAGE)[_-]?KEY|(?<![A-Z])(?:AUTH|PAT|PW))S?(?![A-Z])"
)
_SECRET_NAME = re.compile(rf"[\w-]*{_CALLED}[\w-]*", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    rf"({_CALLED}[\w-]{{0,40}}[\"']?(?: ?= ?|(?<=[\"']): ?|: ?(?=(?:Bearer|Basic) ))(?:(?:Bearer|Basic|token) )?[\"']?)"
    r"(?:(?<=[\"'])[^\"'\n]+|[^\s\"'&,;)}]+)",
    re.IGNORECASE,
)
# What shows by its beginning whose token it is, whatever its name: of code hosts, indexes, model hubs and clouds.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])((?:gh[oprsu]_|hf_|npm_|AKIA|ASIA)(?=[A-Za-z0-9]{16})|eyJ(?=[\w-]{9,999}\.eyJ)"
    r"|(?:github_pat_|glpat-|pypi-AgE|xox[a-z]-|AIza|sk-(?=[\w-]{0,99}\d))(?=[\w-]{16}))[\w.-]+"
    r"|(-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----)[^-]+"
)
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
    """Return a text without the credentials and queries of URLs, what is called a secret, and well-known tokens."""
    text = _QUERY.sub(lambda url: f"{url[1]}?..." if url[2] else url[1], _CREDENTIALS.sub("...@", text))
    text = _SECRET_VALUE.sub(r"\1...", _BARE_CREDENTIALS.sub("...@", text))
    return _TOKEN.sub(r"\1\2...", text)


def shown_value(name: str, value: str) -> str:
    """Return the value of a variable as it may be shown: not that of one that is called a secret."""
    return "..." if _SECRET_NAME.fullmatch(name) else without_secrets(value)


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


def redacted_json(data: Any, names: Names | None, key: str = "") -> Any:
    """Return what the json module writes under a key, every string redacted; without names only without secrets."""
    if isinstance(data, str):
        text = shown_value(key, data)
        return text if names is None else redacted(text, names)
    if isinstance(data, list):
        return [redacted_json(item, names, key) for item in data]
    if isinstance(data, Mapping):
        name = str(data.get("name"))
        return {
            redacted_json(key, names): redacted_json(item, names, name if key == "value" else key)
            for key, item in data.items()
        }
    return data
