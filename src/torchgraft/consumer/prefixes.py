"""What a folder says of itself when it is an environment: its pyvenv.cfg, its Python versions, its site folders.

May not run anything that it finds, nor raise: a folder that is no environment has nothing to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..files import is_file, is_folder, names_in, read_text, unique_folders

_BIN_FOLDERS = frozenset({"bin", "scripts"})
_INTERPRETERS = ("bin/python", "bin/python3", "bin/pypy3", "Scripts/python.exe", "python.exe")
# Written by uv and virtualenv ("version_info"), and by venv ("version").
_VERSION_KEYS = ("version_info", "version")
_PYTHON_FOLDER = re.compile(r"(?:python|pypy)(\d+\.\d+)t?")
_TORCH = re.compile(r"torch-\d.*\.(?:dist|egg)-info")
# Made for one build, or for one run of a tool, and never what a wheel is for. The names are those of pip and build
# (tempfile prefixes), of tox's packaging environments, and of the folders of uv's cache.
_THROW_AWAY_NAME = re.compile(r"(?:pip-)?build-env-.+|\.pkg.*|\.package")
_THROW_AWAY_PARENT = re.compile(r"(?:builds|archive|environments)-v\d+")
_UV_BUILD_PARENT = re.compile(r"builds-v\d+")


def parse_pyvenv_cfg(text: str) -> Mapping[str, str]:
    """Return the keys of a pyvenv.cfg (PEP 405), in lower case, with their values."""
    lines = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in lines}


def read_pyvenv_cfg(prefix: Path) -> Mapping[str, str]:
    """Return the keys of an environment's pyvenv.cfg; none where there is no such file."""
    return parse_pyvenv_cfg(read_text(prefix / "pyvenv.cfg"))


def is_venv(prefix: Path) -> bool:
    """Return whether a folder has a pyvenv.cfg."""
    return is_file(prefix / "pyvenv.cfg")


def is_environment(prefix: Path) -> bool:
    """Return whether a folder has a pyvenv.cfg or an interpreter."""
    return is_venv(prefix) or any(is_file(prefix / name) for name in _INTERPRETERS)


def is_throw_away(prefix: Path) -> bool:
    """Return whether an environment was made for one build or one run, going by its name."""
    return bool(_THROW_AWAY_NAME.fullmatch(prefix.name) or _THROW_AWAY_PARENT.fullmatch(prefix.parent.name))


def is_uv_build(prefix: Path) -> bool:
    """Return whether an environment is one that uv made for a build."""
    return bool(_UV_BUILD_PARENT.fullmatch(prefix.parent.name))


def prefix_of_interpreter(path: Path) -> Path:
    """Return the environment of an interpreter, which need not exist.

    A venv's interpreter is a link to its base's: so the folders around the link are looked at before the link is
    followed, as CPython does (PEP 405).
    """
    prefix = _above(path)
    if is_venv(prefix):
        return prefix
    try:
        return _above(path.resolve()) if path.is_symlink() else prefix
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links that go round
        return prefix


def base_of(home: str) -> Path:
    """Return the base environment that the `home` key of a pyvenv.cfg names.

    Up to Python 3.10 a venv made by a venv's Python names that one, not its base.
    """
    prefix = Path(home)
    for _ in range(4):
        prefix = Path(home).parent if Path(home).name.lower() in _BIN_FOLDERS else Path(home)
        above = read_pyvenv_cfg(prefix).get("home", "")
        if not above or above == home:
            break
        home = above
    return prefix


def python_versions(prefix: Path) -> tuple[str, ...]:
    """Return the versions of Python (as 3.11) that an environment is for; none where it does not say."""
    settings = read_pyvenv_cfg(prefix)
    for key in _VERSION_KEYS:
        version = re.match(r"\d+\.\d+", settings.get(key, ""))
        if version:
            return (version[0],)
    versions = {match[1] for name in python_folders(prefix) if (match := _PYTHON_FOLDER.fullmatch(name))}
    return tuple(sorted(versions, key=_numbers))


def python_folders(prefix: Path) -> tuple[str, ...]:
    """Return the names like python3.11 and python3.13t in an environment's library folders, oldest first."""
    found = set()
    for library in (prefix / "lib", prefix / "lib64"):
        for name in names_in(library):
            if _PYTHON_FOLDER.fullmatch(name) and _is_python_folder(library / name):
                found.add(name)
    return tuple(sorted(found, key=lambda name: (_numbers(name), name)))


def _is_python_folder(folder: Path) -> bool:
    return is_folder(folder / "site-packages") or is_folder(folder / "dist-packages") or is_file(folder / "os.py")


def site_folders(prefix: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Return the folders that exist where an environment's distributions are, in the order of its `sys.path`.

    :param names: of the folders of the Python in question, as python3.11
    """
    names = tuple(names)
    return unique_folders(
        [
            *(prefix / library / name / "site-packages" for library in ("lib", "lib64") for name in names),
            # Debian's own Python: what pip installs, then what apt does.
            *(prefix / "local" / "lib" / name / "dist-packages" for name in names),
            prefix / "lib" / "python3" / "dist-packages",
            *(prefix / "lib" / name / "dist-packages" for name in names),
            prefix / "Lib" / "site-packages",
        ]
    )


def sees_base(settings: Mapping[str, str]) -> bool:
    """Return whether a pyvenv.cfg lets its environment see the distributions of the base."""
    return settings.get("include-system-site-packages", "").lower() == "true" and bool(settings.get("home"))


def holds_torch(prefix: Path) -> bool:
    """Return whether torch is installed in an environment, or in the base whose distributions it sees."""
    settings = read_pyvenv_cfg(prefix)
    prefixes = (prefix, base_of(settings["home"])) if sees_base(settings) else (prefix,)
    return any(
        _TORCH.fullmatch(name)
        for folder in prefixes
        for site in site_folders(folder, python_folders(folder))
        for name in names_in(site)
    )


def _above(path: Path) -> Path:
    return path.parent.parent if path.parent.name.lower() in _BIN_FOLDERS else path.parent


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))
