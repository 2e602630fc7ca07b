"""What every rule for finding the consumer is given, and what it gives back.

May not hold a rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..files import real
from ..model.observation import FrontEndName, Rule
from .evidence import Found, HookProcess, Process
from .front_end import Caller
from .prefixes import is_venv, python_versions


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The processes around a hook, and what the settings say."""

    hook: HookProcess
    ancestors: tuple[Process, ...]
    caller: Caller | None
    told: str | None
    torch_importable: bool

    def is_called_by(self, *names: FrontEndName) -> bool:
        """Return whether one of these is the front end."""
        return self.caller is not None and self.caller.name in names

    def is_own(self, prefix: Path) -> bool:
        """Return whether an environment is the one that the hook runs in."""
        return real(prefix) == real(Path(self.hook.prefix))

    def fits(self, prefix: Path) -> bool:
        """Return whether an environment is for the hook's version of Python, or does not say for which it is."""
        own = re.search(r"python(\d+\.\d+)", self.hook.purelib)
        versions = python_versions(prefix)
        return own is None or not versions or own[1] in versions


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a rule said. `is_last` means that no later rule may answer, although this one found nothing."""

    rule: Rule
    said: str
    found: tuple[Found, ...] = ()
    is_last: bool = False


RuleSet = Callable[[Scene], Iterator[Verdict]]


def finding(
    rule: Rule, prefix: Path, why: str, *, certain: bool, targets: tuple[str, ...] = (), said: str = ""
) -> Verdict:
    """Return the verdict that an environment is the consumer."""
    found = Found(prefix=str(prefix), rule=rule, certain=certain, why=why, targets=targets)
    return Verdict(rule=rule, said=said or f"{prefix}: {why}", found=(found,))


def venv_upwards(folder: Path) -> Path | None:
    """Return the nearest `.venv` in a folder or above it, as uv looks for it."""
    return next((above / ".venv" for above in (folder, *folder.parents) if is_venv(above / ".venv")), None)
