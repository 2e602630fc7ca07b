"""Replay recorded snapshots in an interpreter that says it were another one: `python -m support.elsewhere WORLD`.

What decides may not ask where it runs. Nothing of the package is replaced: only what the standard library and packaging
say of the interpreter and the machine.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from typing import Any

import packaging.markers
import packaging.tags

from .recorded_plans import RECORDED, read_recording, replayed

WORLDS: dict[str, dict[str, Any]] = {
    "windows": {
        "version": (3, 10, 2),
        "implementation": "cpython",
        "sys_platform": "win32",
        "os_name": "nt",
        "system": "Windows",
        "machine": "AMD64",
        "release": "10",
        "platform": "win-amd64",
    },
    "macos": {
        "version": (3, 15, 0),
        "implementation": "pypy",
        "sys_platform": "darwin",
        "os_name": "posix",
        "system": "Darwin",
        "machine": "arm64",
        "release": "24.1.0",
        "platform": "macosx-14.0-arm64",
    },
}


def pretend(world: dict[str, Any]) -> None:
    """Change what this interpreter says of itself."""
    version = ".".join(map(str, world["version"]))
    markers = {
        "implementation_name": world["implementation"],
        "implementation_version": version,
        "os_name": world["os_name"],
        "platform_machine": world["machine"],
        "platform_python_implementation": world["implementation"],
        "platform_release": world["release"],
        "platform_system": world["system"],
        "platform_version": "1",
        "python_full_version": version,
        "python_version": version.rpartition(".")[0],
        "sys_platform": world["sys_platform"],
    }
    sys.platform = world["sys_platform"]
    sys.version = version
    sys.version_info = (*world["version"], "final", 0)  # type: ignore[assignment]
    os.name = world["os_name"]
    for name in ("machine", "release", "system"):
        setattr(platform, name, lambda name=name: world[name])
    platform.python_version = lambda: version
    platform.python_implementation = lambda: world["implementation"]
    sysconfig.get_platform = lambda: world["platform"]
    packaging.markers.default_environment = lambda: markers  # type: ignore[assignment,return-value]
    packaging.tags.sys_tags = lambda **_: iter(())  # type: ignore[assignment]


def main() -> None:
    """Print every plan by the name of its recording."""
    recordings = {path.stem: read_recording(path) for path in RECORDED}
    pretend(WORLDS[sys.argv[1]])
    sys.stdout.write(json.dumps({name: replayed(recording) for name, recording in recordings.items()}))


if __name__ == "__main__":
    main()
