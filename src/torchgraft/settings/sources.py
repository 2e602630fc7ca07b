"""Where a hook call gets its settings from: pyproject.toml, the process's variables, the caller's mapping.

Every mistake in all of them is reported at once. May not know what comes of a setting.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import ConfigError, Problem
from ..files import UnreadableError, cache_folder, read_whole, real
from ..untrusted import LARGEST_TOML_BYTES, is_json_table, load_toml, table
from ..values import dataclass
from .config import TABLE, VARIABLE_PREFIX, Config, RuntimeTorch, Setting, Source, place_of, settings, spelling_of
from .kinds import VARIABLES, TableProblem, ValueProblem


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one hook call, and what is only passed on: the delegate's part of `config_settings`.

    `variables` are all of the process; `prepared` is the `.dist-info` folder that was made for the wheel before.
    """

    config: Config
    source: Path
    pyproject: Mapping[str, Any]
    config_settings: dict[str, Any] | None
    variables: Mapping[str, str]
    cache_folder: Path
    prepared: str | None = None


def take_settings(source: Path, config_settings: Mapping[str, Any] | None, *, prepared: str | None = None) -> Settings:
    """Return the settings for building `source`; raise ConfigError with every mistake in every source."""
    settings = _settings(source, read_pyproject(source), config_settings, dict(os.environ), prepared)
    _refuse_cache_inside(source, settings)
    return settings


def take_shell_settings(config_settings: Mapping[str, Any], variables: Mapping[str, str]) -> Settings:
    """Return the settings of a command that is about no project; raise ConfigError with all mistakes in them."""
    return _settings(Path.cwd(), {}, config_settings, dict(variables))


def _settings(
    source: Path,
    pyproject: Mapping[str, Any],
    config_settings: Mapping[str, Any] | None,
    variables: Mapping[str, str],
    prepared: str | None = None,
) -> Settings:
    ours, theirs = split_config_settings(config_settings)
    config = resolve_config(pyproject, variables=variables, arguments=ours)
    return Settings(
        config=config,
        source=source,
        pyproject=pyproject,
        config_settings=theirs,
        variables=variables,
        cache_folder=cache_folder(config.cache_dir, variables),
        prepared=prepared,
    )


def split_config_settings(
    config_settings: Mapping[str, Any] | None,
) -> tuple[dict[str, tuple[str, ...]], dict[str, Any] | None]:
    """Return our own part of `config_settings`, without the prefix, and what is the delegate's.

    The argument stays as it is, and what is not ours is passed on untouched: the standard leaves its meaning
    to the backend (PEP 517, "Config settings").

    :raises ConfigError: if they are no table that JSON can hold
    """
    if config_settings and not is_json_table(config_settings):
        raise ConfigError.of(
            code="wrong-type",
            headline="the front end gives settings to the hook that are none",
            found=repr(config_settings)[:120],
            why="config_settings is a table that JSON can hold (PEP 517): it is passed on to a process",
            fixes=("-C KEY=VALUE",),
        )
    ours: dict[str, tuple[str, ...]] = {}
    theirs: dict[str, Any] = {}
    for key, value in (config_settings or {}).items():
        head, dot, tail = key.partition(".")
        if head == TABLE:
            values = value if isinstance(value, (list, tuple)) else (value,)
            ours[tail if dot else ""] = tuple("" if item is None else str(item) for item in values)
        else:
            theirs[key] = value
    return ours, (None if config_settings is None else theirs)


def read_pyproject(folder: Path) -> Mapping[str, Any]:
    """Return the tables of pyproject.toml, none without one; raise ConfigError if it is unreadable, or no TOML."""
    return parse_pyproject(read_exact_text(folder / "pyproject.toml") or "")


def read_exact_text(path: Path) -> str | None:
    """Return a text with its own line ends and byte order mark, None without it; raise ConfigError if it is none."""
    try:
        return read_whole(path, LARGEST_TOML_BYTES).decode("utf-8")
    except UnreadableError as error:
        if not os.path.lexists(path):
            return None
        code = "pyproject-unreadable"
        said = f"it {error}"
    except ValueError:
        code = "bad-toml"
        said = "it is not UTF-8"
    headline, why = f"{path.name} is there and cannot be used", "what it says would quietly not count"
    fixes = ("make it a file in UTF-8 that this user may read",)
    raise ConfigError.of(code=code, headline=headline, path=str(path), found=said, why=why, fixes=fixes)


def parse_pyproject(text: str) -> Mapping[str, Any]:
    """Return the tables of a pyproject.toml; raise ConfigError if it is no TOML."""
    try:
        return load_toml(text.removeprefix("\ufeff"))
    except ValueError as error:
        raise ConfigError.of(
            code="bad-toml",
            headline="pyproject.toml is not TOML",
            found=str(error),
            why="settings that cannot be read would silently be the default ones",
            fixes=("correct that line of pyproject.toml",),
        ) from None


def resolve_config(
    pyproject: Mapping[str, Any], *, variables: Mapping[str, str], arguments: Mapping[str, tuple[str, ...]]
) -> Config:
    """Return the settings: -C beats variable beats pyproject.toml; raise ConfigError with every mistake in them."""
    reader = _SettingsReader()
    reader.read_toml(pyproject)
    reader.read_variables(variables)
    reader.read_arguments(arguments)
    reader.refuse_static_dependencies(pyproject)
    if reader.problems:
        raise ConfigError(*reader.problems)
    values = reader.values
    if "match" in values and "torch" not in values["match"]:
        values["match"] = ("torch", *values["match"])
    return Config(**values, origins=MappingProxyType(reader.origins))


class _SettingsReader:
    """Collects values and mistakes over the sources, weakest first."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._has_listed = False

    def read_toml(self, pyproject: Mapping[str, Any]) -> None:
        ours, where = table(pyproject.get("tool")).get(TABLE, {}), f"[tool.{TABLE}]"
        if not isinstance(ours, dict):
            self._refuse_value(Source.TOML.value, where, ours, "a table")
        for key, data in table(ours).items():
            if found := self._find(key, Source.TOML, f"pyproject.toml: {where}", key):
                self._take(found, Source.TOML.value, f"tool.{TABLE}.{key}", data, found[1].kind.from_toml)

    def read_variables(self, variables: Mapping[str, str]) -> None:
        for name in sorted(name for name, value in variables.items() if name.startswith(VARIABLE_PREFIX) and value):
            key = name[len(VARIABLE_PREFIX) :].lower().replace("_", "-")
            if found := self._find(key, Source.VARIABLE, "the environment", name):
                self._take(found, name, name, (variables[name],), found[1].kind.from_text)

    def read_arguments(self, arguments: Mapping[str, tuple[str, ...]]) -> None:
        tables: dict[str, dict[str, str]] = {}
        for dotted, values in arguments.items():
            label = f"-C {TABLE}.{dotted}"
            key, dot, name = dotted.partition(".")
            found = self._find(key, Source.ARGUMENT, "the command line (-C)", label)
            if not found:
                continue
            if found[1].kind is VARIABLES and dot:
                tables.setdefault(found[0], dict(self.values.get(found[0], {})))[name] = values[-1]
                self._take(found, label, label, tables[found[0]], found[1].kind.from_toml)
                self.origins[f"{key}.{name}"] = label
            elif dot:
                self._refuse_key("the command line (-C)", label, Source.ARGUMENT)
            else:
                self._take(found, f"-C {TABLE}.{key}", label, values, found[1].kind.from_text)

    def refuse_static_dependencies(self, pyproject: Mapping[str, Any]) -> None:
        """Refuse a requirement at run time that would change what pyproject.toml states (PEP 621, PEP 808)."""
        wanted = self.values.get("runtime_torch", RuntimeTorch.OFF)
        project = pyproject.get("project")
        dynamic = project.get("dynamic") if isinstance(project, dict) else ["dependencies"]
        if wanted is RuntimeTorch.OFF or (isinstance(dynamic, list) and "dependencies" in dynamic):
            return
        self._refuse(
            f'runtime-torch = "{wanted.value}" adds a dependency, which [project] rules out',
            "a backend may only add to what [project] lists as dynamic (PEP 621, PEP 808)",
            'dynamic = ["dependencies"]   (in [project]; setuptools has to find them elsewhere then)',
            'runtime-torch = "off"   (in [tool.torchgraft])',
            code="static-dependencies",
            found='pyproject.toml: no "dependencies" in [project] dynamic',
        )

    def _find(self, key: str, source: Source, where: str, shown: str) -> tuple[str, Setting] | None:
        known = [(name, setting) for name, setting in settings().items() if setting.key == key]
        found = next((pair for pair in known if source in pair[1].sources), None)
        if not known:
            self._refuse_key(where, shown, source)
        elif found is None:
            of_user = "the machine of one user, which a package cannot know"
            whose = of_user if source is Source.TOML else "the package, which its maintainer alone can know"
            self._refuse(
                f"{where}: '{shown}' cannot be set there",
                f"it describes {whose}",
                *(place_of(key, allowed) for allowed in known[0][1].sources),
                code="wrong-source",
            )
        return found

    def _take(
        self, found: tuple[str, Setting], origin: str, shown: str, data: Any, parse: Callable[[Any], Any]
    ) -> None:
        name, setting = found
        try:
            self.values[name] = parse(data)
        except TableProblem as problem:
            for path, value, wanted, known in problem.faults:
                if known:
                    above, _, key = path.rpartition(".")
                    self._refuse_unknown(f"{origin}: {shown}{above}", key, known, known)
                else:
                    self._refuse_value(origin, f"{shown}{path}", value, wanted)
        except ValueProblem as problem:
            self._refuse_value(origin, shown, data, str(problem))
        else:
            self.origins[setting.key] = origin

    def _refuse_key(self, where: str, shown: str, source: Source) -> None:
        known = sorted({setting.key for setting in settings().values() if source in setting.sources})
        self._refuse_unknown(where, shown, known, [spelling_of(key, source) for key in known])

    def _refuse_unknown(self, where: str, shown: str, known: Sequence[str], spelt: Sequence[str]) -> None:
        import difflib

        # What all have in common makes nothing alike.
        common = next((start for start in (f"-C {TABLE}.", VARIABLE_PREFIX) if shown.startswith(start)), "")
        short = {name.removeprefix(common): name for name in spelt}
        close = [short[name] for name in difflib.get_close_matches(shown.removeprefix(common), short, n=1, cutoff=0.6)]
        self._refuse(
            f"{where} has no {'key' if where.startswith('pyproject') else 'setting'} '{shown}'",
            "a misspelt key would be ignored and the build would quietly use the default",
            f"rename it to '{close[0]}'" if close else "remove it",
            code="unknown-key",
            **({} if close or self._has_listed else {"known": ", ".join(known)}),
        )
        self._has_listed = self._has_listed or not close

    def _refuse_value(self, origin: str, shown: str, data: object, wanted: str) -> None:
        from ..redaction import shown_value

        found = shown_value(shown, ", ".join(map(repr, data)) if isinstance(data, tuple) else repr(data))
        self._refuse(
            f"{shown} has a wrong value" if origin == shown else f"{origin}: {shown} has a wrong value",
            "",
            f"change {shown}",
            code="bad-value" if isinstance(data, (str, tuple)) else "wrong-type",
            found=found if len(found) <= 120 else found[:117] + "...",
            wanted=wanted,
        )

    def _refuse(self, headline: str, why: str, *fixes: str, code: str, **evidence: str) -> None:
        self.problems.append(Problem.of(code=code, headline=headline, why=why, fixes=fixes, **evidence))


def _refuse_cache_inside(source: Path, settings: Settings) -> None:
    """Refuse a cache folder that was named in the source tree: setuptools packs what it finds there.

    A relative path always is there, since hooks run in the source tree.
    """
    config, cache = settings.config, settings.cache_folder
    if config.cache_dir and Path(real(cache)).is_relative_to(real(source)):
        raise ConfigError.of(
            code="cache-in-source",
            headline=f"the cache folder {cache} is in the source tree",
            told=f"{config.cache_dir} ({config.origin('cache-dir')})",
            why="the package would contain torch: what lies in the tree is taken for a part of it",
            fixes=("name a folder outside of it, by its full path, or leave it out",),
        )
