"""Where an environment's interpreter looks for distributions, found out without running it.

May not import or run anything of the environment: `import` lines of .pth files are left alone.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..files import is_folder, joined, names_in, read_text, unique_folders
from ..model.observation import Python
from .evidence import Process
from .front_end import interpreter_flags
from .prefixes import base_of, is_environment, python_folders, python_versions, read_pyvenv_cfg, sees_base, site_folders

# `python -s` and `python -I`.
_NO_USER_SITE_FLAGS = frozenset("sI")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What can be seen of an environment from outside.

    `python_versions` are like 3.11, and none where it does not say. `search_path` are folders that exist.
    """

    prefix: str
    exists: bool
    python_versions: tuple[str, ...]
    search_path: tuple[str, ...]


def read_environment(
    prefix: str, *, python: Python, targets: Iterable[str] = (), front_end: Process | None = None
) -> Environment:
    """Return an environment with its search path, in order.

    :param python: the interpreter of the build, whose version is wanted where the environment has several
    :param targets: of `--target` and `--prefix`, which come first
    :param front_end: whose variables and arguments say whether there is a user site: pip forbids it to its hooks
    """
    folder = Path(prefix)
    settings = read_pyvenv_cfg(folder)
    names = _python_names(folder, python)
    sites = [*site_folders(folder, names)]
    is_base_seen = sees_base(settings)
    if (is_base_seen or not settings) and _has_user_site(front_end):
        users = _user_sites(names, front_end)
        # As site.main() orders them: a venv's own before the user's, the user's before those of a base.
        sites = [*sites, *users] if is_base_seen else [*users, *sites]
    if is_base_seen:
        base = base_of(settings["home"])
        sites += site_folders(base, names or _python_names(base, python))
    search_path = unique_folders([*_target_sites(targets, python), *_with_pth_folders(sites)])
    return Environment(
        prefix=prefix,
        exists=is_environment(folder),
        python_versions=python_versions(folder),
        search_path=tuple(str(path) for path in search_path),
    )


def writable_by_others(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those that any user may write to, a sticky bit notwithstanding. On Windows that is not looked at."""
    return () if os.name == "nt" else tuple(path for path in paths if _is_open(path))


def _is_open(path: str) -> bool:
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    is_sticky = stat.S_ISDIR(mode) and mode & stat.S_ISVTX
    return bool(mode & stat.S_IWOTH) and not is_sticky


def _python_names(prefix: Path, python: Python) -> tuple[str, ...]:
    """Return the names of the library folders of the build's Python, else of the others, newest first."""
    there = python_folders(prefix)
    free_threaded = python.abi.endswith("t")
    minor = re.escape(python.minor_version)
    same = [name for name in there if re.fullmatch(rf"\D+{minor}t?", name)]
    return tuple(sorted(same, key=lambda name: name.endswith("t") is not free_threaded)) or there[::-1]


def _target_sites(targets: Iterable[str], python: Python) -> Iterator[Path]:
    """Yield the folder of --target itself; of --prefix, its site-packages."""
    for target in targets:
        folder = Path(target)
        yield from site_folders(folder, _python_names(folder, python)) or (folder,)


def _with_pth_folders(sites: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders, each followed by those that its .pth files name (the site module's documentation)."""
    for site in unique_folders(sites):
        yield site
        for name in names_in(site):
            if name.endswith(".pth") and not name.startswith("."):
                for line in read_text(site / name).splitlines():
                    if line.strip() and not line.startswith(("#", "import ", "import\t")):
                        yield site / line.rstrip()


def _has_user_site(front_end: Process | None) -> bool:
    if front_end is None:
        return True
    flags = interpreter_flags(front_end)
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
        versions = (re.sub(r"^\D+", "", name) for name in names)
        folders += [
            joined("", "~/Library/Python") / version / "lib" / "python" / "site-packages" for version in versions
        ]
    return [folder for folder in folders if is_folder(folder)]
