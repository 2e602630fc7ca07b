"""Carry out the plan of a hook call, hook by hook.

May not decide: what is done follows from the plan alone. What only some hooks need is imported where they need it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DelegateError, LacksHookError, PlanError
from ..files import find_text
from ..model.observation import Hook, Way
from ..model.torch_values import Torch
from .call import Call, plan_call
from .plan_variables import build_identity

_BUILT = "PYPROJECT_HOOKS_ALREADY_BUILT_WHEEL"


def answer_requires(hook: Hook, config_settings: Mapping[str, Any] | None) -> list[str]:
    """Return the build requirements: the plan's, then what the delegate adds where it has to be asked."""
    call = _plan_with_dependencies(hook, config_settings)
    requirements = [line.text for line in call.plan.requirements]
    if call.plan.delegate.asked:
        from ..ladder.plan_requirements import without_torch
        from .delegate import run_hook

        requirements += without_torch(run_hook(call, (call.config_settings,)), call.plan.way, call.plan.graft)
    return list(dict.fromkeys(requirements))


def prepare_metadata(hook: Hook, directory: str, config_settings: Mapping[str, Any] | None) -> str:
    """Return the name of the `.dist-info` folder that was made in `directory`, with the record in it."""
    from ..ladder.without_torch import metadata_alone
    from ..wheel.metadata import add_requirement
    from ..wheel.record import write_metadata_record
    from .delegate import run_hook

    call = _plan_with_dependencies(hook, config_settings)
    if call.plan.way is Way.OFF:
        return str(run_hook(call, (directory, call.config_settings)))
    Path(directory).mkdir(parents=True, exist_ok=True)
    try:
        with metadata_alone(Path(directory), from_files=call.plan.from_files):
            name, reads = _delegates_metadata(call, directory)
    except LacksHookError:
        return _metadata_of_wheel(call, directory, config_settings)
    info = Path(directory) / name
    write_metadata_record(info, add_requirement(info, call.plan), reads=reads)
    return name


def _plan_with_dependencies(hook: Hook, config_settings: Mapping[str, Any] | None) -> Call:
    """Return the call with its plan; what only running setup.py tells of the package's requirements is in it."""
    call = plan_call(hook, config_settings)
    if not call.plan.asks_dependencies:
        return call
    import tempfile

    from ..ladder.without_torch import TWO_TORCHES, computed_metadata

    plan = replace(call.plan, hook=Hook.PREPARE_METADATA_FOR_BUILD_WHEEL)
    found = []
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as folder:
        with contextlib.suppress(DelegateError):
            for torch in TWO_TORCHES:
                place = Path(folder, torch.version)
                place.mkdir()
                name, _ = _with_stand_in(replace(call, plan=plan), torch, (str(place), call.config_settings))
                found.append((place / name / "METADATA").read_text(encoding="utf-8"))
        Path(folder, "METADATA").write_text(computed_metadata(found), encoding="utf-8")
        return plan_call(hook, config_settings, folder)


def _delegates_metadata(call: Call, directory: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of the folder that the delegate made, and what it asked of a stand-in for torch."""
    from ..ladder.without_torch import source_of_metadata
    from .delegate import run_hook

    arguments = (directory, call.config_settings)
    if call.plan.from_files:
        with source_of_metadata(call.source) as source:
            return str(run_hook(replace(call, source=source), arguments)), ()
    if call.plan.stand_in is not None:
        return _with_stand_in(call, call.plan.stand_in, arguments)
    # Where the delegate lacks the hook, they are those of a wheel, which is a whole one where torch is there.
    is_any_wheel = call.plan.way not in {Way.GRAFT, Way.PRESENT}
    return str(run_hook(call, (*arguments, is_any_wheel))), ()


def _metadata_of_wheel(call: Call, directory: str, config_settings: Mapping[str, Any] | None) -> str:
    """Return the `.dist-info` folder of a finished wheel, which is left beside it so that it is built once.

    Front ends look for it there that use pyproject_hooks (`_find_already_built_wheel`), and `build_wheel` for others.
    """
    import zipfile

    from ..wheel.archive import dist_info_of

    in_place = call.plan.hook is Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE
    name = build_wheel(Hook.BUILD_EDITABLE if in_place else Hook.BUILD_WHEEL, directory, config_settings, None)
    with zipfile.ZipFile(Path(directory, name)) as archive:
        info = dist_info_of(archive)
        archive.extractall(directory, [member for member in archive.namelist() if member.startswith(f"{info}/")])
    Path(directory, _BUILT).write_text(build_identity(call.plan.torch), encoding="utf-8")
    return info


def _built_before(metadata_directory: str | None) -> tuple[Path, str] | None:
    """Return the wheel that the metadata were taken from, and its torch; None where there is none."""
    folder = Path(metadata_directory or ".").parent
    torch = find_text(folder / _BUILT) if metadata_directory is not None else None
    wheels = list(folder.glob("*.whl")) if torch is not None else []
    return (wheels[0], torch or "") if len(wheels) == 1 else None


def build_sdist(hook: Hook, directory: str, config_settings: Mapping[str, Any] | None) -> str:
    """Return the name of the sdist that was made in `directory`."""
    from ..ladder.without_torch import lack_of_torch_told
    from ..wheel.reproducible import settle_sdist
    from .delegate import run_hook
    from .workshop import draft_in, hand_on

    call = plan_call(hook, config_settings)
    if call.plan.way is Way.OFF:
        return str(run_hook(call, (directory, call.config_settings)))
    with draft_in(directory, call.caller) as draft:
        arguments = (str(draft), call.config_settings)
        if call.plan.stand_in is not None:
            name = _with_stand_in(call, call.plan.stand_in, arguments)[0]
        else:
            with lack_of_torch_told(call.plan):
                name = str(run_hook(call, arguments))
        settle_sdist(draft / name)
        hand_on(draft / name, directory)
    return name


def _with_stand_in(call: Call, torch: Torch, arguments: tuple[object, ...]) -> tuple[str, tuple[str, ...]]:
    """Return what the delegate's hook returns with a stand-in for torch on its import path, and what was read of it."""
    from ..ladder.without_torch import made_stand_in
    from .delegate import run_hook, with_import_path

    with made_stand_in(torch, hides_version=call.plan.hides_version) as folder:
        variables = with_import_path(call.variables, folder.path)
        try:
            return str(run_hook(replace(call, variables=variables), arguments)), folder.reads()
        except DelegateError as error:
            problem = folder.problem(call.plan)
            raise error if problem is None else DelegateError(problem) from None


def build_wheel(
    hook: Hook, directory: str, config_settings: Mapping[str, Any] | None, metadata_directory: str | None
) -> str:
    """Return the name of the wheel that was made in `directory`, checked and with the record in it."""
    from ..wheel.metadata import as_prepared
    from .delegate import run_hook

    call = plan_call(hook, config_settings, metadata_directory)
    if call.plan.asks_identity:
        with _asked_metadata(call) as asked:
            call = plan_call(hook, config_settings, asked)
    call = replace(call, plan=as_prepared(call.plan, metadata_directory))
    before = _built_before(metadata_directory)
    if before is not None:
        if before[1] == build_identity(call.plan.torch):
            from .workshop import hand_on

            hand_on(before[0], directory)
            return before[0].name
        metadata_directory = None  # beside which pyproject_hooks would find that wheel
    if call.plan.prebuilt:
        from .ready_wheels import take_prebuilt

        call, taken = take_prebuilt(call, directory, metadata_directory)
        if taken is not None:
            return taken
        if call.plan.compile_problems:
            raise PlanError(*call.plan.compile_problems)
    if call.plan.way is Way.OFF:
        return str(run_hook(call, (directory, call.config_settings, metadata_directory)))
    from .ready_wheels import store_key, take_from_store

    key = store_key(call)
    stored = take_from_store(call, key, directory, metadata_directory) if key else None
    return stored or _compiled_wheel(call, key, directory, metadata_directory)


def _compiled_wheel(call: Call, key: str, directory: str, metadata_directory: str | None) -> str:
    """Return the name of the wheel that the delegate has made, now in `directory`; it is kept by its key, if any."""
    import shutil

    from ..wheel.metadata import delegates_metadata
    from .delegate import run_hook
    from .workshop import draft_in, hand_on, moved

    metadata = None
    if metadata_directory is not None and call.plan.from_files:
        # setuptools would take over the whole folder, the top_level.txt too that knows no extension modules.
        metadata = Path(metadata_directory, "METADATA").read_bytes()
        metadata_directory = None
    # In a folder of its own: what is not finished never gets where the front end looks for it.
    with (
        draft_in(directory, call.caller) as draft,
        delegates_metadata(metadata_directory) as prepared,
        moved(call) as there,
    ):
        name = str(run_hook(there, (str(draft), call.config_settings, prepared)))
        from .finish import finish_wheel

        raw = draft.with_name("raw.whl")
        try:
            if key:
                shutil.copyfile(draft / name, raw)
        except OSError:  # the disk is nearly full: the wheel itself may have room
            key = ""
            raw.unlink(missing_ok=True)
        built = finish_wheel(there, draft / name, metadata)
        # Which run paths have to go depends on where it was built.
        if key and not built.run_paths:
            from ..prebuilt.store import keep_wheel

            keep_wheel(call.plan, key, raw, info=built.contents.info, token=call.config.store_token)
        hand_on(draft / name, directory)
    return name


@contextlib.contextmanager
def _asked_metadata(call: Call) -> Iterator[str]:
    """Yield a `.dist-info` folder that the delegate makes, to learn what the distribution is called."""
    import tempfile

    from .delegate import run_hook

    plan = replace(call.plan, hook=Hook.PREPARE_METADATA_FOR_BUILD_WHEEL)
    with tempfile.TemporaryDirectory(prefix="torchgraft-") as folder:
        yield str(Path(folder) / run_hook(replace(call, plan=plan), (folder, call.config_settings)))
