"""Write the record into a wheel or into prepared metadata.

May not look for anything: all that it writes is in the plan.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
import time
import zipfile
from pathlib import Path
from typing import Any

from installer.records import parse_record_file
from packaging.requirements import InvalidRequirement, Requirement

from .. import __version__
from ..errors import ActError, Evidence, Problem
from ..planned import Plan

RECORD_NAME = "torchgraft.json"
_RECORD_FORMAT = 1
_EARLIEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def record_text(plan: Plan, *, reads: tuple[str, ...] = ()) -> str:
    """Return the record: what the wheel was built with, as JSON.

    :param reads: what setup.py asked the stand-in: metadata that was made without torch may depend on it

    The same plan gives the same text on every machine: nothing in it is a path, a time or a value of the user.
    """
    torch = plan.torch
    data: dict[str, Any] = {
        "torchgraft": __version__,
        "record": _RECORD_FORMAT,
        "delegate": plan.delegate.backend,
        "rung": plan.rung.value if plan.rung else None,
        "rule": plan.rule.value if plan.rule else None,
        "way": plan.way.value,
        "torch": None
        if torch is None
        else {
            "version": torch.version,
            "accelerator": torch.accelerator,
            "cuda": torch.cuda,
            "hip": torch.hip,
            "xpu": torch.xpu,
            "cxx11_abi": torch.cxx11_abi,
            "debug": torch.debug,
            "git_version": torch.git_version,
        },
        "requirements": [_without_address(line.text) for line in plan.requirements],
        "variables": [variable.name for variable in plan.variables if not variable.of_machine],
    }
    if plan.from_files:
        data["metadata"] = {"made_from": "files"}
    elif plan.stand_in is not None:
        if plan.asks_version:
            reads = (*reads, "importlib.metadata.version('torch')")
        stand_in = {"version": plan.stand_in.version, "known": plan.stand_in.known}
        data["metadata"] = {"made_from": "stand-in", "stand_in": stand_in, "reads": list(reads)}
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def write_metadata_record(folder: Path, plan: Plan, *, reads: tuple[str, ...] = ()) -> None:
    """Add the record to a prepared `.dist-info` folder."""
    (folder / RECORD_NAME).write_text(record_text(plan, reads=reads), encoding="ascii", newline="\n")


def write_wheel_record(wheel: Path, plan: Plan) -> None:
    """Add the record to a wheel, and to its RECORD.

    Only RECORD and the directory at the end of the archive are written anew, so that the cost does not grow with the
    wheel. The result takes the wheel's place in one step.

    :raises ActError: if the delegate's wheel is none
    """
    draft = wheel.with_name(f".{wheel.name}.tmp")
    try:
        # A copy, not the file itself: whatever happens, the wheel is the delegate's or the finished one.
        shutil.copy(wheel, draft)
        _add(draft, record_text(plan).encode("ascii"))
        draft.replace(wheel)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ActError(_bad_wheel(wheel, str(error))) from None
    except OSError as error:
        raise ActError(_unwritable(wheel, error)) from None
    finally:
        draft.unlink(missing_ok=True)


def _add(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        info = _dist_info(archive)
        record_name, own_name = f"{info}/RECORD", f"{info}/{RECORD_NAME}"
        old = archive.getinfo(record_name)
        rows = list(parse_record_file(archive.read(old).decode("utf-8").splitlines()))
        for name in (record_name, own_name):
            # Our own is there already where the delegate took over the metadata that we had prepared.
            if name in archive.NameToInfo:
                _forget(archive, archive.NameToInfo[name])
        rows = [row for row in rows if row[0] not in {own_name, record_name}]
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")
        rows += [(own_name, f"sha256={digest}", str(len(content))), (record_name, "", "")]
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        for name, data in ((own_name, content), (record_name, buffer.getvalue().encode("utf-8"))):
            archive.writestr(_member(name, old), data)


def _dist_info(archive: zipfile.ZipFile) -> str:
    found = {name.partition("/")[0] for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", name)}
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} .dist-info folders with a RECORD")
    return found.pop()


def _forget(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Take the last member out, so that the next one is written in its place.

    zipfile has no public way; these attributes have been the same since Python 2.7. Where RECORD is not the last
    member, its old bytes stay in the archive, unlisted, which the format allows.
    """
    archive.filelist.remove(member)
    del archive.NameToInfo[member.filename]
    if all(other.header_offset < member.header_offset for other in archive.filelist):
        archive.start_dir = member.header_offset


def _member(name: str, like: zipfile.ZipInfo) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, date_time=_zip_time(like))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o100644 << 16
    member.create_system = like.create_system
    return member


def _zip_time(like: zipfile.ZipInfo) -> tuple[int, int, int, int, int, int]:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch.isdigit():
        return max(time.gmtime(int(epoch))[:6], _EARLIEST_ZIP_TIME)
    return like.date_time


def _without_address(requirement: str) -> str:
    """Return a requirement without the address of a direct URL, which may name a folder or hold a password."""
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement:
        return requirement
    if not parsed.url:
        return requirement
    return f"{parsed.name} @ {parsed.url.partition('#')[0].rpartition('/')[2]}"


def _bad_wheel(wheel: Path, said: str) -> Problem:
    return Problem(
        code="bad-wheel",
        headline=f"the delegate's wheel {wheel.name} is not a wheel",
        evidence=(Evidence(label="found", text=said),),
        why="a wheel without a right RECORD cannot be installed",
        fixes=("TORCHGRAFT_PROVIDE=off pip wheel .   (to see the delegate alone)",),
    )


def _unwritable(wheel: Path, error: OSError) -> Problem:
    return Problem(
        code="wheel-unwritable",
        headline=f"the wheel cannot be finished in {wheel.parent}",
        evidence=(Evidence(label="found", text=f"{error.strerror or error}"),),
        why="the record of what it was built with goes into it",
        fixes=("make room there, or name another folder",),
    )
