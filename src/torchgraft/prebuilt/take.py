"""Fetch a wheel that is built already, and the digests of some.

May not judge one, nor finish it. What does not fit is no error, since the wheel can be compiled.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..model.decision import PlannedPrebuilt
from ..model.source_tree import HashFile
from ..model.torch_values import Torch
from ..settings.config import Config, UsePrebuilt
from .plan_prebuilt import parse_hashes

_LARGEST_HASHES_BYTES = 10_000_000
_HASHES_S = 60


class RefusedError(Exception):
    """Why a wheel is not used: it is said, and stands in the record."""


def read_hash_files(source: Path, config: Config) -> tuple[HashFile, ...]:
    """Return the files of digests that the settings name; nothing is read where no prebuilt wheel is looked for."""
    names = {place.hashes for place in config.prebuilt if place.hashes and "://" not in place.hashes}
    return tuple(_read(source, name) for name in sorted(names)) if config.use_prebuilt is UsePrebuilt.ON else ()


def _read(source: Path, name: str) -> HashFile:
    try:
        with (source / name).open("rb") as file:
            text = file.read(_LARGEST_HASHES_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        return HashFile(file=name, fault=f"{error.strerror or error}")
    return HashFile(file=name, digests=tuple(sorted(parse_hashes(text).items())))


def fetch_prebuilt(
    wheel: PlannedPrebuilt, folder: Path, prepared: Path | None, torch: Torch | None
) -> tuple[Path, PlannedPrebuilt]:
    """Return a wheel that was downloaded into a folder and fits, and the planned one with its digest.

    :param prepared: the `.dist-info` folder that was made for this build, None if there is none
    :param torch: the one that it will meet
    :raises RefusedError: if it cannot be had, or does not fit
    """
    from .download import DownloadError, Limits, download
    from .inspect import UnfitError, inspect_prebuilt

    if wheel.refused or wheel.awaits:
        raise RefusedError(wheel.refused or f"its address is still not known: {wheel.awaits}")
    draft = folder / "download"
    try:
        expected = _expected(wheel, folder)
        digest = download(wheel.url, draft, limits=Limits())
        if expected and digest not in expected:
            raise RefusedError(f"its SHA-256 is {digest}, not {' or '.join(expected)}")
        name = inspect_prebuilt(draft, wheel, prepared, torch)
    except (DownloadError, UnfitError) as reason:
        raise RefusedError(str(reason)) from None
    return draft.rename(folder / name), replace(wheel, sha256=(digest,), used=True)


def _expected(wheel: PlannedPrebuilt, folder: Path) -> tuple[str, ...]:
    """Return the digests that it may have; none where nobody said."""
    if not wheel.hashes:
        return wheel.sha256
    from .download import DownloadError, Limits, download

    file = folder / "hashes"
    try:
        download(wheel.hashes, file, limits=Limits(total_s=_HASHES_S, largest_bytes=_LARGEST_HASHES_BYTES))
    except DownloadError as error:
        raise RefusedError(f"{wheel.hashes}: {error}") from None
    found = parse_hashes(file.read_text(encoding="utf-8", errors="replace")).get(wheel.file)
    if found is None:
        raise RefusedError(f"{wheel.hashes} does not name {wheel.file}")
    return (found,)
