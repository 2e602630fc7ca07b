"""What a folder says of itself when it is an environment: its pyvenv.cfg, its Python versions, its site folders.

May not run anything that it finds, nor raise: a folder that is no environment has nothing to say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_LARGEST_BYTES = 65_536
_BIN_FOLDERS = frozenset({"bin", "scripts"})
_INTERPRETERS = ("bin/python", "bin/python3", "bin/pypy3", "Scripts/python.exe", "python.exe")
# Written by venv ("version"), uv and virtualenv ("version_info").
_VERSION_KEYS = ("version_info", "version")
_PYTHON_FOLDER = re.compile(r"(?:python|pypy)(\d+\.\d+)t?")
_TORCH = re.compile(r"torch-\d.*\.(?:dist|egg)-info")
# Made for one build, or for one run of a tool, and never what a wheel is for. The names are those of pip and build
# (tempfile prefixes), of uv's cache, and of tox's packaging environments.
_THROW_AWAY_NAME = re.compile(r"(?:pip-)?build-env-.+|\.pkg.*|\.package")
_THROW_AWAY_PARENT = re.compile(r"(?:builds|archive|environments)-v\d+")
_UV_BUILD_PARENT = re.compile(r"builds-v\d+")


def parse_pyvenv_cfg(text: str) -> Mapping[str, str]:
    """Return the keys of a pyvenv.cfg (PEP 405), in lower case, with their values."""
    lines = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in lines}


def read_pyvenv_cfg(prefix: str) -> Mapping[str, str]:
    """Return the keys of an environment's pyvenv.cfg; none where there is no such file."""
    return parse_pyvenv_cfg(read_text(os.path.join(prefix, "pyvenv.cfg")))


def read_text(path: str) -> str:
    """Return the text of a small file; "" where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(_LARGEST_BYTES).decode("utf-8-sig", errors="replace")
    except (OSError, ValueError):
        return ""


def is_venv(prefix: str) -> bool:
    """Return whether a folder has a pyvenv.cfg."""
    return os.path.isfile(os.path.join(prefix, "pyvenv.cfg"))


def is_environment(prefix: str) -> bool:
    """Return whether a folder has a pyvenv.cfg or an interpreter."""
    return is_venv(prefix) or any(os.path.isfile(os.path.join(prefix, name)) for name in _INTERPRETERS)


def is_throw_away(prefix: str) -> bool:
    """Return whether an environment was made for one build or one run, going by its name."""
    parent, name = os.path.split(os.path.normpath(prefix))
    return bool(_THROW_AWAY_NAME.fullmatch(name) or _THROW_AWAY_PARENT.fullmatch(os.path.basename(parent)))


def is_uv_build(prefix: str) -> bool:
    """Return whether an environment is one that uv made for a build."""
    return bool(_UV_BUILD_PARENT.fullmatch(os.path.basename(os.path.dirname(os.path.normpath(prefix)))))


def prefix_of_interpreter(path: str) -> str:
    """Return the environment of an interpreter, which need not exist.

    A venv's interpreter is a link to its base's: so the folders around the link are looked at before the link is
    followed, as CPython does (PEP 405).
    """
    prefix = _above(path)
    if is_venv(prefix) or not os.path.islink(path):
        return prefix
    return _above(os.path.realpath(path))


def base_prefix(home: str) -> str:
    """Return the base environment that the `home` key of a pyvenv.cfg names.

    Up to Python 3.10 a venv made by a venv's Python names that one, not its base.
    """
    for _ in range(4):
        prefix = os.path.dirname(home) if os.path.basename(home).lower() in _BIN_FOLDERS else home
        above = read_pyvenv_cfg(prefix).get("home", "")
        if not above or above == home:
            return prefix
        home = above
    return prefix


def python_versions(prefix: str) -> tuple[str, ...]:
    """Return the versions of Python (as 3.11) that an environment is for; none where it does not say."""
    settings = read_pyvenv_cfg(prefix)
    for key in _VERSION_KEYS:
        version = re.match(r"\d+\.\d+", settings.get(key, ""))
        if version:
            return (version[0],)
    versions = {match[1] for name in python_folders(prefix) if (match := _PYTHON_FOLDER.fullmatch(name))}
    return tuple(sorted(versions, key=_numbers))


def python_folders(prefix: str) -> tuple[str, ...]:
    """Return the names like python3.11 and python3.13t in an environment's library folders."""
    found = set()
    for library in ("lib", "lib64"):
        for name in list_folder(os.path.join(prefix, library)):
            folder = os.path.join(prefix, library, name)
            holds = ("site-packages", "dist-packages", "os.py")
            if _PYTHON_FOLDER.fullmatch(name) and any(os.path.exists(os.path.join(folder, item)) for item in holds):
                found.add(name)
    return tuple(sorted(found, key=_numbers))


def site_folders(prefix: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the folders that exist where an environment's distributions are, in the order of its `sys.path`.

    :param names: of the folders of the Python in question, as python3.11
    """
    candidates = [
        *(os.path.join(prefix, library, name, "site-packages") for library in ("lib", "lib64") for name in names),
        # Debian's own Python: what pip installs, then what apt does.
        *(os.path.join(prefix, "local", "lib", name, "dist-packages") for name in names),
        os.path.join(prefix, "lib", "python3", "dist-packages"),
        *(os.path.join(prefix, "lib", name, "dist-packages") for name in names),
        os.path.join(prefix, "Lib", "site-packages"),
    ]
    return unique_folders(candidates)


def unique_folders(folders: Iterable[str]) -> tuple[str, ...]:
    """Return those that exist, each real folder once, in their order."""
    found: dict[str, str] = {}
    for folder in folders:
        if os.path.isdir(folder):
            found.setdefault(os.path.realpath(folder), folder)
    return tuple(found.values())


def holds_torch(prefix: str) -> bool:
    """Return whether torch is installed in an environment, or in the base whose distributions it sees."""
    prefixes = [prefix]
    settings = read_pyvenv_cfg(prefix)
    if settings.get("include-system-site-packages", "").lower() == "true" and settings.get("home"):
        prefixes.append(base_prefix(settings["home"]))
    return any(
        _TORCH.fullmatch(name)
        for folder in prefixes
        for site in site_folders(folder, python_folders(folder))
        for name in list_folder(site)
    )


def list_folder(folder: str) -> tuple[str, ...]:
    """Return the names in a folder, sorted; none where it cannot be read."""
    try:
        return tuple(sorted(os.listdir(folder)))
    except (OSError, ValueError):
        return ()


def _above(path: str) -> str:
    folder = os.path.dirname(path)
    return os.path.dirname(folder) if os.path.basename(folder).lower() in _BIN_FOLDERS else folder


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))
