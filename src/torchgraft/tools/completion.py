"""`torchgraft completion`: what makes a shell complete our commands and options."""

from __future__ import annotations

import argparse

from .commands import PROGRAM, command_parser
from .shared_options import require_extra

# Those that shtab knows since 1.8; later ones of it know more.
_SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
DESCRIPTION = "Print a script for a shell that completes torchgraft's commands, options and paths."
EPILOG = """install it once, into an existing folder:
  bash   torchgraft completion bash > ~/.local/share/bash-completion/completions/torchgraft
  zsh    torchgraft completion zsh > ~/.zfunc/_torchgraft     (with ~/.zfunc in fpath, before compinit)
  fish   torchgraft completion fish > ~/.config/fish/completions/torchgraft.fish

or try it in this shell (bash):
  eval "$(torchgraft completion bash)"
"""
# What stands for a path in --help.
_FILES = frozenset({"FILE", "PATH", "FOLDER", "PATH|SDIST|REQUIREMENT", "FILE|PATH"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("shell", choices=_SHELLS, help="the shell")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    require_extra("completion", "shtab")
    print(completion_text(arguments.shell), end="")
    return 0


def completion_text(shell: str) -> str:
    """Return the script for one shell."""
    import shtab

    parser = command_parser()
    _prepare(parser)
    return str(shtab.complete(parser, shell=shell, root_prefix=f"_{PROGRAM}")) + "\n"


def _prepare(parser: argparse.ArgumentParser) -> None:
    """Say of every argument that is a path that it is one, and have each command described by its line in --help.

    zsh and fish show the description, in one line.
    """
    import shtab

    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list arguments
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for listed in action._get_subactions():  # noqa: SLF001 - the only place where argparse keeps them
                action.choices[listed.dest].description = listed.help
                _prepare(action.choices[listed.dest])
        elif isinstance(action.metavar, str) and action.metavar in _FILES:
            # An interpreter, a wheel and an sdist are files: folders alone would not do for PATH.
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # that is how shtab is told
