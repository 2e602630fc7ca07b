"""What the tables of uv, poetry, pdm and hatch in a pyproject.toml say of dependencies: which ones, and where from.

May not open a file, nor raise: what is something else than the tool documents counts as not there.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from ..installed.markers import Chosen
from ..model.observation import FrontEndName
from ..untrusted import strings, table, tables, text_of
from .torch_lines import at_version

# `>=2.6, <2.9` and `>=2.6 <2.9`; and the space within `>= 2.6`.
_BETWEEN = re.compile(r"\s*,\s*|\s+(?=[<>=!~^])")
_AFTER_OPERATOR = re.compile(r"(?<=[<>=!~^])\s+")


def tool_table(data: Mapping[str, Any], tool: FrontEndName | None) -> Mapping[str, Any]:
    """Return the table of a front end, an empty one for none."""
    return table(table(data.get("tool")).get(tool.value)) if tool else {}


def find_sources(data: Mapping[str, Any], tool: FrontEndName | None, name: str) -> list[Mapping[str, Any]]:
    """Return where a front end takes a distribution from, in the words of `[tool.uv.sources]`, the first that fits."""
    settings = tool_table(data, tool)
    if tool is FrontEndName.UV:
        sources = table(settings.get("sources"))
        found = next((value for key, value in sources.items() if canonicalize_name(str(key)) == name), None)
        return [one for one in tables(found) or [table(found)] if one]
    if tool is FrontEndName.POETRY:
        return [
            {"index": item.get("source"), "marker": item.get("markers"), **({"group": group} if group else {})}
            for group, listed in _poetry_tables(settings)
            for key, value in listed.items()
            for item in tables(value) or [table(value)]
            if canonicalize_name(str(key)) == name and text_of(item.get("source"))
        ]
    listed = tables(settings.get("source"))
    return [{"index": one.get("name")} for one in listed if _is_among(name, strings(one.get("include_packages")))]


def find_index(data: Mapping[str, Any], tool: FrontEndName | None, name: str) -> Mapping[str, Any]:
    """Return the index that a front end's table gives that name; an empty table where there is none."""
    listed = tables(tool_table(data, tool).get("index" if tool is FrontEndName.UV else "source"))
    return next((one for one in listed if one.get("name") == name), {})


def find_overrides(data: Mapping[str, Any], tool: FrontEndName | None) -> tuple[str, ...]:
    """Return the requirements that a front end's table puts in the place of all others of those distributions."""
    settings = tool_table(data, tool)
    if tool is FrontEndName.UV:
        return strings(settings.get("override-dependencies"))
    overrides = table(table(settings.get("resolution")).get("overrides"))
    return tuple(_with_specifier(str(name), value) for name, value in overrides.items() if isinstance(value, str))


def list_hatch(data: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the requirements and the groups of an environment in hatch's table, with those of its templates."""
    environments = table(data.get("envs"))
    # Those of a matrix are called by their parts: test.py3.12
    name = name if name in environments else name.partition(".")[0]
    chain: dict[str, Mapping[str, Any]] = {}
    while name not in chain:
        chain[name] = table(environments.get(name))
        name = name if chain[name].get("detached") is True else text_of(chain[name].get("template")) or "default"
    settings = {key: value for one in reversed(chain.values()) for key, value in one.items()}
    listed = (*strings(settings.get("dependencies")), *strings(settings.get("extra-dependencies")))
    return listed, strings(settings.get("dependency-groups"))


def list_poetry(data: Mapping[str, Any], chosen: Chosen, *, plain: bool) -> Iterator[tuple[str, str, Chosen]]:
    """Return what poetry's tables require, where it stands, and for what; `[project]` is not read here."""
    has_own = "dependencies" in table(data.get("project"))
    for group, listed in _poetry_tables(tool_table(data, FrontEndName.POETRY)):
        if chosen.has_group(group) if group else plain and not has_own:
            wanted = Chosen(groups=frozenset({canonicalize_name(group)})) if group else Chosen()
            where = f" (group {group[:60]})" if group else ""
            for name, value in listed.items():
                for item in tables(value) or [value]:
                    text = dependency_text(str(name), item, chosen)
                    if text:
                        yield text, where, wanted


def _poetry_tables(settings: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the groups with what they require; "" is the project itself."""
    yield "", table(settings.get("dependencies"))
    yield "dev", table(settings.get("dev-dependencies"))
    for name, group in table(settings.get("group")).items():
        yield str(name), table(table(group).get("dependencies"))


def dependency_text(name: str, item: object, chosen: Chosen) -> str:
    """Return a dependency of poetry or pixi as a requirement; "" for what is not installed, or is Python itself."""
    entry = {"version": item} if isinstance(item, str) else table(item)
    if name == "python" or (entry.get("optional") is True and not chosen.all_extras):
        return ""
    extras = f"[{','.join(strings(entry.get('extras')))}]" if entry.get("extras") else ""
    url = text_of(entry.get("url")) or text_of(entry.get("path"))
    if git := text_of(entry.get("git")):
        url = f"git+{git}"
    text = f"{name}{extras} @ {url}" if url else _with_specifier(f"{name}{extras}", text_of(entry.get("version")) or "")
    marker = text_of(entry.get("markers")) or text_of(entry.get("env-markers"))
    return f"{text} ; {marker}" if marker else text


def _with_specifier(name: str, version: str) -> str:
    """Return a requirement on what poetry and pdm call versions: `^2.8`, `2.8.0`, `>=2.6 <2.9`, `*`."""
    if "://" in version:
        return f"{name} @ {version}"
    parts = [part for part in _BETWEEN.split(_AFTER_OPERATOR.sub("", version.strip())) if part not in {"", "*"}]
    try:
        return f"{name}{','.join(str(_specifier(part)) for part in parts)}"
    except ValueError:
        return f"{name} {version}"


def _specifier(part: str) -> object:
    is_poetrys = part[0] == "^" or (part[0] == "~" and part[1:2] != "=")
    if part.startswith("~="):
        return part
    return at_version(part[0] if is_poetrys else "", part[1:].strip() if is_poetrys else part)


def _is_among(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(name, pattern.lower()) for pattern in patterns)
