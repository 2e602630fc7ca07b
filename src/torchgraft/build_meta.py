"""The door for front ends: the hooks of PEP 517 and PEP 660. Look, decide, act.

Everything heavy is imported inside the hook that needs it: a front end imports this module for every single hook.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import OUR_OWN_BUG, REPORT_TO, PlanError, TorchgraftError, ascii_text
from .model.observation import Hook

if TYPE_CHECKING:
    from .hook.call import Call

F = TypeVar("F", bound=Callable[..., Any])


def _boundary(hook: F) -> F:
    """Turn known errors into their message and exit status; let everything else keep its traceback."""

    @functools.wraps(hook)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return hook(*args, **kwargs)
        except TorchgraftError as error:
            _print(f"\n{error}\n")
            raise SystemExit(error.exit_code) from None
        except Exception:  # noqa: BLE001 - the one error boundary of the hooks
            traceback.print_exc()
            _print(f"\ntorchgraft has a bug in {hook.__name__}; please send what stands above to {REPORT_TO}")
            raise SystemExit(OUR_OWN_BUG) from None

    return guarded  # type: ignore[return-value]  # functools.wraps keeps the signature


@_boundary
def get_requires_for_build_sdist(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what building an sdist needs (PEP 517)."""
    from .hook.call import answer_requires

    return answer_requires(_planned(Hook.GET_REQUIRES_FOR_BUILD_SDIST, config_settings))


@_boundary
def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what building a wheel needs, torch where it has to be installed for it (PEP 517)."""
    from .hook.call import answer_requires

    return answer_requires(_planned(Hook.GET_REQUIRES_FOR_BUILD_WHEEL, config_settings))


@_boundary
def get_requires_for_build_editable(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what building an editable wheel needs (PEP 660)."""
    from .hook.call import answer_requires

    return answer_requires(_planned(Hook.GET_REQUIRES_FOR_BUILD_EDITABLE, config_settings))


@_boundary
def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Return the name of the `.dist-info` folder made in `metadata_directory` (PEP 517)."""
    from .hook.run import prepare_metadata

    return prepare_metadata(_planned(Hook.PREPARE_METADATA_FOR_BUILD_WHEEL, config_settings), metadata_directory)


@_boundary
def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Return the name of the `.dist-info` folder made in `metadata_directory` (PEP 660)."""
    from .hook.run import prepare_metadata

    return prepare_metadata(_planned(Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE, config_settings), metadata_directory)


@_boundary
def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Return the name of the sdist made in `sdist_directory` (PEP 517)."""
    from .hook.run import build_sdist

    return build_sdist(_planned(Hook.BUILD_SDIST, config_settings), sdist_directory)


@_boundary
def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Return the name of the wheel made in `wheel_directory` (PEP 517)."""
    from .hook.finish import finish_wheel
    from .hook.run import build_wheel

    again = functools.partial(_planned, Hook.BUILD_WHEEL, config_settings)
    build = functools.partial(build_wheel, finish=finish_wheel, again=again)
    return build(again(metadata_directory), wheel_directory, metadata_directory)


@_boundary
def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Return the name of the editable wheel made in `wheel_directory` (PEP 660)."""
    from .hook.finish import finish_wheel
    from .hook.run import build_wheel

    call = _planned(Hook.BUILD_EDITABLE, config_settings)
    return build_wheel(call, wheel_directory, metadata_directory, finish=finish_wheel)


def _planned(hook: Hook, config_settings: dict[str, Any] | None, metadata_directory: str | None = None) -> Call:
    """Look and decide; return what is left to do."""
    from .hook.call import Call
    from .hook.plan import plan_build, plan_pass_through, said_text
    from .hook.snapshot import take_snapshot
    from .settings.config import Provide
    from .settings.sources import take_settings

    settings = take_settings(Path.cwd(), config_settings, prepared=metadata_directory)
    config = settings.config
    look = functools.partial(take_snapshot, settings, hook)
    plan = plan_pass_through(config, hook) if config.provide is Provide.OFF else plan_build(config, look())
    _print(said_text(plan, config.log))
    for last in (False, True):  # torch, then the CUDA toolkit that fits it; nothing a third time
        if plan.late_install and not plan.problems:
            from .ladder.late_install import install_late

            install_late(plan.late_install, python=sys.executable, variables=settings.variables)
            plan = plan_build(config, dataclasses.replace(seen := look(), installer=None if last else seen.installer))
            _print(said_text(plan, config.log))
    if plan.problems:
        raise PlanError(*plan.problems)
    return Call(
        plan=plan,
        source=settings.source,
        cache_folder=settings.cache_folder,
        config_settings=settings.config_settings,
        variables=settings.variables,
    )


def _print(text: str) -> None:
    """Say it on stderr; front ends show that with -v, or when the build fails."""
    if text:
        print(ascii_text(text), file=sys.stderr, flush=True)
