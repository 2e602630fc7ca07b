"""The settings: one dataclass that feeds the parsers of all three sources, the JSON schema and the reference page.

May not read files or variables. To add a setting, add a field; nothing else.
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
from .choices import (
    ArchFormat,
    Budgeting,
    CompilerCaching,
    Cuda,
    Guarding,
    Log,
    Provide,
    RuntimeTorch,
    Showing,
    Storing,
    UsePrebuilt,
)
from .kinds import Kind, ListKind, choice, flag_or

if TYPE_CHECKING:
    from .tables import Prebuilt, Tables, When

TABLE = "torchgraft"
VARIABLE_PREFIX = "TORCHGRAFT_"


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
            lambda: self.tables.schema(),  # noqa: PLW0108
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
    doc: str
    sources: tuple[Source, ...]


def _setting(default: Any, kind: Kind, doc: str, *sources: Source, key: str = "") -> Any:
    """Return a field. Without sources the setting may come from all; its key is the field's name, if not given."""
    return field(default_factory=lambda: default, metadata={"setting": (key, kind, doc, sources or tuple(Source))})


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of one hook call. `origins` says of each key that was set where its value came from."""

    backend: str = _setting(
        "setuptools.build_meta",
        kinds.BACKEND,
        "The delegate: the backend that does the work. `setuptools.build_meta:__legacy__` is for a `setup.py` that"
        " imports modules of its own source tree.",
    )
    backend_path: tuple[str, ...] = _setting(
        (), kinds.RELATIVE_PATHS, "Folders of the source tree in which the delegate is found.", Source.TOML
    )
    match: tuple[str, ...] = _setting(
        ("torch",),
        kinds.NAMES,
        "The matched distributions: those whose build-time and run-time copy must be the same. Always holds torch.",
    )
    borrow: tuple[str, ...] = _setting(
        ("numpy",),
        kinds.NAMES,
        "Further distributions that are grafted if the consumer has them and the build environment does not.",
    )
    requires: tuple[str, ...] = _setting(
        (),
        kinds.REQUIREMENTS,
        "Further build requirements, installed by the front end for building a wheel, not for an sdist.",
    )
    env: Mapping[str, str] = _setting(
        MappingProxyType({}),
        kinds.VARIABLES,
        "Variables for the delegate. A variable that the user has set keeps the user's value. A value may name facts of"
        " the plan between braces, such as `{cuda_major}`; a brace that stands for itself is doubled.",
        Source.TOML,
        Source.ARGUMENT,
    )
    when: tuple[When, ...] = _setting(
        (),
        TablesKind("when"),
        "Rules: what else is required, set or refused where all conditions of a table hold. All keys and facts have a"
        " page of the reference, *Rules and facts*.",
        Source.TOML,
    )
    prebuilt: tuple[Prebuilt, ...] = _setting(
        (),
        TablesKind("prebuilt"),
        "Where wheels are that are built already, in the order in which they are tried. `url` and `hashes` may name"
        " facts between braces.",
        Source.TOML,
    )
    use_prebuilt: UsePrebuilt = _setting(
        UsePrebuilt.ON,
        choice(UsePrebuilt),
        "Whether wheels that are built already are used where the package says where they are.",
        *USER,
        key="prebuilt",
    )
    require_hashes: bool = _setting(
        False, kinds.FLAG, "Whether a prebuilt wheel is used only if its SHA-256 digest is known beforehand."
    )
    torch: str = _setting(
        "",
        kinds.SPECIFIERS,
        "The versions of torch that the package supports. Another one is refused before anything is compiled. Without"
        " it, the package's own dependency on torch counts.",
        Source.TOML,
    )
    stored: Storing = _setting(
        Storing.AUTO,
        choice(Storing),
        "Whether a wheel is kept for the next build of the same sources, torch and settings. `off` is for packages"
        " whose wheels depend on what nobody can see: files outside of the source tree, servers, the time.",
        Source.TOML,
        key="store",
    )
    store: tuple[str, ...] = _setting(
        ("auto",),
        kinds.STORES,
        "Where wheels are kept, and looked for before anything is compiled: folders and addresses, separated by spaces;"
        " `auto` is the one in the cache folder. `off`: nowhere. See [compile once](../how-to/compile-once.md).",
        *USER,
    )
    store_write: bool = _setting(
        False, kinds.FLAG, "Whether wheels that are built here are given to the servers in `store`, too.", *USER
    )
    store_token: str = _setting(
        "", kinds.TEXT, "A token that the servers in `store` want (`Authorization: Bearer`).", Source.VARIABLE
    )
    told_torch: str = _setting(
        "",
        kinds.VERSION,
        "The version to build for, whatever is installed: for building wheels for elsewhere.",
        *USER,
        key="torch",
    )
    consumer: str = _setting(
        "",
        kinds.PATH,
        "The environment that the wheel is for: its folder, its interpreter, or the project whose `.venv` it is."
        " Replaces the search for it.",
        *USER,
    )
    trust: tuple[str, ...] = _setting(
        (),
        kinds.PATHS,
        "Folders whose owners and groups may change what the build runs: environments and locks in them are used where"
        " they would be refused. More than one are separated as in `PATH`. See"
        " [who may change what the build runs](../how-it-works.md#who-may-change-what-the-build-runs).",
        *USER,
    )
    provide: Provide = _setting(
        Provide.AUTO,
        choice(Provide),
        "How torch reaches the build. `graft`: links to the consumer's. `install`: the front end installs it into the"
        " build environment. `auto`: whichever fits. `off`: not at all; torchgraft only passes the hooks on.",
    )
    cuda: Cuda = _setting(
        Cuda.AUTO,
        choice(Cuda),
        "Whether a CUDA toolkit is needed. `auto`: where torch is a CUDA build and the project has CUDA sources, or its"
        " `setup.py` names CUDAExtension. `off`: none is looked for, and the packages of the"
        " [vocabulary](vocabulary.md) are told to leave CUDA out.",
    )
    cuda_components: tuple[str, ...] = _setting(
        (),
        kinds.COMPONENTS,
        "Further extras of `cuda-toolkit` that the sources need, such as `curand`, where the toolkit comes from PyPI.",
        Source.TOML,
    )
    cuda_architectures: tuple[str, ...] = _setting(
        (),
        kinds.ARCHITECTURES,
        "The compute capabilities to compile for where the machine has no GPU. By default those of torch that the"
        " toolkit knows.",
    )
    cuda_arch_variable: str = _setting(
        "",
        kinds.VARIABLE_NAME,
        "A variable of the package's own that gets the same architectures, such as `FLASH_ATTN_CUDA_ARCHS`.",
        Source.TOML,
    )
    cuda_arch_format: ArchFormat = _setting(
        ArchFormat.NUMBERS,
        choice(ArchFormat),
        "How that variable is written: `80;90`, `8.0;9.0+PTX`, or `sm_80;sm_90`.",
        Source.TOML,
    )
    vocabulary: tuple[str, ...] = _setting(
        (),
        VOCABULARY,
        "Packages of the [vocabulary](vocabulary.md) whose variables are set, besides the one that has the project's"
        " own name: for a fork under another name, and for those that are only set where they are asked for. `off`:"
        " none, whatever the project is called.",
    )
    max_jobs: int = _setting(
        0, kinds.COUNT, "How many compilers run at once at most. By default as many as processors and memory allow."
    )
    memory_per_job: int = _setting(
        0,
        kinds.SIZE,
        "What one compiler needs, in `GB` or `GiB`. By default 4 GB for CUDA, 2 GB for C++, and 7 GB for flash-attn.",
    )
    jobserver: Budgeting = _setting(
        Budgeting.AUTO,
        choice(Budgeting),
        "Whether memory and processors are shared with the user's other builds. `auto`: where the system has what that"
        " needs, which Windows has not. `off`: this one takes what it finds."
        " See [several builds at once](../how-to/compile-once.md#several-builds-at-once).",
    )
    compiler_cache: CompilerCaching = _setting(
        CompilerCaching.AUTO,
        choice(CompilerCaching),
        "What keeps the results of compilers for the next build. `auto`: `ccache` or `sccache`, whichever is on `PATH`."
        " `off`: none, neither ours nor torch's own. See [compile once](../how-to/compile-once.md).",
    )
    timeout_s: int = _setting(
        0,
        kinds.DURATION,
        "How long the delegate may take for one hook, such as `90min` or `2h`; then it is ended, with all that it has"
        " started. `off`, the default: as long as it takes.",
        key="timeout",
    )
    runtime_torch: RuntimeTorch = _setting(
        RuntimeTorch.OFF,
        choice(RuntimeTorch),
        "The requirement on torch that is added to the metadata, from the torch that the wheel is built against:"
        " `torch==2.8.0`, `torch==2.8.*` or `torch>=2.8`. The package's dependencies have to be dynamic.",
        Source.TOML,
    )
    guard: Guarding = _setting(
        Guarding.AUTO,
        flag_or(Guarding),
        "Whether an extension module that does not link with the torch that it meets says so, with both versions and"
        " the cure, instead of naming an undefined symbol. `auto`: only where the torch of the wheel was a"
        " [guess](guard.md); such a module refuses another torch even if it links.",
        Source.TOML,
    )
    link_check: bool = _setting(
        True,
        kinds.FLAG,
        "Whether a wheel that does not link with its torch is refused. What was found stands in its"
        " [record](record.md) anyway.",
    )
    sbom: bool = _setting(
        True,
        kinds.FLAG,
        "Whether the wheel gets a bill of materials (PEP 770): torch, CUDA, compilers and backend, as CycloneDX.",
    )
    log: Log = _setting(Log.SUMMARY, choice(Log), "How much is said on stderr: nothing, one line, or the plan.")
    progress: Showing = _setting(
        Showing.AUTO, choice(Showing), "Where it is said how far a build is that takes longer than 20 seconds.", *USER
    )
    cache_dir: str = _setting(
        "", kinds.PATH, "Where grafts and locks are kept. By default torchgraft's folder in the user's cache.", *USER
    )
    cache_age_s: int = _setting(
        180 * 86_400,
        kinds.DURATION,
        "How long grafts and notes of source trees are kept that no build uses. What leads to a torch or a source tree"
        " that is gone goes sooner. `off`: for ever.",
        *USER,
        key="cache-age",
    )
    cache_size_bytes: int = _setting(
        10 * 10**9,
        kinds.SIZE,
        "How much grafts, toolkits and wheels may take; what was used longest ago goes first, and nothing of the last"
        " day. `0GB`: without limit.",
        *USER,
        key="cache-size",
    )
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
