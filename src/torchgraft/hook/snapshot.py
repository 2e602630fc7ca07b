"""All that a plan may depend on, looked at once.

May not decide: where two environments may be the consumer, both are reported.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from functools import partial
from pathlib import Path

from packaging.utils import canonicalize_name

from ..compile.plan_needs import concerns_compilers, users_switch, uses_ninja, with_users_switch
from ..consumer.environment import holds_torch, is_kept_by_uv, is_throw_away, python_path_of, read_environment
from ..consumer.front_end import Caller, find_caller
from ..consumer.ownership import read_exposures, read_graft_exposures, who_may
from ..consumer.processes import HookProcess, Process, take_ancestors, take_hook_process, take_python
from ..consumer.rules import find_consumer
from ..installed.dist_info import find_installed
from ..installed.distributions import find_unmet, list_distributions, read_distributions
from ..installed.torch import read_torch
from ..ladder.plan_torch import applying
from ..model.hardware_values import Hardware
from ..model.observation import (
    BuildEnvironment,
    Consumer,
    FrontEnd,
    FrontEndName,
    Hook,
    Installer,
    Passing,
    Python,
    Rule,
    Snapshot,
)
from ..model.source_tree import HashFile, Project
from ..model.torch_values import Locked, Torch, Wanted, required_name, torch_among
from ..project.read_project import read_project, with_metadata
from ..settings.config import Config
from ..settings.sources import Settings
from ..values import dataclass
from .plan_variables import planned_names


def take_snapshot(settings: Settings, hook: Hook) -> Snapshot:
    """Return what the machine of this hook call looks like."""
    process = take_hook_process()
    ancestors = take_ancestors()
    source = os.path.realpath(settings.source)
    search_path = tuple(p for p in process.sys_path if Path(p).is_dir() and os.path.realpath(p) != source)
    project = read_project(settings.source, settings.pyproject)
    if hook.builds:
        from .source_lock import with_last_build

        project = with_last_build(project, settings.cache_folder)
    if settings.prepared is not None:
        project = with_metadata(project, Path(settings.prepared) / "METADATA", prepared=True)
    torch = _with_architectures(settings.config, project, hook, read_torch(search_path).torch)
    build = BuildEnvironment(prefix=process.prefix, distributions=list_distributions(search_path), torch=torch)
    python = take_python()
    # A torch that came with what the package itself requires for its build says nothing of the consumer's.
    required = tuple(sorted(names_required(project.requires)))
    own = torch is None or any(d.name == "torch" for d in read_distributions(search_path, required, python=python))
    return take_snapshot_at(
        settings,
        hook,
        Place(process=process, ancestors=ancestors, build=build, project=project, search_path=search_path),
        python,
        own_torch=own,
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a hook runs, and for what."""

    process: HookProcess
    ancestors: tuple[Process, ...]
    build: BuildEnvironment
    project: Project
    search_path: tuple[str, ...] = ()


def take_snapshot_at(settings: Settings, hook: Hook, place: Place, python: Python, *, own_torch: bool) -> Snapshot:
    """Return what a hook in a place would look like; `own_torch`: no torch but the build's own is there."""
    process, ancestors = place.process, place.ancestors
    caller = find_caller(process, ancestors)
    wanted = Wanted()
    if caller is not None:
        from ..wanted.read_wanted import read_wanted, with_settings

        caller = with_settings(caller)
        wanted = read_wanted(caller, ancestors, python, building=place.project)
    switched_off = users_switch(settings.config, place.project, {**wanted.variables, **settings.variables})
    settings = dataclasses.replace(settings, config=with_users_switch(settings.config, switched_off))
    told = settings.config.consumer or None
    look = partial(find_consumer, process, ancestors, caller=caller, told=told)
    read = partial(
        _read_consumer,
        config=settings.config,
        python=python,
        front_end=caller.process if caller else None,
        python_path=python_path_of(caller.process if caller else process),
        own_path=place.search_path,
    )
    finding = look(torch_importable=not own_torch)
    consumers = [read(as_pip_sees(found, caller)) for found in finding.found]
    front_end = FrontEnd(name=FrontEndName.UNKNOWN)
    if caller is not None:
        from ..wanted.read_wanted import front_end_of

        required = torch_among(applying(place.project.dependencies or (), python))
        comes_first = required is not None and not any(c.torch for c in consumers)
        front_end = front_end_of(caller, wanted, torch_comes_first=comes_first)
    consumer = _with_torch_first(consumers)
    passing = None
    if consumer is not None and consumer.rule is Rule.IMPORTABLE and _is_made_for_builds(consumer.prefix, caller):
        others = [read(found) for found in look(torch_importable=False).found]
        passing = Passing(consumer=_with_torch_first(others), chosen=_is_torch_chosen(settings, place.project, caller))
    meant = passing.consumer if passing else consumer
    if caller is not None and meant is not None and will_be_hidden(meant, caller, wanted):
        front_end = dataclasses.replace(front_end, ignores_installed=True)
    # By `uv pip install --python`, too, which is how a package in the environment of a script is built anew.
    if meant is not None and is_kept_by_uv(Path(meant.prefix)):
        front_end = dataclasses.replace(front_end, own_environment=True)
    rivals = tuple(c for c in consumers if c is not consumer and _is_rival(c, consumer))
    trusting = who_may(settings.config.trust, settings.source)
    if consumer is not None:
        torch = _with_architectures(settings.config, place.project, hook, consumer.torch)
        exposures = read_graft_exposures(consumer, compiles=hook.builds, **trusting)
        consumer = dataclasses.replace(consumer, torch=torch, writable_by_others=exposures)
    return Snapshot(
        hook=hook,
        python=python,
        front_end=front_end,
        rules=finding.answers,
        consumer=consumer,
        rivals=rivals,
        passing=passing,
        locked=wanted.locked,
        lock_exposures=read_exposures([Path(wanted.locked.file)], **trusting) if wanted.locked else (),
        asked_for=wanted.asked_for,
        asked_faults=wanted.faults,
        unmet=_unmet(place.project, wanted, meant, python, caller),
        build=place.build,
        installer=_installer(process, caller),
        project=_with_header_users(settings, hook, place.project),
        hardware=_hardware(settings, hook, place, consumer=consumer, locked=wanted.locked),
        variables_set=tuple(sorted(filter(settings.variables.get, planned_names(settings.config, place.project)))),
        env_conditions_met=_env_conditions_met(settings),
        switched_off=switched_off,
        hash_files=_hash_files(settings),
        ninja=_ninja(settings, hook, place),
        cache_folder=str(settings.cache_folder),
    )


def _unmet(
    project: Project, wanted: Wanted, consumer: Consumer | None, python: Python, caller: Caller | None
) -> tuple[str, ...]:
    """Return what a command will install besides torch and the project: it may bring another torch with it."""
    if caller is None or consumer is None or consumer.torch is None or wanted.locked is not None:
        return ()
    if caller.command.leaves_dependencies:
        return ()
    required = (*wanted.others, *(project.dependencies or ()))
    unmet = find_unmet(consumer.search_path, required, python=python)
    return tuple(name for name in unmet if name not in {"torch", canonicalize_name(project.name or "")})


def as_pip_sees(found: Consumer, caller: Caller | None) -> Consumer:
    """Return an environment without a prefix that pip installs into, and does not look into: it brings torch anew."""
    if caller is None or caller.command.text != "pip install" or caller.command.leaves_dependencies:
        return found
    is_unseen = caller.command.has("--prefix") and not holds_torch(Path(found.prefix))
    return dataclasses.replace(found, targets=()) if is_unseen else found


def will_be_hidden(consumer: Consumer, caller: Caller, wanted: Wanted) -> bool:
    """Return whether the front end does not know of the torch that is there, and would install another before it.

    It knows torch by its metadata; and uv does not look outside of the environment that it installs into: neither into
    the base of a venv that sees it, nor the user's site, nor what a .pth file names. Of two it takes away both.
    """
    torch, prefix = consumer.torch, Path(consumer.prefix)
    if wanted.locked is not None and wanted.locked.requirement is None:  # what no lock has, or what is left out of it
        return False
    if torch is None or consumer.targets or (caller.command.leaves_dependencies and not wanted.named):
        return False
    known = find_installed(consumer.search_path).get("torch", ())
    if caller.name is FrontEndName.UV:
        known = tuple(one for one in known if one.is_developed or one.site.is_relative_to(prefix))
        is_known = len(known) == 1
    else:
        is_known = bool(known)
    package = Path(torch.modules or torch.folder)
    before = itertools.takewhile(lambda place: not Path(place).is_relative_to(prefix), consumer.search_path)
    return not is_known and not {str(package), str(package.parent)} & set(before)


def _with_torch_first(consumers: list[Consumer]) -> Consumer | None:
    return next((consumer for consumer in consumers if consumer.torch), consumers[0] if consumers else None)


def _is_made_for_builds(prefix: str, caller: Caller | None) -> bool:
    """Return whether the hook runs in no consumer: poetry and hatch never build in one, and give no name away."""
    builders = {FrontEndName.HATCH, FrontEndName.POETRY}
    return is_throw_away(Path(prefix)) or (caller is not None and caller.name in builders)


def _is_torch_chosen(settings: Settings, project: Project, caller: Caller | None) -> bool:
    if caller is None or caller.name is not FrontEndName.UV:
        return False
    from ..wanted.settings_files import chooses_torch

    return chooses_torch(caller, settings.variables, project.name or "")


def _read_consumer(
    found: Consumer,
    *,
    config: Config,
    python: Python,
    front_end: Process | None,
    python_path: tuple[str, ...],
    own_path: tuple[str, ...],
) -> Consumer:
    if found.rule is Rule.TOX or (found.rule is Rule.TOLD and holds_torch(Path(found.prefix))):
        python_path = ()  # tox keeps it from its environments, and who names one means the torch that is in it
    environment = read_environment(
        found.prefix, python=python, targets=found.targets, python_path=python_path, front_end=front_end
    )
    # PYTHONPATH may bring it (environment modules, Nix), and is part of no environment.
    own = own_path if found.rule is Rule.IMPORTABLE else ()
    search_path = tuple(dict.fromkeys((*own, *environment.search_path)))
    reading = read_torch(search_path)
    return dataclasses.replace(
        found,
        exists=environment.exists,
        python_versions=environment.python_versions,
        search_path=search_path,
        distributions=read_distributions(search_path, (*config.match, *config.borrow), python=python),
        torch=reading.torch,
        torch_fault=reading.fault,
        customized=environment.reordered if reading.torch else "" if reading.fault else environment.customized,
    )


def _with_architectures(config: Config, project: Project, hook: Hook, torch: Torch | None) -> Torch | None:
    if hook is Hook.GET_REQUIRES_FOR_BUILD_SDIST or not concerns_compilers(config, project, hook):
        return torch
    from ..compile.hardware import with_architectures

    return with_architectures(config, project, torch)


def _hardware(
    settings: Settings, hook: Hook, place: Place, *, consumer: Consumer | None, locked: Locked | None
) -> Hardware | None:
    if not concerns_compilers(settings.config, place.project, hook):
        return None
    from ..compile.hardware import take_hardware_for

    return take_hardware_for(
        settings,
        hook,
        place.project,
        build=place.build,
        build_paths=place.search_path,
        consumer=consumer,
        locked=locked,
    )


def _with_header_users(settings: Settings, hook: Hook, project: Project) -> Project:
    if not (hook.builds and settings.config.precompiled_headers):
        return project
    from ..compile.compilation import count_beginning

    return dataclasses.replace(project, header_users=count_beginning(settings.source))


def _ninja(settings: Settings, hook: Hook, place: Place) -> str:
    if not ((hook.asks or hook.builds) and uses_ninja(place.project)):
        return ""
    from ..programs import find_answering

    return find_answering("ninja", settings.variables, place.build.prefix)


def _installer(process: HookProcess, caller: Caller | None) -> Installer | None:
    if caller is None or caller.name is not FrontEndName.UV:
        return None
    from ..ladder.late_install import find_installer

    return find_installer(process, caller)


def _hash_files(settings: Settings) -> tuple[HashFile, ...]:
    if not settings.config.prebuilt:
        return ()
    from ..prebuilt.take import read_hash_files

    return read_hash_files(settings.source, settings.config)


def _env_conditions_met(settings: Settings) -> tuple[str, ...]:
    if not settings.config.when:
        return ()
    from ..settings.tables import env_conditions_met

    return env_conditions_met(settings.config.when, settings.variables)


def _is_rival(one: Consumer, chosen: Consumer | None) -> bool:
    return bool(chosen and one.torch and chosen.torch and not one.torch.is_same_build(chosen.torch))


def names_required(requirements: tuple[str, ...]) -> set[str]:
    """Return the names of requirements; what is none is left to the front end to refuse."""
    return set(map(required_name, requirements)) - {""}
