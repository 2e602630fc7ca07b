"""What a row of the matrix is: a front end, a command, what is there before, and what has to come of it.

May not do anything.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A front end at one version; `requires` is what pip installs into its own environment."""

    name: str
    version: str
    requires: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The torch that the package was built for and now meets, and what its record says of it."""

    torch: str
    rule: str | None
    rung: str
    way: str

    def __str__(self) -> str:
        return f"{self.rule or 'none'}, {self.rung}, {self.way}: torch {self.torch}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row.

    :param situation: lays the files out
    :param before: commands that have to succeed first; their outcome is not looked at
    :param command: run in the folder that the situation names, as it is typed there
    :param expected: None where nothing is built: the command only locks, or makes an sdist
    :param use: the command that runs the installed package; "" where `command` itself does
    :param fetches_torch: whether the front end may download torch: not where only metadata is wanted
    """

    tool: Tool
    situation: Situation
    command: str
    expected: Expected | None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    use: str = "python -m ext"
    fetches_torch: bool = True
    slow: bool = False

    def __str__(self) -> str:
        return f"{self.tool}: {self.command}: {self.situation}"
