"""Which front end calls the hook, and what every rule for finding the consumer is given and gives back.

May not hold a rule. The front end is told by the command lines of the hook's ancestors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..files import joined, read_text, real
from ..model.observation import Consumer, FrontEnd, FrontEndName, Rule
from ..values import dataclass
from .command_line import CommandLine
from .environment import (
    base_of,
    is_of_build,
    is_throw_away,
    is_uv_build,
    is_venv,
    parse_pyvenv_cfg,
    prefix_of_interpreter,
    python_versions,
)
from .processes import HookProcess, Process

_MAKER = r"(?P<python>.+?) -m (?:venv|virtualenv)\b.*"
_TORCH = r"(?i)torch(?![\w.-])"
# What pip and uv take for false in a variable.
_OFF = frozenset({"", "0", "false", "f", "no", "n", "off"})
# Those of pip that decide which torch will be there: `PIP_UPGRADE=1` is --upgrade; the others have a value.
_PIP_FLAGS = ("force-reinstall", "ignore-installed", "no-deps", "upgrade")
_PIP_VALUES = ("group", "prefix", "target", "upgrade-strategy")
# They start any program at all: a hook below one of them is somebody else's. (`uv run` does build, itself.)
_RUNNERS = frozenset({"poetry run", "poetry shell", "pdm run", "hatch run", "hatch shell"})
# What never makes a wheel that is used, only metadata.
_ONLY_RESOLVES = frozenset(
    {
        *("pip compile", "pip download", "pip lock"),
        *("uv export", "uv lock", "uv tree", "uv version", "uv pip compile"),
        *("poetry check", "poetry export", "poetry lock"),
        *("pdm export", "pdm list", "pdm lock"),
    }
)
_ONLY_BUILDS = frozenset(
    {
        *("build", "pip wheel", "uv build", "uv publish", "uv venv"),
        *("poetry build", "poetry publish", "pdm build", "pdm publish"),
        *("hatch build", "hatch publish", "hatch version"),
    }
)
# They draw lines of their own while a package is built, unless an option says more or less; some commands never do.
_DRAW = frozenset({FrontEndName.PIP, FrontEndName.UV, FrontEndName.POETRY, FrontEndName.PDM})
_SHOW_OUTPUT = ("--verbose", "-v", "--quiet", "-q", "--no-progress")
# Options with which any command only locks.
_ONLY_LOCKS = {
    FrontEndName.UV: ("--dry-run", "--no-sync"),
    FrontEndName.POETRY: ("--dry-run", "--lock"),
    FrontEndName.PDM: ("--dry-run", "--no-sync"),
}
# With these, what the environment has counts for nothing, and dependencies are taken from the index.
_INSTALLS_ANEW = {
    "pip install": ("--target", "-t", "--ignore-installed", "-I", "--force-reinstall"),
    "uv pip install": ("--target", "-t", "--prefix", "--reinstall", "--force-reinstall", "--upgrade", "-U"),
    "uv tool install": ("--upgrade", "-U", "--reinstall"),
}
_REMOVE_OTHERS = frozenset({"uv sync", "uv pip sync", "poetry sync"})


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A front end at work: what is known of it, the process that it is, that one's command line, and the hook."""

    front_end: FrontEnd
    process: Process
    command: CommandLine
    hook: HookProcess

    @property
    def name(self) -> FrontEndName:
        """Who it is."""
        return self.command.program

    def variable(self, name: str) -> str | None:
        """Return a variable of the front end, which the hook inherits; None if it is unset or empty."""
        return self.process.variable(name) or self.hook.variable(name)

    def path(self, text: str) -> Path:
        """Return what a path means that the front end was given."""
        return joined(self.process.folder, text)


def find_caller(hook: HookProcess, ancestors: tuple[Process, ...]) -> Caller | None:
    """Return the nearest front end among the ancestors, None where there is none.

    uv starts hooks itself, so that it has to be the direct parent: a uv farther up is a `uv run make`. And a
    command that `uv run` or `uvx` starts is no hook, unless it runs where only hooks do. A program that calls pip as a
    function (`python -c`, an IDE's) is pip without a word that can be read.
    """
    nearest = next(iter(ancestors), None)
    if hook.by_pip and nearest and not (nearest.command_line and nearest.command_line.program is FrontEndName.PIP):
        called = _with_variables(CommandLine(program=FrontEndName.PIP), nearest, hook)
        return Caller(front_end=describe_front_end(called, None), process=nearest, command=called, hook=hook)
    is_isolated_by_uv = is_uv_build(Path(hook.prefix))
    for distance, process in enumerate(ancestors):
        command = process.command_line
        if command is None or command.text in _RUNNERS or _fills_build_environment(command, process):
            continue
        if command.program is FrontEndName.UV:
            starts_commands = command.words[:1] in {("run",), ("tool",)}
            if distance > 0 or (starts_commands and not is_isolated_by_uv):
                continue
        command = _with_variables(command, process, hook)
        # Otherwise the file was written by whatever uv made the environment.
        has_version = command.program is FrontEndName.UV and is_isolated_by_uv
        version = parse_pyvenv_cfg(hook.pyvenv_cfg).get("uv") if has_version else None
        return Caller(front_end=describe_front_end(command, version), process=process, command=command, hook=hook)
    return None


def is_switched_on(value: str | None) -> bool:
    """Return whether a variable of pip or uv says yes."""
    return value is not None and value.lower() not in _OFF


def _with_variables(command: CommandLine, process: Process, hook: HookProcess) -> CommandLine:
    """Return a command line of pip with the options for which its variables stand."""
    if command.program is not FrontEndName.PIP or command.has("--isolated"):
        return command
    names = {name: f"PIP_{name.replace('-', '_').upper()}" for name in (*_PIP_FLAGS, *_PIP_VALUES)}
    said = {name: process.variable(variable) or hook.variable(variable) for name, variable in names.items()}
    return with_pip_options(command, {name: value for name, value in said.items() if value})


def with_pip_options(command: CommandLine, said: Mapping[str, str]) -> CommandLine:
    """Return a command line with options that are said elsewhere, which those in it beat."""
    options = [(f"--{name}", "") for name in _PIP_FLAGS if is_switched_on(said.get(name))]
    options += [(f"--{name}", said[name]) for name in _PIP_VALUES if said.get(name)]
    return replace(command, options=(*options, *command.options)) if options else command


def _fills_build_environment(command: CommandLine, process: Process) -> bool:
    """Return whether it is pip, installing for another front end, or an outer pip, what a build requires.

    An extension among that is used in that build, which sees the torch of the outer one's consumer.
    """
    places = (command.value("--prefix"), command.value("--python"), *process.arguments[:1])
    return command.program is FrontEndName.PIP and any(is_of_build(Path(place)) for place in places if place)


def describe_front_end(command: CommandLine, version: str | None) -> FrontEnd:
    """Return who a command line is of, and what comes of it."""
    only_locks = command.has(*_ONLY_LOCKS.get(command.program, ("--dry-run",))) and not command.runs_with
    return FrontEnd(
        name=command.program,
        version=version,
        command=command.text,
        installs=not (only_locks or command.text in _ONLY_RESOLVES | _ONLY_BUILDS),
        resolves=only_locks or command.text in _ONLY_RESOLVES,
        ignores_installed=(takes_anew(command) or _upgrades_torch(command)) and not command.leaves_dependencies,
        leaves_dependencies=command.leaves_dependencies,
        removes_others=_removes_others(command),
        hides_output=command.program in _DRAW and command.words[-1:] != ("build",) and not command.has(*_SHOW_OUTPUT),
    )


def takes_anew(command: CommandLine) -> bool:
    """Return whether what the environment has counts for nothing."""
    return command.text == "uv tool upgrade" or command.has(*_INSTALLS_ANEW.get(command.text, ()))


def _removes_others(command: CommandLine) -> bool:
    """Return whether a command takes away what it does not install; pdm and an older poetry where they are told to."""
    if command.has("--exact", "--sync", "--clean"):
        return True
    return command.text in _REMOVE_OTHERS and not command.has("--inexact")


def _upgrades_torch(command: CommandLine) -> bool:
    """Return whether a command takes the newest torch that it may: pip upgrades what it is given, no more."""
    if command.text == "pip install" and command.has("--upgrade", "-U"):
        is_named = any(re.match(_TORCH, text) for text in command.positional)
        return is_named or "eager" in command.values("--upgrade-strategy")
    is_uv = command.program is FrontEndName.UV
    return is_uv and any(
        re.match(_TORCH, text) for text in command.values("--upgrade-package", "-P", "--reinstall-package")
    )


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The processes around a hook, and what the settings say."""

    hook: HookProcess
    ancestors: tuple[Process, ...]
    caller: Caller | None
    told: str | None
    torch_importable: bool

    def called_by(self, *names: FrontEndName) -> Caller | None:
        """Return the front end, if it is one of these."""
        return self.caller if self.caller is not None and self.caller.name in names else None

    def is_own(self, prefix: Path) -> bool:
        """Return whether an environment is the one that the hook runs in."""
        return real(prefix) == real(Path(self.hook.prefix))

    def fits(self, prefix: Path) -> bool:
        """Return whether an environment is for the hook's version of Python, or does not say for which it is."""
        own = re.search(r"python(\d+\.\d+)", self.hook.purelib)
        versions = python_versions(prefix)
        return own is None or not versions or own[1] in versions


@dataclass(frozen=True, kw_only=True)
class RuleVerdict:
    """What a rule said, and the environments that it named, into which nobody has looked.

    `is_last` means that no later rule may answer, although this one found nothing.
    """

    rule: Rule
    said: str
    found: tuple[Consumer, ...] = ()
    is_last: bool = False


def consumer_is(rule: Rule, prefix: Path, why: str, *, certain: bool, targets: tuple[str, ...] = ()) -> RuleVerdict:
    """Return the verdict that an environment is the consumer."""
    return consumer_is_among(rule, [(prefix, why)], certain=certain, targets=targets)


def consumer_is_among(
    rule: Rule, candidates: Iterable[tuple[Path, str]], *, certain: bool, targets: tuple[str, ...] = ()
) -> RuleVerdict:
    """Return the verdict that environments are equally likely the consumer; each comes with the reason."""
    found = tuple(
        Consumer(prefix=str(prefix), rule=rule, certain=certain, why=why, targets=targets) for prefix, why in candidates
    )
    return RuleVerdict(rule=rule, said="; ".join(f"{one.prefix}: {one.why}" for one in found), found=found)


def venv_upwards(folder: Path) -> Path | None:
    """Return the nearest environment of a project in a folder or above it, as uv looks for it."""
    return next((venv for above in (folder, *folder.parents) if (venv := project_venv(above))), None)


def project_venv(folder: Path) -> Path | None:
    """Return the environment of a project: its `.venv`, else the last one that `.python-envs` names (PEP 832).

    `.venv` may be a file with the path of one, where links are not to be had: those of uv's central place, say.
    """
    if is_venv(folder / ".venv"):
        return folder / ".venv"
    for name in (".venv", ".python-envs"):
        lines = [line.strip() for line in read_text(folder / name).splitlines() if line.strip()]
        if lines and is_venv(named := joined(str(folder), lines[-1])):
            return named
    return None


def maker_of(pyvenv_cfg: str) -> Path | None:
    """Return the environment whose Python made a venv, by its pyvenv.cfg; where that was made for a build, its maker.

    `command` is written since Python 3.11. Up to 3.10 `home` names the Python that ran venv, later its base.
    """
    settings = parse_pyvenv_cfg(pyvenv_cfg)
    command = re.fullmatch(_MAKER, settings.get("command", ""))
    home = settings.get("home")
    if command:
        found = prefix_of_interpreter(Path(command["python"]))
    elif home:
        above = prefix_of_interpreter(Path(home, "python"))
        found = above if is_venv(above) else base_of(home)
    else:
        return None
    return maker_of(read_text(found / "pyvenv.cfg")) if is_throw_away(found) and is_venv(found) else found
