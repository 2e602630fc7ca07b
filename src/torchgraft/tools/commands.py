"""`torchgraft COMMAND`: one file per command, and this one chooses among them.

A command's file is imported only when it is called: `plan` has no use for what `check` needs.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import io
import itertools
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from .. import __version__
from ..disks import refusal
from ..errors import INTERRUPTED, OUR_OWN_BUG, REPORT_TO, ActError, ConfigError, Problem, TorchgraftError, problem_text
from ..files import fill_streams
from .terminal import wrapped

PROGRAM = "torchgraft"


class Command(NamedTuple):
    """A line of `--help`, and the module that has the rest: DESCRIPTION, EPILOG, add_arguments() and run()."""

    said: str
    module: str


GROUPS: Mapping[str, Mapping[str, Command]] = MappingProxyType(
    {
        "look": {
            "doctor": Command(
                "check whether this machine can build extensions, and what to fix", ".doctor.doctor_command"
            ),
            "plan": Command("show what a build would do, and why", ".show_plan"),
            "check": Command("find packages that do not fit the installed torch", ".check.check_command"),
            "prebuilt": Command("list which prebuilt wheels of a project exist", ".prebuilt_command"),
            "matrix": Command(
                "list, or build, a project's wheels for every Python and torch", ".matrix.matrix_command"
            ),
            "watch": Command("show running builds, and how long the last ones took", ".watch_command"),
            "snapshot": Command("print everything that a plan depends on, as JSON", ".show_snapshot"),
        },
        "change a project": {
            "adopt": Command("change a project to torchgraft", ".adopt.adopt_command"),
            "vendor": Command("put a copy of the backend into a project", ".vendor.vendor_command"),
        },
        "this program": {
            "cache": Command("list what torchgraft has cached, and remove what is not needed", ".cache.cache_command"),
            "completion": Command("print a script for shell completion", ".completion"),
        },
    }
)
_DESCRIPTION = """Build torch extensions against the PyTorch that they will run with. pip, uv and
other front ends call torchgraft by themselves, for every project that names it
in [build-system]. These commands are for people.
"""
_EPILOG = """examples:
  torchgraft doctor                         can CUDA extensions be built here?
  torchgraft doctor --report                the same, for a bug report
  torchgraft plan                           what would a build here do?
  torchgraft plan --consumer ~/train/.venv  ... and for that environment?
  torchgraft check                          do the installed packages fit torch?
  torchgraft adopt                          what has to change in this project?

`torchgraft COMMAND --help` shows options and examples. Every command that
prints a result has --json. There are no colours if standard output is not a
terminal, or if NO_COLOR is set.

exit status:
  0    everything is fine
  1    something on the machine has to change (no torch, another Python, ...)
  2    a setting or an argument has to change
  3    a bug in torchgraft
  130  interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    fill_streams()
    # None where it was closed before we began (>&-).
    sys.stdout, sys.stderr = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            # Names of files may be anything, and so may the encoding of a terminal.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # not every stream has it
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except TorchgraftError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # The reader (head, less) has seen enough.
    except Exception as error:  # noqa: BLE001 - the one error boundary of the command line
        refused = refusal(error)
        if refused is not None:
            if isinstance(error, OSError) and error.filename is None and _let_go_of_stdout("\n"):
                lost = f"the output cannot be written: {error}"
                fixes = ("send it somewhere else   (to another disk, or to a terminal)",)
                refused = Problem(code=refused.code, headline=lost, why="it would be cut off", fixes=fixes)
            print(problem_text(refused), file=sys.stderr)
            return ActError.exit_code
        traceback.print_exc()
        print(f"torchgraft has a bug; please send what stands above to {REPORT_TO}", file=sys.stderr)
        return OUR_OWN_BUG
    finally:
        _let_go_of_stdout()


def command_parser(only: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    :param only: the command whose arguments matter; those of all others are left out, and their files not imported
    """
    parser = _Parser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_CommandParser)
    for name, command in (pair for group in GROUPS.values() for pair in group.items()):
        below = commands.add_parser(name, help=command.said, formatter_class=_Formatter)
        if only in {None, name}:
            module = importlib.import_module(command.module, __package__)
            below.description, below.epilog = module.DESCRIPTION, module.EPILOG
            module.add_arguments(below)
            below.set_defaults(run=getattr(module, "run", None))
    return parser


class _Parser(argparse.ArgumentParser):
    """Has commands in groups, which argparse has not."""

    def format_usage(self) -> str:
        return f"usage: {PROGRAM} COMMAND ...   ({PROGRAM} --help says more)\n"

    def format_help(self) -> str:
        lines = [f"usage: {PROGRAM} COMMAND ...", "", _DESCRIPTION.rstrip()]
        for title, commands in GROUPS.items():
            lines += ["", f"{title}:", *(f"  {name:<12}{command.said}" for name, command in commands.items())]
        return "\n".join([*lines, "", _EPILOG])


class _Formatter(argparse.HelpFormatter):
    """Fills paragraphs as wide as the terminal; where an example is too long for a line, what it does goes below it."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for is_text, block in itertools.groupby(text.splitlines(), lambda line: line[:1] not in {"", " "}):
            if is_text:
                lines += wrapped(" ".join(block), width, indent)
            else:
                lines += itertools.chain.from_iterable(_fit(line, width) for line in list(block))
        return "\n".join(lines)


def _fit(line: str, width: int) -> list[str]:
    command, _, said = line.rpartition("  ")
    if len(line) <= width or not line.startswith(f"  {PROGRAM} "):
        return [line]
    return [command.rstrip(), *wrapped(f"      {said}", width)]


class _CommandParser(argparse.ArgumentParser):
    """Says of an option that there is not which one may be meant, before its value is taken for something else."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        options = [option for action in self._actions for option in action.option_strings]
        for word in () if self._subparsers else itertools.takewhile("--".__ne__, args or ()):
            name = word.partition("=")[0]
            if name.startswith("--") and not any(option.startswith(name) for option in options):
                near = difflib.get_close_matches(name, options, n=1)
                self.error(f"there is no option {name}" + (f"; did you mean {near[0]}?" if near else ""))
        return super().parse_known_args(args, namespace)


def _run(arguments: Sequence[str]) -> int:
    try:
        Path.cwd()
    except OSError:
        raise ActError.of(
            code="no-working-folder",
            headline="the working folder is not there any more",
            why="what is to be looked at is looked for from there",
            fixes=('cd "$PWD"   (where a folder of that name is there again)',),
        ) from None
    names = [name for group in GROUPS.values() for name in group]
    if arguments[:1] == ["help"]:  # as pip and uv have it
        arguments = [*arguments[1:2], "--help"]
    chosen = next((argument for argument in arguments if not argument.startswith("-")), "")
    parser = command_parser(chosen)
    if not arguments:
        parser.print_help(sys.stderr)
        return ConfigError.exit_code
    if chosen and chosen not in names:
        near = difflib.get_close_matches(chosen, names, n=1)
        parser.error(f"there is no command {chosen!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    try:
        given = parser.parse_args(arguments)
    finally:
        sys.stdout.flush()  # what --help shows
    status = int(given.run(given))
    sys.stdout.flush()
    return status


def _let_go_of_stdout(last: str = "") -> bool:
    """Leave nothing for Python to write when it ends, it would complain; return whether it cannot be written to."""
    try:
        sys.stdout.write(last)
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
