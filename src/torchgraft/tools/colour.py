"""Colours for words on a terminal.

May not colour anything else: where output goes to a file or another program, or NO_COLOR is set, text stays as it is.
"""

from __future__ import annotations

import enum
import os
import sys
from typing import TextIO

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
