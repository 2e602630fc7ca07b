"""What adopting torchgraft changes in a project, each change with its reason.

May not read or write files, nor run anything: it is given what look saw, and returns the new text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from ...errors import ConfigError
from ...hook.delegate_problems import PROVIDERS
from ...model.torch_values import required_name, requirement_of
from ...settings.config import TABLE
from ...settings.sources import parse_pyproject
from ...settings.vocabulary import VOCABULARY, can_leave_cuda_out
from ...untrusted import strings, table
from .adoption import BACKEND, IN_TREE, OWN_NAME, Adoptable, Adoption, Advice, Change, Import, Script
from .plan_need import (
    MATCHED,
    OF_SETUPTOOLS,
    asked_words,
    is_narrow,
    merged_requirement,
    relative_in_vocabulary,
    requirement_key,
    stated_versions,
    top_name,
    torch_evidence,
    why_not_needed,
)
from .pyproject_text import Edits, rewrite_pyproject

_SETUPTOOLS = "setuptools.build_meta"
# Small, and a build script that puts up with the absence of one does less without it.
_EVEN_GUARDED = frozenset({"ninja", "packaging", "wheel"})
_LEGACY = "setuptools.build_meta:__legacy__"
# The first that reads all of today's [project] tables (PEP 639).
_NEW_SETUPTOOLS = "setuptools>=77"
_SETUPTOOLS_BEFORE = (
    *("40.8.0", "50.0.0", "58.0.0", "61.0.0", "64.0.0"),
    *("68.0.0", "70.1.0", "75.0.0", "77.0.3", "80.9.0"),
)
_SETUPTOOLS_SINCE = ("81.0.0", "82.0.0", "90.0.0", "100.0.0")


def plan_adoption(found: Adoptable, *, vendored: tuple[str, ...] = (), force: bool = False) -> Adoption:
    """Return what becomes of pyproject.toml, and why.

    Adopting twice changes nothing.

    :param vendored: what a copy of torchgraft in the source tree needs; empty where it is to come from the index
    :param force: adopt it even if the project does not seem to need torch
    :raises ConfigError: if [build-system] is not what the standard says, or pyproject.toml cannot be rewritten
    """
    text = (found.pyproject or "").removeprefix("\ufeff")
    pyproject = parse_pyproject(text)
    build_system = _build_system(pyproject)
    adopted = build_system.get("build-backend") == BACKEND
    evidence = torch_evidence(found, build_system)
    if not adopted and not evidence and not force:
        return Adoption(
            verdict=Advice.NOT_NEEDED,
            reason=why_not_needed(found),
            requires=tuple(build_system.get("requires", ())),
        )
    plan = _Plan(
        found=found,
        build_system=build_system,
        vendored=vendored,
        settings=table(pyproject, "tool", TABLE),
    )
    plan.decide()
    verdict = Advice.ADOPTED if adopted else Advice.OFF if "provide" in plan.edits.settings else Advice.ADOPT
    after = rewrite_pyproject(found.pyproject, plan.edits) if plan.changes else None
    requires = plan.requires if after is None else parse_pyproject(after)["build-system"]["requires"]
    return Adoption(
        verdict=verdict,
        reason=f'build-backend is "{BACKEND}"' if adopted else evidence[0] if evidence else "as you asked",
        changes=tuple(plan.changes),
        notes=tuple(dict.fromkeys(plan.notes())),
        requires=tuple(requires),
        after=after,
    )


def _build_system(pyproject: Mapping[str, Any]) -> Mapping[str, Any]:
    found = pyproject.get("build-system", {})
    wrong = "" if isinstance(found, dict) else "is no table"
    for key, value in table(found).items():
        if key in {"requires", "backend-path"} and not (isinstance(value, list) and len(strings(value)) == len(value)):
            wrong = wrong or f"{key} is no list of strings"
        elif key == "build-backend" and not isinstance(value, str):
            wrong = wrong or "build-backend is no string"
    if wrong:
        raise ConfigError.of(
            code="wrong-type",
            headline=f"pyproject.toml: [build-system] {wrong}",
            why="no front end could build this",
            fixes=("mend pyproject.toml first",),
        )
    return dict(found)


@dataclass(kw_only=True)
class _Plan:
    """Collects the changes; `taken` are the names of all requirements so far."""

    found: Adoptable
    build_system: Mapping[str, Any]
    vendored: tuple[str, ...]
    settings: Mapping[str, Any]
    changes: list[Change] = field(default_factory=list)
    edits: Edits = field(default_factory=Edits)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.requires: tuple[str, ...] = tuple(self.build_system.get("requires", ()))
        self.backend: str | None = self.build_system.get("build-backend")
        self.path: tuple[str, ...] = tuple(self.build_system.get("backend-path", ()))
        self.adopted = self.backend == BACKEND
        self.in_tree = bool(self.vendored) or (self.adopted and self.path == (IN_TREE,))
        self.delegate = str(self.settings.get("backend", _SETUPTOOLS) if self.adopted else self.backend or _SETUPTOOLS)
        self.taken = {required_name(item) for item in self.requires}
        self.script = self.found.script or Script()

    def decide(self) -> None:
        self._own()
        self._torch()
        self._setuptools()
        self._setup_requires()
        self._imports()
        self._backend()
        self._provide()
        self._vocabulary()

    # What is required

    def _change(self, text: str, reason: str) -> None:
        self.changes.append(Change(text=text, reason=reason))

    def _add(self, requirement: str, reason: str) -> None:
        self.edits.added.append(requirement)
        self.taken.add(required_name(requirement))
        self._change(f'requires: + "{requirement}"', reason)

    def _drop(self, index: int, reason: str) -> None:
        self.edits.replaced[index] = None
        self._change(f'requires: - "{self.requires[index]}"', reason)

    def _own(self) -> None:
        if not self.in_tree:
            if OWN_NAME not in self.taken:
                self._add(OWN_NAME, "it is the build backend")
            return
        for index, item in enumerate(self.requires):
            if required_name(item) == OWN_NAME:
                self._drop(index, f"it stands in {IN_TREE}")
        for requirement in self.vendored:
            self._need(requirement)

    def _need(self, requirement: str) -> None:
        """Require what the copy needs, in one requirement with what the project says of the same distribution."""
        merged, same = requirement, []
        for index, item in enumerate(self.requires):
            both = merged_requirement(item, merged)
            if both is not None:
                merged = both
                same.append(index)
        if not same:
            self._add(requirement, f"{IN_TREE} needs it")
        elif merged != self.requires[same[0]]:
            self.edits.replaced[same[0]] = merged
            self._change(f'requires: "{self.requires[same[0]]}" -> "{merged}"', f"{IN_TREE} needs {requirement}")
        for index in same[1:]:
            self._drop(index, f'"{merged}" says it')

    def _torch(self) -> None:
        matched: list[str] = []
        for index, item in enumerate(self.requires):
            name = required_name(item)
            if name in MATCHED:
                self._drop(index, f"the build gets the {name} that the package will run with")
                matched.append(name)
            if name == "torch":
                self._range(item)
        matched += map(required_name, self.found.setup_requires)
        matched += [top_name(found) for found in self.script.imports if not found.guarded and not found.late]
        known = self.settings.get("match", [])
        names = sorted(MATCHED.intersection(matched) - {"torch"})
        new = [name for name in names if isinstance(known, list) and name not in known]
        reasons = ["made for one version of torch, so it has to be the consumer's too"] if new else []
        taken = {*self.taken, canonicalize_name(self.found.name or ""), *new}
        chosen = [
            name for name in self.script.asked if name not in taken and isinstance(known, list) and name not in known
        ]
        if chosen and not self.adopted:
            reasons.append("the metadata depend on whether the consumer has it")
        if reasons:
            self._set("match", [*known, *new, *chosen], "; ".join(reasons))

    def _range(self, item: str) -> None:
        """Keep what a build requirement says about torch's versions, where the package does not say it elsewhere."""
        requirement = requirement_of(item)
        depends = any(required_name(dependency) == "torch" for dependency in self.found.dependencies or ())
        if requirement is None or not requirement.specifier or depends or "torch" in self.settings:
            return
        versions = stated_versions(item, requirement)
        if requirement.marker is None and not is_narrow(requirement.specifier):
            self._set("torch", versions, f'as [build-system] requires "{item}"')
        else:
            where = f"where the package works with no other, say so in [tool.{TABLE}]"
            self.said.append(f'"{item}" is left out: {where}: torch = "{versions}"')

    def _setuptools(self) -> None:
        if self.delegate.partition(":")[0] != _SETUPTOOLS:
            return
        needed = next((i for i in self._needed() if top_name(i) == "pkg_resources" and not i.guarded), None)
        if "setuptools" not in self.taken:
            limit = ",<81" if needed else ""
            reason = f", and {needed.where} imports pkg_resources" if needed else ""
            self._add(f"{_NEW_SETUPTOOLS}{limit}", f"torchgraft calls it{reason}")
            return
        if needed is None:
            return
        stated = [r for r in map(requirement_of, self.requires) if r and canonicalize_name(r.name) == "setuptools"]
        known = SpecifierSet(",".join(str(r.specifier) for r in stated if str(r.specifier)))
        if not any(known.contains(version) for version in _SETUPTOOLS_SINCE):
            return
        if any(known.contains(version) for version in _SETUPTOOLS_BEFORE):
            self._add("setuptools<81", f"{needed.where} imports pkg_resources, which later ones do not have")
        else:
            self.said.append(f"{needed.where} imports pkg_resources, which setuptools {known} does not have")

    def _setup_requires(self) -> None:
        taken = {*self.taken, *MATCHED}  # one name may stand there twice, for different machines
        known = {requirement_key(item) for item in self.requires}
        for item in self.found.setup_requires:
            name = required_name(item)
            if not name:
                self.said.append(f'setup_requires has "{item}", which is no requirement')
            elif name not in taken and requirement_key(item) not in known:
                known.add(requirement_key(item))
                self._add(item, "setup_requires names it")

    def _needed(self) -> Iterator[Import]:
        """Yield what is imported while setup.py runs, in it and in the modules that it imports."""
        yield from (item for item in self.script.imports if not item.late)

    def _imports(self) -> None:
        for item in self._needed():
            top = top_name(item)
            provider = PROVIDERS.get(top)
            if provider is None or top == "pkg_resources":
                continue
            wanted = not item.guarded or (provider in _EVEN_GUARDED and not item.own)
            if wanted and required_name(provider) not in self.taken:
                self._add(provider, f"{item.where} imports it")

    # What else changes

    def _set(self, key: str, value: str | list[str], reason: str) -> None:
        self.edits.settings[key] = value
        shown = f'"{value}"' if isinstance(value, str) else f"[{', '.join(f'{item!r}' for item in value)}]"
        self._change(f"[tool.{TABLE}] {key} = {shown}".replace("'", '"'), reason)

    def _backend(self) -> None:
        path = (IN_TREE,) if self.in_tree else ()
        if not self.adopted:
            self.edits.backend = BACKEND
            self._change(f'build-backend = "{BACKEND}"', f"it calls {self.backend or 'setuptools'}")
        if not self.adopted or (path != self.path and self.vendored):
            self.edits.backend_path = path
            if path:
                self._change(f'backend-path = ["{IN_TREE}"]', "the backend is in the tree")
        if self.adopted:
            return
        if self.backend is None and (self.script.own_tree or not self.script.certain):
            why = self.script.own_tree or "setup.py cannot be read"
            self._set("backend", _LEGACY, f"{why}; this puts the source tree on sys.path, as until now")
        elif self.backend not in {None, _SETUPTOOLS}:
            self._set("backend", str(self.backend), "it does the work, as until now")
        if self.path:
            self._set("backend-path", list(self.path), "where the backend is found, as until now")

    def _provide(self) -> None:
        imports = [item for item in self.script.imports if top_name(item) == "torch"]
        declared = any(required_name(item) == "torch" for item in (*self.requires, *self.found.setup_requires))
        if self.adopted or declared or not imports or not all(item.guarded for item in imports):
            return
        why = f"{imports[0].where} puts up with the absence of torch"
        if self.script.missing_source:
            self._set(
                "provide",
                "off",
                f"{why}; where torch is there, {self.script.missing_source} is compiled, which is not in the tree",
            )
        elif self.script.unconditional_cuda:
            it = f"{self.script.unconditional_cuda} compiles for CUDA without asking whether there is any"
            self._set("provide", "off", f"{why}; where it is there, {it}")
        else:
            self.said.append(
                f"{why}, which isolated builds did not have: what it adds where torch is there is built from now on"
            )

    def _vocabulary(self) -> None:
        own = canonicalize_name(self.found.name or "")
        if self.adopted or "vocabulary" in self.settings or any(own in word.packages for word in VOCABULARY):
            return
        package = relative_in_vocabulary(self.script.strings)
        if package:
            self._set("vocabulary", [package], f"its setup.py reads the variables of {package}")

    def notes(self) -> Iterator[str]:
        yield from self.said
        said: set[str] = set()
        for item in self._needed():
            top = top_name(item)
            known = top in PROVIDERS or top in MATCHED or top in OF_SETUPTOOLS or top in said
            if not known and not item.guarded and canonicalize_name(top) not in self.taken:
                said.add(top)
                yield f"{item.where} imports {top}: if a distribution provides it, add that to requires"
        for item in self.script.imports:
            provider = PROVIDERS.get(top_name(item))
            if provider and item.late and not item.guarded and required_name(provider) not in self.taken:
                yield f"{item.where} imports {top_name(item)} in a function: if the build calls it, add it to requires"
        if self.found.is_serial:
            yield "setup.py says use_ninja=False: torch compiles one file after the other"
        if not self.adopted and "vocabulary" not in self.settings:
            yield from asked_words(self.found.name)
        if "provide" in {*self.edits.settings, *self.settings}:
            return
        words = strings(self.edits.settings.get("vocabulary", self.settings.get("vocabulary")))
        cure = "; -C torchgraft.cuda=off leaves that out" if can_leave_cuda_out(self.found.name, words) else ""
        if self.script.without_cuda:
            where = self.script.without_cuda
            more = cure or "; to be built in images too, it has to ask whether FORCE_CUDA is 1 before that"
            yield f"{where} gives up where there is no GPU, or nothing that compiles for one{more}"
        elif self.script.unconditional_cuda:
            where = self.script.unconditional_cuda
            yield f"{where} compiles for CUDA whatever torch says, which a CPU build of torch cannot{cure}"
