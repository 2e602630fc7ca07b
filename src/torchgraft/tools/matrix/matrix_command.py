"""`torchgraft matrix`: the wheels of a project for every Python, torch and CUDA, listed or built."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ...child import interruptions_raised
from ...codec import json_text, to_json
from ...errors import ConfigError, PlanError
from ...model.torch_values import requirement_of, torch_among
from ...project.read_project import read_project
from ...settings.config import Cuda
from ...settings.sources import Settings, take_settings
from ...untrusted import table, text_of
from ..shared_options import add_path_argument, bad_argument
from .build_cells import HASHES, Workplace, built_text, prebuilt_text
from .plan_cells import CPU, RELEASES, Cell, Range, plan_cells

DESCRIPTION = """List the wheels that a project should have: one for each existing combination of Python
(requires-python), torch ([tool.torchgraft] torch, and the project's requirements) and CUDA, on Linux for
x86-64, for the newest release of each minor version of torch. No index is asked. --build builds
them here."""
EPILOG = """examples:
  torchgraft matrix                                         which wheels should there be?
  torchgraft matrix --torch '>=2.12' --cuda '>=13' --format github
  torchgraft matrix --torch 2.13.0 --cuda cpu --format cibuildwheel
  torchgraft matrix --format slurm >wheels.sh && sbatch wheels.sh
  torchgraft matrix --build --torch 2.13.0 --cuda 13.0      build these into dist/matrix

--build needs uv. Finished wheels are not built again, so you can stop it and go on later. If ccache or sccache is on
PATH, the compilers use it, and kernels that do not include Python.h are compiled once for all Pythons of one torch.
The exit status is 1 if a build fails.
"""
_PYTORCH = "https://download.pytorch.org/whl/{build}"
_GITHUBS_MOST = 256
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_path_argument(parser)
    parser.add_argument("--torch", type=_specifiers, metavar="VERSION", help="only these: 2.13.0, '>=2.12'")
    parser.add_argument("--python", type=_specifiers, metavar="VERSION", help="only these: 3.12, '>=3.11,<3.14'")
    parser.add_argument("--cuda", type=_cuda, metavar="VERSION", help="only builds for these: 13.0, '>=12.8', cpu")
    parser.add_argument(
        "--every-patch", action="store_true", help="every release of torch, not only the newest of each minor version"
    )
    parser.add_argument("--format", choices=[*_FORMATS, "json"], default="table", help="how they are printed")
    parser.add_argument("--json", action="store_const", dest="format", const="json", help="the same as --format json")
    parser.add_argument(
        "--index",
        default=_PYTORCH,
        metavar="URL",
        help="PyTorch's index, or a mirror of it; {build} stands for cpu, cu130, ...",
    )
    parser.add_argument("--build", action="store_true", help="build them here")
    parser.add_argument(
        "--out", type=Path, default="dist/matrix", metavar="FOLDER", help="where to put wheels that --build makes"
    )
    parser.add_argument("--url", default="", metavar="URL", help="where they will be published, for the prebuilt table")


def run(arguments: argparse.Namespace) -> int:
    """Print the cells, or build them; return 1 where one cannot be built."""
    settings = take_settings(arguments.path, {})
    cells = plan_cells(RELEASES, _range(settings, arguments), arguments.index)
    if not cells:
        raise bad_argument("matrix", "no torch is left", "no release fits the project and the arguments")
    if arguments.build:
        return _build(settings, cells, arguments)
    if arguments.format == "cibuildwheel" and len({cell.torch for cell in cells}) > 1:
        raise ConfigError.of(
            code="bad-argument",
            headline="there is more than one torch, and cibuildwheel builds one wheel for each Python",
            fixes=(f"torchgraft matrix --format cibuildwheel --torch {cells[0].public} --cuda {cells[0].build}",),
        )
    if arguments.format == "github" and len(cells) > _GITHUBS_MOST:
        print(f"torchgraft: {len(cells)} cells, and GitHub runs {_GITHUBS_MOST}: say less of torch", file=sys.stderr)
    print(json_text(cells) if arguments.format == "json" else _FORMATS[arguments.format](cells), end="")
    return 0


def _build(settings: Settings, cells: tuple[Cell, ...], arguments: argparse.Namespace) -> int:
    done = []
    with interruptions_raised():  # uv does not stay behind
        place = Workplace(settings, arguments.out, arguments.url)
        for number, found in enumerate(place.build(cells), 1):
            done.append(found)
            print(f"[{number}/{len(cells)}] {built_text(found)}", file=sys.stderr, flush=True)
    done.sort(key=lambda found: cells.index(found.cell))
    if arguments.format == "json":
        print(json_text(tuple(done)), end="")
    else:
        made = sum(not found.fault for found in done)
        print("\n".join([*map(built_text, done), f"{made} of {len(done)} wheels are in {arguments.out}", ""]))
        print(f"For pyproject.toml, with {HASHES} beside it:\n\n{prebuilt_text(place.place)}", end="")
    return PlanError.exit_code if any(found.fault for found in done) else 0


def _range(settings: Settings, arguments: argparse.Namespace) -> Range:
    """Return what both the project and the arguments allow."""
    python = text_of(table(settings.pyproject.get("project")).get("requires-python")) or ""
    project = read_project(settings.source, settings.pyproject)
    required = filter(None, map(requirement_of, project.dependencies or ()))
    own = torch_among(required)
    try:
        pythons = SpecifierSet(python) & (arguments.python or SpecifierSet())
    except InvalidSpecifier:
        raise ConfigError.of(
            code="bad-value", headline=f"requires-python = {python!r} is no range", fixes=("'>=3.10'",)
        ) from None
    torch = (SpecifierSet(settings.config.torch), own.specifier if own else SpecifierSet())
    cuda = arguments.cuda or (CPU if settings.config.cuda is Cuda.OFF else None)
    wanted = (*torch, arguments.torch) if arguments.torch else torch
    return Range(python=pythons, torch=wanted, cuda=cuda, every_patch=arguments.every_patch)


def _specifiers(text: str) -> SpecifierSet:
    """Return a range; a bare version is that one, and 3.12 any patch of it."""
    parts = [part.strip() for part in text.split(",")]
    exact = [f"=={part}{'.*' if part.count('.') == 1 else ''}" if part[:1].isdigit() else part for part in parts]
    try:
        return SpecifierSet(",".join(exact))
    except InvalidSpecifier:
        raise argparse.ArgumentTypeError(f"{text!r} is no version and no range of versions") from None


def _cuda(text: str) -> SpecifierSet | str:
    return text if text == CPU or text.startswith("cu") else _specifiers(text)


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


_FORMATS = {"table": table_text, "github": github_text, "cibuildwheel": cibuildwheel_text, "slurm": slurm_text}
