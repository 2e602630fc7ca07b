"""The door for front ends: the hooks of PEP 517 and PEP 660.

What is heavy is imported inside the hook that needs it: a front end imports this module for every single hook.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from .errors import INTERRUPTED, OUR_OWN_BUG, REPORT_TO, TorchgraftError, UnsupportedOperation, ascii_text, problem_text
from .files import fill_streams
from .hook.kept_bytecode import find_bytecode

F = TypeVar("F", bound=Callable[..., Any])

# Nearly all that a hook makes lives until its process ends, soon after: looking through it for garbage as often as
# Python does by default takes a fifteenth of the time of asking for requirements.
_MADE_BEFORE_COLLECTING = 100_000


def _boundary(hook: F) -> F:
    """Turn known errors into their message and exit status; let everything else keep its traceback."""

    @functools.wraps(hook)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        collecting = gc.get_threshold()
        gc.set_threshold(_MADE_BEFORE_COLLECTING, *collecting[1:])
        fill_streams()
        try:
            find_bytecode()
            return hook(*args, **kwargs)
        except TorchgraftError as error:
            _end(str(error), error.exit_code)
        except UnsupportedOperation as error:
            raise error.with_traceback(None) from None
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        except Exception as error:  # noqa: BLE001 - the one error boundary of the hooks
            import traceback
            from pathlib import Path

            from .disks import refusal

            # The folder that the front end wants something in stands first, where it wants something in one.
            refused = refusal(error, *(Path(argument) for argument in args[:1] if isinstance(argument, str)))
            if refused is not None:
                _end(problem_text(refused), TorchgraftError.exit_code)
            traceback.print_exc()
            _end(f"torchgraft has a bug in {hook.__name__}; please send what stands above to {REPORT_TO}", OUR_OWN_BUG)
        finally:
            gc.set_threshold(*collecting)

    return guarded  # type: ignore[return-value]  # functools.wraps keeps the signature


def _end(said: str, status: int) -> NoReturn:
    print(f"\n{ascii_text(said)}\n", file=sys.stderr, flush=True)
    raise SystemExit(status) from None


@_boundary
def get_requires_for_build_sdist(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what building an sdist needs (PEP 517)."""
    from .hook.run import answer_requires
    from .model.observation import Hook

    return answer_requires(Hook.GET_REQUIRES_FOR_BUILD_SDIST, config_settings)


@_boundary
def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what building a wheel needs, torch where it has to be installed for it (PEP 517)."""
    from .hook.run import answer_requires
    from .model.observation import Hook

    return answer_requires(Hook.GET_REQUIRES_FOR_BUILD_WHEEL, config_settings)


@_boundary
def get_requires_for_build_editable(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return what building an editable wheel needs (PEP 660)."""
    from .hook.run import answer_requires
    from .model.observation import Hook

    return answer_requires(Hook.GET_REQUIRES_FOR_BUILD_EDITABLE, config_settings)


@_boundary
def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Return the name of the `.dist-info` folder made in `metadata_directory` (PEP 517)."""
    from .hook.run import prepare_metadata
    from .model.observation import Hook

    return prepare_metadata(Hook.PREPARE_METADATA_FOR_BUILD_WHEEL, metadata_directory, config_settings)


@_boundary
def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Return the name of the `.dist-info` folder made in `metadata_directory` (PEP 660)."""
    from .hook.run import prepare_metadata
    from .model.observation import Hook

    return prepare_metadata(Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE, metadata_directory, config_settings)


@_boundary
def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Return the name of the sdist made in `sdist_directory` (PEP 517)."""
    from .hook.run import build_sdist
    from .model.observation import Hook

    return build_sdist(Hook.BUILD_SDIST, sdist_directory, config_settings)


@_boundary
def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Return the name of the wheel made in `wheel_directory` (PEP 517)."""
    from .hook.run import build_wheel
    from .model.observation import Hook

    return build_wheel(Hook.BUILD_WHEEL, wheel_directory, config_settings, metadata_directory)


@_boundary
def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Return the name of the editable wheel made in `wheel_directory` (PEP 660)."""
    from .hook.run import build_wheel
    from .model.observation import Hook

    return build_wheel(Hook.BUILD_EDITABLE, wheel_directory, config_settings, metadata_directory)
