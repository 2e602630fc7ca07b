"""Add a requirement to a METADATA file, every other byte of which stays what it is; and take it out again.

May not decide which.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name

from ..errors import ActError
from ..model.decision import Plan, RuntimeRequirement
from ..model.torch_values import requirement_of
from .record import read_record

_EMPTY_LINE = re.compile(rb"\r?\n(?=\r?\n)")
_REQUIRES = re.compile(rb"^requires-dist[ \t]*:(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE)


def with_requirement(metadata: bytes, requirement: str) -> bytes:
    """Return the METADATA with one more `Requires-Dist`, after those that are there.

    The same bytes where that very requirement is there already, as in a wheel whose backend took over the metadata
    that had been prepared. What is there is never changed: resolvers take all requirements of one name together, and
    PEP 808 lets a backend add to a field and nothing else.
    """
    end = _EMPTY_LINE.search(metadata)
    # Without a description, the last header ends the file.
    head = metadata[: end.start()] if end else metadata.rstrip(b"\r\n")
    newline = b"\r\n" if b"\r\n" in metadata[: len(head) + 2] else b"\n"
    found = list(_REQUIRES.finditer(head))
    if any(_is_same(match[1].decode("utf-8", errors="replace"), requirement) for match in found):
        return metadata
    place = found[-1].end() if found else len(head)
    place -= head[:place].endswith(b"\r")
    return metadata[:place] + newline + b"Requires-Dist: " + requirement.encode("ascii") + metadata[place:]


def without_requirement(metadata: bytes, requirement: str) -> bytes:
    """Return the METADATA as it was before `with_requirement` added this one."""
    end = _EMPTY_LINE.search(metadata)
    head = metadata[: end.start()] if end else metadata
    line = re.escape(f"Requires-Dist: {requirement}".encode("ascii"))
    found = list(re.finditer(rb"\r?\n" + line + rb"(?=\r?\n|\Z)", head))
    return metadata[: found[-1].start()] + metadata[found[-1].end() :] if found else metadata


def add_requirement(folder: Path, plan: Plan) -> Plan:
    """Add the plan's requirement on torch to a prepared `.dist-info` folder; return the plan with what was added."""
    if plan.runtime_torch is None or plan.runtime_torch.text is None:
        return plan
    path = folder / "METADATA"
    before = path.read_bytes()
    after = with_requirement(before, plan.runtime_torch.text)
    if after == before:
        return as_required(plan)
    path.write_bytes(after)
    return plan


def as_required(plan: Plan) -> Plan:
    """Return the plan of a package that has the plan's requirement itself: nothing is added."""
    return replace(plan, runtime_torch=RuntimeRequirement(reason="the package itself has this very requirement"))


@contextlib.contextmanager
def delegates_metadata(metadata_directory: str | None) -> Iterator[str | None]:
    """Yield the prepared `.dist-info` folder as the delegate had made it, before something was added.

    scikit-build-core compares every file with what it would write, and refuses a folder that has more.
    """
    added = None if metadata_directory is None else read_record(Path(metadata_directory)).get("runtime_torch")
    if metadata_directory is None or not isinstance(added, str):
        yield metadata_directory
        return
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as folder:
        copy = Path(folder) / Path(metadata_directory).name
        shutil.copytree(metadata_directory, copy)
        metadata = copy / "METADATA"
        metadata.write_bytes(without_requirement(metadata.read_bytes(), added))
        yield str(copy)


def as_prepared(plan: Plan, metadata_directory: str | None) -> Plan:
    """Return the plan of a wheel whose metadata were prepared: they have to be identical (PEP 517, build_wheel).

    :param metadata_directory: the `.dist-info` folder that the front end hands back, None if it prepared none
    :raises ActError: if they were prepared with another torch than the one that is there now
    """
    if metadata_directory is None:
        return plan
    record = read_record(Path(metadata_directory))
    plan = replace(plan, from_files=record.get("metadata") == {"made_from": "files"})
    if plan.runtime_torch is None or "runtime_torch" not in record:
        return plan
    prepared, now = record["runtime_torch"], plan.runtime_torch.text
    if not isinstance(prepared, str):
        reason = "the metadata were prepared without it, and a wheel has the same"
        return replace(plan, runtime_torch=RuntimeRequirement(reason=reason))
    if now is not None and now != prepared:
        raise ActError.of(
            code="torch-changed",
            headline=f"the metadata were prepared with {prepared}, and the wheel would need {now}",
            setting="runtime-torch, pyproject.toml: [tool.torchgraft]",
            why="torch changed between two hooks of one build; a wheel has the metadata prepared for it (PEP 517)",
            fixes=("run the same command again   (nothing is wrong with the package)",),
        )
    reason = "the metadata were prepared with it, and a wheel has the same"
    return replace(plan, runtime_torch=RuntimeRequirement(text=prepared, reason=reason))


def _is_same(one: str, other: str) -> bool:
    first, second = requirement_of(one.strip()), requirement_of(other)
    if first is None or second is None:
        return False
    names = {canonicalize_name(first.name), canonicalize_name(second.name)}
    plain = first.marker is None and first.url is None and not first.extras
    return len(names) == 1 and plain and first.specifier == second.specifier
