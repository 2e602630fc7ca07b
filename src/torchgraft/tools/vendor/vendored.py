"""A copy of torchgraft in the source tree of a project, as values.

May not read or write files: `look.vendored` and `act.vendor` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a copy was made of: a version, what it needs, and the SHA-256 digest of each file by its path."""

    version: str
    requires: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What stands in a project: the manifest, if there is one, and the digests of all files but that."""

    manifest: Manifest | None = None
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as the manifest says."""

    file: str
    what: str
