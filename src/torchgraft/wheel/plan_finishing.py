"""What becomes of a wheel that was built: the requirement on torch, the run paths of its modules, their guard.

May not look at the wheel or at a folder: what is in it is given. Nor may it change what the package itself requires: a
resolver takes all requirements of one name together.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..errors import Problem
from ..installed.dist_info import TO_SITE_PACKAGES
from ..model.decision import Planned, RuntimeRequirement
from ..model.observation import FrontEnd, FrontEndName, Snapshot
from ..model.torch_values import Torch
from ..settings.config import Config, RuntimeTorch
from ..untrusted import parse_version
from ..values import dataclass

if TYPE_CHECKING:
    from ..link.linkage import Module


# They compare the metadata of a source tree with uv.lock whenever they run, and lock anew where the two differ.
_UV_LOCKS = frozenset({"add", "remove", "run", "sync"})
_MARK = ".guarded"
_OTHER_DATA = re.compile(r"[^/]+\.data/")


@dataclass(frozen=True, kw_only=True)
class GuardedModule:
    """An extension module of a wheel that gets a guard: `file` becomes `moved`, and `shim` takes its place."""

    name: str
    file: str
    moved: str
    shim: str


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What is guarded in a wheel, and which files are left alone, with the reason.

    `tops` are the top-level packages of an editable installation, whose extension modules are not in the wheel.
    `guessed` is the torch that the wheel is for, where that was a guess: another one is refused even if it links. Then
    `watched` are packages whose libraries are no extension modules, or none that can be guarded; `tops` has theirs too.
    """

    modules: tuple[GuardedModule, ...] = ()
    tops: tuple[str, ...] = ()
    left: tuple[Planned, ...] = ()
    guessed: Torch | None = None
    watched: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunPathPlaces:
    """Where run paths may point to. `sites` are folders of installed distributions, of grafts too.

    `passing` are folders that are gone or changed after the build; `lasting` are those among them that are not, and
    `staying` source trees that do. `source` is what relative ones were written from. `libraries` are the names in the
    folders that run paths name, `found` those that are found without one.
    """

    sites: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()
    staying: tuple[str, ...] = ()
    source: str = ""
    libraries: tuple[tuple[str, tuple[str, ...]], ...] = ()
    found: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedRunPath:
    """The run path that a module of a wheel gets: `entries`, none if it is removed.

    `old` says that it is one of DT_RPATH; `replaced` are the entries that were there and may not be. `lost` are files
    of the build that the module needs, and would not find.
    """

    file: str
    entries: tuple[str, ...]
    old: bool
    replaced: tuple[str, ...]
    lost: tuple[str, ...] = ()


def plan_runtime_torch(config: Config, snapshot: Snapshot, torch: Torch | None) -> RuntimeRequirement | None:
    """Return what is added to the metadata, or why nothing is; None where the setting is off.

    A lock is for many machines and names torch itself. So its metadata stay as they are, and the wheel that is built
    for it has the same ones: PEP 517 wants both to be identical.
    """
    wanted = config.runtime_torch
    if wanted is RuntimeTorch.OFF or not (snapshot.hook.prepares or snapshot.hook.builds):
        return None
    if _locks(snapshot.front_end):
        return RuntimeRequirement(reason=f"{snapshot.front_end.command} works from a lock, which names torch itself")
    if torch is None:
        return RuntimeRequirement(reason="no torch is there yet")
    text = _requirement(wanted, torch.resolved_version)
    if text is None:
        return RuntimeRequirement(reason=f"{torch.version} is no version (PEP 440)")
    said = f"{torch.metadata_version} in its metadata" if torch.metadata_version else torch.version
    origin = config.origin("runtime-torch")
    return RuntimeRequirement(text=text, reason=f"{origin}: runtime-torch is {wanted.value}, torch is {said}")


def _locks(front_end: FrontEnd) -> bool:
    words = front_end.command.split()
    return front_end.resolves or (front_end.name is FrontEndName.UV and words[1:2] != [] and words[1] in _UV_LOCKS)


def _requirement(wanted: RuntimeTorch, version: str) -> str | None:
    """Return the requirement; never with a local part, which no other index could answer.

    `==2.8.0` is met by 2.8.0+cu128 (PEP 440, "Version matching"). A nightly or vendor build is a pre-release, which
    is met only where the requirement names one.
    """
    release = parse_version(version)
    if release is None:
        return None
    if wanted is RuntimeTorch.EXACT:
        return f"torch=={release.public}"
    minor = f"{release.major}.{release.minor}"
    if wanted is RuntimeTorch.MINOR:
        return f"torch=={minor}.*,>={release.public}" if release.is_prerelease else f"torch=={minor}.*"
    return f"torch>={release.public}" if release.is_prerelease else f"torch>={minor}"


def plan_run_paths(
    modules: Iterable[Module], places: RunPathPlaces, files: Iterable[str] = ()
) -> tuple[PlannedRunPath, ...]:
    """Return the run paths that are changed, those of modules in which something is wrong.

    What points into a folder of installed distributions, torch/lib above all, is made relative to the module, since it
    will be in such a folder too. What points into anything else that is gone after the build is left out, unless a
    library that the module needs is there: the wheel may have it, or the source tree may stay.
    """
    own = {posixpath.basename(file): _folder(file) for file in files}
    planned = (_planned(module, places, own) for module in modules)
    return tuple(change for change in planned if change is not None)


def _planned(module: Module, places: RunPathPlaces, own: Mapping[str, str | None]) -> PlannedRunPath | None:
    libraries = dict(places.libraries)
    entries, lost, found = [], {}, set(places.found) | {name for name in module.needed if own.get(name) is not None}
    for entry in module.run_path:
        held = {name for name in module.needed if name in libraries.get(entry, ())}
        kept = _kept(entry, module.file, places, [own.get(name) for name in held])
        entries.append(kept)
        found.update(held if kept else ())
        lost.update({} if kept else dict.fromkeys(held, entry))
    changed = tuple(dict.fromkeys(entry for kept in entries for entry in kept))
    if changed == tuple(dict.fromkeys(module.run_path)):
        return None
    return PlannedRunPath(
        file=module.file,
        entries=changed,
        old=module.old_run_path,
        replaced=tuple(entry for entry, kept in zip(module.run_path, entries, strict=True) if kept != [entry]),
        lost=tuple(f"{lost[name]}/{name}" for name in sorted(lost.keys() - found)),
    )


def _kept(entry: str, file: str, places: RunPathPlaces, held: list[str | None]) -> list[str]:
    """Return what takes the place of one entry.

    :param held: where in the wheel the libraries are that are needed of it, None for one that the wheel does not have
    """
    is_relative = not entry.startswith("/")
    if is_relative and not held:
        return [entry]
    # Two slashes at the start stay two (POSIX), and lead to the same place.
    path = posixpath.normpath(f"/{posixpath.join(places.source, entry).lstrip('/')}")
    # What is relative to the folder that a process runs in leads to the library in the source tree alone.
    entry = path if is_relative else entry
    folder = _folder(file)
    for site in sorted(places.sites, key=len, reverse=True):
        rest = _below(path, site)
        if rest is not None:
            return [] if folder is None or not rest else [_relative(folder, rest)]
    if _is_below(path, places.lasting) or not _is_below(path, places.passing):
        return [entry]
    stays = None in held and _is_below(path, places.staying)
    here = [] if folder is None else [_relative(folder, place) for place in held if place is not None]
    return [*dict.fromkeys(here), *([entry] if stays else [])]


def run_paths_text(changes: Iterable[PlannedRunPath]) -> str:
    """Return what was taken out of the run paths of a wheel, in a line; "" if nothing was."""
    gone = [(entry, change.file) for change in changes for entry in change.replaced if entry not in change.entries]
    return f"folders of the build are no run paths any more: {_entries_text(gone)}" if gone else ""


def staying_run_paths_text(modules: Iterable[Module], changes: Iterable[PlannedRunPath], places: RunPathPlaces) -> str:
    """Return which run paths lead into a source tree that stays, in a line; "" if none does."""
    after = {change.file: change.entries for change in changes}
    stay = [
        (entry, module.file)
        for module in modules
        for entry in after.get(module.file, module.run_path)
        if _is_below(entry, places.staying) and not _is_below(entry, places.lasting)
    ]
    why = "a library that is needed is there, and has to stay there"
    return f"a run path into the source tree stays: {_entries_text(stay)}; {why}" if stay else ""


def _entries_text(found: Sequence[tuple[str, str]]) -> str:
    """Return entries, and the files that they are of."""
    entries, files = (list(dict.fromkeys(part)) for part in zip(*found, strict=True))
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{', '.join(entries)} (in {files[0]}{more})"


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(_below(path, folder) is not None for folder in folders)


def lost_library_problem(run_paths: Iterable[PlannedRunPath]) -> Problem | None:
    """Return that a module would not find a library any more once the build is over; None if all are found."""
    for change in run_paths:
        if change.lost:
            name = posixpath.basename(change.lost[0])
            return Problem.of(
                code="lost-library",
                headline=f"{change.file} needs {name}, which is gone after the build",
                found=change.lost[:3],
                why="its folder is removed after the build, and the wheel does not contain it",
                fixes=(f"put {name} into the package, beside the module, and link with the run path '$ORIGIN'",),
            )
    return None


def _below(path: str, folder: str) -> str | None:
    """Return the path relative to a folder, "" for the folder itself; None if it is not in it."""
    folder = folder.rstrip("/")
    if path == folder:
        return ""
    return path[len(folder) + 1 :] if path.startswith(folder + "/") else None


def _folder(file: str) -> str | None:
    """Return where a file of a wheel will be, relative to the folder of installed distributions."""
    file = TO_SITE_PACKAGES.sub("", file, count=1)
    return None if _OTHER_DATA.match(file) else posixpath.dirname(file)


def _relative(folder: str, target: str) -> str:
    return "$ORIGIN/" + posixpath.relpath(target, folder or ".")


def plan_guard(modules: Mapping[str, Collection[str]], files: Collection[str], suffixes: tuple[str, ...]) -> Guard:
    """Return what is guarded: extension modules alone. What a package finds and loads in its own way is left as it is.

    The library stays in its folder, so that run paths relative to it stay right, and keeps the end of its name, which
    says for which Python it is. Its new name is one that no import looks for.

    :param modules: the libraries of the wheel that need torch, with the PyInit functions that each defines
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
    """Return what is watched in an editable installation: what its top_level.txt names, else its own name."""
    tops = [line.strip() for line in top_level.splitlines() if line.strip().isidentifier()]
    return Guard(tops=tuple(sorted(tops)) or (name,))


def plan_guessed(guard: Guard, torch: Torch | None, files: Collection[str], *, unread: Collection[str] = ()) -> Guard:
    """Return the guard of a wheel whose torch was a guess: packages are watched whose libraries have none.

    :param unread: libraries that may need torch, of a kind that is not read
    """
    left = (*(planned.text for planned in guard.left), *unread)
    found = {name for file in left for name in _users_of(file, frozenset(files))}
    if unread and guard.tops:
        found = set(guard.tops)  # an editable installation: its modules are in the source tree
    tops = {*guard.tops, *(package.partition(".")[0] for package in found)}
    return replace(guard, guessed=torch, watched=tuple(sorted(found)), tops=tuple(sorted(tops)))


def _users_of(file: str, files: frozenset[str]) -> set[str]:
    """Return the outermost package that a file is in; for one that is in none, all that the wheel has to import."""
    package = _package_of(file, files)
    return {package} if package else {name for one in files if (name := _module_of(one, files))}


def _module_of(file: str, files: frozenset[str]) -> str:
    """Return the outermost thing that is imported of a file: a package, else a module; "" for what is none."""
    below = TO_SITE_PACKAGES.sub("", file)
    *folders, name = below.split("/")
    stem = name.partition(".")[0]
    is_module = name == f"{stem}.py" or any(mark in name for mark in (".cpython-", ".cp3", ".abi3.", ".pyd"))
    if not is_module or not all(part.isidentifier() for part in (*folders, stem)):
        return ""
    return _package_of(file, files) or ".".join((*folders, stem))


def _package_of(file: str, files: frozenset[str]) -> str:
    """Return the outermost package that a file is in, "" if it is in none: a namespace is not of this wheel alone."""
    below = TO_SITE_PACKAGES.sub("", file)
    start, parts = file.removesuffix(below), below.split("/")[:-1]
    folders = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return next((folder.replace("/", ".") for folder in folders if f"{start}{folder}/__init__.py" in files), "")


def _guarded(
    file: str, inits: Collection[str], files: frozenset[str], suffixes: tuple[str, ...]
) -> GuardedModule | str:
    """Return the guarded module, or why it is none."""
    path = PurePosixPath(file)
    # The longest wins: every name ends in .so.
    suffix = max((s for s in suffixes if path.name.endswith(s)), key=len, default="")
    stem = path.name.removesuffix(suffix)
    packages = TO_SITE_PACKAGES.sub("", file).split("/")[:-1]
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
