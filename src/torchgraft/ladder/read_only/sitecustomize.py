"""Let no import of this process write bytecode into the consumer, or the graft whose links lead there.

It stands on the import path before the graft, for a delegate and all Pythons that it starts. All other bytecode is
written as without torchgraft: setuptools looks at `sys.dont_write_bytecode` where a project says that it wants some.
With -S this file is not read, and PYTHONDONTWRITEBYTECODE holds.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader

_HERE = __file__.rpartition(os.sep)[0]
_PLACE = sys.path.index(_HERE)
_GRAFT = sys.path[_PLACE + 1]
_write = SourceFileLoader.set_data
_kept: list[str] = []


def _write_elsewhere(loader: SourceFileLoader, path: str, data: bytes, *, _mode: int = 0o666) -> None:
    """Write what an import has compiled, if that is not for a folder that a link of the graft leads into."""
    if not _kept:
        links = [f"{folder}/{name}" for folder, *names in os.walk(_GRAFT) for name in (*names[0], *names[1])]
        _kept.extend({os.path.realpath(place).rpartition(os.sep)[0] + os.sep for place in (f"{_GRAFT}/x", *links)})
    if not os.path.realpath(path).startswith(tuple(_kept)):
        _write(loader, path, data, _mode=_mode)


setattr(SourceFileLoader, "set_data", _write_elsewhere)  # noqa: B010 - a method is not assigned to
sys.dont_write_bytecode = False
# The one that this hides: pip's isolation is made by one.
_SPEC = PathFinder.find_spec(__name__, sys.path[:_PLACE] + sys.path[_PLACE + 1 :])
if _SPEC is not None and _SPEC.loader is not None:
    from importlib.util import module_from_spec

    _HIDDEN = module_from_spec(_SPEC)
    sys.modules[__name__] = _HIDDEN
    _SPEC.loader.exec_module(_HIDDEN)
