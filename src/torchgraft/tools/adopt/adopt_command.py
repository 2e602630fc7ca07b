"""`torchgraft adopt`: change a project, or sdists that it depends on, to torchgraft."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from ...codec import to_json
from ...consumer.uv import project_root
from ...errors import problems_text, quoted, shown
from ...files import is_file
from ...programs import find_programs
from ...redaction import redacted_json, without_secrets
from ...settings.sources import read_exact_text
from ..front_end_settings import find_front_end_settings, setting_text
from ..shared_options import bad_argument, folder_argument, refuse_no_project, require_extra
from ..terminal import diff_text
from .adopt_dependencies import DependencyPlan, plan_all, plan_json, plan_report, plan_undo, write
from .adoptable import ADOPTABLE_FILES, read_adoptable
from .adoption import Adoptable, Adoption, Advice, adoption_text
from .find_sdists import Scope, Search
from .locked_sdists import LOCK_NAMES
from .plan_adoption import plan_adoption
from .pull_request import pull_request_text, stale_diffs
from .sdist import unpack_sdist, write_project_file, write_sdist
from .stale_lines import find_stale_lines

DESCRIPTION = """Change the build system of a project, or of sdists that it depends on, to torchgraft. Without
--write, only show the difference."""
EPILOG = """examples:
  torchgraft adopt                      show what would change in this folder's project
  torchgraft adopt --write              change it
  torchgraft adopt dist/ext-1.0.tar.gz  the same for an sdist; --write makes adopted/ext-1.0.tar.gz beside it

a dependency that does not build without torch:
  torchgraft adopt --project . --write  adopt its dependencies, for uv, poetry or pdm
  torchgraft adopt -r requirements.txt --write           the same for pip
  torchgraft adopt axolotl 'flash-attn==2.8.3' --write   these, and their dependencies, into adopted/
  torchgraft adopt --project . --check                   for CI: is anything missing, or stale?

No code of the project or the sdists is run. Adopting changes only [build-system] of a package, and only the settings
that make a front end find the adopted sdists. Adopting twice changes nothing.
"""
_NOT_WRITTEN = "nothing is written yet: the same command with --write does it"
_PROJECTS = ("pyproject.toml", "pixi.toml", "setup.py")
_SDISTS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="PATH|SDIST|REQUIREMENT",
        help="a project folder, an sdist, or a package on an index (default: .)",
    )
    scope = parser.add_argument_group("dependencies, transitively")
    scope.add_argument(
        "--project",
        type=folder_argument,
        metavar="PATH",
        help="everything that a project depends on, from its lock file",
    )
    scope.add_argument(
        "--lock",
        type=Path,
        metavar="FILE",
        help="everything in a lock file: uv.lock, pylock.toml, poetry.lock, pdm.lock",
    )
    scope.add_argument(
        *("-r", "--requirement"),
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="everything in a requirements file",
    )
    scope.add_argument("--no-deps", action="store_true", help="only the named packages, without their dependencies")
    parser.add_argument("--write", action="store_true", help="make the changes; without it they are only shown")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="change nothing; exit status 1 if something would change")
    action.add_argument("--update", action="store_true", help="look for new versions, and remove the old ones")
    action.add_argument("--undo", action="store_true", help="remove what was adopted")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to write new sdists (default: adopted, in the project or next to the old sdist)",
    )
    parser.add_argument(
        "--pull-request", action="store_true", help="print a text for the maintainers, and what can go from docs and CI"
    )
    parser.add_argument("--force", action="store_true", help="even if the project does not seem to need torch")
    parser.add_argument("--index-url", metavar="URL", help="the index to use (default: that of pip and uv)")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Show what changes, and write it if told to."""
    require_extra("adopt", "tomlkit")
    given = [bool(arguments.project), bool(arguments.lock), bool(arguments.requirement or arguments.targets)]
    if sum(given) > 1:
        raise bad_argument("adopt", "--project, --lock and requirements are looked through one at a time")
    target = Path(arguments.targets[0] if arguments.targets else ".")
    is_named = len(arguments.targets) == 1 and not arguments.requirement and target.exists()
    if is_named or sum(given) == 0:
        for option in ("check", "update", "undo", "no_deps"):
            if getattr(arguments, option):
                raise bad_argument("adopt", f"--{option.replace('_', '-')} is for dependencies: --project {target}")
        return _adopt_one(arguments, target)
    if arguments.pull_request:
        raise bad_argument("adopt", "--pull-request is for the source tree or the sdist of one project")
    return _adopt_many(arguments, _scope(arguments))


def _adopt_one(arguments: argparse.Namespace, target: Path) -> int:
    if target.is_dir():
        if arguments.output is not None:
            raise bad_argument("adopt", "--output is for sdists; a source tree is changed where it is")
        refuse_no_project("adopt", target, ADOPTABLE_FILES)
        found = read_adoptable(target)
        adoption = plan_adoption(found, force=arguments.force)
        settings = map(setting_text, find_front_end_settings(os.environ, target))
        leftovers = (f"{text}; {fix}" for text, fix in settings if fix)
        if arguments.pull_request:
            return _propose(target, found, adoption)
        adoption = dataclasses.replace(adoption, notes=(*adoption.notes, *leftovers))
        written = None
        if arguments.write and adoption.after is not None:
            written = target / "pyproject.toml"
            write_project_file(written, adoption.after)
        _show(arguments, found, adoption, written)
        return 0
    if not target.is_file():
        raise bad_argument("adopt", f"{target} is neither a folder nor a file")
    with tempfile.TemporaryDirectory(prefix="torchgraft-adopt-") as temporary:
        tree = unpack_sdist(target, Path(temporary))
        found = read_adoptable(tree)
        adoption = plan_adoption(found, force=arguments.force)
        if arguments.pull_request:
            return _propose(tree, found, adoption)
        written = None
        if adoption.after is not None and (arguments.write or arguments.output is not None):
            written = (arguments.output or target.parent / "adopted") / target.name
            write_sdist(target, written, adoption.after)
        _show(arguments, found, adoption, written)
    return 0


def _propose(tree: Path, found: Adoptable, adoption: Adoption) -> int:
    """Print the text for the makers of a project, and apart from it what else would change there."""
    stale = find_stale_lines(tree, {}, found.name) if adoption.verdict is not Advice.NOT_NEEDED else ()
    print(without_secrets(pull_request_text(found, adoption, stale, submodules=is_file(tree / ".gitmodules"))))
    if adoption.after is not None:
        print(f"\n{diff_text(found.pyproject, adoption.after, 'pyproject.toml')}")
    texts = {line.file: read_exact_text(tree / line.file) or "" for line in stale}
    print(stale_diffs(stale, texts), end="")
    return 0


def _scope(arguments: argparse.Namespace) -> Scope:
    """Return what is looked through."""
    lock: Path | None = arguments.lock
    base = Path()
    if arguments.project is not None:
        base = arguments.project
        if is_file(base / "pyproject.toml") or not is_file(base / "setup.py"):
            base = project_root(base) or base
        refuse_no_project("adopt", base, _PROJECTS)
        lock = next((base / name for name in LOCK_NAMES if is_file(base / name)), None)
    elif lock is not None:
        base = lock.parent
    is_there = any(is_file(base / name) for name in _PROJECTS)
    is_project = (arguments.project or lock) is not None and is_there
    files = tuple(Path(os.path.relpath(file)) for file in arguments.requirement)
    for file in filter(None, (*files, lock)):
        if not is_file(file):
            raise bad_argument("adopt", f"there is no file called {file}")
    requirements = tuple(map(_requirement, arguments.targets))
    return Scope(
        base=base,
        folder=arguments.output or base / "adopted",
        is_project=is_project,
        lock=lock,
        files=files,
        requirements=requirements,
        index_url=arguments.index_url or "",
        anew=arguments.update,
        deep=not arguments.no_deps,
        force=arguments.force,
    )


def _requirement(text: str) -> Requirement:
    path = Path(text)
    if path.exists():
        kind = "a folder or file: these are adopted one at a time" if path.is_dir() or path.is_file() else "no file"
        raise bad_argument("adopt", f"{text} is {kind}")
    if text.endswith(_SDISTS) or os.sep in text:
        raise bad_argument("adopt", f"there is no file or folder called {text}")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise bad_argument("adopt", f"{text} is no folder, no file and no requirement: {reason}") from None
    if requirement.url:
        raise bad_argument("adopt", f"{text} names an address: download it, and give its path")
    return requirement


def _adopt_many(arguments: argparse.Namespace, scope: Scope) -> int:
    if arguments.undo:
        return _finish(arguments, plan_undo(scope))
    require_extra("adopt", "urllib3")
    if scope.deep and scope.requirements and not scope.files and not find_programs("uv", os.environ):
        print("there is no uv to say what they depend on: only what is named is looked at", file=sys.stderr)
        scope = dataclasses.replace(scope, deep=False)
    if not scope.deep and not scope.requirements:
        raise bad_argument("adopt", "--no-deps is for requirements that are named")
    with tempfile.TemporaryDirectory(prefix="torchgraft-adopt-") as temporary:
        search = Search(scope=scope, scratch=Path(temporary))
        status = _finish(arguments, plan_all(scope, search, Path(temporary)))
    if search.faults:
        print(problems_text(problem for error in search.faults for problem in error.problems), file=sys.stderr)
        return 1
    return status


def _finish(arguments: argparse.Namespace, plan: DependencyPlan) -> int:
    """Show it, write it if told to, and return the exit status."""
    is_named = bool(plan.scope.requirements) and arguments.output is not None
    told = (arguments.write or is_named) and not arguments.check
    written = write(plan) if told else ()
    if arguments.json:
        print(plan_json(plan, written))
    else:
        print(without_secrets(plan_report(plan)))
        for path in written:
            print(f"{'' if path != written[0] else chr(10)}written: {shown(_near(path))}")
        if plan.failed:
            pass  # what went wrong is said in the end
        elif arguments.check:
            print("\nto be written with: torchgraft adopt ... --write" if plan.changes else "all of it is there")
        elif plan.changes and not told:
            print(f"\n{_NOT_WRITTEN}")
        elif plan.next:
            print("\n".join(["", "now:", *(f"  {command}" for command in plan.next)]))
    return 1 if arguments.check and plan.changes else 0


def _near(path: Path) -> str:
    """Return a path as one would type it here."""
    near = os.path.relpath(path)
    return str(path) if near.startswith("..") else near


def _show(arguments: argparse.Namespace, found: Adoptable, adoption: Adoption, written: Path | None) -> None:
    if arguments.json:
        report = {**to_json(adoption), "name": found.name, "written": None if written is None else str(written)}
        print(json.dumps(redacted_json(report, None), indent=2))
        return
    print(without_secrets(adoption_text(found, adoption)))
    if written is not None:
        print(f"\nwritten: {shown(str(written))}")
        print("\n".join(["\nnow:", *(f"  {step}" for step in _next_steps(found, written))]))
    elif adoption.after is not None:
        print(f"\n{_NOT_WRITTEN}")


def _next_steps(found: Adoptable, written: Path) -> Iterator[str]:
    """Yield what to do after a file was written, as it is typed in the working folder."""
    if written.name != "pyproject.toml":
        yield f"pip install {quoted(_near(written))}   (uv pip install ... does the same)"
        return
    near = _near(written.parent)
    folder = quoted(near if near == "." or Path(near).is_absolute() else f"./{near}")
    if found.pyproject is None and any((parent / ".git").exists() for parent in written.absolute().parents):
        yield f"git add {quoted(_near(written))}   (it is new, so `git commit -a` leaves it out)"
    yield f"pip install {folder}   (to try it; uv pip install does the same)"
    stale = find_stale_lines(written.parent, {}, found.name)
    if stale:
        named = f"{stale[0].file}:{stale[0].number}{f' and {len(stale) - 1} more' if len(stale) > 1 else ''}"
        yield f"torchgraft adopt {folder} --pull-request   (what users no longer have to type: {named})"
