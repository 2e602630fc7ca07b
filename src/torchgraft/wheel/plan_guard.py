"""Which extension modules of a wheel get a guard.

May not change the wheel.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from ..model.decision import Guard, GuardedModule, Planned

# Where a wheel may keep what goes to site-packages (the binary distribution format, "The .data directory").
_DATA = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")
_MARK = ".guarded"


def plan_guard(modules: Mapping[str, Collection[str]], files: Collection[str], suffixes: tuple[str, ...]) -> Guard:
    """Return what is guarded: extension modules alone. What a package finds and loads in its own way is left as it is.

    The library stays in its folder, so that run paths relative to it stay right, and keeps the end of its name, which
    says for which Python it is. Its new name is one that no import looks for.

    :param modules: the libraries of the wheel that need torch, with the PyInit functions that each defines
    :param files: all files of the wheel
    :param suffixes: those of extension modules of this Python
    """
    guarded, left = [], []
    for file in sorted(modules):
        found = _guarded(file, modules[file], frozenset(files), suffixes)
        if isinstance(found, GuardedModule):
            guarded.append(found)
        else:
            left.append(Planned(text=file, reason=found))
    return Guard(modules=tuple(guarded), left=tuple(left))


def plan_editable_guard(name: str, top_level: str) -> Guard:
    """Return what is watched in an editable installation, whose extension modules are in the source tree.

    :param name: the distribution's, as in the name of the wheel
    :param top_level: the text of the wheel's top_level.txt, which setuptools writes; "" where there is none
    """
    tops = [line.strip() for line in top_level.splitlines() if line.strip().isidentifier()]
    return Guard(tops=tuple(sorted(tops)) or (name,))


def _guarded(
    file: str, inits: Collection[str], files: frozenset[str], suffixes: tuple[str, ...]
) -> GuardedModule | str:
    """Return the guarded module, or why it is none."""
    path = PurePosixPath(file)
    # The longest wins: every name ends in .so.
    suffix = max((s for s in suffixes if path.name.endswith(s)), key=len, default="")
    stem = path.name.removesuffix(suffix)
    packages = _DATA.sub("", file).split("/")[:-1]
    if stem.endswith(_MARK) and str(path.with_name(f"{stem.removesuffix(_MARK)}.py")) in files:
        return "it is guarded already"
    if not suffix or not all(part.isidentifier() for part in (*packages, stem)):
        return "its name is not that of an extension module of this Python"
    if f"PyInit_{stem}" not in inits:
        return f"it is no extension module: it has no PyInit_{stem}"
    shim, moved = path.with_name(f"{stem}.py"), path.with_name(f"{stem}{_MARK}{suffix}")
    for name in (shim, moved, path.with_name(stem) / "__init__.py"):
        if str(name) in files:
            return f"the wheel has {name} too"
    return GuardedModule(name=".".join((*packages, stem)), file=file, moved=str(moved), shim=str(shim))
