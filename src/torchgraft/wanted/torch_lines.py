"""What one line of requirements says of torch, as any front end takes it.

May not open a file, nor resolve anything, nor raise: what cannot be read is reported as a sentence.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ..installed.markers import MarkerError, marker_holds, torch_version_in
from ..model.observation import Python
from ..model.torch_values import AskedFor, TorchRequirement
from ..redaction import without_credentials
from ..untrusted import parse_requirement, parse_specifier

# `torch@2.8.0` of uv tool and poetry, `torch@^2.8` of poetry: no URL.
_AT_VERSION = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*@\s*([\^~]?)([^/:\s]+)\s*")
# Names of torch in text that packaging refuses: `torch @ ./x.whl`, `torch==2.8 or so`.
_LOOKS_LIKE_TORCH = re.compile(r"\s*torch\s*($|[\[@<>=!~;,(\s])", re.IGNORECASE)


class Line(NamedTuple):
    """A requirement as it is written, the folder that its paths are relative to, and where it stands, for people.

    `options` say where it comes from, as uv takes them, if builds do not see that index.
    """

    text: str
    folder: Path
    source: str
    options: tuple[str, ...] = ()


def torch_in_line(line: Line, python: Python, faults: list[str]) -> AskedFor | None:
    """Return a requirement if it is on torch and applies."""
    text, source = line.text.strip(), line.source
    try:
        asked, marker = _requirement(text, line.folder)
        if asked is None or (marker and not marker_holds(marker, python)):
            return None
    except (MarkerError, ValueError, RecursionError):  # InvalidRequirement and InvalidSpecifier are ValueErrors
        if _LOOKS_LIKE_TORCH.match(text):
            faults.append(f"{source} cannot be read: {text[:80]}")
        return None
    if asked.url and ("${" in text or torch_version_in(asked.url) is None):
        place = without_credentials(asked.url)[:80]
        faults.append(f"{source} has torch from a URL that is not that of a wheel: {place}")
        return None
    return AskedFor(requirement=asked, source=source, options=line.options)


def _requirement(text: str, folder: Path) -> tuple[TorchRequirement | None, str]:
    """Return a requirement on torch without extras, and its marker; None for others; raise ValueError if it is none."""
    place, _, marker = text.partition(";")
    if url := _wheel_url(place, folder):
        return TorchRequirement.parse(f"torch @ {url}"), marker.strip()
    if at := _AT_VERSION.fullmatch(text):
        return (
            TorchRequirement(specifier=at_version(at[2], at[3])) if canonicalize_name(at[1]) == "torch" else None
        ), ""
    requirement = parse_requirement(text)
    if canonicalize_name(requirement.name) != "torch":
        return None, ""
    url = (_wheel_url(requirement.url, folder) or requirement.url) if requirement.url else ""
    return TorchRequirement(specifier=requirement.specifier, url=url), str(requirement.marker or "")


def _wheel_url(place: str, folder: Path) -> str | None:
    """Return the URL of a wheel of torch, if that is what `place` is: a URL, or a path."""
    place = place.strip()
    if torch_version_in(place) is None:
        return None
    scheme, separator, _ = place.partition("://")
    if separator:
        return place if scheme.isalpha() else None
    path = place.removeprefix("file:").partition("#")[0]
    return Path(os.path.normpath(folder / path)).absolute().as_uri()


def at_version(operator: str, version: str) -> SpecifierSet:
    """Return what `torch@2.8.0`, `torch@^2.8`, `torch@~2.8` and `torch@latest` of uv tool and poetry mean."""
    if version == "latest":
        return SpecifierSet()
    if not operator:
        return parse_specifier(version if version[:1] in "<>=!" else f"=={version}")
    numbers = [int(part) for part in version.split(".")]
    fixed = next((i for i, number in enumerate(numbers) if number), len(numbers) - 1) if operator == "^" else 0
    fixed = min(1, len(numbers) - 1) if operator == "~" else fixed
    above = [*numbers[:fixed], numbers[fixed] + 1]
    return SpecifierSet(f">={version},<{'.'.join(map(str, above))}")
