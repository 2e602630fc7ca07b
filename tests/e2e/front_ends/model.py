"""What a row of the matrix is: a front end, a command, what is there before, and what has to come of it.

May not do anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bench import Bench


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A front end at one version; `requires` is what pip installs into its own environment."""

    name: str
    version: str
    requires: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is there before a command is typed, by the name that the page of results has for it."""

    name: str
    lay_out: Callable[[Bench, Tool], None]


@dataclass(frozen=True)
class Expected:
    """The torch that the package was built for and now meets, and what its record says of it."""

    torch: str
    rule: str | None
    rung: str
    way: str

    def __str__(self) -> str:
        return f"{self.rule or 'none'}, {self.rung}, {self.way}: torch {self.torch}"


@dataclass(frozen=True)
class Row:
    """One row.

    :param before: commands that have to succeed first; their outcome is not looked at
    :param command: run in the folder that the situation lays out, as it is typed there
    :param expected: None where nothing is built: the command only locks, or makes an sdist
    :param after: commands that bring what was made to where it is used
    :param use: the command that runs the installed package; "" where `command` itself does
    :param others: other torch than the expected one that the command downloads all the same
    :param within_s: how long the command may take, if that matters
    """

    tool: Tool
    situation: Situation
    command: str
    expected: Expected | None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    use: str = "python -m ext"
    others: tuple[str, ...] = ()
    within_s: float | None = None
    slow: bool = False

    def __str__(self) -> str:
        return f"{self.tool}: {self.command}: {self.situation.name}"
