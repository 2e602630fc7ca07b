"""What was decided: the values that a plan is made of, each with its reason.

May not do anything: every type here is frozen, keyword-only, and round-trips through JSON (see `codec`).
"""

from __future__ import annotations

import enum

from ..errors import Problem
from ..values import dataclass
from .observation import FrontEnd, Hook, Installer, Link, Rule, Rung, Way
from .torch_values import Torch, TorchRequirement


@dataclass(frozen=True, kw_only=True)
class RungAnswer:
    """What one rung of the ladder said: `torch` is a requirement, None if the rung had no answer."""

    rung: Rung
    torch: TorchRequirement | None
    said: str


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One line of the plan with its reason: a requirement, a variable (`name=value`), a choice."""

    text: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PlannedVariable:
    """A variable of the delegate's environment. `value` is None where the user's own value stays.

    `of_machine` says that it is about the machine that compiles: metadata are prepared without looking at it.
    """

    name: str
    value: str | None
    reason: str
    of_machine: bool = False


class Outcome(enum.Enum):
    """Whether a rule of the package applies. What is not known yet does not."""

    APPLIES = "applies"
    DOES_NOT = "does not apply"
    NOT_KNOWN = "not known yet"


@dataclass(frozen=True, kw_only=True)
class RuleOutcome:
    """What became of one rule of `[[tool.torchgraft.when]]`, counted from 1, and why."""

    number: int
    outcome: Outcome
    said: str


@dataclass(frozen=True, kw_only=True)
class PlannedPrebuilt:
    """A wheel that is tried before anything is compiled. `refused` says why one is not, "" if it is.

    `awaits` says what is known of its address only when the wheel is built, "" if all is.
    It has to be of this `name` and `version`. `sha256` are digests, one of which it must have; `hashes` is the address
    of a file of them. Where `listed`, the address is that of a page of an index, on which its version has the local
    part `local`, "" for none.
    """

    url: str
    listed: bool = False
    local: str = ""
    name: str = ""
    version: str = ""
    sha256: tuple[str, ...] = ()
    hashes: str = ""
    awaits: str = ""
    refused: str = ""
    used: bool = False

    @property
    def file(self) -> str:
        """The name of the file, as hash files have it."""
        from urllib.parse import unquote

        return unquote(self.url.partition("?")[0].rpartition("/")[2])


@dataclass(frozen=True, kw_only=True)
class PlannedStore:
    """Where a wheel is looked for that was built before, in this order, and kept; `refused` says why not, "" if it is.

    `facts` are what the plan knows of all that decides a wheel, by name. `writes` says whether it is given to servers,
    `used` that this one was there.
    """

    places: tuple[str, ...] = ()
    writes: bool = False
    refused: str = ""
    used: bool = False
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the settings of the package come to here: its rules, its variables with facts in them, its prebuilt wheels.

    `machine_problems` stand against compiling here, `problems` against any wheel. `asks_identity` says that no file has
    name and version of the distribution, and that the delegate has to be asked first.
    """

    outcomes: tuple[RuleOutcome, ...] = ()
    requirements: tuple[Planned, ...] = ()
    variables: tuple[PlannedVariable, ...] = ()
    prebuilt: tuple[PlannedPrebuilt, ...] = ()
    asks_identity: bool = False
    notes: tuple[str, ...] = ()
    machine_problems: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Graft:
    """A folder of links to be put in front of the build's import path."""

    folder: str
    links: tuple[Link, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PlannedToolkit:
    """The CUDA toolkit of the build: `home` is CUDA_HOME.

    Where `layers` are given, `home` is a folder of links over these trees, the first of which wins. `copies` are those
    of them that are copied there from a build environment, which the front end deletes.
    """

    home: str
    version: str
    reason: str
    layers: tuple[str, ...] = ()
    copies: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the compilers of all builds of a user share: `cores`, and `memory_bytes` of what `limit` names.

    Each job of this build takes one and `job_bytes`. There are `most` of them, 0 for as many as fit; `exactly` that
    many where the user has said so. `asked` says that ninja asks for each; otherwise they are taken at the start.
    """

    cores: int
    memory_bytes: int
    limit: str
    job_bytes: int
    most: int = 0
    exactly: bool = False
    asked: bool = False


@dataclass(frozen=True, kw_only=True)
class Compiling:
    """What compiling needs besides torch. `forced` are names of variables in which the user's own value cannot work.

    `requirement` is a toolkit that is not there yet. `architectures` are as in TORCH_CUDA_ARCH_LIST, `gfx` as in
    PYTORCH_ROCM_ARCH. `other_minor` says that the toolkit's minor version is not that of torch's CUDA. `jobs` run at
    once, each of which may need `job_bytes`. `cache` is the program that keeps what compilers make, `precompiled` the
    header that is precompiled.
    """

    toolkit: PlannedToolkit | None = None
    other_minor: bool = False
    requirement: Planned | None = None
    architectures: tuple[str, ...] = ()
    rocm: bool = False
    gfx: tuple[str, ...] = ()
    variables: tuple[PlannedVariable, ...] = ()
    forced: tuple[str, ...] = ()
    jobs: int | None = None
    job_bytes: int = 0
    budget: Budget | None = None
    cache: Planned | None = None
    precompiled: Planned | None = None
    notes: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LateInstall:
    """A requirement that is installed into `prefix`, the build environment, before the hook is planned again.

    `options` say where it comes from, besides those of the installer.
    """

    requirement: str
    prefix: str
    installer: Installer
    options: tuple[str, ...] = ()
    reason: str


@dataclass(frozen=True, kw_only=True)
class RuntimeRequirement:
    """The requirement on torch that is added to the metadata; `text` is None where none is, and `reason` says why."""

    text: str | None = None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Delegate:
    """The wrapped backend. `asked` says whether its own get_requires hook has to run, and `reason` why.

    What may help where it fails: `cuda_off`, which leaves out CUDA code that this torch cannot have; `torch_off`, since
    setup.py puts up with the absence of torch.
    """

    backend: str
    backend_path: tuple[str, ...] = ()
    asked: bool
    reason: str
    cuda_off: bool = False
    torch_off: bool = False

    def runs(self, hook: Hook) -> bool:
        """Return whether a hook of ours runs one of the delegate's."""
        return self.asked or not (hook.asks or hook is Hook.GET_REQUIRES_FOR_BUILD_SDIST)


@dataclass(frozen=True, kw_only=True)
class Rebuild:
    """How setuptools is made to compile everything anew, if the tree was built for anything else than `unless`.

    `config` is the file that says it; `unless` as `build_identity` has it. `reason` is "" where the tree,
    as it was seen, need not be.
    """

    config: str
    unless: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a hook call will do, with a reason for every line. Without `problems` it can be carried out.

    `overrides` say which variables of the user are not used, and why. `compile_problems` stand against compiling alone,
    where a wheel that is built already may make that needless.
    `asks_identity` says that no file has name and version of the distribution, and that the delegate is asked first;
    `asks_dependencies` that none has its requirements, while nothing else says which torch.
    `guess` says why the wheel may meet another torch, "" where that is certain; `serves_others` that it will be used
    again for commands that may name another one.
    `ninja` is the program by which torch compiles several files at once, as `plan_needs.plan_ninja` has it.
    `workshop` names the fixed place where a source tree is built that is a copy for this build, "" for none.
    """

    hook: Hook
    name: str | None = None
    consumer: Planned | None = None
    rungs: tuple[RungAnswer, ...] = ()
    rung: Rung | None = None
    guess: str = ""
    torch: Torch | None = None
    way: Way
    way_reason: str
    requirements: tuple[Planned, ...] = ()
    late_install: LateInstall | None = None
    graft: Graft | None = None
    toolkit: PlannedToolkit | None = None
    rebuild: Rebuild | None = None
    jobs: int | None = None
    budget: Budget | None = None
    ninja: Planned | None = None
    compiler_cache: Planned | None = None
    precompiled: Planned | None = None
    workshop: str = ""
    stand_in: Torch | None = None
    hides_version: bool = False
    asks_version: bool = False
    from_files: bool = False
    runtime_torch: RuntimeRequirement | None = None
    guard: bool = False
    serves_others: bool = False
    link_check: bool = True
    sbom: bool = False
    variables: tuple[PlannedVariable, ...] = ()
    when: tuple[RuleOutcome, ...] = ()
    prebuilt: tuple[PlannedPrebuilt, ...] = ()
    store: PlannedStore | None = None
    asks_identity: bool = False
    asks_dependencies: bool = False
    delegate: Delegate
    front_end: FrontEnd
    rule: Rule | None = None
    notes: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    compile_problems: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def serial(self) -> str:
        """Why torch compiles one file after the other; "" where it does not."""
        return self.ninja.reason if self.ninja is not None and not self.ninja.text else ""
