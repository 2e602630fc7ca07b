"""What the settings files of uv and pip say: where they are, which torch and which files of requirements they bring.

May not weigh it: what cannot be read says nothing, and the front end itself will complain of it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ..consumer.command_line import CommandLine
from ..consumer.environment import is_throw_away, prefix_of_interpreter
from ..consumer.front_end import Caller, is_switched_on, with_pip_options
from ..consumer.uv import project_root
from ..files import is_file, joined, read_text
from ..untrusted import find_toml, strings, table, tables, text_of
from .requirements_files import RequirementsReader, shown_path
from .torch_lines import Line

_PLACES = ("UV_CONFIG_FILE", "UV_NO_CONFIG", "XDG_CONFIG_HOME", "APPDATA")
_SYSTEM = Path("/etc/uv/uv.toml")
# What decides whether an installed torch stays, and which other one is installed, and where.
_DECIDING = (
    *("upgrade", "upgrade-package", "reinstall", "reinstall-package"),
    *("no-deps", "no-sources", "no-sources-package"),
    *("all-extras", "extra", "no-extra", "group", "prefix", "python", "system", "target"),
)
_TORCH = re.compile(r"torch\s*($|[\[@<>=!~;,(])", re.IGNORECASE)
_ETC = Path("/etc")
_LARGEST_BYTES = 1_000_000


def read_uv_settings(
    variables: Mapping[str, str], folder: Path, system: Path = _SYSTEM
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the files that uv reads, with the settings in them (uv, "Configuration files").

    :param variables: UV_CONFIG_FILE names one that is read instead, UV_NO_CONFIG leaves all of them out
    """
    if is_switched_on(variables.get("UV_NO_CONFIG")):
        return
    if named := variables.get("UV_CONFIG_FILE"):
        yield (file := joined(str(folder), named)), find_toml(file)
        return
    root = project_root(folder) or folder
    own = root / "uv.toml"
    if is_file(own):  # it is then read instead of [tool.uv]
        yield own, find_toml(own)
    else:
        yield root / "pyproject.toml", table(table(find_toml(root / "pyproject.toml").get("tool")).get("uv"))
    home = variables.get("APPDATA") if os.name == "nt" else variables.get("XDG_CONFIG_HOME")
    base = Path(home) if home else joined("", "~/.config")
    for file in (base / "uv" / "uv.toml", system):
        yield file, find_toml(file)


def extra_torches(settings: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield the packages into whose builds the settings bring torch, which one, and whether it is that of run time."""
    for package, requirements in table(settings.get("extra-build-dependencies")).items():
        for item in requirements if isinstance(requirements, list) else []:
            entry = item if isinstance(item, dict) else {"requirement": item}
            text = str(entry.get("requirement", ""))
            if _TORCH.match(text):
                yield str(package), text, entry.get("match-runtime") is True


def chooses_torch(caller: Caller, variables: Mapping[str, str], name: str) -> bool:
    """Return whether the user's settings say which torch the builds of a package have. Those of tools have none."""
    if caller.command.words[:1] == ("tool",):
        return False
    root = caller.command.value("--project") or variables.get("UV_PROJECT") or "."
    variables = _with_options(caller.command, variables, caller.process.folder)
    found = [settings for _, settings in read_uv_settings(variables, caller.path(root))]
    return any(
        canonicalize_name(package) == canonicalize_name(name) and (is_matched or "==" in text)
        for settings in found
        for part in (settings, table(settings.get("pip")))
        for package, text, is_matched in extra_torches(part)
    )


def pip_lines(command: CommandLine, variables: Mapping[str, str], folder: Path, key: str) -> Iterator[Line]:
    """Yield the requirements that the settings add to what `uv pip` resolves (`constraint-dependencies`, say)."""
    if command.text not in ("uv pip install", "uv pip compile"):
        return
    for file, value in values_of(command, variables, folder, key):
        yield from (Line(text, file.parent, f"{shown_path(file, folder)} ({key})") for text in strings(value))


def stated_lines(command: CommandLine, variables: Mapping[str, str], folder: Path, name: str) -> Iterator[Line]:
    """Yield what the settings say that a package requires, in the place of its own metadata (`dependency-metadata`)."""
    if command.words[:1] in (("pip",), ("tool",)) or command.runs_with:
        for file, value in values_of(command, variables, folder, "dependency-metadata"):
            for one in tables(value):
                if canonicalize_name(text_of(one.get("name")) or "") == canonicalize_name(name):
                    source = f"{shown_path(file, folder)} (dependency-metadata)"
                    yield from (Line(text, file.parent, source) for text in strings(one.get("requires-dist")))


def values_of(
    command: CommandLine, variables: Mapping[str, str], folder: Path, key: str
) -> Iterator[tuple[Path, object]]:
    """Yield what the settings files say under a key, the strongest first."""
    yield from ((file, part[key]) for file, part in _parts(command, variables, folder) if key in part)


def _parts(
    command: CommandLine, variables: Mapping[str, str], folder: Path
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for file, settings in read_uv_settings(_with_options(command, variables, str(folder)), folder):
        own = (table(settings.get("pip")),) if command.words[:1] == ("pip",) else ()
        yield from ((file, part) for part in (*own, settings))


def lowest_first(command: CommandLine, variables: Mapping[str, str], folder: Path, *, is_direct: bool) -> Iterator[str]:
    """Yield that uv installs the lowest versions, where it does: at run time alone. A project has a lock for that.

    :param is_direct: whether the command itself names torch
    """
    if not (command.words[:1] in (("pip",), ("tool",)) or command.runs_with):
        return
    said = command.value("--resolution") or variables.get("UV_RESOLUTION")
    said = said or str(next((value for _, value in values_of(command, variables, folder, "resolution")), ""))
    if said == "lowest" or (said == "lowest-direct" and is_direct):
        yield f"uv installs the lowest torch that will do (resolution {said}), and builds take the newest"


def with_settings_of_uv(command: CommandLine, variables: Mapping[str, str], folder: Path) -> CommandLine:
    """Return a command line with the options for which settings stand, which those in it beat."""
    parts = list(_parts(command, variables, folder))
    said = [(key, next((part[key] for _, part in parts if key in part), None)) for key in _DECIDING]
    options = [(f"--{key}", "") for key, value in said if value is True]
    options += [(f"--{key}", text) for key, value in said for text in strings(value) or [text_of(value)] if text]
    # Nothing brings a torch that is excluded: the one that is there stays, as with --no-deps.
    reader = RequirementsReader(folder, [])
    files = (*command.values("--excludes", "--exclude"), *variables.get("UV_EXCLUDE", "").split())
    excluded = [line.text for file in files for line in reader.read(file)]
    excluded += next((strings(part["exclude-dependencies"]) for _, part in parts if "exclude-dependencies" in part), ())
    options += [("--no-deps", "")] * any(canonicalize_name(name) == "torch" for name in excluded)
    return replace(command, options=(*options, *command.options)) if options else command


def _with_options(command: CommandLine, variables: Mapping[str, str], folder: str) -> Mapping[str, str]:
    """Return the variables with what options say in their stead; files are relative to where uv runs.

    Where its settings are is asked of this process, to which uv hands on its variables.
    """
    variables = {**{name: os.environ[name] for name in _PLACES if name in os.environ}, **variables}
    named = command.value("--config-file") or variables.get("UV_CONFIG_FILE")
    found = {**variables, **({"UV_CONFIG_FILE": str(joined(folder, named))} if named else {})}
    return {**found, "UV_NO_CONFIG": "1"} if command.has("--no-config") else found


def named_files(command: CommandLine, key: str, variables: Mapping[str, str], folder: str) -> tuple[str, ...]:
    """Return the files that pip's variable names, else its settings: those of a command win over the global ones.

    Where its settings are is asked of this process, to which pip hands on its variables. With --isolated pip heeds no
    variables, and no settings of the user.

    :param key: `constraint` or `requirement`
    """
    variable = "" if command.has("--isolated") else variables.get(f"PIP_{key.upper()}", "")
    return tuple((variable or _settings_of(command, folder).get(key, "")).split())


def with_settings_of_pip(command: CommandLine, folder: str) -> CommandLine:
    """Return a command line with the options for which settings stand; variables and arguments beat them."""
    return with_pip_options(command, _settings_of(command, folder))


def _settings_of(command: CommandLine, folder: str) -> dict[str, str]:
    """Return what pip's settings say to a command."""
    of_user = not command.has("--isolated")
    listed = tuple(pip_settings(os.environ, folder=folder, prefix=_prefix_of(command), of_user=of_user))
    sections = ("global", *command.words[:1])
    return {name: value for section in sections for _, place, name, value in listed if place == section}


def _prefix_of(command: CommandLine) -> str:
    """Return the environment that pip is in: its interpreter's, where it was started by a path, else that of the hook.

    That one's is pip's own, unless it was made for this build.
    """
    interpreter = Path(next(iter(command.started_as), ""))
    if interpreter.is_absolute():
        return str(prefix_of_interpreter(interpreter))
    return "" if is_throw_away(Path(sys.prefix)) else sys.prefix


def pip_settings(
    variables: Mapping[str, str], etc: Path = _ETC, *, folder: str = "", prefix: str = "", of_user: bool = True
) -> Iterator[tuple[Path, str, str, str]]:
    """Yield what pip's files say, weakest first: the file, the section, the key with dashes, the value.

    :param prefix: the environment that pip is in, "" where that is not known
    """
    for path in _pip_files(variables, etc, folder, prefix, of_user=of_user):
        text = read_text(path, _LARGEST_BYTES)
        if not text:
            continue
        import configparser  # most builds meet no such file

        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(text)
        except (ValueError, configparser.Error):
            continue
        for section in parser.sections():
            yield from ((path, section, key.replace("_", "-"), value.strip()) for key, value in parser.items(section))


def _pip_files(variables: Mapping[str, str], etc: Path, folder: str, prefix: str, *, of_user: bool) -> Iterator[Path]:
    """Yield pip's files, weakest first (pip/_internal/configuration.py)."""
    own = variables.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return
    named = joined(folder, own)
    # A file that is named takes the place of the user's.
    of_user = of_user and not (own and is_file(named))
    home = joined("", variables.get("HOME") or "~")
    if sys.platform == "win32":
        name = "pip.ini"
        yield Path(variables.get("PROGRAMDATA", "C:/ProgramData")) / "pip" / name
        users = [Path(variables.get("APPDATA", str(home))) / "pip" / name]
    else:
        name = "pip.conf"
        places = variables.get("XDG_CONFIG_DIRS") or str(etc / "xdg")
        yield from (Path(place) / "pip" / name for place in places.split(":"))
        yield etc / name
        users = [home / "Library" / "Application Support" / "pip" / name] * (sys.platform == "darwin")
        users += [home / ".pip" / name, Path(variables.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / name]
    yield from users if of_user else ()
    yield Path(prefix or variables.get("VIRTUAL_ENV") or sys.prefix) / name
    if own:
        yield named
