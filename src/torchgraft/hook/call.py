"""A hook call that has been decided: settings, snapshot and plan, and what is left to do.

May not carry it out. It is imported for every hook, so that it imports nothing that only some of them need.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from ..consumer.environment import is_uv_build
from ..consumer.ownership import foreign_place
from ..errors import PlanError, shown
from ..model.decision import Plan
from ..model.observation import Hook
from ..settings.config import Config, Log, Provide
from ..settings.sources import Settings, take_settings
from ..values import dataclass
from .plan import plan_build, plan_pass_through

# What runs a hook in a process of its own: uv's text, and the file of pyproject_hooks.
_RUNNERS = frozenset({"-c", "_in_process.py"})


@dataclass(frozen=True, kw_only=True)
class Call:
    """A hook call with its plan, and the process that waits for this one, `caller`.

    `config_settings` are the delegate's part; `variables` what the process inherited.
    """

    plan: Plan
    source: Path
    cache_folder: Path
    config_settings: dict[str, Any] | None
    variables: Mapping[str, str]
    config: Config = field(default_factory=Config)
    caller: int | None = None


def plan_call(hook: Hook, config_settings: Mapping[str, Any] | None, prepared: str | None = None) -> Call:
    """Look and decide; return what is left to do.

    :param prepared: the `.dist-info` folder that was made for the wheel before, None if there is none
    :raises ConfigError: with every mistake in every source of settings
    :raises PlanError: with every reason why there is no right build here
    """
    # Whoever calls us in his own process may go on when the one above him has ended.
    caller = os.getppid() if Path(sys.argv[0]).name in _RUNNERS else None
    settings = take_settings(Path.cwd(), config_settings, prepared=prepared)
    note = ""
    if settings.config.provide is not Provide.OFF:
        settings, note = _with_own_cache(settings)
        if is_uv_build(Path(sys.prefix)) and not sys.dont_write_bytecode:
            from .kept_bytecode import link_bytecode

            link_bytecode(Path(sys.prefix), settings.cache_folder, makes_places=True)
    plan = _plan(settings, hook)
    if note:
        plan = replace(plan, notes=(*plan.notes, note))
    if plan.problems:
        raise PlanError(*plan.problems)
    return Call(
        plan=plan,
        source=settings.source,
        cache_folder=settings.cache_folder,
        config_settings=settings.config_settings,
        variables=settings.variables,
        config=settings.config,
        caller=caller,
    )


def _with_own_cache(settings: Settings) -> tuple[Settings, str]:
    """Return settings whose cache folder is ours alone, since what is in it is run, and what there is to say of it.

    With sudo and the user's HOME it would be the user's, who could not use it any more where root has made it.
    """
    config, folder = settings.config, settings.cache_folder
    found = foreign_place(folder, trusted=config.trust)
    if not found:
        return settings, ""
    from ..own_files import private_folder

    own = private_folder(lambda other: not foreign_place(other))
    note = f"the cache folder {folder} is not used, since {found}: {own} is"
    if config.log is not Log.QUIET:
        from ..child import say

        say(shown(f"torchgraft: {note}"))
    # It was made for this user or this call alone, wherever it is.
    trusting = replace(config, trust=(*config.trust, str(own)))
    return replace(settings, cache_folder=own, config=trusting), note


def _plan(settings: Settings, hook: Hook) -> Plan:
    """Return the plan of a call; what has to be installed into the build environment first is installed."""
    config = settings.config
    if config.provide is Provide.OFF:
        return _said(plan_pass_through(config, hook), config)
    from .snapshot import take_snapshot

    plan = _said(plan_build(config, take_snapshot(settings, hook)), config)
    for last in (False, True):  # torch, then the CUDA toolkit that fits it; nothing a third time
        if plan.late_install and not plan.problems:
            from ..ladder.late_install import install_late

            install_late(plan.late_install, python=sys.executable, variables=settings.variables)
            snapshot = take_snapshot(settings, hook)
            plan = _said(plan_build(config, replace(snapshot, installer=None) if last else snapshot), config)
    return plan


def _said(plan: Plan, config: Config) -> Plan:
    """Return the plan, of which the front end's log is told what was asked for."""
    if plan.hook.builds or config.log is Log.PLAN or (plan.guess and plan.hook.asks):
        from ..child import say
        from .plan_text import said_text

        text = said_text(plan, config.log)
        if text:
            say(text)
    return plan
