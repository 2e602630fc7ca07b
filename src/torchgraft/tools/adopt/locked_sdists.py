"""Which sdists a lock names that have to be built: no wheel of theirs in it fits.

May not download one, nor look into it. Every package of the lock counts, for whichever extra, group or platform it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ...errors import ConfigError
from ...files import UnreadableError
from ...installed.markers import best_wheel, wheel_name
from ...model.observation import Python
from ...untrusted import read_toml, strings, table, tables, text_of
from ...values import dataclass
from ...wanted.locked_torch import LockedWheel, LockError, check_format, file_url, locked_wheels
from ...wanted.requirements_files import is_lock_name

# The kinds of locks by the names of their files, as uv, poetry and pdm write them, the one that a project has first.
LOCK_NAMES = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")


@dataclass(frozen=True, kw_only=True)
class NamedSdist:
    """An sdist of a lock, or of an index. `url`, `sha256` and `marker` are "" where that does not say them.

    `by_address`: it is asked for by `url`, not by its name.
    """

    name: str
    version: str
    file: str = ""
    url: str = ""
    sha256: str = ""
    marker: str = ""
    by_address: bool = False


def read_locked_sdists(
    file: Path, python: Python | None, *, named: frozenset[str] = frozenset()
) -> tuple[NamedSdist, ...]:
    """Return the sdists of a lock, by name.

    :param python: the interpreter that a wheel has to fit; None where the lock has no others
    :param named: packages that are meant even where there is a wheel
    :raises ConfigError: if the file is no lock that is known, or cannot be read
    """
    try:
        data = read_toml(file)
        found = list(_files_of(file, data))
    except (UnreadableError, LockError) as error:
        reason = str(error)
        raise ConfigError.of(
            code="bad-lock",
            headline=f"{file} cannot be used",
            reason=reason,
            fixes=("uv lock   (or poetry lock, pdm lock: make it anew)",),
        ) from None
    sdists: dict[tuple[str, str], NamedSdist] = {}
    for item, files in found:
        name, version = canonicalize_name(text_of(item.get("name")) or ""), text_of(item.get("version")) or ""
        wheels = [one.url for one in files if wheel_name(one.url).endswith(".whl")]
        sdist = next((one for one in files if not wheel_name(one.url).endswith(".whl")), None)
        has_wheel = bool(wheels) if python is None else best_wheel(wheels, python) is not None
        if sdist and version and (name in named or not has_wheel):
            sha256 = sdist.digest.removeprefix("sha256=") if sdist.digest.startswith("sha256=") else ""
            url = sdist.url if "://" in sdist.url else ""
            sdists[name, version] = NamedSdist(
                name=name,
                version=version,
                file=wheel_name(sdist.url),
                url=url,
                sha256=sha256,
                marker=_marker(item),
                by_address=bool(table(item.get("source")).get("path") or item.get("path")),
            )
    return tuple(sdists[key] for key in sorted(sdists))


_Listed = Iterator[tuple[Mapping[str, Any], tuple[LockedWheel, ...]]]


def read_local_folders(file: Path) -> tuple[Path, ...]:
    """Return the folders that a uv.lock has packages from, but for its own."""
    data = read_toml(file) if file.name == "uv.lock" else {}
    sources = (table(item.get("source")) for item in tables(data.get("package")))
    places = (text_of(source.get("directory")) or text_of(source.get("editable")) for source in sources)
    return tuple(file.parent / place for place in places if place and place != ".")


def _marker(item: Mapping[str, Any]) -> str:
    """Return for which environments a lock has a package: pylock and pdm, poetry, uv."""
    texts = [text for text in (text_of(item.get("marker")), text_of(item.get("markers"))) if text]
    texts = texts or list(strings(item.get("resolution-markers")))
    return texts[0] if len(texts) == 1 else " or ".join(f"({text})" for text in texts)


def _files_of(file: Path, data: Mapping[str, Any]) -> _Listed:
    """Yield each package that comes from an index, or is an sdist in a folder, with its files."""
    if is_lock_name(file.name):
        return _of_pylock(data, file.parent)
    if file.name in {"poetry.lock", "pdm.lock"}:
        return _of_poetry(data, file.parent) if file.name == "poetry.lock" else _of_pdm(data, file.parent)
    if file.name == "uv.lock" or file.name.endswith(".py.lock"):
        return _of_uv(data, file.parent)
    raise LockError("it is no kind of lock file that is known")


def _of_pylock(data: Mapping[str, Any], folder: Path) -> _Listed:
    check_format(data.get("lock-version"), known=(1,))
    for item in tables(data.get("packages")):
        listed = [*tables(item.get("wheels")), table(item.get("sdist"))]
        yield item, locked_wheels(listed, "path", "url", folder=folder, hashes="hashes")


def _of_poetry(data: Mapping[str, Any], folder: Path) -> _Listed:
    check_format(table(data.get("metadata")).get("lock-version"), known=(2,))
    for item in tables(data.get("package")):
        source = table(item.get("source"))
        if source.get("type") in {None, "legacy", "file"}:
            place = source.get("url") if source.get("type") == "file" else None
            yield item, _placed(locked_wheels(tables(item.get("files")), "file", folder=folder), folder, place)


def _of_pdm(data: Mapping[str, Any], folder: Path) -> _Listed:
    check_format(table(data.get("metadata")).get("lock_version"), known=(4,))
    for item in tables(data.get("package")):
        if not item.get("git") and not item.get("url"):
            files = locked_wheels(tables(item.get("files")), "url", "file", folder=folder)
            yield item, _placed(files, folder, item.get("path"))


def _of_uv(data: Mapping[str, Any], folder: Path) -> _Listed:
    check_format(data.get("version"), known=(1,))
    for item in tables(data.get("package")):
        source, sdist = table(item.get("source")), table(item.get("sdist"))
        registry, path = text_of(source.get("registry")), text_of(source.get("path"))
        if registry:
            base = folder if "://" in registry else folder / registry
            yield item, locked_wheels([*tables(item.get("wheels")), sdist], "url", "path", folder=base)
        elif path:
            yield item, locked_wheels([{**sdist, "path": path}], "path", folder=folder)


def _placed(files: tuple[LockedWheel, ...], folder: Path, place: object) -> tuple[LockedWheel, ...]:
    """Return files of which the lock knows the names alone; one that it has from a folder with its place."""
    if not isinstance(place, str):
        return files
    return tuple(LockedWheel(url=file_url(folder, place), digest=one.digest) for one in files[:1])
