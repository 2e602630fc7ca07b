"""What is known of a project that may adopt torchgraft, and what adopting it means.

May not read files, nor decide.
"""

from __future__ import annotations

import enum

from ...errors import shown
from ...values import dataclass
from ..terminal import diff_text

IN_TREE = "_torchgraft"
OWN_NAME = "torchgraft"
BACKEND = "torchgraft.build_meta"


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import that happens while setup.py runs.

    `module` is dotted, `where` a file and line. `guarded`: its absence is put up with. `own`: it stands in a module of
    the source tree that setup.py imports, not in setup.py itself; `late`: in a function of such a module, so that it
    may never run.
    """

    module: str
    where: str
    guarded: bool = False
    own: bool = False
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class Script:
    """What happens while setup.py runs (or another backend's hook) and no variable is set, as its syntax tree says it.

    `imports` are without those of the standard library, `skipped` those that do not happen then. `own_tree` names the
    first module of the source tree that is imported, with where, whatever variable that takes. `questions` are other
    ways in which torch is asked for. `strings` are all string constants; `unconditional_cuda` says where
    CUDAExtension is called without any condition, `without_cuda` where it gives up if there is none. `missing_source`
    is a source that is named and is not in the tree; `asked` are distributions that the metadata depend on if they
    are there; `starts_cmake` says that it may start cmake.
    """

    certain: bool = True
    imports: tuple[Import, ...] = ()
    skipped: tuple[Import, ...] = ()
    own_tree: str = ""
    questions: tuple[str, ...] = ()
    strings: tuple[str, ...] = ()
    unconditional_cuda: str = ""
    without_cuda: str = ""
    missing_source: str = ""
    asked: tuple[str, ...] = ()
    starts_cmake: bool = False


@dataclass(frozen=True, kw_only=True)
class Adoptable:
    """All that adopting depends on.

    `pyproject` is the text of pyproject.toml with its own line ends and byte order mark, None where there is none.
    `dependencies` are those at run time, None where only running setup.py tells; `setup_requires` are the literal ones
    of setup.py and setup.cfg. `finds_torch` says what else looks for torch; `is_serial` that torch compiles
    several files, and is told not to have ninja do that.
    """

    pyproject: str | None
    name: str | None = None
    script: Script | None = None
    dependencies: tuple[str, ...] | None = None
    setup_requires: tuple[str, ...] = ()
    finds_torch: str = ""
    is_serial: bool = False


class Advice(enum.Enum):
    """What became of the question whether a project should adopt torchgraft."""

    ADOPT = "adopts torchgraft"
    ADOPTED = "has adopted torchgraft"
    NOT_NEEDED = "builds without torch"
    OFF = "builds only where torch is not seen"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that changes, and why."""

    text: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What becomes of pyproject.toml.

    `requires` are the build requirements afterwards; `after` is the whole text, None where nothing changes. `notes`
    are for a person to consider: nothing follows from them.
    """

    verdict: Advice
    reason: str
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    after: str | None = None


def adoption_text(found: Adoptable, adoption: Adoption) -> str:
    """Return what a person reads: the verdict, the difference, the reason of each change, what to consider."""
    lines = [shown(f"{found.name or 'this project'} {adoption.verdict.value}: {adoption.reason}")]
    if adoption.verdict is Advice.NOT_NEEDED:
        lines.append("nothing to change; --force adopts it all the same")
    elif adoption.after is None:
        lines.append("nothing to change")
    else:
        lines += ["", diff_text(found.pyproject, adoption.after, "pyproject.toml").rstrip("\n"), ""]
        width = max(len(change.text) for change in adoption.changes)
        lines += [shown(f"  {change.text:<{min(width, 40)}}  {change.reason}") for change in adoption.changes]
    lines += [shown(f"  note: {note}") for note in adoption.notes]
    return "\n".join(lines)
