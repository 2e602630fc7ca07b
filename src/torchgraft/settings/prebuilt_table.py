"""Where a package keeps wheels that are built already: `[[tool.torchgraft.prebuilt]]`.

May not download anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .table_values import ADDRESS, ADDRESS_OR_FILE, DIGESTS
from .tables import Key, array_of_tables

_ROW = re.compile(r"\\?(?P<digest>[0-9a-fA-F]{64}) [ *](?P<file>.+)")
# As BSD writes it, and `sha256sum --tag`.
_BSD_ROW = re.compile(r"\\?SHA256 \((?P<file>.+)\) = (?P<digest>[0-9a-fA-F]{64})")


@dataclass(frozen=True, kw_only=True)
class Prebuilt:
    """One place. `url` has facts in it; `sha256` are digests, one of which the wheel must have; "" and () if none."""

    url: str
    sha256: tuple[str, ...] = ()
    hashes: str = ""


@dataclass(frozen=True, kw_only=True)
class WheelAnswer:
    """What a wheel is that was downloaded: its right file name; or `fault`, why it cannot be used."""

    file: str = ""
    fault: str = ""


def parse_hashes(text: str) -> dict[str, str]:
    """Return digests by the name of the file, from what `sha256sum` writes. Other lines say nothing."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    rows = (_ROW.fullmatch(line) or _BSD_ROW.fullmatch(line) for line in lines)
    return {row["file"].replace("\\", "/").rpartition("/")[2]: row["digest"].lower() for row in rows if row}


def _check(place: Prebuilt) -> str:
    return "either sha256 or hashes, not both" if place.sha256 and place.hashes else ""


PREBUILT = array_of_tables(
    Prebuilt,
    (
        Key(key="url", kind=ADDRESS, doc="Where the wheel is, with facts between braces.", needed=True),
        Key(key="sha256", kind=DIGESTS, doc="Its SHA-256 digest; of several, one has to be it."),
        Key(
            key="hashes",
            kind=ADDRESS_OR_FILE,
            doc="A file of digests as `sha256sum` writes it, in the source tree or at another address. A wheel that it"
            " does not name is not used.",
        ),
    ),
    check=_check,
    off="off",
)
