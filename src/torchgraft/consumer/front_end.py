"""Which front end calls the hook, told by the arguments of the hook's ancestors.

May not look at anything but the processes it is given.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path, PurePath

from ..model.observation import FrontEnd, FrontEndName
from .command_line import CommandLine, parse_command_line
from .evidence import HookProcess, Process
from .prefixes import is_uv_build, parse_pyvenv_cfg

_SCRIPTS = {
    "pip": FrontEndName.PIP,
    "__pip-runner__": FrontEndName.PIP,  # pip --python starts this file of its own in the other environment
    "uv": FrontEndName.UV,
    "uvx": FrontEndName.UV,
    "pyproject-build": FrontEndName.BUILD,
    "poetry": FrontEndName.POETRY,
    "pdm": FrontEndName.PDM,
    "hatch": FrontEndName.HATCH,
    "tox": FrontEndName.TOX,
    "nox": FrontEndName.NOX,
    "pipx": FrontEndName.PIPX,
}
# Too common a name for a script.
_MODULES = {**_SCRIPTS, "build": FrontEndName.BUILD}
_PYTHON = re.compile(r"(?:python|pythonw|pypy)[0-9.]*t?(?:_d)?")
_PYTHON_VALUES = frozenset("WX")

_COMMANDS = {
    name: frozenset(words.split())
    for name, words in {
        FrontEndName.PIP: "install wheel download lock uninstall",
        FrontEndName.UV: "add build export lock pip publish remove run sync tool tree venv version",
        FrontEndName.POETRY: "add build check export install lock publish remove run self shell sync update",
        FrontEndName.PDM: "add build export install list lock publish remove run sync update",
        FrontEndName.HATCH: "build dep env fmt publish run shell test version",
        FrontEndName.TOX: "run r run-parallel p devenv d exec e",
        FrontEndName.PIPX: "install inject run upgrade upgrade-all reinstall reinstall-all install-all",
    }.items()
}
_NESTED = {
    ("uv", "pip"): frozenset({"compile", "install", "sync"}),
    ("uv", "tool"): frozenset({"install", "run", "upgrade", "uvx"}),
    ("hatch", "env"): frozenset({"create", "run"}),
}
# They start any program at all: a hook below one of them is somebody else's. (`uv run` does build, itself.)
_RUNNERS = frozenset({("poetry", "run"), ("poetry", "shell"), ("pdm", "run"), ("hatch", "run"), ("hatch", "shell")})
# What only resolves, locks or builds.
_INSTALLS_NOTHING = frozenset(
    {
        *(("pip", word) for word in ("wheel", "download", "lock")),
        *(("uv", word) for word in ("build", "export", "lock", "publish", "tree", "venv", "version")),
        ("uv", "pip", "compile"),
        *(("poetry", word) for word in ("build", "check", "export", "lock", "publish")),
        *(("pdm", word) for word in ("build", "export", "list", "lock", "publish")),
        *(("hatch", word) for word in ("build", "publish", "version")),
        ("build",),
    }
)
# What never makes a wheel that is used, only metadata.
_ONLY_RESOLVES = frozenset(
    {
        *(("pip", word) for word in ("download", "lock")),
        *(("uv", word) for word in ("export", "lock", "tree", "version")),
        ("uv", "pip", "compile"),
        *(("poetry", word) for word in ("check", "export", "lock")),
        *(("pdm", word) for word in ("export", "list", "lock")),
    }
)
_ONLY_LOCKS = {
    FrontEndName.UV: ("--dry-run", "--no-sync"),
    FrontEndName.POETRY: ("--dry-run", "--lock"),
    FrontEndName.PDM: ("--dry-run", "--no-sync"),
}
# With these, what the environment has counts for nothing, and dependencies are taken from the index.
_INSTALLS_ANEW = {
    ("pip", "install"): ("--target", "-t", "--ignore-installed", "-I", "--force-reinstall"),
    ("uv", "pip", "install"): ("--target", "-t", "--prefix", "--reinstall", "--force-reinstall"),
}
# That option leaves the project alone; what is asked for beside it is built all the same.
_UV_WITH = ("--with", "--with-editable", "--with-requirements", "-w")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A front end at work. `words` begin with its name, as in ("uv", "pip", "install")."""

    front_end: FrontEnd
    process: Process
    words: tuple[str, ...]
    command_line: CommandLine

    @property
    def name(self) -> FrontEndName:
        """Who it is."""
        return self.front_end.name

    def value(self, *names: str) -> str | None:
        """Return the last value of an option, by any of its spellings; None if it was not given."""
        values = [value for value in self.command_line.values(*names) if value]
        return values[-1] if values else None

    def has(self, *names: str) -> bool:
        """Return whether an option was given, by any of its spellings."""
        return self.command_line.has(*names)

    def runs_with(self) -> bool:
        """Return whether it is uv, adding distributions to an environment for one run."""
        return self.words[:2] == ("uv", "run") and self.has(*_UV_WITH)


@dataclass(frozen=True, kw_only=True)
class _Program:
    name: FrontEndName
    rest: tuple[str, ...]
    flags: str = ""
    is_uvx: bool = False


def program_name(process: Process) -> FrontEndName | None:
    """Return which front end a process runs; None if it is none."""
    program = _program(process)
    return None if program is None else program.name


def interpreter_flags(process: Process) -> str:
    """Return the letters that a front end's Python was given, as "I" for `python -I -m pip`; "" if it is none."""
    program = _program(process)
    return "" if program is None else program.flags


def find_caller(hook: HookProcess, ancestors: tuple[Process, ...]) -> Caller | None:
    """Return the nearest front end among the ancestors, None where there is none.

    uv starts hooks itself, so that it has to be the direct parent: a uv farther up is a `uv run make`. And a
    command that `uv run` or `uvx` starts is no hook, unless it runs where only hooks do.
    """
    for distance, process in enumerate(ancestors):
        program = _program(process)
        if program is None:
            continue
        caller = _caller(hook, process, program)
        is_command = caller.words[:2] in {("uv", "run"), ("uv", "tool")} and not is_uv_build(Path(hook.prefix))
        if program.name is FrontEndName.UV and (distance > 0 or is_command):
            continue
        if caller.words[:2] in _RUNNERS:
            continue
        return caller
    return None


def _caller(hook: HookProcess, process: Process, program: _Program) -> Caller:
    head = ("uvx",) if program.is_uvx else (program.name.value,) if program.name in _PARSED else ()
    command_line = parse_command_line(program.name, (*head, *program.rest))
    words = _words(program.name, command_line)
    is_isolated_uv = program.name is FrontEndName.UV and is_uv_build(Path(hook.prefix))
    front_end = FrontEnd(
        name=program.name,
        # Otherwise the file was written by whatever uv made the environment.
        version=parse_pyvenv_cfg(hook.pyvenv_cfg).get("uv") if is_isolated_uv else None,
        command=" ".join(words),
        installs=not _installs_nothing(program.name, words, command_line),
        resolves=words in _ONLY_RESOLVES or command_line.has(*_ONLY_LOCKS.get(program.name, ("--dry-run",))),
    )
    if not command_line.has("--no-deps", "--no-dependencies"):
        anew = command_line.has(*_INSTALLS_ANEW.get(words, ()))
        front_end = dataclasses.replace(front_end, ignores_installed=anew)
    return Caller(
        front_end=front_end,
        process=process,
        words=words,
        command_line=command_line,
    )


# Those whose name `parse_command_line` takes off by itself.
_PARSED = frozenset(
    {FrontEndName.PIP, FrontEndName.UV, FrontEndName.PIPX, FrontEndName.POETRY, FrontEndName.PDM},
)


def _words(name: FrontEndName, command_line: CommandLine) -> tuple[str, ...]:
    """Return the front end's name and its subcommand; never an argument, which may be anybody's business."""
    words = [name.value]
    given = (*command_line.words, *command_line.positional)
    if given and given[0] in _COMMANDS.get(name, ()):
        words.append(given[0])
        if len(given) > 1 and given[1] in _NESTED.get((name.value, given[0]), ()):
            words.append(given[1])
    return tuple(words)


def _installs_nothing(name: FrontEndName, words: tuple[str, ...], command_line: CommandLine) -> bool:
    if name is FrontEndName.UV and words[1:2] == ("run",) and command_line.has(*_UV_WITH):
        return False
    return words in _INSTALLS_NOTHING or command_line.has(*_ONLY_LOCKS.get(name, ("--dry-run",)))


def _program(process: Process) -> _Program | None:
    """Return the front end that a process runs, with its arguments; None if it is none."""
    arguments = process.arguments or (process.executable,)
    if _PYTHON.fullmatch(_stem(arguments[0])):
        return _python_program(arguments[1:])
    stem = _stem(arguments[0])
    stem = stem if stem in _SCRIPTS else _stem(process.executable)
    name = _SCRIPTS.get(stem)
    return None if name is None else _Program(name=name, rest=arguments[1:], is_uvx=stem == "uvx")


def _python_program(arguments: tuple[str, ...]) -> _Program | None:
    """Return the front end that an interpreter with these arguments runs: a script or a module (`python -h`)."""
    flags = ""
    position = 0
    while position < len(arguments) and arguments[position].startswith("-"):
        argument = arguments[position]
        position += 1
        if argument == "--check-hash-based-pycs":
            position += 1
            continue
        for index, letter in enumerate(argument[1:], start=2):
            value = argument[index:]
            if letter == "m":
                module = value or next(iter(arguments[position:]), "")
                name = _MODULES.get(module.partition(".")[0])
                rest = arguments[position if value else position + 1 :]
                return None if name is None else _Program(name=name, rest=rest, flags=flags)
            if letter == "c" or argument == "-":
                return None
            if letter in _PYTHON_VALUES:
                position += 0 if value else 1
                break
            flags += letter
    if position >= len(arguments):
        return None
    stem = _stem(arguments[position])
    is_module = PurePath(arguments[position].replace("\\", "/")).name == "__main__.py"
    name = (_MODULES if is_module else _SCRIPTS).get(stem)
    return None if name is None else _Program(name=name, rest=arguments[position + 1 :], flags=flags)


def _stem(path: str) -> str:
    """Return the name of a program: pip for pip3.11, pip.exe, pip-script.py, pip.pyz and pip/__main__.py."""
    parts = path.replace("\\", "/").rstrip("/").split("/")
    name = parts[-2] if parts[-1] == "__main__.py" and len(parts) > 1 else parts[-1]
    name = name.lower()
    for ending in (".exe", ".pyz", "-script.py", ".py"):
        name = name.removesuffix(ending)
    return re.sub(r"[0-9.]+$", "", name) if name.startswith("pip") else name
