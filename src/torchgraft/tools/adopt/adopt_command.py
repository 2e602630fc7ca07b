"""`torchgraft adopt`: change a project, or an sdist, to torchgraft."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from ...codec import to_json
from ..front_end_settings import find_front_end_settings, setting_text
from ..shared_options import bad_argument, refuse_no_project, require_extra
from ..terminal import diff_text
from .adoptable import ADOPTABLE_FILES, read_adoptable
from .adoption import Adoptable, Adoption, Advice
from .package_index import download_sdist, find_indexes
from .plan_adoption import plan_adoption
from .sdist import unpack_sdist, write_project_file, write_sdist

DESCRIPTION = "Change the build system of a project to torchgraft: show the difference, and write it if told to."
EPILOG = """examples:
  torchgraft adopt                      show what would change in the project in this folder
  torchgraft adopt --write              change it
  torchgraft adopt dist/ext-1.0.tar.gz  the same for an sdist; --write makes adopted/ext-1.0.tar.gz beside it
  torchgraft adopt 'flash-attn==2.8.3'  download the sdist first; none of its code runs

Everything outside of [build-system] stays as it is, byte by byte. Adopting twice changes nothing.
"""
_SDISTS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "target",
        nargs="?",
        default=".",
        metavar="PATH|SDIST|REQUIREMENT",
        help="a source tree, an sdist, or what an index has the sdist of (default: .)",
    )
    parser.add_argument("--write", action="store_true", help="write it; without this nothing is changed")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write the new sdist there (default: adopted, beside the old one)",
    )
    parser.add_argument("--force", action="store_true", help="even where torch seems not to be needed")
    parser.add_argument("--index-url", metavar="URL", help="the index to ask (default: as pip and uv are told)")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show what changes, and write it if told to."""
    require_extra("adopt", "tomlkit")
    target = Path(arguments.target)
    if target.is_dir():
        if arguments.output is not None:
            raise bad_argument("adopt", "--output is for an sdist; a source tree is changed where it is")
        refuse_no_project("adopt", target, ADOPTABLE_FILES)
        found = read_adoptable(target)
        adoption = plan_adoption(found, force=arguments.force)
        settings = map(setting_text, find_front_end_settings(os.environ, target))
        leftovers = (f"{text}; {fix}" for text, fix in settings if fix)
        adoption = dataclasses.replace(adoption, notes=(*adoption.notes, *leftovers))
        written = None
        if arguments.write and adoption.after is not None:
            written = target / "pyproject.toml"
            write_project_file(written, adoption.after)
        _show(arguments, found, adoption, written)
        return 0
    with tempfile.TemporaryDirectory(prefix="torchgraft-adopt-") as temporary:
        scratch = Path(temporary)
        sdist, beside = _sdist(arguments, target, scratch)
        (scratch / "tree").mkdir()
        found = read_adoptable(unpack_sdist(sdist, scratch / "tree"))
        adoption = plan_adoption(found, force=arguments.force)
        written = None
        if adoption.after is not None and (arguments.write or arguments.output is not None):
            written = (arguments.output or beside / "adopted") / sdist.name
            write_sdist(sdist, written, adoption.after)
        _show(arguments, found, adoption, written)
    return 0


def _sdist(arguments: argparse.Namespace, target: Path, scratch: Path) -> tuple[Path, Path]:
    """Return an sdist, and the folder beside which a new one belongs."""
    if target.is_file():
        return target, target.parent
    if target.exists():
        raise bad_argument("adopt", f"{arguments.target} is neither a folder nor a file")
    if arguments.target.endswith(_SDISTS) or os.sep in arguments.target:
        raise bad_argument("adopt", f"there is no file or folder called {arguments.target}")
    try:
        requirement = Requirement(arguments.target)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise bad_argument("adopt", f"{arguments.target} is no folder, no file and no requirement: {reason}") from None
    if requirement.url:
        raise bad_argument("adopt", f"{arguments.target} names an address: download it, and give its path")
    require_extra("adopt", "urllib3")
    return download_sdist(requirement, _indexes(arguments), scratch), Path()


def _indexes(arguments: argparse.Namespace) -> tuple[str, ...]:
    return (arguments.index_url.rstrip("/"),) if arguments.index_url else find_indexes(os.environ)


def _show(arguments: argparse.Namespace, found: Adoptable, adoption: Adoption, written: Path | None) -> None:
    if arguments.json:
        report = {**to_json(adoption), "name": found.name, "written": None if written is None else str(written)}
        print(json.dumps(report, indent=2))
        return
    print(adoption_text(found, adoption))
    if written is not None:
        print(f"\nwritten: {written}")
    elif adoption.after is not None:
        print("\nnothing is written without --write")


def adoption_text(found: Adoptable, adoption: Adoption) -> str:
    """Return what a person reads: the verdict, the difference, the reason of each change, what to consider."""
    lines = [f"{found.name or 'this project'} {adoption.verdict.value}: {adoption.reason}"]
    if adoption.verdict is Advice.NOT_NEEDED:
        lines.append("nothing to change; --force adopts it all the same")
    elif adoption.after is None:
        lines.append("nothing to change")
    else:
        lines += ["", diff_text(found.pyproject, adoption.after, "pyproject.toml").rstrip("\n"), ""]
        width = max(len(change.text) for change in adoption.changes)
        lines += [f"  {change.text:<{min(width, 40)}}  {change.reason}" for change in adoption.changes]
    lines += [f"  note: {note}" for note in adoption.notes]
    return "\n".join(lines)
