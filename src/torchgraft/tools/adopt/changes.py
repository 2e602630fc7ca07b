"""How the commands that change files show what they would change."""

from __future__ import annotations

import difflib

from ..colour import Colour, painted

_COLOURS = {"+": Colour.GREEN, "-": Colour.RED, "@": Colour.BOLD}


def diff_text(before: str | None, after: str, name: str) -> str:
    """Return a unified diff, which patch and git understand; in colour on a terminal, unless NO_COLOR is set.

    Line ends are shown as they are, so that a file keeps them.
    """
    old = "/dev/null" if before is None else f"a/{name}"
    lines = list(
        difflib.unified_diff(_lines(before or ""), _lines(after), fromfile=old, tofile=f"b/{name}", lineterm="\n")
    )
    ended = [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    return "".join(_coloured(line) for line in ended)


def _lines(text: str) -> list[str]:
    # Not splitlines(): it also splits at what is no line end in a diff.
    *ended, last = text.split("\n")
    return [f"{line}\n" for line in ended] + ([last] if last else [])


def _coloured(line: str) -> str:
    colour = None if line.startswith(("+++", "---")) else _COLOURS.get(line[0])
    return f"{painted(line[:-1], colour)}\n" if colour else line
