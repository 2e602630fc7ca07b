"""`torchgraft plan`: what a build would get, and why, without building."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..codec import from_json_text, json_text
from ..decide.plan import plan_build, plan_text
from ..errors import PlanError
from ..look.settings import take_settings
from ..look.snapshot import read_snapshot_text, take_shell_snapshot
from ..model import Snapshot
from .project_arguments import add_project_arguments, config_settings


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "plan",
        help="show what a build would get, and why",
        description="Show what a build of PATH would get, rung by rung, without building.",
    )
    add_project_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    parser.add_argument(
        "--snapshot", type=Path, metavar="FILE", help="decide from a recorded snapshot, not this machine"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan; return 1 where it holds problems."""
    settings = take_settings(arguments.path, config_settings(arguments))
    if arguments.snapshot:
        text = read_snapshot_text(arguments.snapshot)
        snapshot = from_json_text(Snapshot, text, source=str(arguments.snapshot))
    else:
        snapshot = take_shell_snapshot(settings)
    plan = plan_build(settings.config, snapshot)
    print(json_text(plan) if arguments.json else plan_text(plan), end="" if arguments.json else "\n")
    return PlanError.exit_code if plan.problems else 0
