"""The interpreter that runs the hook.

May not start one.
"""

from __future__ import annotations

import platform
import re
import sys
import sysconfig

from packaging.tags import generic_tags, platform_tags

from ..model.observation import Python


def take_python() -> Python:
    """Return the running interpreter, in the words of wheel names: abi cp311, cp313t (free-threaded), pypy311_pp73."""
    implementation = sys.implementation.name
    platforms = list(platform_tags())
    own = sys.implementation.version
    return Python(
        # An interpreter built between two releases calls itself 3.13.1+, which is no version.
        version=platform.python_version().removesuffix("+"),
        implementation=implementation,
        # The first of the generic tags has the ABI in the name of extension modules. No platform is asked for.
        abi=next(generic_tags(platforms=["any"])).abi,
        platform=re.sub(r"[-. ]", "_", sysconfig.get_platform()),
        extension_suffix=sysconfig.get_config_var("EXT_SUFFIX") or "",
        system=sys.platform,
        machine=platform.machine(),
        implementation_version="" if implementation == "cpython" else f"{own.major}.{own.minor}.{own.micro}",
        platform_release=platform.release(),
        platform_version=platform.version(),
        wheel_platform=next((name for name in platforms if not name.startswith("linux_")), next(iter(platforms), "")),
    )
