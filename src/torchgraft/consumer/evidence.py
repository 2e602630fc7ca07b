"""What the rules for finding the consumer work on: processes, and the environments that they name.

May not do anything, nor leave this room: a process's variables are nobody else's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.observation import Rule


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process as far as it is our business: only variables on `look.processes.VARIABLES` are kept.

    `locks` are the lock files that it holds open; None if the system does not tell.
    """

    executable: str
    arguments: tuple[str, ...]
    folder: str
    variables: tuple[tuple[str, str], ...] = ()
    locks: tuple[str, ...] | None = ()

    def variable(self, name: str) -> str | None:
        """Return the value of a variable; None if it is unset or empty."""
        return dict(self.variables).get(name) or None


@dataclass(frozen=True, kw_only=True)
class HookProcess:
    """The process in which a hook runs, as it sees itself. `pyvenv_cfg` is the text of its own, "" if none.

    `variables` are those on `look.processes.VARIABLES`; `sys_path` is as at the start of the hook.
    """

    executable: str
    prefix: str
    base_prefix: str
    purelib: str
    folder: str
    sys_path: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    pyvenv_cfg: str = ""

    def variable(self, name: str) -> str | None:
        """Return the value of a variable; None if it is unset or empty."""
        return dict(self.variables).get(name) or None


@dataclass(frozen=True, kw_only=True)
class Found:
    """An environment that a rule named as the consumer, before it was looked at."""

    prefix: str
    rule: Rule
    certain: bool
    why: str
    targets: tuple[str, ...] = ()
