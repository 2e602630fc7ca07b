"""What pip's settings files say: where they are, and which files of requirements they name.

May not weigh it: what cannot be read says nothing, and pip itself will complain of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..consumer.command_line import CommandLine
from ..consumer.environment import is_throw_away, prefix_of_interpreter
from ..consumer.front_end import with_pip_options
from ..files import is_file, joined, read_text

_ETC = Path("/etc")
_LARGEST_BYTES = 1_000_000


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
