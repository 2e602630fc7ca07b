"""What every kind of lock file says of torch, and how that becomes a requirement.

May not know any kind of lock file: `uv_lock`, `pylock`, `poetry_lock` and `pdm_lock` do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ..installed.markers import best_wheel, torch_version_in
from ..model.observation import Python
from ..redaction import without_credentials
from ..untrusted import table
from ..versions import parse_version

# Those that pip and uv take in the fragment of a URL.
_ALGORITHMS = ("sha256", "sha384", "sha512")


class LockError(Exception):
    """A lock file without an answer; its text says why."""


@dataclass(frozen=True, kw_only=True)
class LockedWheel:
    """A wheel of torch in a lock file. `url` is only its name where the lock does not say where it is.

    `digest` is as in the fragment of a URL (`sha256=...`), "" if the lock has none.
    """

    url: str
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class LockedTorch:
    """One entry for torch.

    `origin` says for people where it is taken from. `by_version` says whether the front end finds it there when a
    build requires `torch==V`; where it does not, the URL of a wheel has to do. `obstacle` is why neither can.
    """

    version: str | None
    origin: str
    wheels: tuple[LockedWheel, ...] = ()
    by_version: bool = False
    obstacle: str = ""


@dataclass(frozen=True, kw_only=True)
class TorchAnswer:
    """The answer of a lock file: the version with its local part, the requirement if there is one, and a sentence."""

    version: str | None
    requirement: str | None
    said: str


def answer_of(entry: LockedTorch, python: Python) -> TorchAnswer:
    """Return the requirement that gives a build the very torch of a lock file.

    A version with a local part (2.8.0+cu128) is on one index alone, but 2.8.0 is on several with other builds: the
    URL of the wheel is exact, and `torch==V` only where the front end resolves it as it did for the lock.
    """
    version = entry.version
    if entry.obstacle:
        return TorchAnswer(version=version, requirement=None, said=f"{_torch(version)} {entry.obstacle}")
    best = best_wheel((wheel.url for wheel in entry.wheels), python)
    if best is None and (entry.wheels or not entry.by_version):
        origin = without_credentials(entry.origin)
        said = f"{_torch(version)} from {origin} has no wheel for {python.abi} on {python.platform}"
        return TorchAnswer(version=version, requirement=None, said=said)
    version = (torch_version_in(best) if best else None) or version
    said = f"{_torch(version)} from {without_credentials(entry.origin)}"
    if entry.by_version:
        return TorchAnswer(version=version, requirement=f"torch=={_checked_version(version)}", said=said)
    wheel = next(wheel for wheel in entry.wheels if wheel.url == best)
    return TorchAnswer(version=version, requirement=_checked_url(wheel), said=said)


def _torch(version: str | None) -> str:
    return f"torch {version[:60]}" if version else "torch"


def _checked_version(version: str | None) -> str:
    found = parse_version(version)
    if found is None:
        raise LockError(f"the version of torch is none: {(version or '')[:60]!r}")
    return str(found)


def _checked_url(wheel: LockedWheel) -> str:
    url = wheel.url.partition("#")[0]
    requirement = f"torch @ {url}{'#' + wheel.digest if wheel.digest else ''}"
    try:
        parsed = Requirement(requirement)
        scheme = urlsplit(url).scheme
    except (InvalidRequirement, ValueError):
        raise LockError(f"the URL of torch is none: {without_credentials(url)[:120]!r}") from None
    if scheme not in ("http", "https", "file") or parsed.marker:
        raise LockError(f"torch is at {without_credentials(url)[:120]!r}, which no build can require")
    return requirement


def the_only(entries: list[LockedTorch], *, total: int, choice: str) -> LockedTorch:
    """Return the entry that remains of `total` after markers were evaluated.

    :param choice: what decides between several, for people
    :raises LockError: if none or several remain
    """
    distinct = list(dict.fromkeys(entries))
    if len(distinct) == 1:
        return distinct[0]
    if not total:
        raise LockError("it has no torch")
    if not distinct:
        raise LockError("its torch is not for this interpreter and platform, or for an extra or group not asked for")
    shown = ", ".join(
        sorted(f"{entry.version or '?'} from {without_credentials(entry.origin)}"[:100] for entry in distinct)
    )
    raise LockError(f"it has several torch that may be meant: {shown}; {choice}")


def is_torch(name: object) -> bool:
    """Return whether a distribution name is that of torch."""
    return isinstance(name, str) and canonicalize_name(name) == "torch"


def digest_text(hashes: object) -> str:
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
    """Check the major version of a lock file's format.

    :raises LockError: if it is not among `known`
    """
    text = str(found)
    major = text.partition(".")[0]
    if isinstance(found, (str, int)) and not isinstance(found, bool) and major.isascii() and major.isdigit():
        if len(major) < 10 and int(major) in known:
            return
        if len(major) >= 10 or int(major) > max(known):
            raise LockError(f"its format {text[:20]} is newer than those known (up to {max(known)}.x)")
        raise LockError(f"its format {text[:20]} is older than those known (from {min(known)}.x)")
    raise LockError("it does not say which format it has")
