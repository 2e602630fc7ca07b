"""What the files of the source tree say about the project.

May not run any of it.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model import Project, SetupScript
from ..sources import parse_pyproject
from .setup_script import parse_setup_script

_LARGEST_SCRIPT_BYTES = 2_000_000
_MOST_FILES = 20_000
_NOT_SOURCES = frozenset({"build", "dist", "node_modules", "__pycache__", "docs"})


def read_pyproject(folder: Path) -> Mapping[str, Any]:
    """Return the tables of the project's pyproject.toml; none where there is no such file.

    :raises ConfigError: if it is no TOML
    """
    text = _read_text(folder / "pyproject.toml")
    return {} if text is None else parse_pyproject(text)


def read_project(folder: Path, pyproject: Mapping[str, Any]) -> Project:
    """Return the facts of a source tree that a plan may depend on."""
    setup_cfg = _setup_cfg(_read_text(folder / "setup.cfg") or "")
    script_text = _read_text(folder / "setup.py")
    script = None if script_text is None else parse_setup_script(script_text)
    project = _table(pyproject.get("project"))
    name = project.get("name")
    return Project(
        folder=str(folder),
        name=name if isinstance(name, str) else None,
        requires=_strings(_table(pyproject.get("build-system")).get("requires")),
        dependencies=_dependencies(
            project,
            has_project="project" in pyproject,
            setup_cfg=setup_cfg.get("install_requires", ()),
            script=() if script is None else script.install_requires,
        ),
        setup_cfg_requires=setup_cfg.get("setup_requires", ()),
        setup_script=script,
        static_metadata=_is_static(project, _table(_table(pyproject.get("tool")).get("setuptools"))),
        cuda_sources=_cuda_sources(folder, script),
        writable=os.access(folder, os.W_OK),
    )


def _cuda_sources(folder: Path, script: SetupScript | None) -> str:
    """Return what shows that a project compiles CUDA code: its setup.py, else the first source in the tree."""
    if script is not None and script.names_cuda:
        return "CUDAExtension in setup.py"
    seen = 0
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_SOURCES)
        found = next((name for name in sorted(files) if name.endswith((".cu", ".cuh"))), None)
        if found:
            return (Path(parent) / found).relative_to(folder).as_posix()
        seen += len(files)
        if seen > _MOST_FILES:
            break
    return ""


def _is_static(project: Mapping[str, Any], setuptools: Mapping[str, Any]) -> bool:
    """Return whether `[project]` has all metadata, or says in which files setuptools finds the rest."""
    dynamic = set(_strings(project.get("dynamic")))
    return (
        "name" in project
        and ("version" in project or "version" in dynamic)
        and dynamic <= set(_table(setuptools.get("dynamic")))
    )


def _dependencies(
    project: Mapping[str, Any],
    *,
    has_project: bool,
    setup_cfg: tuple[str, ...],
    script: tuple[str, ...] | None,
) -> tuple[str, ...] | None:
    """Return the run-time requirements where they are static; None where only running setup.py tells.

    A `[project]` table that does not name dependencies as dynamic has none but its own (PEP 621).
    """
    if has_project and "dependencies" not in _strings(project.get("dynamic")):
        return _strings(project.get("dependencies"))
    return None if script is None else script + setup_cfg


def _setup_cfg(text: str) -> dict[str, tuple[str, ...]]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}  # setuptools reads it too, and says what is wrong with it
    if not parser.has_section("options"):
        return {}
    found = {}
    for key in ("setup_requires", "install_requires"):
        if parser.has_option("options", key):
            value = parser.get("options", key)
            lines = value.splitlines() if "\n" in value else value.split(";")  # as setuptools splits them
            found[key] = tuple(line.strip() for line in lines if line.strip() and not line.strip().startswith("#"))
    return found


def _read_text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_SCRIPT_BYTES).decode("utf-8-sig", errors="replace")
    except OSError:
        return None


def _table(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _strings(data: object) -> tuple[str, ...]:
    return tuple(item for item in data if isinstance(item, str)) if isinstance(data, list) else ()
