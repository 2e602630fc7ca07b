"""What markers and wheel names mean for one interpreter and platform.

May not ask any interpreter, the running one least of all: all that they compare with is in the `Python` that is given.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from packaging import tags
from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from ..model.observation import Python
from ..values import dataclass

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_LONGEST_NAME = 255
_EXTRA = r"""\bextra\s*(==|!=)\s*(?:'([^']*)'|"([^"]*)")|(?:'([^']*)'|"([^"]*)")\s*(==|!=)\s*extra\b"""
_MEMBER = r"""(?:'([^']*)'|"([^"]*)")\s+(not\s+in|in)\s+(extras|dependency_groups)\b"""
_TRUE = "python_version >= '0'"
_FALSE = "python_version < '0'"
_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}
# manylinux2014 is manylinux_2_17 (PEP 600, "Legacy manylinux tags").
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class MarkerError(ValueError):
    """A marker that is none."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The extras and dependency groups that a command installs, their names normalised.

    `without_groups` and `without_extras` are never installed, not even by default; `default_groups` says whether any is
    that the command does not name, and `only_groups` that the project itself is not. `projects` are those of the
    workspace that are meant, none for all of them. `anything` takes every choice as possible: each condition on an
    extra or a group is true, and its opposite too.
    """

    extras: frozenset[str] = field(default_factory=frozenset)
    groups: frozenset[str] = field(default_factory=frozenset)
    all_extras: bool = False
    all_groups: bool = False
    without_groups: frozenset[str] = field(default_factory=frozenset)
    without_extras: frozenset[str] = field(default_factory=frozenset)
    projects: frozenset[str] = field(default_factory=frozenset)
    default_groups: bool = True
    only_groups: bool = False
    anything: bool = False

    def has_extra(self, name: str) -> bool:
        """Return whether the command installs that extra."""
        name = canonicalize_name(name)
        return self.anything or ((self.all_extras or name in self.extras) and name not in self.without_extras)

    def has_group(self, name: str) -> bool:
        """Return whether the command installs that dependency group."""
        if self.anything:
            return True
        name = canonicalize_name(name)
        return (self.all_groups or name in self.groups) and name not in self.without_groups


NOTHING_CHOSEN = Chosen()


def marker_holds(text: str, python: Python, chosen: Chosen = NOTHING_CHOSEN) -> bool:
    """Return whether a marker is true for an interpreter and what a command installs.

    Lock files compare `extra` with several names at once (uv), or ask `in extras` and `in dependency_groups`
    (PEP 751), which packaging 24 cannot evaluate: these comparisons are answered first.

    :raises MarkerError: if `text` is no marker
    """
    text = re.sub(_EXTRA, lambda match: _extra_answer(match, chosen), text)
    text = re.sub(_MEMBER, lambda match: _member_answer(match, chosen), text)
    try:
        return Marker(text).evaluate(dict(marker_environment(python)))
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


def applies(requirement: Requirement, python: Python, *, extra: str = "") -> bool:
    """Return whether a requirement (without an extra, one of none) is for an interpreter; in doubt it is."""
    try:
        return requirement.marker is None or requirement.marker.evaluate({**marker_environment(python), "extra": extra})
    except (UndefinedComparison, UndefinedEnvironmentName, ValueError, RecursionError):
        # A requirement too many does less harm than one too few.
        return True


@functools.lru_cache(maxsize=8)
def marker_environment(python: Python) -> Mapping[str, str]:
    """Return all values that markers compare with (PEP 508): packaging takes one that is missing from where it runs."""
    implementation = python.implementation.lower()
    return MappingProxyType(
        {
            "python_version": python.minor_version,
            "python_full_version": python.version,
            "implementation_name": implementation,
            "implementation_version": python.implementation_version or python.version,
            "platform_python_implementation": _IMPLEMENTATIONS.get(implementation, implementation),
            "platform_release": python.platform_release,
            "platform_version": python.platform_version,
            "extra": "",
            **_platform_markers(python),
        }
    )


def _platform_markers(python: Python) -> dict[str, str]:
    """Return what the platform of wheels says, as far as it does: snapshots of old have nothing else."""
    name, machine = python.platform, python.machine
    if name.startswith("linux_"):
        return _system("linux", "Linux", "posix", name[len("linux_") :])
    if name.startswith("win"):
        return _system("win32", "Windows", "nt", {"win_amd64": "AMD64", "win_arm64": "ARM64"}.get(name, "x86"))
    if name.startswith("macosx_"):
        built_for = "_".join(name.split("_")[3:])
        return _system("darwin", "Darwin", "posix", machine or "arm64" if "universal" in built_for else built_for)
    return _system(python.system, python.system.rstrip("0123456789").capitalize(), "posix", machine)


def _system(sys_platform: str, platform_system: str, os_name: str, machine: str) -> dict[str, str]:
    return {
        "sys_platform": sys_platform,
        "platform_system": platform_system,
        "os_name": os_name,
        "platform_machine": machine,
    }


def wheel_ranks(python: Python) -> Mapping[tags.Tag, int]:
    """Return the tags of wheels that the interpreter takes; the lower the number, the better the wheel fits."""
    version = tuple(int(part) for part in python.minor_version.split(".") if part.isdigit())
    platforms = _platforms(python)
    if python.implementation.lower() == "cpython":
        interpreter = f"cp{''.join(map(str, version))}"
        ordered = list(tags.cpython_tags(version, [python.abi], platforms))
    else:
        interpreter = {"pypy": "pp"}.get(python.implementation.lower(), python.implementation.lower())
        interpreter += "".join(map(str, version))
        ordered = list(tags.generic_tags(interpreter, [python.abi], platforms))
    ordered += tags.compatible_tags(version, interpreter, platforms)
    return {tag: rank for rank, tag in reversed(list(enumerate(ordered)))}


def _platforms(python: Python) -> list[str]:
    """Return the platforms of wheels that the machine takes, best first (PEP 600, PEP 656)."""
    name = python.platform
    machine = name.removeprefix("linux_")
    # What a snapshot does not say, since nobody looked: the newest C library that wheels are built for.
    newest = python.wheel_platform or (f"manylinux_2_40_{machine}" if machine != name else name)
    if match := re.fullmatch(r"macosx_(\d+)_(\d+)_(\w+)", newest):
        return list(tags.mac_platforms((int(match[1]), int(match[2])), match[3]))
    match = re.fullmatch(r"(manylinux_2|musllinux_1)_(\d+)_(\w+)", newest)
    if match is None:
        return [newest]
    libc, machine = match[1], match[3]
    oldest = 0 if libc == "musllinux_1" else 5 if machine in {"x86_64", "i686"} else 17
    found = [f"linux_{machine}"]
    for minor in range(int(match[2]), oldest - 1, -1):
        found.append(f"{libc}_{minor}_{machine}")
        if libc == "manylinux_2" and minor in _OLD_NAMES:
            found.append(f"{_OLD_NAMES[minor]}_{machine}")
    return found


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
    """Return the file name in a URL or path, with + in it and not %2B; "" for one that no file system has.

    Its tags stand for the product of their parts.
    """
    name = unquote(url.partition("#")[0].partition("?")[0].replace("\\", "/").rpartition("/")[2])
    return name if len(name) <= _LONGEST_NAME else ""


def torch_version_in(url: str) -> str | None:
    """Return the version, with its local part, of the wheel of torch that a URL or path names; None if it is none."""
    try:
        name, version, _, _ = parse_wheel_filename(wheel_name(url))
    except (InvalidWheelFilename, ValueError):
        return None
    return str(version) if name == "torch" else None
