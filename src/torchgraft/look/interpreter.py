"""The interpreter that runs the hook.

May not start one.
"""

from __future__ import annotations

import platform
import sys
import sysconfig

from ..model import Python


def take_python() -> Python:
    """Return the running interpreter, in the words of wheel names."""
    major, minor = sys.version_info[:2]
    flags = getattr(sys, "abiflags", "")
    if sys.implementation.name == "cpython":
        # The ABI tag of CPython since 3.8: cp311, cp313t (free-threaded), cp311d (debug).
        abi = f"cp{major}{minor}{'t' if 't' in flags else ''}{'d' if 'd' in flags else ''}"
    else:
        abi = f"{sys.implementation.name}{major}{minor}"
    return Python(
        version=platform.python_version(),
        implementation=sys.implementation.name,
        abi=abi,
        platform=sysconfig.get_platform().replace("-", "_").replace(".", "_"),
        extension_suffix=sysconfig.get_config_var("EXT_SUFFIX") or "",
    )
