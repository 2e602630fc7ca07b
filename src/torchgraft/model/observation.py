"""What was seen: the values that go into a plan, and the words that all rooms share.

May not do anything: every type here is frozen, keyword-only, and round-trips through JSON (see `codec`).
"""

from __future__ import annotations

import enum
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import ClassVar

from ..values import dataclass
from .hardware_values import Hardware
from .source_tree import HashFile, Project
from .torch_values import AskedFor, Locked, Torch

SNAPSHOT_FORMAT = 1


class Hook(enum.Enum):
    """The hooks of PEP 517 and PEP 660."""

    GET_REQUIRES_FOR_BUILD_SDIST = "get_requires_for_build_sdist"
    GET_REQUIRES_FOR_BUILD_WHEEL = "get_requires_for_build_wheel"
    GET_REQUIRES_FOR_BUILD_EDITABLE = "get_requires_for_build_editable"
    PREPARE_METADATA_FOR_BUILD_WHEEL = "prepare_metadata_for_build_wheel"
    PREPARE_METADATA_FOR_BUILD_EDITABLE = "prepare_metadata_for_build_editable"
    BUILD_SDIST = "build_sdist"
    BUILD_WHEEL = "build_wheel"
    BUILD_EDITABLE = "build_editable"

    @property
    def asks(self) -> bool:
        """Whether it says what a wheel needs for its build."""
        return self in {Hook.GET_REQUIRES_FOR_BUILD_WHEEL, Hook.GET_REQUIRES_FOR_BUILD_EDITABLE}

    @property
    def prepares(self) -> bool:
        """Whether it makes metadata, and no wheel."""
        return self in {Hook.PREPARE_METADATA_FOR_BUILD_WHEEL, Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE}

    @property
    def builds(self) -> bool:
        """Whether it makes a wheel: the only ones that compile."""
        return self in {Hook.BUILD_WHEEL, Hook.BUILD_EDITABLE}


class FrontEndName(enum.Enum):
    """Who calls the hooks."""

    PIP = "pip"
    UV = "uv"
    BUILD = "build"
    POETRY = "poetry"
    PDM = "pdm"
    HATCH = "hatch"
    TOX = "tox"
    NOX = "nox"
    PIPX = "pipx"
    UNKNOWN = "unknown"


class Rule(enum.Enum):
    """How the consumer was found. The keys are those of docs/how-it-works.md."""

    TOLD = "told"
    IMPORTABLE = "R0"
    PIP_ISOLATION = "R1"
    UV_LOCK = "R2"
    UV_TARGET = "R2t"
    UV_SYSTEM = "R2s"
    UV_GUESS = "R2g"
    THROWAWAY = "R3"
    POETRY = "R4"
    TOX = "R5"
    ACTIVATED = "R6"


class Rung(enum.Enum):
    """Which step of the ladder said which torch."""

    TOLD = "told"
    INSTALLED = "installed"
    LOCKED = "locked"
    ASKED_FOR = "asked for"
    DECLARED = "declared"


class Way(enum.Enum):
    """How that torch reaches the build."""

    PRESENT = "present"
    GRAFT = "graft"
    INSTALL = "install"
    ABSENT = "absent"
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class Python:
    """An interpreter: `version` as 3.11.7, `abi` and `platform` as in wheel names (cp311, linux_x86_64).

    `extension_suffix` is what its extension modules end in, for instance .cpython-311-x86_64-linux-gnu.so. `system`
    and `machine` are sys.platform and platform.machine(): linux, x86_64. `implementation_version` is "" where it is
    `version`. `platform_release` and `platform_version` are what markers call so; `wheel_platform` is that of the
    newest wheels which the machine takes: manylinux_2_35_x86_64.
    """

    version: str
    implementation: str
    abi: str
    platform: str
    extension_suffix: str
    system: str = ""
    machine: str = ""
    implementation_version: str = ""
    platform_release: str = ""
    platform_version: str = ""
    wheel_platform: str = ""

    @property
    def minor_version(self) -> str:
        """The version without its last part, as in lib/python3.11."""
        return ".".join(self.version.split(".")[:2])

    def path(self, text: str) -> PurePath:
        """Return a path of the machine that it runs on: pathlib's own are those of the machine that plans."""
        return PureWindowsPath(text) if self.platform.startswith("win") else PurePosixPath(text)


@dataclass(frozen=True, kw_only=True)
class FrontEnd:
    """Who calls the hooks: `command` is the subcommand alone (`pip install`), never arguments.

    `version` is known where the front end wrote it down. `installs` says whether the command puts the wheel
    somewhere, or only resolves, locks or builds. `resolves` says that it is after metadata now, and that no wheel
    follows in this build environment. `ignores_installed` says that it installs dependencies anew, whatever the
    environment has (`--target`, `--ignore-installed`, `--upgrade`), `leaves_dependencies` that it installs none, and
    `removes_others` that it takes away what it does not install (`uv sync` without `--inexact`).
    `hides_output` says that it draws lines of its own while it builds, and not what the build says. `own_environment`
    says that it makes the environment itself, of what one command or script says, and keeps the wheel for the next one.
    """

    name: FrontEndName
    version: str | None = None
    command: str = ""
    installs: bool = True
    resolves: bool = False
    ignores_installed: bool = False
    leaves_dependencies: bool = False
    removes_others: bool = False
    hides_output: bool = False
    own_environment: bool = False


@dataclass(frozen=True, kw_only=True)
class Link:
    """One entry of a graft: `name` relative to it, with forward slashes; `target` absolute."""

    name: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """One installed distribution and what has to be linked to import it. `name` is normalised.

    `source` is what a front end is given to install it again, () where it came from an index: -e and a folder, say.
    """

    name: str
    version: str
    links: tuple[Link, ...] = ()
    source: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether it was installed from a folder: what an index has is something else."""
        return bool(self.source) and not self.source[-1].startswith(f"{self.name} @ ")


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """A file or folder that somebody besides us and root can change; `by` is who, as `user ann` or `group staff`."""

    EVERYBODY: ClassVar[str] = "any user"

    path: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """The environment that the wheel is for.

    `targets` are folders searched before it (`pip install --target`). `search_path` is where its interpreter
    looks for distributions. `python_version` is None where it holds no interpreter of any version.
    `distributions` are the matched and borrowed ones with their closure. `torch_fault` says what is broken in
    a torch that is there and cannot be read. `writable_by_others` lists what others can change of all that a graft
    would link, on the way to it and in torch. `customized` is what runs as its interpreter starts, a sitecustomize
    say, by which it may find a torch that nobody sees who does not run it; where one was found, before that one.
    """

    prefix: str
    rule: Rule
    certain: bool
    why: str
    exists: bool = True
    python_versions: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    search_path: tuple[str, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    torch: Torch | None = None
    torch_fault: str | None = None
    writable_by_others: tuple[Exposure, ...] = ()
    customized: str = ""

    @property
    def is_named(self) -> bool:
        """Whether a setting names it, or the front end shows it; else it is a guess."""
        return self.certain or self.rule is Rule.TOLD


@dataclass(frozen=True, kw_only=True)
class RuleAnswer:
    """What one rule for finding the consumer said, for the plan to show."""

    rule: Rule
    said: str


@dataclass(frozen=True, kw_only=True)
class Installer:
    """The front end's own program, where it can be told to install into this throw-away build environment.

    `options` are those of the front end's arguments that say where distributions come from; `folder` is where it runs.
    """

    program: str
    folder: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BuildEnvironment:
    """Where the hooks run: `distributions` are names and versions that can be imported here."""

    prefix: str
    distributions: tuple[tuple[str, str], ...] = ()
    torch: Torch | None = None

    def version_of(self, name: str) -> str | None:
        """Return the version of a distribution here, None if it is not."""
        return dict(self.distributions).get(name)


@dataclass(frozen=True, kw_only=True)
class Passing:
    """That the hook imports torch in an environment that was made for this build, and whatever may have put it there.

    `consumer` is the one that there is besides; `chosen` says that the user's settings bring this torch into the build
    (uv's `extra-build-dependencies`).
    """

    consumer: Consumer | None = None
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All that a plan may depend on besides the settings.

    `variables_set` are names, never values: whether the user has set a variable is all that a plan asks. The
    conditions of the package's rules on variables are therefore answered by who looks: `env_conditions_met` are those
    that hold, in the words of `rules.env_condition_text`. `switched_off` is the variable by which the user has told the
    package to leave CUDA out, with its value, as in FLASH_ATTENTION_SKIP_CUDA_BUILD=TRUE. `passing` is None where the
    hook imports no torch, or runs in the consumer. `lock_exposures` say who else can change the lock. `unmet` are the
    distributions that the command installs besides, into a consumer with torch and by no lock. `ninja` is the program
    that torch would have compile several files at once, "" if none works or nobody needs one.
    """

    format: int = SNAPSHOT_FORMAT
    hook: Hook
    python: Python
    front_end: FrontEnd
    rules: tuple[RuleAnswer, ...] = ()
    consumer: Consumer | None = None
    rivals: tuple[Consumer, ...] = ()
    passing: Passing | None = None
    locked: Locked | None = None
    lock_exposures: tuple[Exposure, ...] = ()
    asked_for: tuple[AskedFor, ...] = ()
    asked_faults: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    build: BuildEnvironment
    installer: Installer | None = None
    project: Project
    hardware: Hardware | None = None
    variables_set: tuple[str, ...] = ()
    env_conditions_met: tuple[str, ...] = ()
    switched_off: str = ""
    hash_files: tuple[HashFile, ...] = ()
    ninja: str = ""
    cache_folder: str
