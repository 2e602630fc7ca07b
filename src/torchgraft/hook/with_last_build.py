"""For which torch the source tree was built the last time.

May not look at what was built.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..model.source_tree import Project
from .last_build import read_note


def with_last_build(project: Project, cache_folder: Path) -> Project:
    """Return a project that says for which torch its tree was built last."""
    return replace(project, built_for=read_note(cache_folder, Path(project.folder).resolve()))
