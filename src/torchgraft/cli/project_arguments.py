"""The arguments that name a project and its settings, shared by the commands that plan."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_project_arguments(parser: argparse.ArgumentParser) -> None:
    """Add PATH, --consumer and -C."""
    parser.add_argument("path", nargs="?", type=_folder, default=".", metavar="PATH", help="source tree (default: .)")
    parser.add_argument("--consumer", metavar="PATH", help="the environment the wheel is for, or its interpreter")
    parser.add_argument(
        "-C",
        "--config-setting",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting, as given to pip and uv: -C torchgraft.torch=2.8.0+cu128",
    )


def config_settings(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Return the -C arguments as front ends hand them to a hook."""
    found: dict[str, list[str]] = {}
    for item in arguments.config_setting:
        key, _, value = item.partition("=")
        found.setdefault(key, []).append(value)
    if arguments.consumer:
        found["torchgraft.consumer"] = [arguments.consumer]
    return found


def _folder(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    return path
