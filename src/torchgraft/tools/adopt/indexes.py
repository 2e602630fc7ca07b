"""Which indexes pip and uv are told to use on this machine, and what a local one holds.

May not reach the network, nor run pip: its settings are in variables and files (pip's documentation, "Configuration").
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

PYPI = "https://pypi.org/simple"

_MAIN = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
_EXTRA = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")


def find_indexes(variables: Mapping[str, str], *, etc: Path = Path("/etc")) -> tuple[str, ...]:
    """Return the addresses of the indexes, the one to ask first first; none where there is to be none.

    :param etc: where the machine's own settings are, on POSIX
    """
    files = _pip_settings(variables, etc)
    if variables.get("PIP_NO_INDEX") or variables.get("UV_NO_INDEX") or files.get("no-index") in {"1", "true", "yes"}:
        return ()
    main = next((variables[name] for name in _MAIN if variables.get(name)), files.get("index-url", PYPI))
    extra = [part for name in _EXTRA for part in variables.get(name, "").split()] or files.get(
        "extra-index-url", ""
    ).split()
    # uv's indexes may have names: name=address.
    addresses = (item.partition("=")[2] if _is_named(item) else item for item in (main, *extra))
    return tuple(dict.fromkeys(address.rstrip("/") for address in addresses))


def _is_named(address: str) -> bool:
    name, equals, _ = address.partition("=")
    return bool(equals) and ":" not in name


def _pip_settings(variables: Mapping[str, str], etc: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in _pip_files(variables, etc):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, configparser.Error):
            continue
        for section in ("global", "download"):
            if parser.has_section(section):
                found |= {key.replace("_", "-"): value.strip() for key, value in parser.items(section)}
    return found


def _pip_files(variables: Mapping[str, str], etc: Path) -> Iterator[Path]:
    """Yield pip's files, weakest first (pip/_internal/configuration.py)."""
    own = variables.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return
    home = Path(variables.get("HOME") or Path.home())
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
        yield Path(own)
