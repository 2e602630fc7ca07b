"""What pip's settings files say: where they are, and which files of requirements they name.

May not weigh it: what cannot be read says nothing, and pip itself will complain of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..files import joined, read_text

_ETC = Path("/etc")
_LARGEST_BYTES = 1_000_000


def named_files(command: str, key: str, variables: Mapping[str, str], folder: str) -> tuple[str, ...]:
    """Return the files that pip's variable names, else its settings: those of a command win over the global ones.

    Where its settings are is asked of this process, to which pip hands on its variables.

    :param command: such as `install`
    :param key: `constraint` or `requirement`
    :param variables: those of pip
    :param folder: where pip runs
    """
    variable = variables.get(f"PIP_{key.upper()}", "")
    if variable:
        return tuple(variable.split())
    said = {section: value for _, section, name, value in pip_settings(os.environ, folder=folder) if name == key}
    return tuple(said.get(command, said.get("global", "")).split())


def pip_settings(
    variables: Mapping[str, str], etc: Path = _ETC, *, folder: str = ""
) -> Iterator[tuple[Path, str, str, str]]:
    """Yield what pip's files say, weakest first: the file, the section, the key with dashes, the value."""
    for path in _pip_files(variables, etc, folder):
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


def _pip_files(variables: Mapping[str, str], etc: Path, folder: str) -> Iterator[Path]:
    """Yield pip's files, weakest first (pip/_internal/configuration.py)."""
    own = variables.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return
    home = joined("", variables.get("HOME") or "~")
    if sys.platform == "win32":
        name = "pip.ini"
        yield Path(variables.get("PROGRAMDATA", "C:/ProgramData")) / "pip" / name
        yield Path(variables.get("APPDATA", str(home))) / "pip" / name
    else:
        name = "pip.conf"
        places = variables.get("XDG_CONFIG_DIRS") or str(etc / "xdg")
        yield from (Path(place) / "pip" / name for place in places.split(":"))
        yield etc / name
        if sys.platform == "darwin":
            yield home / "Library" / "Application Support" / "pip" / name
        yield home / ".pip" / name
        yield Path(variables.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / name
    yield Path(variables.get("VIRTUAL_ENV") or sys.prefix) / name
    if own:
        yield joined(folder, own)
