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
from . import choices, kinds
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
        "The delegate: the backend that does the actual work. `setuptools.build_meta:__legacy__` is for a"
        " `setup.py` that imports modules of its own source tree.",
    )
    backend_path: tuple[str, ...] = _setting(
        (), kinds.RELATIVE_PATHS, "Folders of the source tree that contain the delegate.", Source.TOML
    )
    match: tuple[str, ...] = _setting(
        ("torch",),
        kinds.NAMES,
        "The matched distributions: packages that have to be the same in the build and at run time. torch is"
        " always one of them.",
    )
    borrow: tuple[str, ...] = _setting(
        ("numpy",),
        kinds.NAMES,
        "More packages that the build gets links to, if the consumer has them and the build environment does not.",
    )
    requires: tuple[str, ...] = _setting(
        (),
        kinds.REQUIREMENTS,
        "More build requirements. The front end installs them to build a wheel, but not for an sdist.",
    )
    env: Mapping[str, str] = _setting(
        MappingProxyType({}),
        kinds.VARIABLES,
        "Variables for the delegate. A variable that the user has set keeps the user's value. A value may"
        " contain facts of the plan in braces, such as `{cuda_major}`; double a brace that is meant literally.",
        Source.TOML,
        Source.ARGUMENT,
    )
    when: tuple[When, ...] = _setting(
        (),
        TablesKind("when"),
        "Rules: what else is required, set or refused if all conditions of a table are met. [Rules and"
        " facts](rules.md) lists all keys and facts.",
        Source.TOML,
    )
    prebuilt: tuple[Prebuilt, ...] = _setting(
        (),
        TablesKind("prebuilt"),
        "Where to find prebuilt wheels, in the order in which they are tried. `url` and `hashes` may contain"
        " facts in braces. See [prebuilt wheels](../how-to/prebuilt.md).",
        Source.TOML,
    )
    use_prebuilt: choices.UsePrebuilt = _setting(
        choices.UsePrebuilt.ON,
        choice(choices.UsePrebuilt),
        "Whether to use prebuilt wheels, if the package says where they are.",
        *USER,
        key="prebuilt",
    )
    require_hashes: bool = _setting(
        False, kinds.FLAG, "Whether to use a prebuilt wheel only if its SHA-256 digest is known in advance."
    )
    torch: str = _setting(
        "",
        kinds.SPECIFIERS,
        "The versions of torch that the package supports. Others are refused before anything is compiled. The"
        " default is the package's own dependency on torch.",
        Source.TOML,
    )
    stored: choices.Storing = _setting(
        choices.Storing.AUTO,
        choice(choices.Storing),
        "Whether to keep a wheel for the next build of the same sources, torch and settings. Use `off` for"
        " packages whose wheels depend on something that torchgraft cannot see: files outside of the source"
        " tree, servers, the time.",
        Source.TOML,
        key="store",
    )
    store: tuple[str, ...] = _setting(
        ("auto",),
        kinds.STORES,
        "Where to keep wheels, and to look for them before anything is compiled: folders and addresses,"
        " separated by spaces. `auto` is the one in the cache folder. `off`: nowhere. See [compile"
        " once](../how-to/compile-once.md).",
        *USER,
    )
    store_write: bool = _setting(
        False, kinds.FLAG, "Whether to upload wheels that are built here to the servers in `store`.", *USER
    )
    store_token: str = _setting(
        "", kinds.TEXT, "A token for the servers in `store` (`Authorization: Bearer`).", Source.VARIABLE
    )
    told_torch: str = _setting(
        "",
        kinds.VERSION,
        "The version to build for, whatever is installed. Use it to build wheels for other machines.",
        *USER,
        key="torch",
    )
    consumer: str = _setting(
        "",
        kinds.PATH,
        "The environment that the wheel is for: its folder, its Python, or the project whose `.venv` it is."
        " torchgraft then does not search for it.",
        *USER,
    )
    trust: tuple[str, ...] = _setting(
        (),
        kinds.PATHS,
        "Folders whose owners and groups may change what the build runs. Environments and locks in them are"
        " used that would otherwise be refused. Separate several folders as in `PATH`. See [who may change"
        " what the build runs](../how-it-works.md#who-may-change-what-the-build-runs).",
        *USER,
    )
    provide: choices.Provide = _setting(
        choices.Provide.AUTO,
        choice(choices.Provide),
        "How torch gets into the build. `graft`: by links to the consumer's torch. `install`: the front end"
        " installs it into the build environment. `auto`: whichever fits. `off`: not at all, torchgraft only"
        " calls the delegate.",
    )
    cuda: choices.Cuda = _setting(
        choices.Cuda.AUTO,
        choice(choices.Cuda),
        "Whether the build needs a CUDA toolkit. `auto`: if torch is a CUDA build and the project has CUDA"
        " sources, or its `setup.py` uses CUDAExtension. `off`: no, and the packages in the"
        " [vocabulary](vocabulary.md) are told to leave CUDA out.",
    )
    cuda_components: tuple[str, ...] = _setting(
        (),
        kinds.COMPONENTS,
        "More extras of `cuda-toolkit` that the sources need, such as `curand`, if the toolkit comes from PyPI.",
        Source.TOML,
    )
    cuda_architectures: tuple[str, ...] = _setting(
        (),
        kinds.ARCHITECTURES,
        "The compute capabilities to compile for if the machine has no GPU. The default is those that torch"
        " was built for and the toolkit knows.",
    )
    cuda_arch_variable: str = _setting(
        "",
        kinds.VARIABLE_NAME,
        "A variable of the package itself that gets the same architectures, such as `FLASH_ATTN_CUDA_ARCHS`.",
        Source.TOML,
    )
    cuda_arch_format: choices.ArchFormat = _setting(
        choices.ArchFormat.NUMBERS,
        choice(choices.ArchFormat),
        "The format of that variable: `80;90`, `8.0;9.0+PTX`, or `sm_80;sm_90`.",
        Source.TOML,
    )
    vocabulary: tuple[str, ...] = _setting(
        (),
        VOCABULARY,
        "Packages in the [vocabulary](vocabulary.md) whose variables are set in addition to those of the"
        " package with the project's own name. Use it for a fork with another name, and for variables that are"
        " only set on request. `off`: none.",
    )
    max_jobs: int = _setting(
        0, kinds.COUNT, "How many compilers may run at once. The default is as many as processors and memory allow."
    )
    memory_per_job: int = _setting(
        0,
        kinds.SIZE,
        "How much memory one compiler needs, in `GB` or `GiB`. The default is 4 GB for CUDA, 2 GB for C++,"
        " and 7 GB for flash-attn.",
    )
    jobserver: choices.Budgeting = _setting(
        choices.Budgeting.AUTO,
        choice(choices.Budgeting),
        "Whether to share memory and processors with your other builds. `auto`: yes, except on Windows. `off`: no."
        " See [several builds at once](../how-to/compile-once.md#several-builds-at-once).",
    )
    compiler_cache: choices.CompilerCaching = _setting(
        choices.CompilerCaching.AUTO,
        choice(choices.CompilerCaching),
        "The compiler cache to use. `auto`: `ccache` or `sccache`, whichever is on `PATH`. `off`: none, not"
        " even by torch itself. See [compile once](../how-to/compile-once.md).",
    )
    precompiled_headers: bool = _setting(
        False,
        kinds.FLAG,
        "Whether to precompile `torch/extension.h` and keep the result, if at least four C++ files begin with it. Only"
        " with gcc. See [compile once](../how-to/compile-once.md#precompiled-headers).",
    )
    timeout_s: int = _setting(
        0,
        kinds.DURATION,
        "How long the delegate may take for one hook, such as `90min` or `2h`. Then it is stopped, with"
        " everything that it has started. `off`, the default: no limit.",
        key="timeout",
    )
    runtime_torch: choices.RuntimeTorch = _setting(
        choices.RuntimeTorch.OFF,
        choice(choices.RuntimeTorch),
        "Which requirement on torch to add to the metadata, for the torch that the wheel is built against:"
        " `torch==2.8.0`, `torch==2.8.*` or `torch>=2.8`. The package's dependencies have to be dynamic. See"
        " [require the torch](../how-to/runtime-torch.md).",
        Source.TOML,
    )
    guard: choices.Guarding = _setting(
        choices.Guarding.AUTO,
        flag_or(choices.Guarding),
        "Whether an extension module that does not link with the installed torch says so, with both versions"
        " and the fix, instead of naming an undefined symbol. `auto`: only if the wheel's torch was a"
        " [guess](guard.md); such a module refuses any other torch.",
        Source.TOML,
    )
    link_check: bool = _setting(
        True,
        kinds.FLAG,
        "Whether to refuse a wheel that does not link with its torch. The [record](record.md) has the result"
        " in any case.",
    )
    sbom: bool = _setting(
        True,
        kinds.FLAG,
        "Whether the wheel gets a bill of materials (PEP 770) in CycloneDX format: torch, CUDA, compilers and backend.",
    )
    log: choices.Log = _setting(
        choices.Log.SUMMARY, choice(choices.Log), "How much to print to standard error: nothing, one line, or the plan."
    )
    progress: choices.Showing = _setting(
        choices.Showing.AUTO,
        choice(choices.Showing),
        "Where to show the progress of a build that takes longer than 20 seconds. See"
        " [progress](../how-to/progress.md).",
        *USER,
    )
    cache_dir: str = _setting(
        "",
        kinds.PATH,
        "The folder for links, locks and kept wheels. The default is torchgraft's folder in the user's cache.",
        *USER,
    )
    cache_age_s: int = _setting(
        180 * 86_400,
        kinds.DURATION,
        "How long to keep links, headers and notes about source trees that no build uses. Those of a torch or source"
        " tree that no longer exists are removed earlier. `off`: for ever.",
        *USER,
        key="cache-age",
    )
    cache_size_bytes: int = _setting(
        10 * 10**9,
        kinds.SIZE,
        "How much space links, toolkits, headers and wheels may take. What has not been used for longest is removed"
        " first, but nothing of the last day. `0GB`: no limit.",
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
