"""Where a uv project begins.

May not read more than the pyproject.toml files above a folder.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import is_file
from ..untrusted import strings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def project_root(folder: Path) -> Path | None:
    """Return the root of the project or workspace that a folder is in, as uv finds it; None if it is in none.

    The nearest pyproject.toml is the project; the next one above it is its workspace, if it says so. No other is
    looked at (uv-workspace, `find_workspace`).
    """
    above = [parent for parent in (folder, *folder.parents) if is_file(parent / "pyproject.toml")]
    if not above:
        return None
    project = above[0]
    if len(above) == 1 or _workspace(project) is not None:
        return project
    workspace = _workspace(above[1]) or {}
    path = project.relative_to(above[1]).as_posix()
    included = any(_matches(path, pattern) for pattern in strings(workspace.get("members")))
    excluded = any(_matches(path, pattern) for pattern in strings(workspace.get("exclude")))
    return above[1] if included and not excluded else project


def _workspace(folder: Path) -> Mapping[str, Any] | None:
    try:
        with (folder / "pyproject.toml").open("rb") as file:
            data: Any = tomllib.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    for key in ("tool", "uv", "workspace"):
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else None


def _matches(path: str, pattern: str) -> bool:
    """Return whether a path is one that a pattern of `members` names; `*` stops at a slash, `**` does not."""
    parts = [part for part in pattern.replace("\\", "/").split("/") if part not in {"", "."}]
    text = "/".join("**" if part == "**" else _part_expression(part) for part in parts)
    expression = text.replace("**/", "(?:[^/]+/)*").replace("/**", "(?:/[^/]+)*").replace("**", ".*")
    return re.fullmatch(expression, path) is not None


def _part_expression(part: str) -> str:
    return re.escape(part).replace(r"\*\*", r"\*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
