"""Versions that somebody else wrote: what is none is None, and never an exception.

May not know whose they are.
"""

from __future__ import annotations

import re

from packaging.version import Version


def parse_version(text: str | None) -> Version | None:
    """Return a version (PEP 440), None where the text is none."""
    try:
        return Version(text or "")
    except ValueError:  # InvalidVersion is one, and so is what int says to thousands of digits
        return None


def numbers_in(text: str) -> tuple[int, ...]:
    """Return the whole numbers of a text: of 12.8, of python3.11, of 13.2.0-4ubuntu3."""
    return tuple(int(number) for number in re.findall(r"\d{1,18}", text))
