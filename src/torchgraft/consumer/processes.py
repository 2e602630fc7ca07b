"""The hook's process, its interpreter and its ancestors, as far as they say who calls the hook and for what.

May not interpret what it sees, look at another user's processes, or keep a variable that is not on `VARIABLES`. What
the system does not tell is not known, and never an error: a sandbox may have no /proc, or somebody else's.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from packaging.tags import generic_tags, platform_tags

from ..files import read_text
from ..model.observation import Python
from ..values import dataclass
from .command_line import CommandLine, parse_command_line

# Names of environments, folders and requirement files. Index URLs, which can hold credentials, are never read.
VARIABLES: frozenset[str] = frozenset(
    {
        *("CONDA_DEFAULT_ENV", "CONDA_PREFIX", "HATCH_ENV", "PDM_FROZEN_LOCKFILE", "PDM_LOCKFILE", "PDM_NO_LOCK"),
        *("PDM_PROJECT", "PIPX_HOME", "PIP_BUILD_CONSTRAINT", "PIP_CONSTRAINT", "PIP_FORCE_REINSTALL"),
        *("PIP_GROUP", "PIP_IGNORE_INSTALLED", "PIP_NO_DEPS", "PIP_PREFIX", "PIP_REQUIREMENT", "PIP_TARGET"),
        *("PIP_UPGRADE", "PIP_UPGRADE_STRATEGY"),
        *("POETRY_VIRTUALENVS_CREATE", "POETRY_VIRTUALENVS_IN_PROJECT", "POETRY_VIRTUALENVS_PATH", "PYTHONNOUSERSITE"),
        *("PYTHONPATH", "PYTHONUSERBASE", "TOXENV", "TOX_ENV_NAME", "TOX_WORK_DIR", "UV_BUILD_CONSTRAINT"),
        *("UV_CONSTRAINT", "UV_EXCLUDE", "UV_FROZEN", "UV_ISOLATED", "UV_NO_DEFAULT_GROUPS", "UV_NO_DEV"),
        *("UV_NO_GROUP", "UV_NO_PROJECT", "UV_NO_SOURCES", "UV_NO_SOURCES_PACKAGE", "UV_NO_SYNC"),
        *("UV_ONLY_INSTALL_LOCAL", "UV_ONLY_INSTALL_PROJECT", "UV_ONLY_INSTALL_WORKSPACE", "UV_OVERRIDE"),
        *("UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON"),
        *("UV_RESOLUTION", "UV_SYSTEM_PYTHON", "UV_TOOL_DIR", "VIRTUAL_ENV", "XDG_DATA_HOME"),
    }
)

_MOST_ANCESTORS = 12
_LOCK = ".lock"
# More than Linux takes for the arguments and variables of one process, and more files than uv opens at once.
_LARGEST_BYTES = 8_000_000
_MOST_FILES = 10_000

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, kw_only=True)
class _SeenProcess:
    """What any process has: the folder it runs in, and of its variables those on `VARIABLES`."""

    folder: str
    variables: tuple[tuple[str, str], ...] = ()

    def variable(self, name: str) -> str | None:
        """Return the value of a variable; None if it is unset or empty."""
        return dict(self.variables).get(name) or None


@dataclass(frozen=True, kw_only=True)
class Process(_SeenProcess):
    """An ancestor of the hook. `locks` are the lock files that it holds open; None if the system does not tell."""

    executable: str
    arguments: tuple[str, ...]
    locks: tuple[str, ...] | None = ()

    @functools.cached_property
    def command_line(self) -> CommandLine | None:
        """Its arguments, if it is a front end: taken apart once, for all who ask."""
        return parse_command_line(self.arguments, executable=self.executable)


@dataclass(frozen=True, kw_only=True)
class HookProcess(_SeenProcess):
    """The process in which a hook runs, as it sees itself, at the start of the hook.

    `pyvenv_cfg` is the text of its environment's own, "" if none; `by_pip` whether pip's own script runs the hook.
    """

    prefix: str
    base_prefix: str
    purelib: str
    sys_path: tuple[str, ...]
    pyvenv_cfg: str = ""
    by_pip: bool = False


def take_hook_process() -> HookProcess:
    """Return this process as it sees itself."""
    return HookProcess(
        prefix=sys.prefix,
        base_prefix=sys.base_prefix,
        purelib=sysconfig.get_path("purelib"),
        folder=str(Path.cwd()),
        sys_path=tuple(sys.path),
        variables=_ours(os.environ),
        pyvenv_cfg=read_text(Path(sys.prefix, "pyvenv.cfg")),
        by_pip="/pip/_vendor/" in sys.argv[0].replace(os.sep, "/"),
    )


def take_python() -> Python:
    """Return the running interpreter, in the words of wheel names: abi cp311, cp313t (free-threaded), pypy311_pp73."""
    implementation = sys.implementation.name
    platforms = list(platform_tags())
    own = sys.implementation.version
    return Python(
        # An interpreter built between two releases calls itself 3.13.1+, which is no version.
        version=platform.python_version().removesuffix("+"),
        implementation=implementation,
        # The first of the generic tags has the ABI in the name of extension modules. No platform is asked for.
        abi=next(generic_tags(platforms=["any"])).abi,
        platform=re.sub(r"[-. ]", "_", sysconfig.get_platform()),
        extension_suffix=sysconfig.get_config_var("EXT_SUFFIX") or "",
        system=sys.platform,
        machine=platform.machine(),
        implementation_version="" if implementation == "cpython" else f"{own.major}.{own.minor}.{own.micro}",
        platform_release=platform.release(),
        platform_version=platform.version(),
        wheel_platform=next((name for name in platforms if not name.startswith("linux_")), next(iter(platforms), "")),
    )


def take_ancestors() -> tuple[Process, ...]:
    """Return the ancestors of this process, nearest first, up to the first one of another user.

    Open files are slow to ask for, and only the direct parent can be a uv that holds a lock: so `locks` is None for
    all others.
    """
    return read_ancestors(Path("/proc")) if sys.platform == "linux" else ask_for_ancestors()


def read_ancestors(proc: Path) -> tuple[Process, ...]:
    """Return the ancestors as Linux shows them (proc(5)): every build would pay for a library that reads the same."""
    if _link(proc / "self") != str(os.getpid()):  # no /proc at all, or that of another namespace
        return ()
    own_arguments = _texts(proc / "self" / "cmdline")
    found: list[Process] = []
    parent = str(os.getppid())
    for _ in range(_MOST_ANCESTORS):
        folder = proc / parent
        status = dict(line.partition(":\t")[::2] for line in read_text(folder / "status").splitlines())
        if status.get("Uid", "").split("\t")[0] != str(os.getuid()):
            break
        arguments = _texts(folder / "cmdline")
        if found or not _is_launcher(arguments, own_arguments):
            variables = (entry.partition("=") for entry in _texts(folder / "environ"))
            found.append(
                Process(
                    executable=_link(folder / "exe") or "",
                    arguments=arguments,
                    folder=_link(folder / "cwd") or "",
                    variables=_ours({name: value for name, _, value in variables}),
                    locks=None if found else _locks(folder / "fd"),
                )
            )
        parent = status.get("PPid", "0")
    return tuple(found)


def _texts(path: Path) -> tuple[str, ...]:
    """Return the texts in a file of the kernel's, each of which ends in a zero; none where it may not be read."""
    try:
        with path.open("rb") as file:
            content = os.fsdecode(file.read(_LARGEST_BYTES))
    except OSError:
        return ()
    return tuple(content.removesuffix("\0").split("\0")) if content else ()


def _link(path: Path) -> str | None:
    """Return what a link of the kernel's names, also where that is gone by now; None where it may not be read."""
    try:
        return str(path.readlink()).removesuffix(" (deleted)")
    except OSError:
        return None


def _locks(folder: Path) -> tuple[str, ...] | None:
    """Return the lock files that a process holds open; None where the system refuses to say."""
    try:
        with os.scandir(folder) as entries:
            files = [_link(Path(entry.path)) for entry, _ in zip(entries, range(_MOST_FILES), strict=False)]
    except OSError:
        return None
    return tuple(sorted({file for file in files if file and file.startswith("/") and file.endswith(_LOCK)}))


def ask_for_ancestors() -> tuple[Process, ...]:
    """Return the ancestors as psutil shows them, on macOS and Windows; none where it is not installed."""
    try:
        import psutil
    except ImportError:
        return ()

    def ask(question: Callable[[], T], otherwise: U) -> T | U:
        """Return the answer, or `otherwise` where the system refuses or the process has just ended."""
        try:
            return question()
        except (psutil.Error, OSError, ValueError):  # ValueError: names that are no text in this locale
            return otherwise

    def user(process: psutil.Process) -> object:
        # Windows has no number for that, and refuses to show us others' processes anyway.
        return "" if os.name == "nt" else ask(lambda: process.uids().real, None)

    def locks(process: psutil.Process) -> tuple[str, ...] | None:
        files = ask(process.open_files, None)
        return None if files is None else tuple(sorted({file.path for file in files if file.path.endswith(_LOCK)}))

    own = psutil.Process()
    own_user, own_arguments = user(own), tuple(ask(own.cmdline, ()))
    found: list[Process] = []
    process = ask(own.parent, None)
    while process is not None and len(found) < _MOST_ANCESTORS and user(process) == own_user:
        with process.oneshot():
            arguments = tuple(ask(process.cmdline, ()))
            if found or not _is_launcher(arguments, own_arguments):
                found.append(
                    Process(
                        executable=ask(process.exe, ""),
                        arguments=arguments,
                        folder=ask(process.cwd, ""),
                        variables=_ours(ask(process.environ, {})),
                        locks=None if found else locks(process),
                    )
                )
        process = ask(process.parent, None)
    return tuple(found)


def _is_launcher(arguments: tuple[str, ...], own: tuple[str, ...]) -> bool:
    """Return whether a parent only starts us: a venv's python.exe on Windows starts that of its base."""
    return len(arguments) > 1 and arguments[1:] == own[1:]


def _ours(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables on our list. A requirements file may be a URL: then without its user and password."""
    kept = {name: value for name, value in variables.items() if name in VARIABLES}
    if any("://" in value for value in kept.values()):
        from ..redaction import without_credentials

        kept = {name: without_credentials(value) for name, value in kept.items()}
    return tuple(sorted(kept.items()))
