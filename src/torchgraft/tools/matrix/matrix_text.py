"""Cells as a person reads them, and as GitHub Actions, cibuildwheel and Slurm do.

May not choose a cell.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from shlex import quote

from ...codec import to_json
from .plan_cells import Cell

_SLURM = """#!/bin/bash
#SBATCH --job-name=wheels
#SBATCH --array=0-{last}
#SBATCH --output=wheels-%a.log
# Before it: uv build --sdist --out-dir dist
# Python, torch, and the index that has it.
cells=(
{cells}
)
set -eu
read -r python torch index <<<"${{cells[SLURM_ARRAY_TASK_ID]}}"
export TORCHGRAFT_TORCH=$torch
if [ -n "$index" ]; then export UV_INDEX=$index; fi
uv build --wheel --python "$python" --out-dir "dist/torch-$torch" dist/*.tar.gz
"""
_CIBUILDWHEEL = """[tool.cibuildwheel]
build = "{identifiers}"
build-frontend = "build[uv]"
environment = {{ TORCHGRAFT_TORCH = "{torch}"{index} }}
repair-wheel-command = "auditwheel repair -w {{dest_dir}} {{wheel}} --exclude libtorch*.so --exclude libc10*.so \
--exclude libcud*.so.* --exclude libnv*.so.*"
"""


def table_text(cells: Sequence[Cell]) -> str:
    """Return a line for each build of torch, with its Pythons, then how many wheels that are."""
    rows = []
    for (torch, build, index), some in itertools.groupby(cells, key=lambda cell: (cell.public, cell.build, cell.index)):
        rows.append((torch, build, " ".join(cell.python for cell in some), index or "PyPI"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    lines = [
        f"torch {torch:<{widths[0]}}  {build:<{widths[1]}}  Python {pythons:<{widths[2]}}  {index}"
        for torch, build, pythons, index in rows
    ]
    return "\n".join([*lines, f"{len(cells)} wheel{'' if len(cells) == 1 else 's'}", ""])


def github_text(cells: Sequence[Cell]) -> str:
    """Return the matrix of a job as one line of JSON, which `fromJSON()` takes."""
    return json.dumps({"include": [to_json(cell) for cell in cells]}, separators=(",", ":")) + "\n"


def cibuildwheel_text(cells: Sequence[Cell]) -> str:
    """Return the table of pyproject.toml for one torch: cibuildwheel builds a wheel for each Python, and not two."""
    identifiers = " ".join(f"cp{cell.python.replace('.', '')}-manylinux_x86_64" for cell in cells)
    index = f', UV_INDEX = "{cells[0].index}"' if cells[0].index else ""
    return _CIBUILDWHEEL.format(identifiers=identifiers, torch=cells[0].torch, index=index)


def slurm_text(cells: Sequence[Cell]) -> str:
    """Return the script of an array of jobs, one for each cell."""
    lines = "\n".join(f"  {quote(f'{cell.python} {cell.torch} {cell.index}'.strip())}" for cell in cells)
    return _SLURM.format(last=len(cells) - 1, cells=lines)
