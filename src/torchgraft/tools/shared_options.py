"""The options that several commands share, and what these refuse before they begin.

May not import what the extra `cli` brings.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import ActError, ConfigError, install_command
from ..files import joined, real
from ..settings.config import TABLE, Source, settings

_EXTRA = "'torchgraft[cli]'"


def add_project_arguments(parser: argparse.ArgumentParser) -> None:
    """Add PATH, --consumer and -C."""
    add_path_argument(parser)
    add_consumer_argument(parser, "the environment to build for, or its Python")
    parser.add_argument(
        "-C",
        "--config-setting",
        action="append",
        default=[],
        type=_assignment,
        metavar="KEY=VALUE",
        help="a setting, as for pip and uv: -C torchgraft.torch=2.8.0+cu128",
    )


def add_path_argument(parser: argparse.ArgumentParser) -> None:
    """Add PATH."""
    parser.add_argument(
        "path", nargs="?", type=folder_argument, default=".", metavar="PATH", help="source tree (default: .)"
    )


def add_consumer_argument(parser: argparse.ArgumentParser, said: str) -> None:
    """Add --consumer."""
    parser.add_argument("--consumer", type=_not_empty, metavar="PATH", help=said)


def bad_argument(command: str, headline: str, why: str = "") -> ConfigError:
    """Return the error of arguments that contradict each other, or that mean nothing here."""
    fixes = (f"torchgraft {command} --help",)
    return ConfigError.of(code="bad-argument", headline=headline, why=why, fixes=fixes)


def refuse_no_project(command: str, folder: Path, files: Sequence[str]) -> None:
    """Raise ConfigError for a folder without any of the files that make it a project."""
    if not any((folder / name).exists() for name in files):
        raise ConfigError.of(
            code="no-project",
            headline=f"there is no project in {real(folder)}",
            why=f"it has none of {', '.join(files)}",
            fixes=(f"torchgraft {command} PATH",),
        )


def config_settings(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Return the -C arguments as front ends hand them to a hook."""
    found: dict[str, list[str]] = {}
    for item in arguments.config_setting:
        key, _, value = item.partition("=")
        found.setdefault(key, []).append(value)
    if arguments.consumer is not None:
        found["torchgraft.consumer"] = [arguments.consumer]
    return found


def _not_empty(text: str) -> str:
    """Return a path; refuse "", which a variable that is not set leaves, and which would name the working folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty")
    return text


def _assignment(text: str) -> str:
    """Return KEY=VALUE; refuse one of our own keys without the prefix, which would go to the delegate in silence."""
    key, equals, _ = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    if key in {setting.key for setting in settings().values() if Source.ARGUMENT in setting.sources}:
        raise argparse.ArgumentTypeError(f"{key!r} would go to the backend: it is {TABLE}.{key}=...")
    return text


def folder_argument(text: str) -> Path:
    """Return the folder that an argument names."""
    path = joined("", text).absolute()
    try:
        is_folder = path.is_dir()
    except OSError as error:  # above it is one that may not be entered
        raise argparse.ArgumentTypeError(f"{text!r} cannot be looked at: {error.strerror}") from None
    if not is_folder:
        raise argparse.ArgumentTypeError(f"{text!r} is {'no folder' if path.exists() else 'not there'}")
    return path


def require_extra(command: str, *modules: str) -> None:
    """Raise ActError, with the command that installs it, where a module is missing that no build needs."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ActError.of(
            code="missing-extra",
            headline=f"torchgraft {command} needs {' and '.join(missing)}, which no build needs",
            fixes=(extra_command(Path(sys.prefix), missing, command=command, installer=own_installer()),),
        )


def extra_command(prefix: Path, missing: Sequence[str], *, command: str, installer: str) -> str:
    """Return what installs what a command needs into the environment that torchgraft is in.

    :param installer: who has installed torchgraft, as its INSTALLER says
    """
    if (prefix / "uv-receipt.toml").is_file():
        return f"uv tool install {_EXTRA}"
    if (prefix / "pipx_metadata.json").is_file():
        return f"pipx inject torchgraft {' '.join(missing)}"
    if installer == "uv" and prefix.parent.name.startswith(("archive-v", "environments-v")):
        return f"uvx --from {_EXTRA} torchgraft {command}"
    return install_command(str(prefix), [f"{TABLE}[cli]"], by_uv=installer == "uv")


def own_installer() -> str:
    """Return who has installed torchgraft, as its INSTALLER says; "" where that is not known."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return (importlib.metadata.distribution(TABLE).read_text("INSTALLER") or "").strip()
    return ""
