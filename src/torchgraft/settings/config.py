"""The settings: one dataclass that feeds the parsers of all three sources, the JSON schema and the reference page.

May not read files or variables. To add a setting, add a field; nothing else.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .conditions import RULES, When
from .prebuilt_table import PREBUILT, Prebuilt
from .value_types import (
    ARCHITECTURES,
    BACKEND,
    COMPONENTS,
    COUNT,
    FLAG,
    NAMES,
    PATH,
    RELATIVE_PATHS,
    REQUIREMENTS,
    SIZE,
    SPECIFIERS,
    VARIABLE_NAME,
    VARIABLES,
    VERSION,
    Kind,
    choice,
)
from .vocabulary import NAMES as VOCABULARY

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


class UsePrebuilt(enum.Enum):
    """Whether wheels that are built already are used."""

    ON = "on"
    OFF = "off"


class Log(enum.Enum):
    """How much is said on stderr."""

    QUIET = "quiet"
    SUMMARY = "summary"
    PLAN = "plan"


PROVIDE = choice(Provide)
CUDA = choice(Cuda)
ARCH_FORMAT = choice(ArchFormat)
RUNTIME_TORCH = choice(RuntimeTorch)
USE_PREBUILT = choice(UsePrebuilt)
LOG = choice(Log)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is known of a field of `Config` besides its type and default."""

    key: str
    kind: Kind
    doc: str
    sources: tuple[Source, ...]


_EVERYWHERE = tuple(Source)
_PACKAGE = (Source.TOML,)
USER = (Source.VARIABLE, Source.ARGUMENT)


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
        "Variables for the delegate. A variable that the user has set keeps the user's value. A value may name facts of"
        " the plan between braces, such as `{cuda_major}`; a brace that stands for itself is doubled.",
    )
    when: tuple[When, ...] = _setting(
        (),
        "when",
        RULES,
        _PACKAGE,
        "Rules: what else is required, set or refused where all conditions of a table hold. All keys and facts have a"
        " page of the reference, *Rules and facts*.",
    )
    prebuilt: tuple[Prebuilt, ...] = _setting(
        (),
        "prebuilt",
        PREBUILT,
        _PACKAGE,
        "Where wheels are that are built already, in the order in which they are tried. `url` and `hashes` may name"
        " facts between braces.",
    )
    use_prebuilt: UsePrebuilt = _setting(
        UsePrebuilt.ON,
        "prebuilt",
        USE_PREBUILT,
        USER,
        "Whether wheels that are built already are used where the package says where they are.",
    )
    require_hashes: bool = _setting(
        False,
        "require-hashes",
        FLAG,
        _EVERYWHERE,
        "Whether a prebuilt wheel is used only if its SHA-256 digest is known beforehand.",
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
        USER,
        "The version to build for, whatever is installed: for building wheels for elsewhere.",
    )
    consumer: str = _setting(
        "",
        "consumer",
        PATH,
        USER,
        "The environment that the wheel is for: its folder, its interpreter, or the project whose `.venv` it is."
        " Replaces the search for it.",
    )
    provide: Provide = _setting(
        Provide.AUTO,
        "provide",
        PROVIDE,
        _EVERYWHERE,
        "How torch reaches the build. `graft`: links to the consumer's. `install`: the front end installs it into the"
        " build environment. `auto`: whichever fits. `off`: not at all; torchgraft only passes the hooks on.",
    )
    cuda: Cuda = _setting(
        Cuda.AUTO,
        "cuda",
        CUDA,
        _EVERYWHERE,
        "Whether a CUDA toolkit is needed. `auto`: where torch is a CUDA build and the project has CUDA sources, or its"
        " `setup.py` names CUDAExtension. `off`: none is looked for, and the packages of the"
        " [vocabulary](vocabulary.md) are told to leave CUDA out.",
    )
    cuda_components: tuple[str, ...] = _setting(
        (),
        "cuda-components",
        COMPONENTS,
        _PACKAGE,
        "Further extras of `cuda-toolkit` that the sources need, such as `curand`, where the toolkit comes from PyPI.",
    )
    cuda_architectures: tuple[str, ...] = _setting(
        (),
        "cuda-architectures",
        ARCHITECTURES,
        _EVERYWHERE,
        "The compute capabilities to compile for where the machine has no GPU. By default those of torch that the"
        " toolkit knows.",
    )
    cuda_arch_variable: str = _setting(
        "",
        "cuda-arch-variable",
        VARIABLE_NAME,
        _PACKAGE,
        "A variable of the package's own that gets the same architectures, such as `FLASH_ATTN_CUDA_ARCHS`.",
    )
    cuda_arch_format: ArchFormat = _setting(
        ArchFormat.NUMBERS,
        "cuda-arch-format",
        ARCH_FORMAT,
        _PACKAGE,
        "How that variable is written: `80;90`, `8.0;9.0+PTX`, or `sm_80;sm_90`.",
    )
    vocabulary: tuple[str, ...] = _setting(
        (),
        "vocabulary",
        VOCABULARY,
        _EVERYWHERE,
        "Packages of the [vocabulary](vocabulary.md) whose variables are set, besides the one that has the project's"
        " own name: for a fork under another name, and for those that are only set where they are asked for. `off`:"
        " none, whatever the project is called.",
    )
    max_jobs: int = _setting(
        0,
        "max-jobs",
        COUNT,
        _EVERYWHERE,
        "How many compilers run at once at most. By default as many as processors and memory allow.",
    )
    memory_per_job: int = _setting(
        0,
        "memory-per-job",
        SIZE,
        _EVERYWHERE,
        "What one compiler needs, in `GB` or `GiB`. By default 4 GB for CUDA, 2 GB for C++, and 7 GB for flash-attn.",
    )
    runtime_torch: RuntimeTorch = _setting(
        RuntimeTorch.OFF,
        "runtime-torch",
        RUNTIME_TORCH,
        _PACKAGE,
        "The requirement on torch that is added to the metadata, from the torch that the wheel is built against:"
        " `torch==2.8.0`, `torch==2.8.*` or `torch>=2.8`. The package's dependencies have to be dynamic.",
    )
    guard: bool = _setting(
        False,
        "guard",
        FLAG,
        _PACKAGE,
        "Whether an extension module that does not link with the torch that it meets says so, with both versions and"
        " the cure, instead of naming an undefined symbol.",
    )
    link_check: bool = _setting(
        True,
        "link-check",
        FLAG,
        _EVERYWHERE,
        "Whether a wheel that does not link with its torch is refused. What was found stands in its"
        " [record](record.md) anyway.",
    )
    sbom: bool = _setting(
        True,
        "sbom",
        FLAG,
        _EVERYWHERE,
        "Whether the wheel gets a bill of materials (PEP 770): torch, CUDA, compilers and backend, as CycloneDX.",
    )
    log: Log = _setting(
        Log.SUMMARY, "log", LOG, _EVERYWHERE, "How much is said on stderr: nothing, one line, or the plan."
    )
    cache_dir: str = _setting(
        "",
        "cache-dir",
        PATH,
        USER,
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
