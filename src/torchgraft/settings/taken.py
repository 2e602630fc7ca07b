"""Where a hook call gets its settings from: the project's files, the process's variables, the caller's mapping.

May not interpret them: `config` does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from ..errors import ConfigError, Evidence, Problem
from ..project.pyproject import read_pyproject
from .config import Config
from .sources import resolve_config, split_config_settings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one hook call, and what is only passed on.

    `config_settings` is the delegate's part; `variables` are all of the process; `prepared` is the `.dist-info` folder
    that was made for the wheel before.
    """

    config: Config
    source: Path
    pyproject: Mapping[str, Any]
    config_settings: dict[str, Any] | None
    variables: Mapping[str, str]
    cache_folder: Path
    prepared: str | None = None


def take_settings(source: Path, config_settings: Mapping[str, Any] | None, *, prepared: str | None = None) -> Settings:
    """Return the settings for building `source`.

    :raises ConfigError: with every mistake in every source
    """
    ours, theirs = split_config_settings(config_settings)
    pyproject = read_pyproject(source)
    variables = dict(os.environ)
    config = resolve_config(pyproject, variables=variables, arguments=ours)
    return Settings(
        config=config,
        source=source,
        pyproject=pyproject,
        config_settings=theirs,
        variables=variables,
        cache_folder=_outside(source, _cache_folder(config), config),
        prepared=prepared,
    )


def take_shell_settings(config_settings: Mapping[str, Any], variables: Mapping[str, str]) -> Settings:
    """Return the settings of a command that is about no project.

    :raises ConfigError: with every mistake in every source
    """
    ours, theirs = split_config_settings(config_settings)
    config = resolve_config({}, variables=variables, arguments=ours)
    return Settings(
        config=config,
        source=Path.cwd(),
        pyproject={},
        config_settings=theirs,
        variables=dict(variables),
        cache_folder=_cache_folder(config),
    )


def _outside(source: Path, cache: Path, config: Config) -> Path:
    """Return a cache folder that was named, if it is not in the source tree: setuptools packs what it finds there.

    :raises ConfigError: if it is; a path that is relative always is, since hooks run in the source tree
    """
    if not config.cache_dir or not cache.resolve().is_relative_to(source.resolve()):
        return cache
    raise ConfigError(
        Problem(
            code="cache-in-source",
            headline=f"the cache folder {cache} is in the source tree",
            evidence=(Evidence(label="told", text=f"{config.cache_dir} ({config.origin('cache-dir')})"),),
            why="the package would contain torch: what lies in the tree is taken for a part of it",
            fixes=("name a folder outside of it, by its full path, or leave it out",),
        )
    )


def _cache_folder(config: Config) -> Path:
    if config.cache_dir:
        return Path(os.path.expanduser(config.cache_dir)).absolute()  # noqa: PTH111 - Path's raises without a home
    try:
        return Path(platformdirs.user_cache_dir("torchgraft", appauthor=False))
    except RuntimeError:
        # Neither HOME nor an entry for the user: containers that are run as any user. Whose folder it is, is checked.
        return Path(tempfile.gettempdir()) / f"torchgraft-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"
