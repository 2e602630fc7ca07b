"""What an environment says of itself, without running it: pyvenv.cfg, Python versions, where its distributions are.

May not import or run anything of the environment: what .pth and .start files have run is read, never run. Nor does it
raise: a folder that is no environment has nothing to say.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePath

from ..files import is_file, is_folder, joined, names_in, read_text, unique_folders
from ..model.observation import Python
from ..untrusted import numbers_in
from ..values import dataclass
from .processes import HookProcess, Process

_BIN_FOLDERS = frozenset({"bin", "scripts"})
_INTERPRETERS = ("bin/python", "bin/python3", "bin/pypy3", "Scripts/python.exe", "python.exe")
# Written by uv and virtualenv ("version_info"), and by venv ("version").
_VERSION_KEYS = ("version_info", "version")
_PYTHON_FOLDER = r"(?:python|pypy)(\d+\.\d+)t?"
_TORCH = r"torch-\d.*\.(?:dist|egg)-info"
_IMPORT_LINE = r"import[ \t]+(\w+)"
_ENTRY_POINT = r"\s*([\w.]+)\s*:"
# uv writes such lines, into an environment that lies on top of another.
_NAMED_SITE = r"""\baddsitedir\(\s*r?(['"])([^'"]+)\1\s*\)"""
_ADDS_FOLDERS = r"\baddsitedir\b|\bsys\.path\s*(?:\+=|\.(?:append|extend|insert)\b)"
_PUTS_FIRST = r"\bsys\.path\s*(?:\.insert\b|(?:\[[^\]\n]*\]\s*)?=(?!=))"
# Made for one build, or for one run of a tool, and never what a wheel is for. The names are those of pip and build
# (tempfile prefixes), of tox's packaging environments, and of the folders of uv's cache.
_THROW_AWAY_NAME = r"(?:pip-)?build-env-.+|\.pkg.*|\.package"
_THROW_AWAY_PARENT = r"(?:builds|archive)-v\d+"
_UV_BUILD_PARENT = r"builds-v\d+"
_BUILD_FOLDER = r"(?:pip-|pdm-)?build-env-.+"
# `python -s` and `python -I`; `python -E` and `python -I`.
_NO_USER_SITE_FLAGS = frozenset("sI")
_NO_VARIABLES_FLAGS = frozenset("EI")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What can be seen of an environment from outside.

    `python_versions` are like 3.11, and none where it does not say. `search_path` are folders that exist.
    `customized` is what may make its interpreter find more than that, as it starts: a sitecustomize or usercustomize, a
    .pth or .start file; "" if there is none. `reordered` is the one among them that puts folders before all others.
    """

    exists: bool
    python_versions: tuple[str, ...]
    search_path: tuple[str, ...]
    customized: str = ""
    reordered: str = ""


def read_environment(
    prefix: str,
    *,
    python: Python,
    targets: Iterable[str] = (),
    python_path: Iterable[str] = (),
    front_end: Process | None = None,
) -> Environment:
    """Return an environment with its search path, in order.

    :param python: the interpreter of the build, whose version is wanted where the environment has several
    :param targets: of `--target` and `--prefix`, which come first
    :param python_path: the folders of PYTHONPATH, which come next; their .pth files do not count
    :param front_end: whose variables and arguments say whether there is a user site: pip forbids it to its hooks
    """
    folder = Path(prefix)
    settings, there = read_pyvenv_cfg(folder), python_folders(folder)
    names = _best_fitting(there, python)
    sites = [*site_folders(folder, names)]
    is_base_seen = sees_base(settings)
    has_user_site = (is_base_seen or not settings) and _has_user_site(front_end)
    if has_user_site:
        users = _user_sites(names, front_end)
        # As site.main() orders them: a venv's own before the user's, the user's before those of a base.
        sites = [*sites, *users] if is_base_seen else [*users, *sites]
    if is_base_seen:
        base = base_of(settings["home"])
        sites += site_folders(base, names or _best_fitting(python_folders(base), python))
    search_path = unique_folders([*_target_sites(targets, python), *map(Path, python_path), *_with_pth_folders(sites)])
    own = _customization(search_path, ("sitecustomize", *(["usercustomize"] if has_user_site else [])))
    puts_first = bool(own and re.search(_PUTS_FIRST, read_text(Path(own))))
    return Environment(
        exists=is_environment(folder),
        python_versions=_versions(settings, there),
        search_path=tuple(str(path) for path in search_path),
        customized=own or _startup_code(sites, search_path, _ADDS_FOLDERS),
        reordered=own if puts_first else _startup_code(sites, search_path, _PUTS_FIRST),
    )


def python_path_of(process: HookProcess | Process | None) -> tuple[str, ...]:
    """Return the folders of a process's PYTHONPATH, without those that a front end made for one build.

    Module systems (Lmod, Environment Modules) and Nix bring packages so. pip gives hooks a PYTHONPATH of its own: what
    its user has set, only its own process shows.
    """
    if process is None:
        return ()
    command = process.command_line if isinstance(process, Process) else None
    if command is not None and _NO_VARIABLES_FLAGS & set(command.python_flags):
        return ()
    entries = (process.variable("PYTHONPATH") or "").split(os.pathsep)
    folders = (joined(process.folder, entry) for entry in entries if entry)
    return tuple(str(folder) for folder in folders if not is_of_build(folder))


def is_of_build(path: Path) -> bool:
    """Return whether a path lies in what pip, build or pdm made for one build."""
    return any(re.fullmatch(_BUILD_FOLDER, part) for part in path.parts)


def _customization(search_path: Collection[Path], names: Iterable[str]) -> str:
    """Return the first module of the site module's that runs whatever it likes as an interpreter starts."""
    files = (folder / f"{name}{end}" for name in names for folder in search_path for end in ("/__init__.py", ".py"))
    return next((str(path) for path in files if is_file(path)), "")


def _startup_code(sites: Iterable[Path], search_path: Iterable[Path], what: str) -> str:
    """Return the first .pth or .start file that runs what does so, by its text; not one of an editable package."""
    places = tuple(search_path)
    for path in startup_files(sites):
        for module, line in started_modules(path) if "editable" not in path.name else ():
            files = (f"{module.replace('.', '/')}{end}" for end in (".py", "/__init__.py"))
            texts = [re.sub(_NAMED_SITE, "", line), *(read_text(place / file) for file in files for place in places)]
            if any(re.search(what, text) for text in texts):
                return str(path)
    return ""


def startup_files(sites: Iterable[Path]) -> Iterator[Path]:
    """Yield the files of site folders that the site module reads: .pth, and .start since Python 3.15 (PEP 829)."""
    for site in unique_folders(sites):
        yield from (site / n for n in names_in(site) if n.endswith((".pth", ".start")) and not n.startswith("."))


def started_modules(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the modules that a .pth or .start file has run as Python starts, each with its line."""
    pattern = _IMPORT_LINE if path.suffix == ".pth" else _ENTRY_POINT
    yield from ((match[1], line) for line in read_text(path).splitlines() if (match := re.match(pattern, line)))


def pth_folders(path: Path) -> Iterator[Path]:
    """Yield the folders that a .pth file names (the site module's documentation)."""
    for line in read_text(path).splitlines() if path.suffix == ".pth" else ():
        if line.startswith(("import ", "import\t")):
            yield from (Path(match[2]) for match in re.finditer(_NAMED_SITE, line))
        elif line.strip() and not line.startswith("#"):
            yield path.parent / line.rstrip()


def _best_fitting(there: tuple[str, ...], python: Python) -> tuple[str, ...]:
    """Return those of the names of library folders that are of the build's Python, else all, newest first."""
    free_threaded = python.abi.endswith("t")
    same = [name for name in there if re.fullmatch(rf"\D+{re.escape(python.minor_version)}t?", name)]
    return tuple(sorted(same, key=lambda name: name.endswith("t") is not free_threaded)) or there[::-1]


def _target_sites(targets: Iterable[str], python: Python) -> Iterator[Path]:
    """Yield the folder of --target itself; of --prefix, its site-packages."""
    for target in targets:
        folder = Path(target)
        yield from site_folders(folder, _best_fitting(python_folders(folder), python)) or (folder,)


def _with_pth_folders(sites: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders, each followed by those that its .pth files name."""
    for site in unique_folders(sites):
        yield site
        for path in startup_files((site,)):
            yield from pth_folders(path)


def _has_user_site(front_end: Process | None) -> bool:
    if front_end is None:
        return True
    flags = front_end.command_line.python_flags if front_end.command_line else ""
    return front_end.variable("PYTHONNOUSERSITE") is None and not _NO_USER_SITE_FLAGS & set(flags)


def _user_sites(names: Iterable[str], front_end: Process | None) -> list[Path]:
    """Return the user's folders, as the site module names them."""
    named = None if front_end is None else front_end.variable("PYTHONUSERBASE")
    if front_end is not None and named is not None:
        base = joined(front_end.folder, named)
    elif sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or "~").expanduser() / "Python"
    else:
        base = joined("", "~/.local")
    folders = [base / "lib" / name / "site-packages" for name in names]
    if sys.platform == "win32":
        folders = [base / re.sub(r"\.", "", name).capitalize() / "site-packages" for name in names]
    elif sys.platform == "darwin" and named is None:
        # What python.org's and Apple's framework builds use instead.
        library = joined("", "~/Library/Python")
        folders += [library / re.sub(r"^\D+", "", name) / "lib" / "python" / "site-packages" for name in names]
    return [folder for folder in folders if is_folder(folder)]


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


def is_throw_away(prefix: PurePath) -> bool:
    """Return whether an environment was made for one build or one run, going by its name."""
    return bool(re.fullmatch(_THROW_AWAY_NAME, prefix.name) or re.fullmatch(_THROW_AWAY_PARENT, prefix.parent.name))


def is_tool(prefix: Path) -> bool:
    """Return whether an environment is that of a command-line tool, made by `uv tool install` or pipx."""
    return any(is_file(prefix / name) for name in ("uv-receipt.toml", "pipx_metadata.json"))


def is_kept_by_uv(prefix: PurePath) -> bool:
    """Return whether an environment is one that uv keeps for a script, going by its name."""
    return prefix.parent.name.startswith("environments-v")


def is_uv_build(prefix: Path) -> bool:
    """Return whether an environment is one that uv made for a build."""
    return bool(re.fullmatch(_UV_BUILD_PARENT, prefix.parent.name))


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
    return _versions(read_pyvenv_cfg(prefix), python_folders(prefix))


def _versions(settings: Mapping[str, str], there: tuple[str, ...]) -> tuple[str, ...]:
    said = (re.match(r"\d+\.\d+", settings.get(key, "")) for key in _VERSION_KEYS)
    if version := next(filter(None, said), None):
        return (version[0],)
    versions = {match[1] for name in there if (match := re.fullmatch(_PYTHON_FOLDER, name))}
    return tuple(sorted(versions, key=numbers_in))


def python_folders(prefix: Path) -> tuple[str, ...]:
    """Return the names like python3.11 and python3.13t in an environment's library folders, oldest first."""
    places = (library / name for library in (prefix / "lib", prefix / "lib64") for name in names_in(library))
    found = {
        place.name
        for place in places
        if re.fullmatch(_PYTHON_FOLDER, place.name)
        and (any(is_folder(place / f"{kind}-packages") for kind in ("site", "dist")) or is_file(place / "os.py"))
    }
    return tuple(sorted(found, key=lambda name: (numbers_in(name), name)))


def site_folders(prefix: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Return the folders of distributions that exist for Pythons by name (python3.11), in the order of `sys.path`."""
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
        re.fullmatch(_TORCH, name)
        for folder in prefixes
        for site in site_folders(folder, python_folders(folder))
        for name in names_in(site)
    )


def _above(path: Path) -> Path:
    return path.parent.parent if path.parent.name.lower() in _BIN_FOLDERS else path.parent
