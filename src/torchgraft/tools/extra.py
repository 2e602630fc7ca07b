"""What the extra `cli` brings, and the one line that is said where it is not installed.

May not import any of it.
"""

from __future__ import annotations

import importlib.util

from ..errors import ActError, Problem


def require_extra(command: str, *modules: str) -> None:
    """Return if all modules can be imported.

    A build needs none of them, so that they are not installed with torchgraft.

    :raises ActError: with one line that says what to install
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ActError(
            Problem(
                code="missing-extra",
                headline=f"torchgraft {command} needs {' and '.join(missing)}: pip install 'torchgraft[cli]'",
            )
        )
