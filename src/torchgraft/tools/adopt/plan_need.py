"""Whether a project that may adopt torchgraft needs torch for its build, and which words of the vocabulary it may want.

May not decide what changes. Words of a package's own name are set anyway (`plan_vocabulary`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from ...model.torch_values import required_name, requirement_of
from ...settings.vocabulary import PACKAGES, VOCABULARY, words_of
from .adoption import Adoptable, Import, Script

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# torch itself and what is made for one version of it: matched to the consumer's, never installed for the build.
MATCHED = frozenset({"torch", "torchvision", "torchaudio"})
# Modules of setuptools, or always there with it.
OF_SETUPTOOLS = frozenset({"_distutils_hack", "distutils", "pip", "setuptools"})
_MOST_MINORS = 20  # torch 1 had 14, and no minor series ten releases
_FEW = 2
_ANYBODYS = frozenset({"BUILD", "CMAKE", "FORCE", "PYTORCH", "USE"})  # first words of variables


def torch_evidence(found: Adoptable, build_system: Mapping[str, Any]) -> list[str]:
    """Return what shows that the build uses torch, the best first."""
    stated = {"[build-system] requires": build_system.get("requires", ()), "setup_requires has": found.setup_requires}
    shown = [f'{says} "{item}"' for says, items in stated.items() for item in items if required_name(item) in MATCHED]
    script = found.script or Script()
    imports = [item for item in script.imports if top_name(item) in MATCHED and not _is_of_run_time(item, found.name)]
    imports.sort(key=lambda item: (item.guarded, item.own, item.late))
    shown += [f"{item.where} imports {top_name(item)}" for item in imports]
    return [*shown, *script.questions, *filter(None, [found.finds_torch])]


def _is_of_run_time(item: Import, name: str | None) -> bool:
    """Return whether an import stands in a function of the package itself: setup.py wants its version, say."""
    top = item.where.removeprefix("src/").partition("/")[0]
    return item.late and name is not None and canonicalize_name(top) == canonicalize_name(name)


def why_not_needed(found: Adoptable) -> str:
    """Return why nothing shows that."""
    script = found.script
    if script is None:
        return "nothing in it asks for torch while it is built"
    if not script.certain:
        return "its setup.py cannot be read (is it for Python 2?), and nothing else asks for torch"
    skipped = next((item for item in script.skipped if top_name(item) == "torch"), None)
    if skipped is not None:
        return f"{skipped.where} imports torch only where a variable says so"
    return "its setup.py does not import torch"


def merged_requirement(stated: str, needed: str) -> str | None:
    """Return one requirement that says what two of the same distribution say, `stated` itself where that does.

    None where no single one can: of different distributions, with an address, or for different machines.
    """
    old, new = requirement_of(stated), requirement_of(needed)
    if old is None or new is None or old.url or new.url or canonicalize_name(old.name) != canonicalize_name(new.name):
        return None
    if old.marker and new.marker and old.marker != new.marker:
        return None
    floors = sorted(
        (one for one in (*old.specifier, *new.specifier) if one.operator == ">="), key=lambda one: Version(one.version)
    )
    others = [one for one in (*old.specifier, *new.specifier) if one.operator != ">="]
    specifier = SpecifierSet(",".join(map(str, [*others, *floors[-1:]])))
    for item, text in ((old, stated), (new, needed)):
        is_for_all = item.marker is None or (old.marker is not None and new.marker is not None)
        if item.specifier == specifier and item.extras >= old.extras | new.extras and is_for_all:
            return text
    old.specifier, old.extras, old.marker = specifier, old.extras | new.extras, old.marker and new.marker
    return str(old)


def requirement_key(item: str) -> tuple[str, str, str]:
    """Return what tells a requirement from another of the same distribution: versions, and where it is for."""
    requirement = requirement_of(item)
    return (required_name(item), str(requirement.specifier), str(requirement.marker)) if requirement else ("", item, "")


def top_name(item: Import) -> str:
    """Return the first part of what is imported."""
    return item.module.partition(".")[0]


def is_narrow(specifier: SpecifierSet) -> bool:
    """Return whether versions were what the maintainers had on the day: exact ones, or those of two minor series."""
    if any(one.operator in {"==", "===", "~="} for one in specifier):
        return True
    series = [(major, minor) for major in (0, 1, 2, 3) for minor in range(_MOST_MINORS)]
    allowed = [
        one for one in series if any(specifier.contains(f"{one[0]}.{one[1]}.{micro}") for micro in range(_MOST_MINORS))
    ]
    return len(allowed) <= _FEW


def stated_versions(item: str, requirement: Requirement) -> str:
    """Return the versions that a requirement allows, in its own order where that can be told."""
    text = item.partition(";")[0].strip()[len(requirement.name) :].partition("]")
    own = (text[2] if text[1] else text[0]).strip(" ()")
    return own.replace(" ", "") if own else str(requirement.specifier)


def asked_words(name: str | None) -> Iterator[str]:
    """Yield what the vocabulary could set for a package, and sets only where it is told to."""
    own = canonicalize_name(name) if name else ""
    applied = words_of(name, ())
    for word in VOCABULARY:
        if own in word.packages and word.asked and word not in applied:
            yield f'vocabulary = ["{own}"] also sets {word.variable}: {word.asked}'


def relative_in_vocabulary(strings: tuple[str, ...]) -> str:
    """Return the package of the vocabulary whose own variables a setup.py reads, "" if there is none.

    Two of them at least, of which one is no other package's, nor such as any package may have.
    """
    named = set(strings)
    read = {
        package: {word.variable for word in VOCABULARY if package in word.packages and word.variable in named}
        for package in PACKAGES
    }
    best = max(PACKAGES, key=lambda package: len(read[package]))
    rivals = [package for package in PACKAGES if read[package] == read[best]]
    own = [variable for variable in read[best] if variable.partition("_")[0] not in _ANYBODYS]
    return best if len(read[best]) > 1 and own and len(rivals) == 1 else ""
