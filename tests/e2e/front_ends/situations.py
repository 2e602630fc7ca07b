"""What is there before a command is typed. The keys are what the page of results says.

May not run a front end whose behaviour is looked at.
"""

from __future__ import annotations

from collections.abc import Callable

from .bench import Bench

# Where a command names no environment, one that is activated or in the project is meant: all are called "consumer",
# or ".venv" where the front end looks for that name.
CONSUMER = "consumer"

THERE = "installed"
EMPTY = "not there"
THERE_WITH_BACKEND = "installed, with torchgraft beside it"
IN_USER_SITE = "in the user site"
IN_TARGET = "in the target folder"
OTHER_ACTIVE = "installed; another environment with another torch is activated"
DYNAMIC = "installed; dynamic metadata"
DYNAMIC_EMPTY = "not there; dynamic metadata"


def _installed(bench: Bench, *more: str, version: str = "2.8.0", system: bool = False) -> None:
    bench.package()
    bench.environment(CONSUMER, f"torch=={version}", *more, activate=True, system=system)


def _empty(bench: Bench, *more: str) -> None:
    bench.package()
    bench.environment(CONSUMER, *more, activate=True)
