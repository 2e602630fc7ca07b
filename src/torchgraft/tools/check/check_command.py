"""`torchgraft check`: whether installed packages, or one wheel or library, link with the torch that is there."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Collection
from pathlib import Path

from ...codec import json_text
from ...consumer.environment import read_environment
from ...consumer.front_end import find_caller
from ...consumer.processes import take_ancestors, take_hook_process, take_python
from ...consumer.rules import find_consumer
from ...errors import ConfigError, PlanError
from ...installed.torch import TorchReading, read_torch
from ...link.libraries import read_libraries
from ...link.linkage import ModuleReport, Verdict
from ...link.plan_link import plan_link
from ...model.observation import Consumer, Rule
from ...model.torch_values import Torch
from ...wheel.guarding import built_torch
from ..shared_options import add_consumer_argument, bad_argument
from ..terminal import line_width, wrapped
from .checked import (
    NAMED,
    CheckedPackage,
    Fit,
    Report,
    differing_facts,
    is_for_newer_system,
    plan_fit,
    report_text,
    with_lost,
)
from .packages import (
    InstalledPackage,
    find_lost,
    is_package_file,
    may_need_torch,
    read_installed,
    read_modules,
    read_package_file,
)

DESCRIPTION = """Check whether the packages of an environment whose libraries need torch, or one wheel or library,
link with the installed torch. Nothing is imported."""
EPILOG = """\
examples:
  torchgraft check                            the packages of the current environment
  torchgraft check ~/train/.venv              ... of another one
  torchgraft check dist/ext-1.0-....whl       one wheel, with the torch of the current environment

exit status: 0 if everything links, also if no package needs torch, or if a library could not be checked; 1 if something
does not link, or if it needs torch and there is none; 2 if the arguments are wrong, or if there is no environment
"""
# What the rules say of hooks, in the words of a command.
_WHY = {Rule.TOLD: NAMED, Rule.IMPORTABLE: "torchgraft is installed in it"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "what",
        nargs="?",
        type=_existing,
        metavar="PATH",
        help="an environment, its Python, a wheel, or a library (default: the current environment)",
    )
    add_consumer_argument(parser, "the environment that the wheel or library is for")
    parser.add_argument("--json", action="store_true", help="print all that was found as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return 1 where something does not link."""
    file = arguments.what if arguments.what and is_package_file(arguments.what) else None
    if arguments.what and arguments.consumer and not file:
        headline = f"two environments are named: {arguments.what}, and {arguments.consumer} by --consumer"
        raise bad_argument("check", headline, "--consumer says which one a wheel or library is for")
    told = arguments.consumer if file or arguments.what is None else str(arguments.what)
    found, search_path, reading = take_shell_environment(told)
    packages = (read_package_file(file),) if file else read_installed(search_path, prefix=Path(found.prefix))
    provided = None if file else {path.name for package in packages for path in package.libraries.values()}
    checked = (check_package(package, reading.torch, provided) for package in packages)
    report = Report(
        place=found.prefix,
        why=_WHY.get(found.rule, found.why),
        torch=reading.torch,
        torch_fault=reading.fault,
        packages=tuple(package for package in checked if package is not None),
    )
    print(json_text(report) if arguments.json else _fitting(report_text(report)), end="" if arguments.json else "\n")
    return 0 if report.is_well else PlanError.exit_code


def _fitting(text: str) -> str:
    """Return a text whose lines fit; a command is never wrapped."""
    width = line_width()
    lines = [(line, " " * (len(line) - len(line.lstrip()) + 4)) for line in text.split("\n")]
    return "\n".join(
        part for line, indent in lines for part in ([line] if "cure:" in line else wrapped(line, width, indent))
    )


def check_package(
    package: InstalledPackage, torch: Torch | None, provided: Collection[str] | None
) -> CheckedPackage | None:
    """Return the verdict on a package, None if torch is no matter of it; `provided` are libraries of all packages."""
    modules = read_modules(package)
    needs_torch = any(module.needs_torch for module in modules)
    if not (package.record or package.unseen or needs_torch or may_need_torch(package, modules)):
        return None
    folders = {file: path.parent for file, path in package.libraries.items()}
    report = plan_link(modules, read_libraries(torch, modules, folders=folders))
    if torch is not None and provided is not None:
        lost = find_lost(modules, Path(torch.folder), folders=folders, provided=provided)
        report = dataclasses.replace(report, modules=tuple(with_lost(module, lost) for module in report.modules))
    unseen = (ModuleReport(file=n, verdict=Verdict.NOT_CHECKED, said=why) for n, why in package.unseen.items())
    report = dataclasses.replace(report, modules=(*report.modules, *unseen))
    built = built_torch(package.record)
    differs = differing_facts(built, torch) if torch else ()
    lacks_torch = needs_torch and torch is None
    fit = plan_fit(report, differs=bool(differs), lacks_torch=lacks_torch, has_libraries=bool(modules))
    cures = () if is_for_newer_system(report.modules) else package.cures
    return CheckedPackage(
        name=package.name,
        version=package.version,
        installer=package.installer,
        built=str(built.get("version", "")),
        fit=fit,
        differs=differs,
        stable_since=report.stable_since,
        modules=report.modules,
        cures={Fit.DOES_NOT_LINK: cures, Fit.LINKS: cures, Fit.NO_TORCH: package.torch_cures}.get(fit, ()),
    )


def _existing(text: str) -> Path:
    path = Path(text).absolute()
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no {text!r}")
    return path


def take_shell_environment(told: str | None) -> tuple[Consumer, tuple[str, ...], TorchReading]:
    """Return an environment: what was told, else the own one if it has torch, the activated one, the nearest `.venv`.

    With it come its search path, and the torch that is there.

    The rules are those of a build, so that `torchgraft check` looks at what `torchgraft plan` would build for, also
    when torchgraft is a tool of uv or pipx with an environment to itself.

    :param told: its folder, or its interpreter
    :raises ConfigError: if there is none
    """
    process, python = take_hook_process(), take_python()
    own = read_torch(tuple(process.sys_path))
    ancestors = take_ancestors()
    caller = find_caller(process, ancestors)
    finding = find_consumer(process, ancestors, caller=caller, told=told, torch_importable=own.torch is not None)
    there = [(found, read_environment(found.prefix, python=python, targets=found.targets)) for found in finding.found]
    paths = [(found, environment.search_path) for found, environment in there if environment.exists]
    candidates = [(found, path, read_torch(path)) for found, path in paths]
    if not candidates:
        raise ConfigError.of(
            code="no-environment",
            headline=f"there is no environment at {told}" if told else "which environment is to be checked?",
            found=() if told else [answer.said for answer in finding.answers[-2:]],
            why="an environment has a pyvenv.cfg or an interpreter" if told else "",
            fixes=("torchgraft check PATH   (an environment, its Python, or a project with a .venv)",),
        )
    return next((candidate for candidate in candidates if candidate[2].torch), candidates[0])
