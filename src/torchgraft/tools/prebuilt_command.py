"""`torchgraft prebuilt check`: for which torch, CUDA and Python the places that a package names have wheels.

May not download one: what is asked is whether it is there. Nothing is said of what is in it; a build looks.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..codec import json_text
from ..compile.plan_facts import plan_facts
from ..errors import PlanError, shown
from ..installed.markers import wheel_ranks
from ..ladder.plan_torch import Choice
from ..model.decision import Compiling, PlannedPrebuilt
from ..model.observation import Hook, Python, Snapshot, Way
from ..model.torch_values import Origin, Torch
from ..prebuilt.connections import DownloadError, asking
from ..prebuilt.download import Limits, is_there
from ..prebuilt.plan_prebuilt import plan_prebuilt
from ..prebuilt.take import RefusedError, read_listed
from ..settings.config import Config
from ..settings.sources import take_settings
from ..untrusted import parse_version
from ..values import dataclass
from .matrix.plan_cells import cuda_of
from .shared_options import add_project_arguments, bad_argument, config_settings, require_extra
from .show_snapshot import take_shell_snapshot

DESCRIPTION = """Look for the wheels of this version in the places of [[tool.torchgraft.prebuilt]], and list which
combinations of torch, CUDA and Python exist. Only pages of an index are downloaded."""
EPILOG = """examples:
  torchgraft prebuilt check                                        for the torch and the Python of this environment
  torchgraft prebuilt check --torch 2.8.0+cu128 2.9.0+cu130        for these
  torchgraft prebuilt check --torch 2.9.0+cu130 --python 3.11 3.12 3.13

Each combination is one line. The exit status is 1 if one is missing, so that you can check a release.
"""
_LIMITS = Limits(total_s=60, tries=2)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    check = parser.add_subparsers(metavar="check", required=True).add_parser("check", help="say which are there")
    add_project_arguments(check)
    check.add_argument(
        "--torch", nargs="+", default=[], metavar="VERSION", help="with their local part: 2.8.0+cu128, 2.8.0+cpu"
    )
    check.add_argument("--python", nargs="+", default=[], metavar="VERSION", help="of CPython: 3.12")
    check.add_argument("--json", action="store_true", help="print the same as JSON")


@dataclass(frozen=True, kw_only=True)
class Combination:
    """One wheel that was asked for. `missing` says why it is not there, "" if it is."""

    torch: str
    python: str
    url: str
    missing: str


def run(arguments: argparse.Namespace) -> int:
    """Print the combinations; return 1 where one is not there."""
    require_extra("prebuilt", "urllib3")
    settings = take_settings(arguments.path, config_settings(arguments))
    if not settings.config.prebuilt:
        raise bad_argument(
            "prebuilt check", "the project has no [[tool.torchgraft.prebuilt]]", "nothing is to be asked"
        )
    snapshot = take_shell_snapshot(settings, hook=Hook.BUILD_WHEEL)
    installed = snapshot.consumer.torch if snapshot.consumer else None
    torches = [_named(text) for text in arguments.torch] or ([installed] if installed else [])
    if not torches:
        raise bad_argument(
            "prebuilt check", "no torch is installed here", "name the ones that are meant: --torch 2.8.0+cu128"
        )
    pythons = [_other_python(snapshot.python, text) for text in arguments.python] or [snapshot.python]
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as scratch:
        found = tuple(_ask(settings.config, snapshot, torches, pythons, Path(scratch)))
    print(json_text({"combinations": found}) if arguments.json else combinations_text(found), end="")
    return PlanError.exit_code if any(item.missing for item in found) else 0


def combinations_text(found: Sequence[Combination]) -> str:
    """Return a line for each, then how many are there."""
    width = max(len(item.torch) for item in found)
    lines = [
        f"{'missing' if item.missing else 'there':<8} torch {item.torch:<{width}}  Python {item.python:<5} "
        f"{item.url}{f' ({item.missing})' if item.missing else ''}"
        for item in found
    ]
    there = sum(not item.missing for item in found)
    return "\n".join([*map(shown, lines), f"{there} of {len(found)} combinations are there", ""])


def _named(text: str) -> Torch:
    """Return what a version says of a torch: its CUDA is that of its local part."""
    version = parse_version(text)
    local = version.local if version else None
    if version is None or local is None:
        raise bad_argument(
            "prebuilt check", f"--torch {text} does not say for which CUDA", "write 2.8.0+cu128, or 2.8.0+cpu"
        )
    cuda = (local.startswith("cu") and cuda_of(local)) or None
    rocm = local.removeprefix("rocm") if local.startswith("rocm") else None
    # Every build for Linux has the new ABI from 2.7 on (https://github.com/pytorch/pytorch/releases/tag/v2.7.0).
    return Torch(version=text, folder="", origin=Origin.WHEEL, cuda=cuda, hip=rocm, cxx11_abi=version.release >= (2, 7))


def _other_python(own: Python, text: str) -> Python:
    version = parse_version(text)
    if version is None or len(version.release) < 2:
        raise bad_argument("prebuilt check", f"--python {text} is no version", "write 3.12")
    abi = f"cp{version.major}{version.minor}"
    return replace(own, version=f"{version.major}.{version.minor}.0", implementation="cpython", abi=abi)


def _ask(
    config: Config, snapshot: Snapshot, torches: Sequence[Torch], pythons: Sequence[Python], scratch: Path
) -> Iterator[Combination]:
    silent: set[str] = set()
    for torch, python in itertools.product(torches, pythons):
        other = replace(snapshot, python=python)
        facts = plan_facts(other, Choice(rungs=()), torch, Compiling())
        for wheel in plan_prebuilt(config, other, facts, Way.GRAFT):
            url, missing = _looked_up(wheel, python, scratch, silent)
            yield Combination(torch=torch.version, python=python.minor_version, url=url, missing=missing)


def _looked_up(wheel: PlannedPrebuilt, python: Python, scratch: Path, silent: set[str]) -> tuple[str, str]:
    """Return where a wheel is, and why it is not there."""
    if wheel.refused or wheel.awaits:
        return wheel.url, wheel.refused or wheel.awaits
    try:
        if wheel.listed:
            wheel = read_listed(wheel, scratch, dict(wheel_ranks(python)), silent)
        with asking(wheel.url, silent):
            is_there(wheel.url, limits=_LIMITS)
    except (DownloadError, RefusedError) as error:
        return wheel.url, str(error)
    return wheel.url, ""
