"""The folder of adopted sdists, and the file in it that says what each of them was made from: pip's constraints.

May not make an sdist, nor remove what that file does not name.
"""

from __future__ import annotations

import re
from pathlib import Path

from packaging.utils import canonicalize_name

from ...files import digest_of, read_text
from ...values import dataclass

CONSTRAINTS = "constraints.txt"
_HEAD = (
    "# Made by `torchgraft adopt`, which reads it again. Each line: an adopted sdist, its own digest and that of the\n"
    "# sdist of the index that it was made from. The paths are relative to the folder in which pip is called.\n"
)
_LINE = re.compile(
    r"(?:# )?(?P<name>\S+) @ file://\S*/(?P<file>[^/\s]+)(?: ; (?P<marker>[^#]+?))?\s+"
    r"# (?P<version>\S+) sha256:(?P<sha256>\w+) from sha256:(?P<origin>\w*)(?P<address> at an address)?"
)
_LARGEST_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class AdoptedSdist:
    """An sdist in the folder. `origin` is the digest of the one that it was made from, "" if nobody said it.

    `marker` says for which environments it is, "" for all of them or if nobody said it; `by_address`: it is wanted
    from an address, which nothing newer takes the place of.
    """

    name: str
    version: str
    file: str
    sha256: str
    origin: str = ""
    marker: str = ""
    by_address: bool = False


def read_adopted(folder: Path) -> tuple[AdoptedSdist, ...]:
    """Return what was adopted into a folder, as its constraints file has it; none where there is no such file."""
    return parse_adopted(read_text(folder / CONSTRAINTS, _LARGEST_BYTES))


def parse_adopted(text: str) -> tuple[AdoptedSdist, ...]:
    """Return the lines that we wrote."""
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return tuple(
        AdoptedSdist(
            name=canonicalize_name(match["name"]),
            version=match["version"],
            file=match["file"],
            sha256=match["sha256"],
            origin=match["origin"],
            marker=match["marker"] or "",
            by_address=bool(match["address"]),
        )
        for match in found
        if match
    )


def is_adopted_text(text: str) -> bool:
    """Return whether a constraints file is one of ours."""
    return text.startswith(_HEAD.partition("\n")[0])


def adopted_text(adopted: tuple[AdoptedSdist, ...], place: str) -> str:
    """Return the constraints file.

    pip takes no relative path after `name @`, but variables, as does uv; every shell sets PWD.

    :param place: the folder, relative to where pip is called
    """
    names = [one.name for one in adopted]
    lines = []
    for one in sorted(adopted, key=lambda one: (one.name, one.version)):
        # pip takes two of one name only if their markers exclude each other.
        is_one_of_two = names.count(one.name) > 1
        marker = f" ; {one.marker}" if is_one_of_two and one.marker else ""
        lines.append(
            f"{'# ' if is_one_of_two and not marker else ''}"
            f"{one.name} @ {adopted_url(one, place)}{marker}"
            f"  # {one.version} sha256:{one.sha256} from sha256:{one.origin}"
            f"{' at an address' if one.by_address else ''}\n"
        )
    return _HEAD + "".join(lines)


def adopted_url(one: AdoptedSdist, place: str) -> str:
    """Return the address of an adopted sdist for pip and uv, which know variables there."""
    return f"file://{place if place.startswith('/') else '${PWD}/' + place}/{one.file}"


def is_intact(folder: Path, one: AdoptedSdist) -> bool:
    """Return whether the file is there, as it was made."""
    path = folder / one.file
    return path.is_file() and digest_of(path) == one.sha256
