"""The consumer when uv calls the hook: rules R2, R2t, R2s and R2g. And where its projects begin, and its tools are.

May not ask uv, nor read its settings files further than which folders are a workspace.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from ..files import UnreadableError, is_file, is_folder, joined, names_in, read_start, read_text, real
from ..model.observation import FrontEndName, Rule
from ..own_files import is_file_locked
from ..untrusted import find_toml, parse_version, read_toml, strings, table
from ..values import dataclass
from .command_line import CommandLine
from .environment import holds_torch, is_environment, is_of_build, is_uv_build, is_venv, prefix_of_interpreter
from .front_end import Caller, RuleVerdict, Scene, consumer_is, consumer_is_among, maker_of, project_venv, venv_upwards

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SYSTEM_LOCK = re.compile(r"uv-[0-9a-f]+\.lock")
_INSTALLS = frozenset({("pip", "install"), ("pip", "sync")})
_PROJECT = frozenset({"add", "export", "lock", "remove", "run", "sync", "tree", "version"})
_MOST_MEMBERS = 1000
_LARGEST_SCRIPT_BYTES = 20_000_000
# Since when uv keeps the environment's lock during every hook, measured.
_PIP_LOCKS_SINCE = Version("0.2")
_PROJECT_LOCKS_SINCE = Version("0.7")


@dataclass(frozen=True, kw_only=True)
class _UvEnvironment:
    """An environment that uv may be working on. `is_named` means that the user named it for this command."""

    prefix: Path
    why: str
    is_named: bool = False


def find_by_uv(scene: Scene) -> Iterator[RuleVerdict]:
    """Yield what the rules for uv say; where uv is the front end, no later rule may answer."""
    caller = scene.called_by(FrontEndName.UV)
    if caller is None:
        return
    yield from _find_by_target(scene, caller)
    yield from _find_by_lock(scene, caller)
    yield from _find_in_system(scene, caller)
    yield from _find_without_isolation(scene)
    yield from _guess(scene, caller)


def is_project_command(caller: Caller) -> bool:
    """Return whether uv works on a project, which has a `uv.lock` by the time that wheels are built for it."""
    if caller.name is not FrontEndName.UV or not is_on_project(caller.command) or has_own_script(caller):
        return False
    return _project_folder(caller) is not None


def has_own_script(caller: Caller) -> bool:
    """Return whether uv works on a script with requirements of its own (PEP 723), and so on no project."""
    script = caller.command.script
    # One that is at a URL, or not there yet, cannot be looked at.
    return script is not None and (not is_file(path := caller.path(script)) or has_metadata(path))


def has_metadata(script: Path) -> bool:
    """Return whether a script says what it requires."""
    return b"\n# /// script" in b"\n" + (read_start(script, _LARGEST_SCRIPT_BYTES) or b"")


def is_on_project(command: CommandLine) -> bool:
    """Return whether a command of uv is one that works on the project that it runs in."""
    return bool(command.words) and command.words[0] in _PROJECT


def _find_by_target(scene: Scene, caller: Caller) -> Iterator[RuleVerdict]:
    """R2t: the wheel goes into a folder; torch is there, or in the interpreter that uv runs the build with."""
    target = caller.command.value("--target", "-t", "--prefix")
    if caller.command.words not in _INSTALLS or target is None:
        yield RuleVerdict(rule=Rule.UV_TARGET, said="uv was given neither --target nor --prefix")
        return
    targets = (str(caller.path(target)),)
    for candidate in _interpreters(caller):
        if is_environment(candidate.prefix) and scene.fits(candidate.prefix):
            why = f"uv installs into {target}, with the interpreter of {candidate.why}"
            yield consumer_is(Rule.UV_TARGET, candidate.prefix, why, certain=candidate.is_named, targets=targets)
            return
    why = f"uv installs into {target}, with an interpreter that is in no venv"
    yield consumer_is(Rule.UV_TARGET, Path(scene.hook.base_prefix), why, certain=False, targets=targets)


def _find_by_lock(scene: Scene, caller: Caller) -> Iterator[RuleVerdict]:
    """R2: uv holds the `.lock` of the environment that it changes."""
    locks = caller.process.locks
    if locks is not None:
        held = [Path(lock).parent for lock in locks if Path(lock).name == ".lock" and is_venv(Path(lock).parent)]
        why = "uv holds its lock"
        unsure = "uv holds the lock of no environment"
    else:
        candidates = (*_project(caller), *_interpreters(caller))
        held = [candidate.prefix for candidate in candidates if is_file_locked(candidate.prefix / ".lock")]
        why = "its lock is held while uv, whose open files cannot be read, calls the hook"
        unsure = "uv's open files cannot be read, and no candidate's lock is held"
    # The environment of the hook itself is the consumer only without isolation, where it is the only one.
    others = [_outer(prefix) for prefix in held if not scene.is_own(prefix)] or held
    if others:
        yield consumer_is_among(Rule.UV_LOCK, [(prefix, why) for prefix in dict.fromkeys(others)], certain=True)
    else:
        yield RuleVerdict(rule=Rule.UV_LOCK, said=unsure)


def _outer(prefix: Path) -> Path:
    """Return the environment that build works for, where uv installs into a throw-away one of its."""
    return (is_of_build(prefix) and maker_of(read_text(prefix / "pyvenv.cfg"))) or prefix


def _find_in_system(scene: Scene, caller: Caller) -> Iterator[RuleVerdict]:
    """R2s: an interpreter that is no venv's (conda, `--system`) has its lock in the temporary folder."""
    base = Path(scene.hook.base_prefix)
    if any(_SYSTEM_LOCK.fullmatch(Path(lock).name) for lock in caller.process.locks or ()):
        yield consumer_is(Rule.UV_SYSTEM, base, "uv holds the lock of an interpreter that is no venv's", certain=True)
    elif caller.process.locks is None and caller.command.words in _INSTALLS and _wants_system(caller):
        yield consumer_is(Rule.UV_SYSTEM, base, "uv installs with --system", certain=False)
    else:
        yield RuleVerdict(rule=Rule.UV_SYSTEM, said="uv holds the lock of no other interpreter")


def _wants_system(caller: Caller) -> bool:
    variable = caller.variable("UV_SYSTEM_PYTHON") or ""
    return caller.command.has("--system") or variable.lower() in {"1", "true", "yes", "on", "t", "y"}


def _find_without_isolation(scene: Scene) -> Iterator[RuleVerdict]:
    """--no-build-isolation, where torch is not there yet: the hook runs in the consumer."""
    prefix = Path(scene.hook.prefix)
    if not is_uv_build(prefix):
        yield consumer_is(Rule.UV_GUESS, prefix, "uv calls the hook in it, not isolated", certain=False)


def _guess(scene: Scene, caller: Caller) -> Iterator[RuleVerdict]:
    """R2g: commands that hold no lock. What installs has to hold one, so that an unlocked candidate is wrong."""
    if caller.command.words[:1] == ("tool",):
        tools = tool_environments(caller.command, caller.process.folder, caller.variable)
        found = [(tool, "uv keeps what the tool has") for tool in tools if holds_torch(tool) and scene.fits(tool)]
        if found:
            yield consumer_is_among(Rule.UV_GUESS, found, certain=False)
            return
        said = "uv makes an environment of its own for a tool, after all wheels are built"
        yield RuleVerdict(rule=Rule.UV_GUESS, said=said, is_last=True)
        return
    projects = _project(caller) if is_on_project(caller.command) else ()
    # Stable: those that are meant as little as that come last, in their order.
    candidates = sorted((*projects, *_guessed_interpreters(caller)), key=lambda one: _is_uvs_own(one.prefix, caller))
    must_be_locked = _must_be_locked(caller)
    refused = []
    for candidate in candidates:
        if must_be_locked and not (caller.process.locks is None and is_file_locked(candidate.prefix / ".lock") is None):
            refused.append(f"{candidate.prefix} ({candidate.why}) is not locked by uv")
        elif not scene.fits(candidate.prefix):
            refused.append(f"{candidate.prefix} ({candidate.why}) has another Python")
        else:
            yield consumer_is(Rule.UV_GUESS, candidate.prefix, candidate.why, certain=False)
            return
    said = "; ".join(refused) or "uv works on no environment that could be guessed"
    yield RuleVerdict(rule=Rule.UV_GUESS, said=said, is_last=True)


def _is_uvs_own(prefix: Path, caller: Caller) -> bool:
    """Return whether an environment has the very uv that runs, and no torch: it is a tool's, which nobody means.

    `python -m uv` sets VIRTUAL_ENV to the environment of that Python, unless it is set (uv, `python/uv/__main__.py`).
    """
    # What the system shows as running is in uv's cache where uv was installed by links.
    programs = map(Path, (caller.process.executable, *caller.process.arguments[:1]))
    owners = {real(prefix_of_interpreter(program)) for program in programs if program.is_absolute()}
    return real(prefix) in owners and not holds_torch(prefix)


def _must_be_locked(caller: Caller) -> bool:
    """Return whether uv holds a lock for certain, if it is going to install into an environment that exists.

    `uv run --with` builds for an environment of its own, which lies over the project's.
    """
    if caller.command.words not in _INSTALLS and (not caller.front_end.installs or caller.command.runs_with):
        return False
    version = parse_version(caller.front_end.version)
    since = _PIP_LOCKS_SINCE if caller.command.words[:1] == ("pip",) else _PROJECT_LOCKS_SINCE
    return version is None or version >= since


def _guessed_interpreters(caller: Caller) -> Iterator[_UvEnvironment]:
    """Yield the environments of interpreters that uv may build with, where it does not work on a project.

    `uv run --with` outside of a project lies over the environment that is active, or the `.venv` above.
    """
    if not is_on_project(caller.command) or (caller.command.runs_with and _project_folder(caller) is None):
        yield from (candidate for candidate in _interpreters(caller) if is_environment(candidate.prefix))


def _project(caller: Caller) -> Iterator[_UvEnvironment]:
    """Yield the environment of the project that uv works on, whether it exists or not."""
    active = caller.process.variable("VIRTUAL_ENV")
    if caller.command.has("--active") and active:
        prefix = caller.path(active)
        yield _UvEnvironment(prefix=prefix, why="VIRTUAL_ENV of uv, with --active")
    folder = _project_folder(caller)
    if folder is None:
        return
    named = caller.variable("UV_PROJECT_ENVIRONMENT")
    prefix = joined(str(folder), named) if named else project_venv(folder) or folder / ".venv"
    why = "UV_PROJECT_ENVIRONMENT" if named else "the .venv of the project"
    yield _UvEnvironment(prefix=prefix, why=why)


def _project_folder(caller: Caller) -> Path | None:
    """Return the root of the project that uv works on; None if it works on none."""
    if caller.command.has("--no-project") or caller.variable("UV_NO_PROJECT"):
        return None
    # uv has changed to --directory by now: its working folder says so.
    named = caller.command.value("--project") or caller.variable("UV_PROJECT") or "."
    return project_root(caller.path(named))


def _interpreters(caller: Caller) -> Iterator[_UvEnvironment]:
    """Yield the environments whose interpreter uv takes, best first."""
    named = caller.command.value("--python", "-p") or caller.variable("UV_PYTHON")
    prefix = None if named is None else _named_prefix(caller.path(named))
    if prefix is not None:
        yield _UvEnvironment(prefix=prefix, why="--python or UV_PYTHON", is_named=True)
        return
    if _wants_system(caller):
        return
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if value := caller.process.variable(name):
            yield _UvEnvironment(prefix=caller.path(value), why=f"{name} of uv", is_named=True)
    if value := caller.variable("UV_PROJECT_ENVIRONMENT"):
        yield _UvEnvironment(prefix=caller.path(value), why="UV_PROJECT_ENVIRONMENT")
    above = venv_upwards(Path(caller.process.folder))
    if above is not None:
        yield _UvEnvironment(prefix=above, why=".venv above uv's working folder")


def _named_prefix(path: Path) -> Path | None:
    """Return the environment that --python names; None where it asks for a version, as 3.12 or cpython@3.12."""
    if is_folder(path):
        return path
    return prefix_of_interpreter(path) if is_file(path) else None


def tool_environments(command: CommandLine, folder: str, variable: Callable[[str], str | None]) -> tuple[Path, ...]:
    """Return the environments, which need not exist, of the tools that a command of uv installs or upgrades."""
    root = joined(folder, variable("UV_TOOL_DIR") or f"{variable('XDG_DATA_HOME') or '~/.local/share'}/uv/tools")
    names: Iterable[str] = ()
    if command.words == ("tool", "install"):
        names = (_tool_name(text, folder) for text in (*command.values("--from"), *command.positional)[:1])
    elif command.words == ("tool", "upgrade"):
        is_any = command.has("--all")
        names = names_in(root) if is_any else map(_distribution_name, command.positional)
    return tuple(root / name for name in names if name)


def _tool_name(text: str, folder: str) -> str:
    """Return the name of the distribution that a tool is in; "" where its sources are needed to know."""
    with contextlib.suppress(UnreadableError):
        project = table(read_toml(joined(folder, text.partition("[")[0]) / "pyproject.toml").get("project"))
        return canonicalize_name(str(project.get("name") or ""))
    return "" if is_folder(joined(folder, text)) or "/" in text.partition("@")[0] else _distribution_name(text)


def _distribution_name(text: str) -> str:
    match = _NAME.match(text)
    return canonicalize_name(match[0]) if match else ""


def project_root(folder: Path) -> Path | None:
    """Return the root of the project or workspace that a folder is in, as uv finds it; None if it is in none.

    The nearest pyproject.toml is the project; the next one above it is its workspace, if it says so. No other is
    looked at (uv-workspace, `find_workspace`).
    """
    above = [parent for parent in (folder, *folder.parents) if is_file(parent / "pyproject.toml")]
    if not above:
        return None
    project = above[0]
    if len(above) == 1 or _workspace(project) is not None:
        return project
    workspace = _workspace(above[1]) or {}
    path = project.relative_to(above[1]).as_posix()
    included = any(_matches(path, pattern) for pattern in strings(workspace.get("members")))
    excluded = any(_matches(path, pattern) for pattern in strings(workspace.get("exclude")))
    return above[1] if included and not excluded else project


def find_member(root: Path, name: str) -> Path | None:
    """Return the folder of a project of a workspace, by its normalised name; None if there is none."""
    for folder in workspace_members(root):
        with contextlib.suppress(UnreadableError):
            found = table(read_toml(folder / "pyproject.toml").get("project")).get("name")
            if canonicalize_name(str(found)) == name:
                return folder
    return None


def workspace_members(root: Path) -> tuple[Path, ...]:
    """Return the folders of a workspace's projects, its root first."""
    folders = [root]
    for pattern in strings((_workspace(root) or {}).get("members")):
        with contextlib.suppress(ValueError, OSError, NotImplementedError):  # patterns that are none
            folders += itertools.islice(root.glob(pattern), _MOST_MEMBERS)
    members = (folder for folder in folders if is_file(folder / "pyproject.toml") and project_root(folder) == root)
    return tuple(dict.fromkeys(members))


def _workspace(folder: Path) -> Mapping[str, Any] | None:
    data: Any = find_toml(folder / "pyproject.toml")
    for key in ("tool", "uv", "workspace"):
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else None


def _matches(path: str, pattern: str) -> bool:
    """Return whether a path is one that a pattern of `members` names; `*` stops at a slash, `**` does not."""
    parts = [part for part in pattern.replace("\\", "/").split("/") if part not in {"", "."}]
    text = "/".join("**" if part == "**" else _part_expression(part) for part in parts)
    expression = text.replace("**/", "(?:[^/]+/)*").replace("/**", "(?:/[^/]+)*").replace("**", ".*")
    return re.fullmatch(expression, path) is not None


def _part_expression(part: str) -> str:
    return re.escape(part).replace(r"\*\*", r"\*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
