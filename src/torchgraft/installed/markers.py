"""What markers and wheel names mean for one interpreter and platform.

May not ask that interpreter: its version, ABI and platform are given. Only what those do not say (the C library, the
release of the kernel) is that of the machine that we run on.
"""

from __future__ import annotations

import platform
import re
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from packaging import tags
from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName, default_environment
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ..model.observation import Python

_EXTRA = re.compile(r"""\bextra\s*(==|!=)\s*(?:'([^']*)'|"([^"]*)")|(?:'([^']*)'|"([^"]*)")\s*(==|!=)\s*extra\b""")
_MEMBER = re.compile(r"""(?:'([^']*)'|"([^"]*)")\s+(not\s+in|in)\s+(extras|dependency_groups)\b""")
_TRUE = "python_version >= '0'"
_FALSE = "python_version < '0'"


class MarkerError(ValueError):
    """A marker that is none."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The extras and dependency groups that a command installs, their names normalised.

    `anything` takes every choice as possible: each condition on an extra or a group is true, and its opposite too.
    """

    extras: frozenset[str] = field(default_factory=frozenset)
    groups: frozenset[str] = field(default_factory=frozenset)
    all_extras: bool = False
    all_groups: bool = False
    anything: bool = False

    def has_extra(self, name: str) -> bool:
        """Return whether the command installs that extra."""
        return self.anything or self.all_extras or canonicalize_name(name) in self.extras

    def has_group(self, name: str) -> bool:
        """Return whether the command installs that dependency group."""
        return self.anything or self.all_groups or canonicalize_name(name) in self.groups


NOTHING_CHOSEN = Chosen()


def marker_holds(text: str, python: Python, chosen: Chosen = NOTHING_CHOSEN) -> bool:
    """Return whether a marker is true for an interpreter and what a command installs.

    Lock files compare `extra` with several names at once (uv), or ask `in extras` and `in dependency_groups`
    (PEP 751), which packaging 24 cannot evaluate: these comparisons are answered first.

    :raises MarkerError: if `text` is no marker
    """
    text = _EXTRA.sub(lambda match: _extra_answer(match, chosen), text)
    text = _MEMBER.sub(lambda match: _member_answer(match, chosen), text)
    try:
        return Marker(text).evaluate(marker_environment(python))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, ValueError, RecursionError) as error:
        raise MarkerError(f"the marker {text[:80]!r} cannot be read") from error


def _extra_answer(match: re.Match[str], chosen: Chosen) -> str:
    name = next(group for group in match.groups()[1:5] if group is not None)
    equal = (match[1] or match[6]) == "=="
    return _TRUE if chosen.anything or chosen.has_extra(name) is equal else _FALSE


def _member_answer(match: re.Match[str], chosen: Chosen) -> str:
    name = match[1] if match[1] is not None else match[2]
    found = chosen.has_extra(name) if match[4] == "extras" else chosen.has_group(name)
    return _TRUE if chosen.anything or found is (match[3] == "in") else _FALSE


def marker_environment(python: Python) -> dict[str, str]:
    """Return the values that markers compare with (PEP 508, 'Environment Markers')."""
    found: dict[str, str] = {name: str(value) for name, value in default_environment().items()}
    implementation = python.implementation.lower()
    found |= {
        "python_version": python.minor_version,
        "python_full_version": python.version,
        "implementation_name": implementation,
        "implementation_version": python.version,
        "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(implementation, implementation),
        "extra": "",
    }
    described = _platform_markers(python.platform)
    if described.get("sys_platform", found["sys_platform"]) != found["sys_platform"]:
        found |= {"platform_release": "", "platform_version": ""}
    return found | described


def _platform_markers(name: str) -> dict[str, str]:
    if name.startswith("linux_"):
        machine = name[len("linux_") :]
        return _system("linux", "Linux", "posix") | {"platform_machine": machine}
    if name.startswith("win"):
        machine = {"win_amd64": "AMD64", "win_arm64": "ARM64"}.get(name, "x86")
        return _system("win32", "Windows", "nt") | {"platform_machine": machine}
    if name.startswith("macosx_"):
        machine = "_".join(name.split("_")[3:])
        here = platform.machine() if platform.system() == "Darwin" else "arm64"
        machine = here if machine.startswith("universal") else machine
        return _system("darwin", "Darwin", "posix") | {"platform_machine": machine}
    return {}


def _system(sys_platform: str, platform_system: str, os_name: str) -> dict[str, str]:
    return {"sys_platform": sys_platform, "platform_system": platform_system, "os_name": os_name}


def wheel_ranks(python: Python) -> Mapping[tags.Tag, int]:
    """Return the tags of wheels that the interpreter takes; the lower the number, the better the wheel fits."""
    version = tuple(int(part) for part in python.minor_version.split(".") if part.isdigit())
    platforms = _platforms(python.platform)
    if python.implementation.lower() == "cpython":
        ordered = list(tags.cpython_tags(version, [python.abi], platforms))
    else:
        interpreter = {"pypy": "pp"}.get(python.implementation.lower(), python.implementation.lower())
        interpreter += "".join(map(str, version))
        ordered = list(tags.generic_tags(interpreter, [python.abi], platforms))
    ordered += tags.compatible_tags(version, None, platforms)
    return {tag: rank for rank, tag in reversed(list(enumerate(ordered)))}


def _platforms(name: str) -> list[str]:
    if name == re.sub(r"[-. ]", "_", sysconfig.get_platform()):
        return list(tags.platform_tags())
    # Another machine than ours (a snapshot, a test): assume the newest C library that wheels are built for.
    if name.startswith("linux_"):
        machine = name[len("linux_") :]
        return [*(f"manylinux_2_{minor}_{machine}" for minor in range(40, 4, -1)), f"manylinux2014_{machine}", name]
    if match := re.fullmatch(r"macosx_(\d+)_(\d+)_(\w+)", name):
        return list(tags.mac_platforms((int(match[1]), int(match[2])), match[3]))
    return [name]


def best_wheel(urls: Iterable[str], python: Python) -> str | None:
    """Return the one among `urls` (or paths, or names) of wheels that fits best; None if none does."""
    ranks = wheel_ranks(python)
    found = []
    for url in urls:
        try:
            _, _, build, wheel_tags = parse_wheel_filename(wheel_name(url))
        except (InvalidWheelFilename, ValueError):
            continue
        rank = min((ranks[tag] for tag in wheel_tags if tag in ranks), default=None)
        if rank is not None:
            found.append((-rank, build, url))
    return max(found)[2] if found else None


def wheel_name(url: str) -> str:
    """Return the file name in a URL or path, with + in it and not %2B."""
    return unquote(url.partition("#")[0].partition("?")[0].replace("\\", "/").rpartition("/")[2])


def torch_version_in(url: str) -> str | None:
    """Return the version, with its local part, of the wheel of torch that a URL or path names; None if it is none."""
    try:
        name, version, _, _ = parse_wheel_filename(wheel_name(url))
    except (InvalidWheelFilename, ValueError):
        return None
    return str(version) if name == "torch" else None
