"""Let no import of this process write bytecode: through the links it would go into the consumer.

It stands on the import path of a delegate with a graft, and of all Pythons that it starts. Bytecode that is asked for
is written: setuptools looks at `sys.dont_write_bytecode` where a project says `[install_lib] compile`. With -S this
file is not read, and PYTHONDONTWRITEBYTECODE holds.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader


def _set_nothing(*_args: object, **_more: object) -> None:
    """Stand for what writes the bytecode of an import."""


setattr(SourceFileLoader, "set_data", _set_nothing)  # noqa: B010 - a method is not assigned to
sys.dont_write_bytecode = False
# The one that this hides: pip's isolation is made by one.
_HERE = __file__.rpartition(os.sep)[0]
_SPEC = PathFinder.find_spec(__name__, [entry for entry in sys.path if entry != _HERE])
if _SPEC is not None and _SPEC.loader is not None:
    from importlib.util import module_from_spec

    _HIDDEN = module_from_spec(_SPEC)
    sys.modules[__name__] = _HIDDEN
    _SPEC.loader.exec_module(_HIDDEN)
