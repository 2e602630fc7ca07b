"""For which torch the source tree was built the last time.

May not look at what was built.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..last_build import UNKNOWN, note_path
from ..model import Project

_LONGEST_NOTE = 1000


def with_last_build(project: Project, cache_folder: Path) -> Project:
    """Return a project that says for which torch its tree was built last.

    What setuptools compiles for an editable installation lies beside the sources; all else is in build/.
    """
    source = Path(project.folder).resolve()
    try:
        note = note_path(cache_folder, source).read_text(encoding="utf-8", errors="replace")[:_LONGEST_NOTE].strip()
    except OSError:
        note = UNKNOWN if (source / "build").is_dir() else ""
    return replace(project, built_for=note)
