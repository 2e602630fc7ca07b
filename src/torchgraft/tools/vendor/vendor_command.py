"""`torchgraft vendor`: put a copy of the backend into a project, which then needs torchgraft from no index."""

from __future__ import annotations

import argparse
import json

from ...codec import to_json
from ...errors import ConfigError, quoted, shown
from ...redaction import redacted_json, without_secrets
from ...settings.sources import read_exact_text, read_pyproject
from ..adopt.adoptable import ADOPTABLE_FILES, read_adoptable
from ..adopt.adoption import IN_TREE, Adoptable, adoption_text
from ..adopt.plan_adoption import plan_adoption
from ..adopt.sdist import write_project_file
from ..shared_options import add_path_argument, refuse_no_project, require_extra
from ..terminal import diff_text
from .vendored_copy import (
    altered_files,
    compare_copy,
    describe_own,
    read_copy,
    read_own_files,
    stale_files,
    with_copy_in_sdist,
    with_copy_marked,
    write_copy,
)

DESCRIPTION = """Copy the backend, without its commands, into a project, and show how pyproject.toml has to change to
use it."""
EPILOG = f"""The copy is the folder {IN_TREE}, with a manifest of its version and the digest of each file. Commit it.

exit status of --check:
  0  the copy is unmodified, and pyproject.toml uses it
  1  a file was changed, is missing or does not belong there, or it is not used
"""

_LINTERS = f"""to keep linters away:
  ruff        extend-exclude = ["{IN_TREE}"]
  mypy        exclude = ["^{IN_TREE}/"]
  pre-commit  exclude: ^{IN_TREE}/"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_path_argument(parser)
    parser.add_argument(
        "--write", action="store_true", help="change pyproject.toml, MANIFEST.in and .gitattributes too"
    )
    parser.add_argument("--check", action="store_true", help="change nothing; report whether the copy was modified")
    parser.add_argument("--force", action="store_true", help="overwrite a copy that somebody has changed")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Write a copy, or check one."""
    return _check(arguments) if arguments.check else _vendor(arguments)


def _check(arguments: argparse.Namespace) -> int:
    copy = read_copy(arguments.path)
    differences = compare_copy(copy, read_pyproject(arguments.path))
    if arguments.json:
        version = copy.manifest.version if copy.manifest else None
        print(json.dumps({"version": version, "differences": to_json(differences)}, indent=2))
    elif differences:
        print("\n".join(shown(f"{difference.file}: {difference.what}") for difference in differences))
    elif copy.manifest is not None:
        print(f"{IN_TREE} is torchgraft {copy.manifest.version}, {len(copy.files)} files, as it was made")
    return int(bool(differences))


def _vendor(arguments: argparse.Namespace) -> int:
    require_extra("vendor", "tomlkit")
    project = arguments.path
    own, files = describe_own(), read_own_files()
    refuse_no_project("vendor", project, ADOPTABLE_FILES)
    copy = read_copy(project)
    altered = altered_files(copy, own)
    if altered and not arguments.force:
        more = f" and {len(altered) - 5} more" if len(altered) > 5 else ""
        raise ConfigError.of(
            code="copy-changed",
            headline=f"{IN_TREE} holds files that are not as torchgraft made them",
            files=", ".join(altered[:5]) + more,
            why="a new copy would be written over what somebody has changed there",
            fixes=(f"torchgraft vendor {quoted(str(project))} --force{' --write' if arguments.write else ''}",),
        )
    found = read_adoptable(project)
    # Who vendors it has decided that the project needs it.
    adoption = plan_adoption(found, vendored=own.requires, force=True)
    before = {name: read_exact_text(project / name) for name in ("MANIFEST.in", ".gitattributes")}
    after = {
        "MANIFEST.in": with_copy_in_sdist(before["MANIFEST.in"]) if _is_setuptools(found) else None,
        ".gitattributes": with_copy_marked(before[".gitattributes"]),
    }
    write_copy(project / IN_TREE, files, own, stale=stale_files(copy, own))
    if arguments.write:
        for name, text in {"pyproject.toml": adoption.after, **after}.items():
            if text is not None:
                write_project_file(project / name, text)
    if arguments.json:
        texts = {"manifest_in": after["MANIFEST.in"], "gitattributes": after[".gitattributes"]}
        report = {**to_json(adoption), **texts, "version": own.version, "written": arguments.write}
        print(json.dumps(redacted_json(report, None), indent=2))
        return 0
    lines = [f"{IN_TREE} is torchgraft {own.version} now, {len(own.files)} files; commit it", "", _LINTERS, ""]
    lines.append("it needs these in [build-system] requires:")
    lines += [f"  {requirement}" for requirement in own.requires]
    lines += ["", adoption_text(found, adoption)]
    for name, text in after.items():
        if text is not None:
            lines += ["", diff_text(before[name], text, name).rstrip("\n")]
    if not _is_setuptools(found):
        lines += ["", f"Make sure that the sdist contains {IN_TREE}: its backend may leave it out."]
    if any(text is not None for text in (adoption.after, *after.values())):
        lines += ["", "written" if arguments.write else "these files are not changed yet: add --write"]
    print(without_secrets("\n".join(lines)))
    return 0


def _is_setuptools(found: Adoptable) -> bool:
    return found.script is not None or "setuptools" in (found.pyproject or "setuptools")
