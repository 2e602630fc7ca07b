"""`torchgraft snapshot`: all that a plan depends on, as JSON, to decide from elsewhere."""

from __future__ import annotations

import argparse
from typing import Any

from ..codec import json_text
from ..look.settings import take_settings
from ..look.snapshot import take_shell_snapshot
from .project_arguments import add_project_arguments, config_settings


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "snapshot",
        help="print what a plan depends on, as JSON",
        description="Print what a plan for PATH depends on, as JSON, for 'torchgraft plan --snapshot FILE' elsewhere.",
    )
    add_project_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the snapshot."""
    settings = take_settings(arguments.path, config_settings(arguments))
    print(json_text(take_shell_snapshot(settings)), end="")
    return 0
