"""What is known of a torch: one that was looked at, and what is asked of one that nobody has seen yet."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import field

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from ..untrusted import parse_requirement, parse_version
from ..values import dataclass


class Origin(enum.Enum):
    """Where an installed torch came from."""

    WHEEL = "wheel"
    CONDA = "conda"
    EDITABLE = "editable"
    SOURCE = "source"


class Knowledge(enum.Enum):
    """How much is known of a torch: its files were looked at; a version names it; or nobody has said which."""

    SEEN = "seen"
    NAMED = "named"
    GUESSED = "guessed"


@dataclass(frozen=True, kw_only=True)
class Torch:
    """What can be known of a torch without importing it: one that is installed, or one that is still to come.

    `version` has the local part; `metadata_version` is what METADATA says where that is another, and "" elsewhere.
    `folder` has its libraries and headers, `modules` its Python modules where these are elsewhere, in a source tree.
    `extension_suffix` is that of torch._C: the interpreter it was built for.
    `architectures` are compute capabilities and gfx names, read only when needed. `cxx11_abi` is None where
    there is no libc10 to read (Windows, macOS, a stub). One that is only named or guessed has no `folder`, and of what
    it is built for only what its version says.
    """

    version: str
    folder: str
    origin: Origin
    known: Knowledge = Knowledge.SEEN
    cuda: str | None = None
    hip: str | None = None
    xpu: str | None = None
    debug: bool = False
    git_version: str | None = None
    cxx11_abi: bool | None = None
    extension_suffix: str | None = None
    toolkit: str | None = None
    architectures: tuple[str, ...] = ()
    metadata_version: str = ""
    modules: str = ""

    @property
    def accelerator(self) -> str:
        """One of cuda, rocm, xpu, cpu; "" where it is not known."""
        if self.cuda:
            return "cuda"
        if self.hip:
            return "rocm"
        if self.known is Knowledge.SEEN:
            return "xpu" if self.xpu else "cpu"
        local = self.version.partition("+")[2]
        return local if local in {"cpu", "xpu"} else ""

    @property
    def resolved_version(self) -> str:
        """The version that a resolver sees."""
        return self.metadata_version or self.version

    def is_same_build(self, other: Torch) -> bool:
        """Return whether two copies are the same build: versions alone do not tell, their C++ ABI may differ."""
        return self.folder == other.folder or self._build() == other._build()

    def _build(self) -> tuple[object, ...]:
        return (self.version, self.git_version, self.cuda, self.hip, self.xpu, self.cxx11_abi, self.debug)


@dataclass(frozen=True, kw_only=True)
class TorchRequirement:
    """A requirement on torch whose marker is true: any version of `specifier`, or the wheel at `url`, with its hash.

    In JSON it is its text, as front ends take it: `torch>=2.4`, `torch @ https://...`.
    """

    specifier: SpecifierSet = field(default_factory=SpecifierSet)
    url: str = ""

    @classmethod
    def parse(cls, text: str) -> TorchRequirement:
        """Return what a text means that names torch; raise ValueError if it is no requirement."""
        requirement = parse_requirement(text)
        return cls(specifier=requirement.specifier, url=requirement.url or "")

    @classmethod
    def exactly(cls, version: str) -> TorchRequirement:
        """Return what only this version meets, even where packaging knows no such version (2.0.0a0+git-unknown)."""
        return cls(specifier=SpecifierSet(f"==={version}"))

    @classmethod
    def all_of(cls, requirements: Iterable[TorchRequirement]) -> TorchRequirement | None:
        """Return what meets all of them, a URL alone where there is one; None for none."""
        found = list(requirements)
        url = next((one.url for one in found if one.url), "")
        bounds = () if url else filter(None, (str(one.specifier) for one in found))
        return cls(url=url, specifier=SpecifierSet(",".join(bounds))) if found else None

    @property
    def text(self) -> str:
        """The requirement as front ends take it."""
        return f"torch @ {self.url}" if self.url else f"torch{self.specifier}"

    @property
    def pinned(self) -> str | None:
        """The one version that meets it; None where there are several, or where a URL decides."""
        exact = [s.version for s in self.specifier if s.operator in {"==", "==="} and not s.version.endswith("*")]
        return exact[0] if exact else None

    def version_among(self, known: Iterable[str]) -> str | None:
        """Return the first of these versions that meets it, else one that its own bounds show; None for none."""
        bounds = [v for s in self.specifier if (v := parse_version(s.version.removesuffix(".*")))]
        shown = [text for bound in sorted(bounds, reverse=True) for text in (str(bound), f"{bound}.1")]
        return next((text for text in (*known, *shown) if self.accepts(text)), None)

    def accepts(self, version: str) -> bool:
        """Return whether an installed torch meets it.

        Nightly and vendor builds are pre-releases of the release that they stand in for (2.8.0a0+5228986c39.nv25.6):
        they count as that release too. A URL is met by the version and local part in its file name alone; where that
        has no local part, as on PyPI and its mirrors, any will do.
        """
        found = parse_version(version)
        if found is None:
            return False
        if self.url:
            name = self.url.partition("#")[0].rpartition("/")[2].replace("%2B", "+").replace("%2b", "+")
            named = parse_version(name.split("-")[1]) if "-" in name else None
            return named is not None and named in {found, Version(found.public)}
        if self.specifier.contains(found, prereleases=True):
            return True
        return found.is_prerelease and self.specifier.contains(found.base_version)


@dataclass(frozen=True, kw_only=True)
class Locked:
    """What a lock file says of torch. `requirement` is `torch==2.8.0`, or a direct URL with its hash.

    `requirement` is None where the file has no answer for this interpreter and platform; `said` says why.
    `toolkit` is the CUDA release that the file has beside that torch (13.0.2), None if it names none.
    `undecided` says that torch will be what stands there, and that it cannot be told which or cannot be had; `choices`
    are the versions, each with the option by which the command would choose it, "" where there is none.
    `guessed` says that it lies above, and the command does not work from it, `unasked` that an extra or a group alone
    has that torch which the command does not install, `varies` that another choice of them has another torch.
    """

    file: str
    version: str | None = None
    requirement: TorchRequirement | None = None
    toolkit: str | None = None
    undecided: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    said: str
    guessed: bool = False
    unasked: bool = False
    varies: bool = False


@dataclass(frozen=True, kw_only=True)
class AskedFor:
    """A requirement on torch in the front end's own arguments or in a file they name, its marker being true.

    `options` are those of uv that bring it, where it comes from an index that builds do not see. `idle` says that it
    limits a torch which nothing of the command requires: one that is installed stays, whichever it is.
    """

    requirement: TorchRequirement
    source: str
    options: tuple[str, ...] = ()
    idle: bool = False


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the front end's lock and arguments say of torch, and the variables that they have for this build.

    `others` are its requirements on other distributions than torch, `named` says that torch is one of those that it
    installs, and not only limited. `resolves` says that its project has no lock that is current, and that one is going
    to be written, `own_environment` that the front end, or pipx above it, makes the environment itself.
    """

    locked: Locked | None = None
    asked_for: tuple[AskedFor, ...] = ()
    faults: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    named: bool = False
    resolves: bool = False
    own_environment: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


def torch_among(requirements: Iterable[Requirement]) -> TorchRequirement | None:
    """Return the requirements on torch as one, None where there is none. All markers have to be true."""
    torch = (one for one in requirements if canonicalize_name(one.name) == "torch")
    return TorchRequirement.all_of(TorchRequirement(specifier=one.specifier, url=one.url or "") for one in torch)


def requirement_of(text: str) -> Requirement | None:
    """Return a requirement, None where it is none."""
    try:
        return parse_requirement(text)
    except InvalidRequirement:
        return None


def required_name(text: str) -> str:
    """Return the normalized name of what is required, "" where that is no requirement."""
    requirement = requirement_of(text)
    return canonicalize_name(requirement.name) if requirement else ""


def without_marker(requirement: Requirement) -> str:
    """Return a requirement that applies as a front end takes it."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    where = f" @ {requirement.url}" if requirement.url else str(requirement.specifier)
    return f"{requirement.name}{extras}{where}"
