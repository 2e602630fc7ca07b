"""What is shown on a terminal: colours, lines that fit, and what would change in a file.

May not colour anything else: where output goes to a file or another program, or NO_COLOR is set, text stays as it is.
"""

from __future__ import annotations

import difflib
import enum
import os
import re
import shutil
import sys
import textwrap
from typing import TextIO

from ..errors import printable_text, shown
from ..redaction import without_secrets

_NARROWEST, _WIDEST = 60, 110
_PLAIN = "\x1b[0m"


class Colour(enum.Enum):
    """What a terminal is told."""

    GREEN = "\x1b[32m"
    YELLOW = "\x1b[33m"
    RED = "\x1b[31m"
    BOLD = "\x1b[1m"


def painted(text: str, colour: Colour, *, stream: TextIO | None = None) -> str:
    """Return a text in a colour, or as it is where colours have no place (https://no-color.org)."""
    return f"{colour.value}{text}{_PLAIN}" if _takes_colours(stream or sys.stdout) else text


def _takes_colours(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    # The old console of Windows shows the codes themselves.
    return stream.isatty() and (sys.platform != "win32" or bool(os.environ.get("WT_SESSION")))


def line_width() -> int:
    """Return how long a line may be: COLUMNS, or the width of the terminal as far as one can read; else 80."""
    width = shutil.get_terminal_size((80, 24)).columns
    return max(_NARROWEST, width if os.environ.get("COLUMNS") else min(width, _WIDEST))


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return the lines of a text; no word is broken, and those after the first are indented.

    What users wrote, or others, may hold anything.
    """
    head = " " * (len(text) - len(text.lstrip(" ")))
    return textwrap.wrap(
        shown(text).lstrip(" "),
        width=width,
        initial_indent=head,
        subsequent_indent=indent or head,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


_COLOURS = {"+": Colour.GREEN, "-": Colour.RED, "@": Colour.BOLD}


def diff_text(before: str | None, after: str, name: str) -> str:
    """Return a unified diff, which patch and git understand; in colour on a terminal, unless NO_COLOR is set.

    Line ends are shown as they are, so that a file keeps them; secrets are not, nor on a terminal what it would obey.
    """
    old = "/dev/null" if before is None else f"a/{name}"
    lines = list(
        difflib.unified_diff(_lines(before or ""), _lines(after), fromfile=old, tofile=f"b/{name}", lineterm="\n")
    )
    ended = [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    return "".join(_coloured(without_secrets(line)) for line in ended)


def _lines(text: str) -> list[str]:
    # Not splitlines(): it also splits at what is no line end in a diff.
    *ended, last = text.split("\n")
    return [f"{line}\n" for line in ended] + ([last] if last else [])


def _coloured(line: str) -> str:
    if sys.stdout.isatty():
        line = re.sub(r"[^\t\r\n]+|\r(?!\n)", lambda part: printable_text(part[0]), line)
    colour = None if line.startswith(("+++", "---")) else _COLOURS.get(line[0])
    return f"{painted(line[:-1], colour)}\n" if colour else line
