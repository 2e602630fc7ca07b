"""A copy of torchgraft in a project: how it differs from what it was made of, and what the project has to hold besides.

May not read or write files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any

from ...untrusted import strings, table
from ...values import dataclass
from ..adopt.adoption import BACKEND, IN_TREE
from ..adopt.plan_need import merged_requirement

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
class CopyFault:
    """One thing that is not as the manifest says."""

    file: str
    what: str


def compare_copy(copy: Copy, pyproject: Mapping[str, Any]) -> tuple[CopyFault, ...]:
    """Return all in which a project is not as the manifest of its copy says; nothing if it is."""
    if copy.manifest is None:
        return (CopyFault(file=f"{IN_TREE}/{MANIFEST}", what="missing"),)
    return (*_files(copy.manifest, copy), *_build_system(copy.manifest, pyproject))


def altered_files(copy: Copy, own: Manifest) -> tuple[str, ...]:
    """Return the files that somebody has altered since the copy was made: writing a new one would lose that.

    A file that is already as it will be counts as unaltered.
    """
    known = copy.manifest.files if copy.manifest else {}
    return tuple(
        name
        for name, digest in sorted(copy.files.items())
        if digest != known.get(name) and digest != own.files.get(name)
    )


def stale_files(copy: Copy, own: Manifest) -> tuple[str, ...]:
    """Return the files of the old copy that the new one does not have."""
    known = copy.manifest.files if copy.manifest else {}
    return tuple(name for name in sorted(copy.files) if name in known and name not in own.files)


def with_copy_in_sdist(manifest_in: str | None) -> str | None:
    """Return the text of MANIFEST.in with a line that puts the copy into sdists; None where it does so already.

    setuptools leaves out what is no package of the project, and a build from such an sdist would have no backend.
    """
    named = (["graft", IN_TREE], ["recursive-include", IN_TREE])
    is_named = any(line.split()[:2] in named for line in (manifest_in or "").splitlines())
    line = f"recursive-include {IN_TREE} *.py {MANIFEST} LICENSE"
    return None if is_named else _with_line(manifest_in, line)


def with_copy_marked(attributes: str | None) -> str | None:
    """Return the text of .gitattributes with a line that says whose the copy is; None where something is said of it.

    GitHub then counts it in no statistics of languages, and folds it in differences.
    """
    lines = [line.split() for line in (attributes or "").splitlines()]
    is_said = any(
        line and line[0].strip("/").startswith(IN_TREE) and any("linguist-vendored" in word for word in line[1:])
        for line in lines
    )
    return None if is_said else _with_line(attributes, f"{IN_TREE}/** linguist-vendored")


def _with_line(text: str | None, line: str) -> str:
    text = text or ""
    end = "\r\n" if "\r\n" in text else "\n"
    gap = end if text and not text.endswith("\n") else ""
    return f"{text}{gap}{line}{end}"


def _files(manifest: Manifest, copy: Copy) -> Iterator[CopyFault]:
    for name in sorted({*manifest.files, *copy.files}):
        if name not in copy.files:
            yield CopyFault(file=f"{IN_TREE}/{name}", what="missing")
        elif name not in manifest.files:
            yield CopyFault(file=f"{IN_TREE}/{name}", what="not of torchgraft")
        elif copy.files[name] != manifest.files[name]:
            yield CopyFault(file=f"{IN_TREE}/{name}", what="changed")


def _build_system(manifest: Manifest, pyproject: Mapping[str, Any]) -> Iterator[CopyFault]:
    system = table(pyproject.get("build-system"))
    if system.get("build-backend") != BACKEND:
        yield CopyFault(file="pyproject.toml", what=f'build-backend is not "{BACKEND}"')
    if system.get("backend-path") != [IN_TREE]:
        yield CopyFault(file="pyproject.toml", what=f'backend-path is not ["{IN_TREE}"]')
    for requirement in manifest.requires:
        if not any(merged_requirement(item, requirement) == item for item in strings(system.get("requires"))):
            yield CopyFault(file="pyproject.toml", what=f'requires lacks "{requirement}"')
