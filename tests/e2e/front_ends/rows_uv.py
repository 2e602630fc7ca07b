"""The rows of uv."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from .model import Expected, Row
from .situations import (
    CHANGED,
    DECOY,
    DYNAMIC,
    DYNAMIC_EMPTY,
    EMPTY,
    IN_TARGET,
    LOCAL,
    NEXT,
    ONLY_TORCH,
    ONLY_TORCH_SYNCED,
    PINNED,
    PINNED_WITH_EXT,
    PROJECT,
    PROJECT_CU128,
    PROJECT_DYNAMIC,
    PROJECT_FOLDER,
    SYNCED,
    THERE,
    WORKSPACE,
    WORKSPACE_SYNCED,
)
from .tools import UV

GRAFT = Expected("2.8.0", "R2", "installed", "graft")
GUESS = Expected("2.8.0", "R2g", "installed", "graft")
# What get_requires asked for is there when the wheel is built.
ASKED = Expected("2.8.0", "R2", "asked for", "present")
LOCKED = Expected("2.8.0", "R2", "locked", "present")
NEWEST = Expected("2.9.0", "R2", "declared", "present")
IN_APP = "app/.venv/bin/python -m ext"
FROM_TARGET = "PYTHONPATH=target python -m ext"
FROM_PREFIX = f"PYTHONPATH=prefix/lib/python3.{sys.version_info.minor}/site-packages python -m ext"
LOCK_S = 20
"""Seconds, most of them for build requirements; of the hooks themselves it is less than one."""


def uv_rows() -> Iterator[Row]:
    """Yield the rows of `uv pip`, of projects, of tools, and of what only locks."""
    yield from _pip_rows()
    yield from _project_rows()
    yield from _tool_rows()
    yield from _lock_rows()


def _pip_rows() -> Iterator[Row]:
    target, prefix = "uv pip install --target target ./ext", "uv pip install --prefix prefix ./ext"
    yield Row(UV, THERE, "uv pip install ./ext", GRAFT)
    yield Row(UV, THERE, "uv pip install -e ./ext", GRAFT)
    yield Row(UV, LOCAL, "uv pip install ./ext", Expected("2.8.0+cu128", "R2", "installed", "graft"), slow=True)
    yield Row(UV, DYNAMIC, "uv pip install ./ext", GRAFT, slow=True)
    other = "consumer/bin/python"
    yield Row(UV, DECOY, f"uv pip install --python {other} ./ext", GRAFT, use=f"{other} -m ext")
    yield Row(UV, NEXT, "uv pip install --no-build-isolation ./ext", Expected("2.8.0", "R0", "installed", "present"))
    graft, into = Expected("2.8.0", "R2t", "installed", "graft"), replace(NEWEST, rule="R2t")
    yield Row(UV, THERE, f"{target} --no-deps", graft, use=FROM_TARGET)
    yield Row(UV, IN_TARGET, target, graft, use=FROM_TARGET, slow=True)
    yield Row(UV, THERE, target, into, use=FROM_TARGET)
    yield Row(UV, THERE, prefix, into, use=FROM_PREFIX, slow=True)
    yield Row(UV, EMPTY, "uv pip install ./ext", NEWEST, slow=True)
    yield Row(UV, EMPTY, "uv pip install torch==2.8.0 ./ext", ASKED)
    yield Row(UV, DYNAMIC_EMPTY, "uv pip install torch==2.8.0 ./ext", ASKED, slow=True)
    yield Row(UV, PINNED, "uv pip install -c requirements.txt ./ext", ASKED, slow=True)
    yield Row(UV, THERE, "uv pip install torch==2.9.0 ./ext", replace(ASKED, torch="2.9.0"), slow=True)
    yield Row(UV, PINNED_WITH_EXT, "uv pip sync requirements.txt", ASKED)


def _project_rows() -> Iterator[Row]:
    yield Row(UV, PROJECT, "cd app && uv sync", LOCKED, use=IN_APP)
    yield Row(UV, PROJECT_FOLDER, "cd app && uv sync", LOCKED, use=IN_APP)
    yield Row(UV, PROJECT_DYNAMIC, "cd app && uv sync", LOCKED, use=IN_APP)
    cu128 = replace(LOCKED, torch="2.8.0+cu128")
    yield Row(UV, PROJECT_CU128, "cd app && uv sync", cu128, use=IN_APP)
    again = "cd app && uv sync --reinstall-package ext"
    first = ("cd app && uv sync",)
    yield Row(UV, SYNCED, again, GRAFT, before=first, use=IN_APP)
    changed = (*first, "cp next.toml app/pyproject.toml")
    yield Row(UV, CHANGED, again, replace(LOCKED, torch="2.9.0"), before=changed, use=IN_APP)
    elsewhere = "UV_PROJECT_ENVIRONMENT=../elsewhere"
    there = "elsewhere/bin/python -m ext"
    yield Row(UV, PROJECT, f"cd app && {elsewhere} uv sync", LOCKED, use=there)
    before = (f"cd app && {elsewhere} uv sync",)
    yield Row(
        UV, SYNCED, f"cd app && {elsewhere} uv sync --reinstall-package ext", GRAFT, before=before, use=there, slow=True
    )
    yield Row(UV, WORKSPACE, "cd app && uv sync --all-packages", LOCKED, use=IN_APP)
    before = ("cd app && uv sync --package main --no-install-package ext",)
    yield Row(UV, WORKSPACE_SYNCED, "cd app && uv sync --package ext", GRAFT, before=before, use=IN_APP, slow=True)
    yield Row(UV, ONLY_TORCH, "cd app && uv add ../ext", LOCKED, use=IN_APP, slow=True)
    yield Row(UV, ONLY_TORCH_SYNCED, "cd app && uv add ../ext", GRAFT, before=first, use=IN_APP)
    yield Row(UV, PROJECT, "cd app && uv run python -m ext", LOCKED, use="")
    yield Row(UV, ONLY_TORCH_SYNCED, "cd app && uv run --with ../ext python -m ext", GUESS, before=first, use="")
    yield Row(
        UV, EMPTY, "uv run --no-project --with ./ext python -m ext", replace(NEWEST, rule="R2g"), use="", slow=True
    )


def _tool_rows() -> Iterator[Row]:
    asked, newest = replace(ASKED, rule=None), replace(NEWEST, rule=None)
    yield Row(UV, EMPTY, "uv tool install ./ext", newest, use="../home/.local/bin/ext")
    yield Row(UV, EMPTY, "uv tool install --with torch==2.8.0 ./ext", asked, use="../home/.local/bin/ext")
    yield Row(UV, EMPTY, "uv tool install ext", newest, use="../home/.local/bin/ext", slow=True)
    yield Row(UV, EMPTY, "uvx --from ./ext ext", newest, use="", slow=True)
    yield Row(UV, EMPTY, "uvx --from ./ext --with torch==2.8.0 ext", asked, use="")


def _lock_rows() -> Iterator[Row]:
    yield Row(UV, PROJECT, "cd app && uv lock", None, within_s=LOCK_S)
    yield Row(UV, PROJECT_FOLDER, "cd app && uv lock", None, within_s=LOCK_S)
    yield Row(UV, PROJECT_DYNAMIC, "cd app && uv lock", None, within_s=LOCK_S)
    yield Row(UV, PROJECT_DYNAMIC, "cd app && uv export", None, within_s=LOCK_S, slow=True)
    yield Row(UV, WORKSPACE, "cd app && uv lock", None, within_s=LOCK_S, slow=True)
    yield Row(UV, DYNAMIC_EMPTY, "uv build --sdist ./ext", None)
    after = ("uv pip install --no-deps ext/dist/*.whl",)
    yield Row(UV, THERE, "uv build --wheel ./ext", GUESS, after=after)
    yield Row(UV, THERE, "uv build ./ext", GUESS, after=after, slow=True)
