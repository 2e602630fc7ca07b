"""Where a uv project begins.

May not read more than the pyproject.toml files above a folder.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from .prefixes import is_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def project_root(folder: Path) -> Path | None:
    """Return the folder of the project or workspace that a folder is in; None if it is in none.

    That is the nearest one with a pyproject.toml, unless that is a member of a workspace above it
    (https://docs.astral.sh/uv/concepts/projects/workspaces/).
    """
    above = [parent for parent in (folder, *folder.parents) if is_file(parent / "pyproject.toml")]
    if not above:
        return None
    project, *others = above
    if _workspace(project) is not None:
        return project
    for root in others:
        workspace = _workspace(root)
        if workspace is not None:
            return root if _is_member(project.relative_to(root), workspace) else project
    return project


def _workspace(folder: Path) -> Mapping[str, Any] | None:
    try:
        with (folder / "pyproject.toml").open("rb") as file:
            data: Any = tomllib.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    for key in ("tool", "uv", "workspace"):
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else None


def _is_member(path: PurePath, workspace: Mapping[str, Any]) -> bool:
    return _matches(path, workspace.get("members")) and not _matches(path, workspace.get("exclude"))


def _matches(path: PurePath, patterns: object) -> bool:
    """Return whether a path matches one of the globs. PurePath.match goes from the right: so count the parts."""
    if not isinstance(patterns, list):
        return False
    globs = [PurePath(pattern) for pattern in patterns if isinstance(pattern, str) and pattern.strip("./")]
    return any(("**" in glob.parts or len(glob.parts) == len(path.parts)) and path.match(str(glob)) for glob in globs)
