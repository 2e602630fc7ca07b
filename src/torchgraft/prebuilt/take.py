"""Take a wheel that is built already, if one of the plan's fits.

May not judge one: who looks at it is given. What does not fit is no error, since the wheel can be compiled.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..child import say
from ..errors import TorchgraftError, shown
from ..model.decision import Plan, PlannedPrebuilt
from ..model.observation import Torch
from .download import DownloadError, Limits, download
from .plan_prebuilt import WheelAnswer, parse_hashes

Inspect = Callable[[Path, PlannedPrebuilt, "Path | None", "Torch | None"], WheelAnswer]
# Writes the record into a wheel; the bytes are what its METADATA has to be, None where it is right.
FinishPrebuilt = Callable[[Plan, Path, "bytes | None"], None]

_HASHES = Limits(total_s=60, largest_bytes=10_000_000)


class _Refused(Exception):  # noqa: N818 - never leaves this module: it is said, and stands in the record
    """Why a wheel is not used."""


def take_prebuilt(
    plan: Plan,
    directory: str,
    metadata_directory: str | None,
    *,
    inspect: Inspect,
    finish: FinishPrebuilt,
    limits: Limits | None = None,
) -> tuple[Plan, str | None]:
    """Return the name of the first wheel that fits, now in `directory`; None where none does.

    The plan that is returned says what became of each.

    :param inspect: says whether a file is the wheel that it should be
    :param finish: writes the record into it
    """
    tried: list[PlannedPrebuilt] = []
    prepared = None if metadata_directory is None else Path(metadata_directory)
    for index, wheel in enumerate(plan.prebuilt):
        try:
            with tempfile.TemporaryDirectory(prefix=".torchgraft-", dir=directory) as folder:
                draft, used = _fetch(wheel, Path(folder), limits or Limits())
                found = draft.rename(Path(folder) / _name(inspect(draft, wheel, prepared, plan.torch)))
                after = replace(plan, prebuilt=(*tried, used, *plan.prebuilt[index + 1 :]))
                # What a front end resolves by is the same as in the metadata that were prepared.
                metadata = None if prepared is None else (prepared / "METADATA").read_bytes()
                finish(replace(after, variables=(), jobs=None, toolkit=None), found, metadata)
                found.replace(Path(directory) / found.name)
        except (_Refused, DownloadError, TorchgraftError) as reason:
            said = reason.problems[0].headline if isinstance(reason, TorchgraftError) else str(reason)
            say(shown(f"torchgraft: {wheel.url} is not used: {said}"))
            tried.append(replace(wheel, refused=said))
        else:
            say(shown(f"torchgraft: {wheel.url} is used: it is whole, and fits"))
            return after, found.name
    return replace(plan, prebuilt=tuple(tried)), None


def _fetch(wheel: PlannedPrebuilt, folder: Path, limits: Limits) -> tuple[Path, PlannedPrebuilt]:
    """Return what was downloaded, and the wheel with its digest."""
    if wheel.refused or wheel.awaits:
        raise _Refused(wheel.refused or f"its address is still not known: {wheel.awaits}")
    expected = _expected(wheel, folder)
    draft = folder / "download"
    digest = download(wheel.url, draft, limits=limits)
    if expected and digest not in expected:
        raise _Refused(f"its SHA-256 is {digest}, not {' or '.join(expected)}")
    return draft, replace(wheel, sha256=(digest,), used=True)


def _name(answer: WheelAnswer) -> str:
    if answer.fault:
        raise _Refused(answer.fault)
    return answer.file


def _expected(wheel: PlannedPrebuilt, folder: Path) -> tuple[str, ...]:
    """Return the digests that it may have; none where nobody said."""
    if not wheel.hashes:
        return wheel.sha256
    file = folder / "hashes"
    try:
        download(wheel.hashes, file, limits=_HASHES)
    except DownloadError as error:
        raise _Refused(f"{wheel.hashes}: {error}") from None
    found = parse_hashes(file.read_text(encoding="utf-8", errors="replace")).get(wheel.file)
    if found is None:
        raise _Refused(f"{wheel.hashes} does not name {wheel.file}")
    return (found,)
