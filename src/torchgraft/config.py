"""The settings: one dataclass that feeds the parsers of all three sources, the JSON schema and the reference page.

May not read files or variables: it is given their text. To add a setting, add a field; nothing else.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from .errors import ConfigError, Evidence, Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLE = "torchgraft"
VARIABLE_PREFIX = "TORCHGRAFT_"


class Source(enum.Enum):
    """Where a setting may come from; a later one beats an earlier one."""

    TOML = "pyproject.toml"
    VARIABLE = "variable"
    ARGUMENT = "-C"


class Provide(enum.Enum):
    """How torch may be brought into the build."""

    AUTO = "auto"
    GRAFT = "graft"
    INSTALL = "install"
    OFF = "off"


class Log(enum.Enum):
    """How much is said on stderr."""

    QUIET = "quiet"
    SUMMARY = "summary"
    PLAN = "plan"


class _ValueProblem(Exception):  # noqa: N818 - never leaves this module
    """What was wanted instead of the value that was found."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of value: how TOML and text become it, and what the schema and the docs say about it.

    `from_text` gets all values of a repeated -C.
    """

    name: str
    schema: Mapping[str, Any]
    from_toml: Callable[[object], Any]
    from_text: Callable[[tuple[str, ...]], Any]


def _text(data: object) -> str:
    if not isinstance(data, str) or not data.strip():
        raise _ValueProblem("a string that is not empty")
    return data.strip()


def _one(parse: Callable[[object], Any]) -> Callable[[tuple[str, ...]], Any]:
    def parse_one(values: tuple[str, ...]) -> Any:
        if len(values) != 1:
            raise _ValueProblem("one value; it was given several times")
        return parse(values[0])

    return parse_one


def _each(parse: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    def parse_each(data: object) -> tuple[str, ...]:
        if not isinstance(data, list):
            raise _ValueProblem("a list of strings")
        return tuple(parse(item) for item in data)

    return parse_each


def _split(pattern: str, parse: Callable[[object], str]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def parse_split(values: tuple[str, ...]) -> tuple[str, ...]:
        parts = (part.strip() for value in values for part in re.split(pattern, value))
        return tuple(parse(part) for part in parts if part)

    return parse_split


def _scalar(name: str, parse: Callable[[object], Any], **schema: Any) -> Kind:
    return Kind(name=name, schema={"type": "string", **schema}, from_toml=parse, from_text=_one(parse))


def _list(name: str, parse: Callable[[object], str], pattern: str) -> Kind:
    schema = {"type": "array", "items": {"type": "string", "minLength": 1}}
    return Kind(name=name, schema=schema, from_toml=_each(parse), from_text=_split(pattern, parse))


def _choice(members: type[enum.Enum]) -> Kind:
    def parse(data: object) -> enum.Enum:
        try:
            return members(data)
        except ValueError:
            raise _ValueProblem(f"one of: {', '.join(known)}") from None

    known = [str(member.value) for member in members]
    return _scalar(" | ".join(f'"{value}"' for value in known), parse, enum=known)


def _name(data: object) -> str:
    text = _text(data)
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        raise _ValueProblem("names of distributions")
    return str(canonicalize_name(text))


def _requirement(data: object) -> str:
    text = _text(data)
    try:
        Requirement(text)
    except InvalidRequirement:
        raise _ValueProblem(f"requirements (PEP 508); {text!r} is none") from None
    return text


def _specifier(data: object) -> str:
    text = _text(data)
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        raise _ValueProblem("version specifiers, such as >=2.4,<2.9") from None


def _version(data: object) -> str:
    text = _text(data)
    try:
        return str(Version(text))
    except InvalidVersion:
        raise _ValueProblem("one version, such as 2.8.0+cu128") from None


def _backend(data: object) -> str:
    text = _text(data)
    # The grammar of an object reference, as PEP 517 wants it for build-backend.
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?", text):
        raise _ValueProblem("an object reference, such as setuptools.build_meta")
    if text.partition(":")[0] == f"{__package__}.build_meta":
        raise _ValueProblem("another backend than torchgraft, which would wrap itself for ever")
    return text


def _relative(data: object) -> str:
    text = _text(data)
    if re.match(r"[/\\~]|[A-Za-z]:", text) or ".." in re.split(r"[/\\]", text):
        raise _ValueProblem("folders inside the source tree")
    return text


def _variables(data: object) -> Mapping[str, str]:
    if not isinstance(data, dict):
        raise _ValueProblem("a table of strings")
    for name, value in data.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise _ValueProblem(f"names of variables; {name!r} is none")
        if not isinstance(value, str) or "\0" in value:
            raise _ValueProblem(f"strings as values; that of {name} is something else")
    return MappingProxyType(dict(data))


def _no_text(_: tuple[str, ...]) -> Any:
    raise _ValueProblem("a name after it, as in -C torchgraft.env.NAME=VALUE")


TEXT = _scalar("string", _text, minLength=1)
PATH = _scalar("path", _text, minLength=1)
BACKEND = _scalar("object reference", _backend, minLength=1)
SPECIFIERS = _scalar("version specifiers", _specifier, minLength=1)
VERSION = _scalar("version", _version, minLength=1)
NAMES = _list("list of names", _name, r"[,\s]+")
REQUIREMENTS = _list("list of requirements", _requirement, r"\n")
RELATIVE_PATHS = _list("list of folders", _relative, r"\n")
PROVIDE = _choice(Provide)
LOG = _choice(Log)
VARIABLES = Kind(
    name="table of strings",
    schema={"type": "object", "additionalProperties": {"type": "string"}},
    from_toml=_variables,
    from_text=_no_text,
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is known of a field of `Config` besides its type and default."""

    key: str
    kind: Kind
    doc: str
    sources: tuple[Source, ...]


_EVERYWHERE = tuple(Source)
_PACKAGE = (Source.TOML,)
_USER = (Source.VARIABLE, Source.ARGUMENT)


def _setting(default: Any, key: str, kind: Kind, sources: tuple[Source, ...], doc: str) -> Any:
    setting = Setting(key=key, kind=kind, doc=doc, sources=sources)
    return field(default_factory=lambda: default, metadata={"setting": setting})


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of one hook call. `origins` says of each key that was set where its value came from."""

    backend: str = _setting(
        "setuptools.build_meta",
        "backend",
        BACKEND,
        _EVERYWHERE,
        "The delegate: the backend that does the work. `setuptools.build_meta:__legacy__` is for a `setup.py` that"
        " imports modules of its own source tree.",
    )
    backend_path: tuple[str, ...] = _setting(
        (), "backend-path", RELATIVE_PATHS, _PACKAGE, "Folders of the source tree in which the delegate is found."
    )
    match: tuple[str, ...] = _setting(
        ("torch",),
        "match",
        NAMES,
        _EVERYWHERE,
        "The matched distributions: those whose build-time and run-time copy must be the same. Always holds torch.",
    )
    borrow: tuple[str, ...] = _setting(
        ("numpy",),
        "borrow",
        NAMES,
        _EVERYWHERE,
        "Further distributions that are grafted if the consumer has them and the build environment does not.",
    )
    requires: tuple[str, ...] = _setting(
        (),
        "requires",
        REQUIREMENTS,
        _EVERYWHERE,
        "Further build requirements, installed by the front end for building a wheel, not for an sdist.",
    )
    env: Mapping[str, str] = _setting(
        MappingProxyType({}),
        "env",
        VARIABLES,
        (Source.TOML, Source.ARGUMENT),
        "Variables for the delegate. A variable that the user has set keeps the user's value.",
    )
    torch: str = _setting(
        "",
        "torch",
        SPECIFIERS,
        _PACKAGE,
        "The versions of torch that the package supports. Another one is refused before anything is compiled. Without"
        " it, the package's own dependency on torch counts.",
    )
    told_torch: str = _setting(
        "",
        "torch",
        VERSION,
        _USER,
        "The version to build for, whatever is installed: for building wheels for elsewhere.",
    )
    consumer: str = _setting(
        "",
        "consumer",
        PATH,
        _USER,
        "The environment that the wheel is for: its folder or its interpreter. Replaces the search for it.",
    )
    provide: Provide = _setting(
        Provide.AUTO,
        "provide",
        PROVIDE,
        _EVERYWHERE,
        "How torch reaches the build. `graft`: links to the consumer's. `install`: the front end installs it into the"
        " build environment. `auto`: whichever fits. `off`: not at all; torchgraft only passes the hooks on.",
    )
    log: Log = _setting(
        Log.SUMMARY, "log", LOG, _EVERYWHERE, "How much is said on stderr: nothing, one line, or the plan."
    )
    cache_dir: str = _setting(
        "",
        "cache-dir",
        PATH,
        _USER,
        "Where grafts and locks are kept. By default torchgraft's folder in the user's cache.",
    )
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def origin(self, key: str) -> str:
        """Return where the value of a setting came from, for the plan to say."""
        return self.origins.get(key, "default")


def settings() -> dict[str, Setting]:
    """Return the setting of each field of `Config`, by field name, in order."""
    return {f.name: f.metadata["setting"] for f in dataclasses.fields(Config) if "setting" in f.metadata}


def variable_name(key: str) -> str:
    """Return the variable of a setting: TORCHGRAFT_CACHE_DIR for cache-dir."""
    return VARIABLE_PREFIX + key.upper().replace("-", "_")


def split_config_settings(
    config_settings: Mapping[str, Any] | None,
) -> tuple[dict[str, tuple[str, ...]], dict[str, Any] | None]:
    """Return our own part of `config_settings`, without the prefix, and what is the delegate's.

    The argument stays as it is, and what is not ours is passed on untouched: the standard leaves its meaning
    to the backend (PEP 517, "Config settings").
    """
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


def parse_pyproject(text: str) -> Mapping[str, Any]:
    """Return the tables of a pyproject.toml.

    :raises ConfigError: if it is no TOML
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            Problem(
                code="bad-toml",
                headline=f"pyproject.toml is not TOML: {error or 'nested too deeply'}",
                why="settings that cannot be read would silently be the default ones",
                fixes=("mend the line that is named above",),
            )
        ) from None


def resolve_config(
    pyproject: Mapping[str, Any],
    *,
    variables: Mapping[str, str],
    arguments: Mapping[str, tuple[str, ...]],
) -> Config:
    """Return the settings from all three sources: -C beats variable beats pyproject.toml.

    :param variables: the process's variables; others than TORCHGRAFT_* are not looked at
    :param arguments: as `split_config_settings` returns them
    :raises ConfigError: with every mistake in every source at once
    """
    reader = _Reader()
    reader.read_toml(pyproject)
    reader.read_variables(variables)
    reader.read_arguments(arguments)
    if reader.problems:
        raise ConfigError(*reader.problems)
    values = reader.values
    if "match" in values and "torch" not in values["match"]:
        values["match"] = ("torch", *values["match"])
    return Config(**values, origins=MappingProxyType(reader.origins))


class _Reader:
    """Collects values and mistakes over the sources, weakest first."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.problems: list[Problem] = []

    def read_toml(self, pyproject: Mapping[str, Any]) -> None:
        tool = pyproject.get("tool", {})
        table = tool.get(TABLE, {}) if isinstance(tool, dict) else {}
        where = f"[tool.{TABLE}]"
        if not isinstance(table, dict):
            self._refuse_value(Source.TOML.value, where, table, "a table")
            return
        for key, data in table.items():
            found = self._find(key, Source.TOML, f"pyproject.toml: {where}", key)
            if found:
                self._take(found, Source.TOML.value, f"tool.{TABLE}.{key}", data, found[1].kind.from_toml)

    def read_variables(self, variables: Mapping[str, str]) -> None:
        for name in sorted(variables):
            if not name.startswith(VARIABLE_PREFIX) or variables[name] == "":
                continue
            key = name[len(VARIABLE_PREFIX) :].lower().replace("_", "-")
            found = self._find(key, Source.VARIABLE, "the environment", name)
            if found:
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
            elif dot:
                self._refuse_key("the command line (-C)", label, Source.ARGUMENT)
            else:
                self._take(found, f"-C {TABLE}.{key}", label, values, found[1].kind.from_text)

    def _find(self, key: str, source: Source, where: str, shown: str) -> tuple[str, Setting] | None:
        known = [(name, setting) for name, setting in settings().items() if setting.key == key]
        for name, setting in known:
            if source in setting.sources:
                return name, setting
        if known:
            allowed = ", ".join(s.value for s in known[0][1].sources)
            self.problems.append(
                Problem(
                    code="wrong-source",
                    headline=f"{where}: '{shown}' cannot be set there",
                    evidence=(Evidence(label="where", text=allowed),),
                    why=_wrong_source_reason(source),
                    fixes=(f"set '{key}' there instead",),
                )
            )
        else:
            self._refuse_key(where, shown, source)
        return None

    def _take(
        self,
        found: tuple[str, Setting],
        origin: str,
        shown: str,
        data: Any,
        parse: Callable[[Any], Any],
    ) -> None:
        name, setting = found
        try:
            self.values[name] = parse(data)
        except _ValueProblem as problem:
            self._refuse_value(origin, shown, data, str(problem))
        else:
            self.origins[setting.key] = origin

    def _refuse_key(self, where: str, shown: str, source: Source) -> None:
        known = sorted({setting.key for setting in settings().values() if source in setting.sources})
        spelt = {_spelling(key, source): key for key in known}
        close = difflib.get_close_matches(shown, spelt, n=1, cutoff=0.6)
        self.problems.append(
            Problem(
                code="unknown-key",
                headline=f"{where} has no key '{shown}'",
                evidence=(Evidence(label="known", text=", ".join(known)),),
                why="a misspelt key would be ignored and the build would quietly use the default",
                fixes=(f"rename it to '{close[0]}'" if close else "remove it",),
            )
        )

    def _refuse_value(self, origin: str, shown: str, data: object, wanted: str) -> None:
        found = ", ".join(map(repr, data)) if isinstance(data, tuple) else repr(data)
        self.problems.append(
            Problem(
                code="bad-value" if isinstance(data, (str, tuple)) else "wrong-type",
                headline=f"{shown} is not what it has to be" if origin == shown else f"{origin}: {shown} is wrong",
                evidence=(
                    Evidence(label="found", text=found if len(found) <= 120 else found[:117] + "..."),
                    Evidence(label="wanted", text=wanted),
                ),
                why="a value that is not understood cannot be obeyed",
                fixes=(f"change {shown}",),
            )
        )


def _spelling(key: str, source: Source) -> str:
    if source is Source.VARIABLE:
        return variable_name(key)
    return f"-C {TABLE}.{key}" if source is Source.ARGUMENT else key


def _wrong_source_reason(source: Source) -> str:
    if source is Source.TOML:
        return "it describes the machine of one user, which a package cannot know"
    return "it describes the package, which its maintainer alone can know"


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 7) of `[tool.torchgraft]`, as editors and validate-pyproject take it."""
    properties = {
        setting.key: {"description": setting.doc, **setting.kind.schema}
        for setting in settings().values()
        if Source.TOML in setting.sources
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"tool.{TABLE}",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def reference_text() -> str:
    """Return the settings as the Markdown of docs/reference/settings.md."""
    defaults = Config()
    rows = []
    for name, setting in settings().items():
        default = getattr(defaults, name)
        rows += [
            f"## `{setting.key}`" + (" (of the user)" if setting.sources == _USER and _is_shared(setting.key) else ""),
            "",
            setting.doc,
            "",
            f"- value: {setting.kind.name}",
            f"- default: {_default_text(default)}",
            f"- set by: {', '.join(_source_text(setting, source) for source in setting.sources)}",
            "",
        ]
    return "\n".join(rows)


def _is_shared(key: str) -> bool:
    return sum(setting.key == key for setting in settings().values()) > 1


def _default_text(default: object) -> str:
    if isinstance(default, enum.Enum):
        default = default.value
    if isinstance(default, tuple):
        return "`[" + ", ".join(f'"{item}"' for item in default) + "]`"
    if isinstance(default, Mapping):
        return "`{}`"
    return f'`"{default}"`' if default else "none"


def _source_text(setting: Setting, source: Source) -> str:
    if source is Source.TOML:
        return f"`[tool.{TABLE}] {setting.key}`"
    if source is Source.VARIABLE:
        return f"`{variable_name(setting.key)}`"
    return f"`-C {TABLE}.{setting.key}{'.NAME' if setting.kind is VARIABLES else ''}=...`"
