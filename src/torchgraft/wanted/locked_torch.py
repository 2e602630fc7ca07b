"""What every kind of lock file says of its packages, and how that becomes an answer about torch.

May not know any kind of lock file: `uv_lock` and `other_locks` take from each of them what is said here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ..installed.markers import Chosen, MarkerError, best_wheel, marker_holds, torch_version_in
from ..model.observation import Python
from ..model.torch_values import Locked, TorchRequirement
from ..redaction import without_credentials
from ..untrusted import parse_specifier, parse_version, table, text_of
from ..values import dataclass

# Those that pip and uv take in the fragment of a URL.
_ALGORITHMS = ("sha256", "sha384", "sha512")
# As torch requires them on PyPI: the whole toolkit from 2.11 on, before that its runtime.
_TOOLKITS = re.compile(r"cuda-toolkit|nvidia-cuda-runtime(-cu\d+)?")
_TOOLKIT_VERSION = re.compile(r"(\d{1,3}\.\d{1,3}(?:\.\d{1,4})?)(?:\.\d{1,4})*")
ANYTHING = Chosen(anything=True)


class LockError(Exception):
    """A lock file without an answer; its text says why."""


@dataclass(frozen=True, kw_only=True)
class LockedWheel:
    """A wheel in a lock file. `url` is only its name where the lock does not say where it is.

    `digest` is as in the fragment of a URL (`sha256=...`), "" if the lock has none.
    """

    url: str
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class LockedDependency:
    """What a package requires: of that name, and of that version and source where several packages have the name.

    `for_extra` and `for_group` say of whom, if not of everybody who installs the package.
    """

    name: str
    marker: str | None = None
    extras: tuple[str, ...] = ()
    for_extra: str = ""
    for_group: str = ""
    version: str | None = None
    source: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LockedPackage:
    """One entry of a lock file, its name normalised. What follows `origin` is known of torch alone.

    It is installed where one of `markers` holds, or where there is none, and with any of `groups`, which are those of
    the project as far as the file says it; `dependencies` are None where the file does
    not say. `origin` says for people where it is taken from. `by_version` says whether the front end finds it there
    when a build requires `torch==V`; where it does not, the URL of a wheel has to do. `obstacle` is why neither can.
    """

    name: str
    version: str | None
    markers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    requires_python: str | None = None
    dependencies: tuple[LockedDependency, ...] | None = None
    source: tuple[tuple[str, str], ...] = ()
    origin: str = ""
    wheels: tuple[LockedWheel, ...] = ()
    by_version: bool = False
    obstacle: str = ""

    def applies(self, python: Python, chosen: Chosen) -> bool:
        """Return whether it is for an interpreter, and what a command installs; raise MarkerError or LockError."""
        holds = not self.markers or any(marker_holds(marker, python, chosen) for marker in self.markers)
        holds = holds and (not self.groups or any(map(chosen.has_group, self.groups)))
        return holds and takes_python(self.requires_python, python)

    def built_from(self, kind: str, place: str, what: str = "") -> LockedPackage:
        """Return it as one that comes from no wheel; `what` says what is at the place."""
        place = f"{what} {without_credentials(place)[:120]}".strip()
        obstacle = f"is built from {place}: there is no wheel that a build could require"
        return replace(self, origin=kind, obstacle=obstacle)

    def in_wheel(self, place: str, url: str, hashes: Sequence[LockedWheel]) -> LockedPackage:
        """Return it as one that comes from a wheel at a place of its own, with the hash if there is but one."""
        wheel = LockedWheel(url=url, digest=hashes[0].digest if len(hashes) == 1 else "")
        return replace(self, origin=place.rpartition("/")[0] or ".", wheels=(wheel,))


@dataclass(frozen=True, kw_only=True)
class ReadLock:
    """What a lock file says: all packages, the torch among them that may be meant, and what decides if several are.

    `asked` says whether the command installs what is meant.
    """

    packages: tuple[LockedPackage, ...]
    meant: tuple[LockedPackage, ...]
    choice: str
    asked: bool = True

    @property
    def distinct(self) -> tuple[LockedPackage, ...]:
        """The torch that may be meant, each once: it may have several entries."""
        return tuple({(p.version, p.origin, p.wheels, p.by_version, p.obstacle): p for p in self.meant}.values())


def applying_torch(packages: Iterable[LockedPackage], python: Python, chosen: Chosen) -> tuple[LockedPackage, ...]:
    """Return the torch among packages that are for an interpreter, and for what a command installs."""
    return tuple(package for package in packages if package.name == "torch" and package.applies(python, chosen))


def read_by_markers(packages: tuple[LockedPackage, ...], python: Python, chosen: Chosen, choice: str) -> ReadLock:
    """Return what a lock file says whose packages say themselves where they are installed.

    One of an extra that nobody asked for is better than no answer, as long as there is only one that it can mean.
    """
    found = applying_torch(packages, python, chosen)
    meant = found or applying_torch(packages, python, ANYTHING)
    return ReadLock(packages=packages, meant=meant, choice=choice, asked=bool(found))


def takes_python(specifier: str | None, python: Python) -> bool:
    """Return whether a `requires-python` is met; raise LockError if it cannot be read."""
    try:
        return specifier is None or parse_specifier(specifier).contains(python.version, prereleases=True)
    except (InvalidSpecifier, ValueError):
        raise LockError(f"its requires-python cannot be read: {specifier!r}"[:120]) from None


def locked_answer(lock: ReadLock, file: Path, python: Python) -> Locked:
    """Return the requirement that gives a build the very torch of a lock file, or a sentence why there is none.

    A version with a local part (2.8.0+cu128) is on one index alone, but 2.8.0 is on several with other builds: the
    URL of the wheel is exact, and `torch==V` only where the front end resolves it as it did for the lock.

    :raises LockError: if what it says of its only torch cannot be read
    """
    torch = next(iter(lock.distinct), None)
    if torch is None:
        has_torch = any(package.name == "torch" for package in lock.packages)
        said = "its torch is not for this interpreter and platform, or for an extra or group not asked for"
        return Locked(file=str(file), said=said if has_torch else "it has no torch")
    origin = without_credentials(torch.origin)
    best = None if torch.obstacle else best_wheel((wheel.url for wheel in torch.wheels), python)
    obstacle = torch.obstacle
    if not obstacle and best is None and (torch.wheels or not torch.by_version):
        obstacle = f"from {origin} has no wheel for {python.abi} on {python.platform}"
    version = (torch_version_in(best) if best else None) or torch.version
    shown = f"torch {version[:60]}" if version else "torch"
    requirement = None
    if not obstacle:
        wheel = next((wheel for wheel in torch.wheels if wheel.url == best), None)
        requirement = _by_version(version) if torch.by_version or wheel is None else _by_url(wheel)
    return Locked(
        file=str(file),
        version=version,
        requirement=requirement,
        toolkit=find_locked_toolkit(lock.packages, torch, python),
        undecided=requirement is None,
        choices=tuple((str(v), "") for v in [parse_version(version)] if v and not requirement),
        said=f"{shown} {obstacle or f'from {origin}'}",
        unasked=not lock.asked,
    )


def undecided_answer(lock: ReadLock, file: Path, by_option: Mapping[str, ReadLock]) -> Locked:
    """Return the answer of a lock with several torch that may be meant; `by_option` has what it says with one more."""
    options = {other.distinct[0]: option for option, other in by_option.items() if len(other.distinct) == 1}
    found = sorted((one.version or "?", options.get(one, ""), without_credentials(one.origin)) for one in lock.distinct)
    shown = (f"{version} from {origin}"[:100] + f" ({option})" * bool(option) for version, option, origin in found)
    return Locked(
        file=str(file),
        undecided=True,
        choices=tuple((version, option) for version, option, _ in found if parse_version(version)),
        said=f"it has several torch versions: {', '.join(shown)}; {lock.choice}",
    )


def _by_version(version: str | None) -> TorchRequirement:
    release = parse_version(version)
    if release is None:
        raise LockError(f"the version of torch is none: {(version or '')[:60]!r}")
    return TorchRequirement(specifier=SpecifierSet(f"=={release}"))


def _by_url(wheel: LockedWheel) -> TorchRequirement:
    url = wheel.url.partition("#")[0]
    requirement = TorchRequirement(url=f"{url}#{wheel.digest}" if wheel.digest else url)
    try:
        scheme = urlsplit(url).scheme
        is_url = TorchRequirement.parse(requirement.text) == requirement
    except (InvalidRequirement, ValueError):
        is_url = False
    if not is_url:
        raise LockError(f"the URL of torch is none: {without_credentials(url)[:120]!r}")
    if scheme not in ("http", "https", "file"):
        raise LockError(f"torch is at {without_credentials(url)[:120]!r}, which no build can require")
    return requirement


def find_locked_toolkit(packages: Iterable[LockedPackage], torch: LockedPackage, python: Python) -> str | None:
    """Return the release of the CUDA distributions that a locked torch requires; None where it is not certain.

    Several torch and several CUDA releases may stand in one file. Where the file says what torch requires, that
    decides; a file without such edges (pylock.toml) is for one environment.
    """
    packages = tuple(packages)
    if torch.dependencies is None:
        if sum(package.name == "torch" for package in packages) > 1:
            return None
        required = {package.name for package in packages if _may_apply(package.markers, python)}
    else:
        edges = (edge for edge in torch.dependencies if not edge.for_extra and not edge.for_group)
        required = {edge.name for edge in edges if _may_apply((edge.marker,) if edge.marker else (), python)}
    versions = {
        match[1]
        for package in packages
        if package.name in required and _TOOLKITS.fullmatch(package.name)
        if (match := _TOOLKIT_VERSION.fullmatch(package.version or ""))
    }
    return versions.pop() if len(versions) == 1 else None


def _may_apply(markers: tuple[str, ...], python: Python) -> bool:
    try:
        return not markers or any(marker_holds(marker, python, ANYTHING) for marker in markers)
    except MarkerError:
        return False


def most_common(names: Iterable[str]) -> str | None:
    """Return the name that occurs most often; None where two do."""
    best = Counter(names).most_common(2)
    return None if not best or (len(best) == 2 and best[0][1] == best[1][1]) else best[0][0]


def locked_wheels(
    items: Iterable[Mapping[str, Any]], *keys: str, folder: Path, hashes: str = "hash"
) -> tuple[LockedWheel, ...]:
    """Return the wheels of a list.

    :param keys: under which their places stand, the best first; a `path` is relative to `folder`
    :param hashes: the key under which their hashes stand
    """
    found = []
    for item in items:
        key, place = next(((key, text) for key in keys if (text := text_of(item.get(key)))), ("", ""))
        if place:
            url = file_url(folder, place) if key == "path" else place
            found.append(LockedWheel(url=url, digest=_digest_text(item.get(hashes))))
    return tuple(found)


def _digest_text(hashes: object) -> str:
    """Return a hash (`sha256:...`, or a table by algorithm) as in the fragment of a URL; "" if there is none."""
    if isinstance(hashes, str):
        name, _, value = hashes.partition(":")
        hashes = {name: value}
    for algorithm in _ALGORITHMS:
        digest = table(hashes).get(algorithm)
        if isinstance(digest, str) and digest.isalnum() and digest.isascii():
            return f"{algorithm}={digest}"
    return ""


def file_url(folder: Path, path: str) -> str:
    """Return the URL of a file named in a lock file: a path relative to `folder`, an absolute one, or a file URL."""
    if path.startswith("file:"):
        return path
    try:
        return Path(folder, path).resolve().as_uri()
    except (ValueError, OSError, RuntimeError):
        raise LockError(f"{path[:120]!r} is no path") from None


def local_path(url: str) -> str:
    """Return the path of a file URL, and anything else as it is."""
    if not url.startswith("file:"):
        return url
    path = unquote(url[len("file:") :].removeprefix("//"))
    return path[1:] if path[2:3] == ":" else path  # /C:/wheels


def check_format(found: object, *, known: tuple[int, ...]) -> None:
    """Check the major version of a lock file's format; raise LockError if it is not among `known`."""
    text = str(found)
    major = text.partition(".")[0]
    if not isinstance(found, (str, int)) or isinstance(found, bool) or not (major.isascii() and major.isdigit()):
        raise LockError("it does not say which format it has")
    if len(major) >= 10 or int(major) > max(known):
        raise LockError(f"its format {text[:20]} is newer than those known (up to {max(known)}.x)")
    if int(major) not in known:
        raise LockError(f"its format {text[:20]} is older than those known (from {min(known)}.x)")
