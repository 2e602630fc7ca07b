"""A hook call that has been decided, and its shortest case: answering with requirements.

May not import what only builds need: this is imported for every hook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model.decision import Plan


@dataclass(frozen=True, kw_only=True)
class Call:
    """A hook call with its plan. `config_settings` are the delegate's part; `variables` what the process inherited."""

    plan: Plan
    source: Path
    cache_folder: Path
    config_settings: dict[str, Any] | None
    variables: Mapping[str, str]


def answer_requires(call: Call) -> list[str]:
    """Return the build requirements: the plan's, then what the delegate adds where it has to be asked."""
    requirements = [line.text for line in call.plan.requirements]
    if call.plan.delegate.asked:
        from .run import run_hook

        for requirement in run_hook(call, (call.config_settings,)):
            if requirement not in requirements:
                requirements.append(requirement)
    return requirements
