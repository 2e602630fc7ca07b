"""Whether a project that may adopt torchgraft uses torch while it is built, and what shows that.

May not decide what changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ...project.import_names import MATCHED
from .adoption import Adoptable, Import


def torch_evidence(found: Adoptable, build_system: Mapping[str, Any]) -> list[str]:
    """Return what shows that the build uses torch, the best first."""
    shown = [
        f'[build-system] requires "{item}"'
        for item in build_system.get("requires", ())
        if required_name(item) in MATCHED
    ]
    shown += [f'setup_requires has "{item}"' for item in found.setup_requires if required_name(item) in MATCHED]
    script = found.script
    if script is not None:
        imports = [
            item for item in script.imports if top_name(item) == "torch" and not _is_of_run_time(item, found.name)
        ]
        shown += [f"{item.where} imports torch" for item in sorted(imports, key=lambda i: (i.guarded, i.own, i.late))]
        shown += script.questions
    elif found.finds_torch:
        # Beside a setup.py such files may be for users of C++ alone.
        shown.append(f"{found.finds_torch} looks for torch")
    return shown


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


def parsed_requirement(item: str) -> Requirement | None:
    """Return a requirement, None if it is none."""
    try:
        return Requirement(item)
    except InvalidRequirement:
        return None


def required_name(item: str) -> str:
    """Return the normalized name of a requirement, "" if it is none."""
    parsed = parsed_requirement(item)
    return canonicalize_name(parsed.name) if parsed else ""


def top_name(item: Import) -> str:
    """Return the first part of what is imported."""
    return item.module.partition(".")[0]


def stated_versions(item: str, requirement: Requirement) -> str:
    """Return the versions that a requirement allows, in its own order where that can be told."""
    text = item.partition(";")[0].strip()[len(requirement.name) :].partition("]")
    own = (text[2] if text[1] else text[0]).strip(" ()")
    return own.replace(" ", "") if own else str(requirement.specifier)
