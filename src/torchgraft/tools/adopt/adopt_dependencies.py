"""Adopt what a project, a lock or requirements depend on: make the new sdists, and have front ends take them.

May not run any of it. What is written is shown before, and only written if told to; what somebody made is left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from ...codec import to_json
from ...errors import quoted, shown
from ...files import digest_of
from ...programs import find_programs, take_answer
from ...redaction import redacted_json
from ...settings.sources import read_exact_text, read_pyproject
from ..front_end_settings import find_front_end_settings, setting_text
from ..terminal import diff_text
from .adopted_folder import CONSTRAINTS, AdoptedSdist, is_intact, read_adopted
from .adoption import Advice, adoption_text
from .find_sdists import LookedAt, Scope, Search
from .front_end_files import FileEdit, front_end_of, place_of, plan_edits, record_edit
from .plan_front_ends import next_commands
from .sdist import place_sdist, write_project_file, write_sdist
from .undo_record import UNDO, parse_undo

_GIT_S = 20


@dataclass(kw_only=True)
class DependencyPlan:
    """What was found and what is to be written. `adopted` is all that the folder holds afterwards."""

    scope: Scope
    looked: tuple[LookedAt, ...] = ()
    adopted: tuple[AdoptedSdist, ...] = ()
    made: dict[str, Path] = field(default_factory=dict)
    gone: tuple[AdoptedSdist, ...] = ()
    edits: tuple[FileEdit, ...] = ()
    notes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    failed: bool = False

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.made or self.gone or self.edits)


def plan_all(scope: Scope, search: Search, scratch: Path) -> DependencyPlan:
    """Return what is to be done; new sdists are made in the scratch folder."""
    plan = DependencyPlan(scope=scope, looked=search.find())
    plan.failed = bool(search.faults)
    before = read_adopted(scope.folder)
    found: list[AdoptedSdist] = []
    for looked in plan.looked:
        one = looked.adopted or _make(looked, scratch / "new", plan)
        found += [replace(one, marker=looked.sdist.marker or one.marker)] if one is not None else []
    # Several versions of one package may be locked, for different machines.
    names = {one.name for one in found}
    found += [one for one in before if one.name not in names and not scope.anew]
    plan.adopted = tuple(sorted(found, key=lambda one: (one.name, one.version)))
    plan.notes = (*search.notes, *_isolation_notes(scope, frozenset(one.name for one in plan.adopted)))
    plan.made = {file: path for file, path in plan.made.items() if not _is_there(scope, path)}
    kept = {one.file for one in plan.adopted}
    plan.gone = tuple(one for one in before if one.file not in kept)
    plan.edits = tuple(plan_edits(scope, plan.adopted, undo=bool(before) and not plan.adopted))
    if plan.changes and plan.adopted:
        plan.edits += tuple(record_edit(scope, plan.edits))
    moved = sorted({one.name for one in plan.gone} & names)
    plan.next = tuple(_next(scope, plan, tuple(moved)))
    plan.notes += tuple(_ignored_note(scope, plan))
    return plan


def _ignored_note(scope: Scope, plan: DependencyPlan) -> Iterator[str]:
    """Yield what git leaves out of a commit of adopted sdists: *.tar.gz is ignored by many."""
    git = next(iter(find_programs("git", os.environ)), "")
    paths = [str(scope.folder.absolute() / one.file) for one in plan.adopted]
    words = [git, "-C", str(scope.base), "check-ignore", "--", *paths]
    ignored = take_answer(words, os.environ, timeout_s=_GIT_S).text.splitlines() if git and paths else []
    if any(line in paths for line in ignored):
        place = quoted(os.path.relpath(scope.folder))
        yield f"git ignores what is in {place}, which others need, too: git add --force {place}"


def _isolation_notes(scope: Scope, names: frozenset[str]) -> Iterator[str]:
    """Yield what still turns off isolation for what is adopted, in places that are not the project's own."""
    own = {str(scope.base / name) for name in ("pyproject.toml", "uv.toml", "pixi.toml")}
    for setting in find_front_end_settings(os.environ, scope.base):
        meant = {canonicalize_name(name.strip()) for name in setting.value.split(",") if name.strip()}
        said, fix = setting_text(setting)
        is_isolation = "no-build-isolation" in setting.name.lower().replace("_", "-")
        if fix and names and is_isolation and setting.source not in own and (not meant or meant & names):
            yield f"{said}; {fix}"


def _is_there(scope: Scope, made: Path) -> bool:
    place = scope.folder / made.name
    return place.is_file() and digest_of(place) == digest_of(made)


def _make(looked: LookedAt, folder: Path, plan: DependencyPlan) -> AdoptedSdist | None:
    adoption, path = looked.adoption, looked.path
    if adoption is None or adoption.verdict is not Advice.ADOPT or adoption.after is None:
        return None
    made = write_sdist(path, folder / path.name, adoption.after)
    plan.made[path.name] = made
    return AdoptedSdist(
        name=looked.sdist.name,
        version=looked.sdist.version,
        file=path.name,
        sha256=digest_of(made),
        origin=digest_of(path),
        by_address=looked.sdist.by_address,
    )


def plan_undo(scope: Scope) -> DependencyPlan:
    """Return what it takes to have nothing adopted any more."""
    plan = DependencyPlan(scope=scope, gone=read_adopted(scope.folder))
    plan.edits = tuple(plan_edits(scope, (), undo=True))
    record = next((edit for edit in plan.edits if edit.path.name == UNDO), None)
    if record is not None and record.after:
        names = ", ".join(parse_undo(record.after))
        plan.notes = (
            f"{names}: changed since, where adopting had changed it; what stood there is left in {record.path}",
        )
    lock = scope.base / "uv.lock"
    after = next((edit.after for edit in plan.edits if edit.path == lock), read_exact_text(lock)) or ""
    if scope.is_project and plan.gone and f'registry = "{place_of(scope)}"' in after:
        plan.next = (" ".join(["uv lock", *(f"-P {one.name}" for one in plan.gone)]),)
    elif plan.gone and front_end_of(scope) not in {"uv", "pip"}:
        plan.next = tuple(next_commands(front_end_of(scope), ()))
    return plan


def _next(scope: Scope, plan: DependencyPlan, moved: tuple[str, ...]) -> Iterator[str]:
    """Yield what is typed afterwards, or why nothing is."""
    if not plan.adopted:
        return
    kind = front_end_of(scope)
    place = place_of(scope)
    yield from next_commands(kind, moved)
    if kind == "uv" and read_pyproject(scope.base).get("project", {}).get("scripts"):
        yield f"uv tool install . --find-links {quoted(place)}"
    named = scope.files[:1] or ((scope.lock,) if scope.lock is not None and kind == "pip" else ())
    if named:
        yield f"pip install -r {quoted(os.path.relpath(named[0]))}   (or uv pip install)"
    elif kind == "pip":
        names = " ".join(map(str, scope.requirements)) or "."
        yield f"pip install -c {quoted(f'{place}/{CONSTRAINTS}')} {names}   (or uv pip install)"
        yield f"export UV_FIND_LINKS=$PWD/{place}   (for uv tool install, uvx and all else)"


def write(plan: DependencyPlan) -> tuple[Path, ...]:
    """Write all of it, and return what was written; raise ActError if that cannot be, or a file is somebody else's."""
    scope, written = plan.scope, []
    ours = {one.file: one for one in read_adopted(scope.folder)}
    for one in plan.gone:
        if is_intact(scope.folder, one):
            (scope.folder / one.file).unlink()
    for name, path in plan.made.items():
        target = scope.folder / name
        if name in ours and target.is_file() and is_intact(scope.folder, ours[name]):
            target.unlink()
        written.append(place_sdist(path, target))
    for edit in plan.edits:
        if edit.after is None:
            edit.path.unlink(missing_ok=True)
            continue
        edit.path.parent.mkdir(parents=True, exist_ok=True)
        write_project_file(edit.path, edit.after)
        written.append(edit.path)
    if scope.folder.is_dir() and not any(scope.folder.iterdir()):
        scope.folder.rmdir()
    return tuple(written)


def plan_json(plan: DependencyPlan, written: tuple[Path, ...]) -> str:
    """Return the same for programs."""
    sdists = [
        {
            "name": one.sdist.name,
            "version": one.sdist.version,
            "verdict": (Advice.ADOPTED if one.adoption is None else one.adoption.verdict).value,
            "reason": one.adoption.reason if one.adoption else "",
            "notes": list(one.adoption.notes) if one.adoption else [],
        }
        for one in plan.looked
    ]
    report = {
        "sdists": sdists,
        "adopted": [to_json(one) for one in plan.adopted],
        "removed": [one.file for one in plan.gone],
        "files": [{"path": str(edit.path), "after": edit.after} for edit in plan.edits],
        "notes": list(plan.notes),
        "next": list(plan.next),
        "written": [str(path) for path in written],
    }
    return json.dumps(redacted_json(report, None), indent=2)


def plan_report(plan: DependencyPlan) -> str:
    """Return what a person reads: each sdist with its verdict, then the difference in each file."""
    lines = []
    for one in plan.looked:
        title = shown(f"{one.sdist.name} {one.sdist.version}")
        if one.adoption is None:
            lines.append(f"{title} was adopted before")
        elif one.found is not None and one.sdist.name in plan.scope.named:
            lines.append(adoption_text(one.found, one.adoption))
        else:
            lines.append(f"{title} {one.adoption.verdict.value}: {shown(one.adoption.reason)}")
            notes = one.adoption.notes if one.adoption.verdict is Advice.ADOPT else ()
            lines += [shown(f"  note: {note}") for note in notes]
    if not plan.looked and not plan.gone and not plan.failed:
        lines.append("nothing here is built from an sdist")
    lines += [shown(f"note: {note}") for note in plan.notes]
    lines += [shown(f"{one.file} is removed") for one in plan.gone]
    for edit in (edit for edit in plan.edits if edit.path.name != UNDO):  # it says the same
        name = os.path.relpath(edit.path, plan.scope.base).replace(os.sep, "/")
        lines += ["", diff_text(edit.before, edit.after or "", name).rstrip("\n")]
    return "\n".join(lines)
