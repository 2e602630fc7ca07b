"""The settings and their words: one dataclass that feeds the parsers of all sources, the schema and the reference page.

May not read files or variables. To add a setting, add a field, and say what it does in `docs/settings_texts.py`.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..values import dataclass
from . import kinds
from .kinds import Kind, ListKind, choice, flag_or

if TYPE_CHECKING:
    from .tables import Prebuilt, Tables, When

TABLE = "torchgraft"
VARIABLE_PREFIX = "TORCHGRAFT_"


class Provide(enum.Enum):
    """How torch may be brought into the build."""

    AUTO = "auto"
    GRAFT = "graft"
    INSTALL = "install"
    OFF = "off"


class Cuda(enum.Enum):
    """Whether the project needs a CUDA toolkit."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class ArchFormat(enum.Enum):
    """How a package's own variable names architectures."""

    NUMBERS = "numbers"
    DOTTED = "dotted"
    SM = "sm"


class RuntimeTorch(enum.Enum):
    """Which torch a wheel says that it needs at run time."""

    EXACT = "exact"
    MINOR = "minor"
    AT_LEAST = "at-least"
    OFF = "off"


class Guarding(enum.Enum):
    """Which wheels are guarded: those whose torch was a guess, all, or none."""

    AUTO = "auto"
    ALWAYS = "true"
    NEVER = "false"


class CompilerCaching(enum.Enum):
    """Which program keeps what compilers make."""

    AUTO = "auto"
    CCACHE = "ccache"
    SCCACHE = "sccache"
    OFF = "off"


class Budgeting(enum.Enum):
    """Whether the compilers of all builds of a user share one budget."""

    AUTO = "auto"
    OFF = "off"


class UsePrebuilt(enum.Enum):
    """Whether wheels that are built already are used."""

    ON = "on"
    OFF = "off"


class Storing(enum.Enum):
    """Whether wheels of a package may be kept for the next build of the same."""

    AUTO = "auto"
    OFF = "off"


class Log(enum.Enum):
    """How much is said on stderr."""

    QUIET = "quiet"
    SUMMARY = "summary"
    PLAN = "plan"


class Showing(enum.Enum):
    """Where it is said how far a build is: `AUTO` is on the terminal unless CI is set, and in the log."""

    AUTO = "auto"
    OFF = "off"
    TTY = "tty"
    LOG = "log"


class Source(enum.Enum):
    """Where a setting may come from; a later one beats an earlier one."""

    TOML = "pyproject.toml"
    VARIABLE = "variable"
    ARGUMENT = "-C"


class TablesKind(Kind):
    """An array of tables. What these may hold is imported only where a project has some."""

    def __init__(self, key: str) -> None:
        """Make the kind of the setting of this key."""
        self._key = key
        super().__init__(
            "array of tables",
            lambda data: self.tables.parse(data),  # noqa: PLW0108 - the tables are not imported yet
            no_text="an array of tables, which only pyproject.toml can hold",
        )

    @property
    def tables(self) -> Tables:
        """What its tables are."""
        from .tables import TABLES

        return TABLES[self._key]


def _package(data: object) -> str:
    from .vocabulary import known_package

    return known_package(data)


VOCABULARY = ListKind('list of packages, or "off"', _package, r"[,\s]+", off="off")
USER = (Source.VARIABLE, Source.ARGUMENT)


class Setting(NamedTuple):
    """What is known of a field of `Config` besides its type and default."""

    key: str
    kind: Kind
    sources: tuple[Source, ...]


def _setting(default: Any, kind: Kind, *sources: Source, key: str = "") -> Any:
    """Return a field. Without sources the setting may come from all; its key is the field's name, if not given."""
    return field(default_factory=lambda: default, metadata={"setting": (key, kind, sources or tuple(Source))})


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of one hook call. `origins` says of each key that was set where its value came from."""

    backend: str = _setting("setuptools.build_meta", kinds.BACKEND)
    backend_path: tuple[str, ...] = _setting((), kinds.RELATIVE_PATHS, Source.TOML)
    match: tuple[str, ...] = _setting(("torch",), kinds.NAMES)
    borrow: tuple[str, ...] = _setting(("numpy",), kinds.NAMES)
    requires: tuple[str, ...] = _setting((), kinds.REQUIREMENTS)
    env: Mapping[str, str] = _setting(MappingProxyType({}), kinds.VARIABLES, Source.TOML, Source.ARGUMENT)
    when: tuple[When, ...] = _setting((), TablesKind("when"), Source.TOML)
    prebuilt: tuple[Prebuilt, ...] = _setting((), TablesKind("prebuilt"), Source.TOML)
    use_prebuilt: UsePrebuilt = _setting(UsePrebuilt.ON, choice(UsePrebuilt), *USER, key="prebuilt")
    require_hashes: bool = _setting(False, kinds.FLAG)
    torch: str = _setting("", kinds.SPECIFIERS, Source.TOML)
    stored: Storing = _setting(Storing.AUTO, choice(Storing), Source.TOML, key="store")
    store: tuple[str, ...] = _setting(("auto",), kinds.STORES, *USER)
    store_write: bool = _setting(False, kinds.FLAG, *USER)
    store_token: str = _setting("", kinds.TEXT, Source.VARIABLE)
    told_torch: str = _setting("", kinds.VERSION, *USER, key="torch")
    consumer: str = _setting("", kinds.PATH, *USER)
    trust: tuple[str, ...] = _setting((), kinds.PATHS, *USER)
    provide: Provide = _setting(Provide.AUTO, choice(Provide))
    cuda: Cuda = _setting(Cuda.AUTO, choice(Cuda))
    cuda_components: tuple[str, ...] = _setting((), kinds.COMPONENTS, Source.TOML)
    cuda_architectures: tuple[str, ...] = _setting((), kinds.ARCHITECTURES)
    cuda_arch_variable: str = _setting("", kinds.VARIABLE_NAME, Source.TOML)
    cuda_arch_format: ArchFormat = _setting(ArchFormat.NUMBERS, choice(ArchFormat), Source.TOML)
    vocabulary: tuple[str, ...] = _setting((), VOCABULARY)
    max_jobs: int = _setting(0, kinds.COUNT)
    memory_per_job: int = _setting(0, kinds.SIZE)
    jobserver: Budgeting = _setting(Budgeting.AUTO, choice(Budgeting))
    compiler_cache: CompilerCaching = _setting(CompilerCaching.AUTO, choice(CompilerCaching))
    precompiled_headers: bool = _setting(False, kinds.FLAG)
    timeout_s: int = _setting(0, kinds.DURATION, key="timeout")
    runtime_torch: RuntimeTorch = _setting(RuntimeTorch.OFF, choice(RuntimeTorch), Source.TOML)
    guard: Guarding = _setting(Guarding.AUTO, flag_or(Guarding), Source.TOML)
    link_check: bool = _setting(True, kinds.FLAG)
    sbom: bool = _setting(True, kinds.FLAG)
    log: Log = _setting(Log.SUMMARY, choice(Log))
    progress: Showing = _setting(Showing.AUTO, choice(Showing), *USER)
    cache_dir: str = _setting("", kinds.PATH, *USER)
    cache_age_s: int = _setting(180 * 86_400, kinds.DURATION, *USER, key="cache-age")
    cache_size_bytes: int = _setting(10 * 10**9, kinds.SIZE, *USER, key="cache-size")
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def origin(self, key: str) -> str:
        """Return where the value of a setting came from, for the plan to say."""
        return self.origins.get(key, "default")


@functools.cache
def settings() -> Mapping[str, Setting]:
    """Return the setting of each field of `Config`, by field name, in order."""
    found = ((f.name, *f.metadata["setting"]) for f in dataclasses.fields(Config) if "setting" in f.metadata)
    return {name: Setting(key or name.replace("_", "-"), *rest) for name, key, *rest in found}


def variable_name(key: str) -> str:
    """Return the variable of a setting: TORCHGRAFT_CACHE_DIR for cache-dir."""
    return VARIABLE_PREFIX + key.upper().replace("-", "_")


def spelling_of(key: str, source: Source) -> str:
    """Return a setting as it is spelled in a source."""
    if source is Source.VARIABLE:
        return variable_name(key)
    return f"-C {TABLE}.{key}" if source is Source.ARGUMENT else key


def place_of(key: str, source: Source) -> str:
    """Return what sets a key in a source that may set it."""
    if source is Source.TOML:
        return f"set {key} in [tool.{TABLE}] of pyproject.toml"
    return f"{'export ' if source is Source.VARIABLE else ''}{spelling_of(key, source)}=VALUE"
