"""One more cycle when a wheel is built: look at it, decide, act. The link check, run paths, guard, record.

It is imported when there is a wheel: after the delegate.
"""

from __future__ import annotations

import sysconfig
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from ..child import say
from ..errors import ActError, PlanError
from ..installed.torch import read_torch
from ..link.linkage import Format, LinkReport, Module
from ..model.decision import Plan
from ..model.observation import Hook, Way
from ..model.torch_values import Origin
from ..wheel.archive import WheelChanges, extract_wheel_file, read_wheel_file, rewrite_wheel
from ..wheel.contents import WheelContents, read_in_place_modules, read_wheel_contents
from ..wheel.guard import guard_files
from ..wheel.metadata import as_required, with_requirement
from ..wheel.plan_finishing import (
    Guard,
    PlannedRunPath,
    lost_library_problem,
    plan_editable_guard,
    plan_guard,
    plan_guessed,
    plan_run_paths,
    run_paths_text,
    staying_run_paths_text,
)
from ..wheel.record import BILL_NAME, RECORD_NAME, BuiltWheel, bill_text, built_facts, read_record_of, record_text
from ..wheel.reproducible import source_date
from ..wheel.run_paths import change_run_path, find_run_path_places
from .call import Call
from .plan_variables import build_identity

_EXTENSION_SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))


def finish_wheel(call: Call, wheel: Path, metadata: bytes | None = None) -> BuiltWheel:
    """Check a wheel that was built, and write into it what it was built with; return what it was before.

    :param metadata: what its METADATA has to be, None where it is right
    :raises PlanError: if it does not link with the torch that it is for
    :raises ActError: if it is no wheel, or cannot be finished
    """
    plan = call.plan
    _refuse_another_torch(plan)
    contents = read_wheel_contents(wheel, call.source)
    in_place = plan.hook is Hook.BUILD_EDITABLE
    # What an editable installation imports is in the source tree, which is looked at and never altered.
    made = (*contents.modules, *(read_in_place_modules(call.source, suffix=_EXTENSION_SUFFIX) if in_place else ()))
    report = _checked_links(plan, made, wheel)
    places = find_run_path_places(plan, call.source, contents.modules)
    run_paths = plan_run_paths(contents.modules, places, contents.files)
    lost = lost_library_problem(run_paths)
    if lost is not None and plan.link_check:
        raise PlanError(lost)
    for said in (run_paths_text(run_paths), staying_run_paths_text(contents.modules, run_paths, places)):
        if said:
            say(f"torchgraft: {said}")
    guard = _guard(plan, contents, in_place=in_place)
    if guard is not None and (plan.guess or plan.serves_others) and not report.stable_since:
        unread = [module.file for module in made if module.format is not Format.ELF]
        guard = plan_guessed(guard, plan.torch, contents.files, unread=unread)
    built = BuiltWheel(contents=contents, modules=made, report=report, run_paths=run_paths, guard=guard)
    date = source_date()
    facts = built_facts(plan, built, reproducible=date is not None)
    before = read_wheel_file(wheel, f"{contents.info}/METADATA")
    if metadata is None and plan.runtime_torch is not None and plan.runtime_torch.text is not None:
        metadata = with_requirement(before, plan.runtime_torch.text)
        plan = as_required(plan) if metadata == before else plan
    name, bill = (f"{contents.info}/{file}" for file in (RECORD_NAME, BILL_NAME))
    is_prebuilt = any(tried.used for tried in plan.prebuilt)
    original = read_record_of(wheel) if is_prebuilt else None
    added = {name: record_text(plan, original=original, built=facts).encode("ascii")}
    if metadata is not None and metadata != before:
        added[f"{contents.info}/METADATA"] = metadata
    # What a prebuilt wheel says of its own build is better known than what can be said of it here.
    if plan.sbom and not (is_prebuilt and bill in contents.files):
        added[bill] = bill_text(plan, built, date=date).encode("ascii")
    files = guard_files(guard or Guard(), info=contents.info)
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as folder:
        changes = WheelChanges(
            added={**added, **files.added},
            moved=files.moved,
            replaced=_with_run_paths(call, wheel, run_paths, Path(folder)),
        )
        rewrite_wheel(wheel, changes)
    return built


def _checked_links(plan: Plan, modules: tuple[Module, ...], wheel: Path) -> LinkReport:
    """Return whether modules link with the torch that they are for; raise PlanError if one does not and is checked."""
    if not modules:  # of Python alone
        return LinkReport()
    from ..link.libraries import read_libraries
    from ..link.plan_link import link_problem, plan_link

    report = plan_link(modules, read_libraries(plan.torch, modules))
    problem = link_problem(report, plan.torch, what=wheel.name)
    if problem is not None and plan.link_check:
        raise PlanError(problem)
    return report


def _refuse_another_torch(plan: Plan) -> None:
    """Look at the consumer's torch once more: compiling takes hours, in which somebody may have changed it.

    :raises ActError: if another one is there now, or none
    """
    before = plan.torch
    if before is None or before.origin is not Origin.WHEEL or plan.way not in {Way.GRAFT, Way.PRESENT}:
        return
    now = read_torch((str(Path(before.folder).parent),))
    if build_identity(now.torch) == build_identity(before):
        return
    raise ActError.of(
        code="torch-changed",
        headline="torch changed while the wheel was built",
        before=f"{before.version} in {before.folder}",
        now=now.torch.version if now.torch else now.fault or "no torch is there",
        why="an extension works only with the torch that it was compiled against",
        fixes=("run the same command again   (it builds for the torch that is there then)",),
    )


def _guard(plan: Plan, contents: WheelContents, *, in_place: bool) -> Guard | None:
    if not plan.guard:
        return None
    if in_place and not _extensions(contents.modules):
        return plan_editable_guard(contents.info.partition("-")[0], contents.top_level)
    return plan_guard(_extensions(contents.modules), contents.files, tuple(EXTENSION_SUFFIXES))


def _extensions(modules: tuple[Module, ...]) -> dict[str, tuple[str, ...]]:
    return {module.file: module.inits for module in modules if module.needs_torch}


def _with_run_paths(call: Call, wheel: Path, run_paths: tuple[PlannedRunPath, ...], folder: Path) -> dict[str, Path]:
    """Return copies of the modules of a wheel with their new run paths."""
    changed = {}
    for number, change in enumerate(run_paths):
        changed[change.file] = folder / str(number)
        extract_wheel_file(wheel, change.file, changed[change.file])
        change_run_path(changed[change.file], change, variables=call.variables)
    return changed
