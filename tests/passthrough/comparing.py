"""Call the hooks of a project with its own backend and with torchgraft around it, and say what differs."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyproject_hooks

from .trees import Tree

SOURCES = Path(__file__).parents[2] / "src"
OURS = ("torchgraft.json", "sboms/torchgraft.cdx.json")
FIXED_S = 1_600_000_000
# As front ends call them: requirements, metadata and the build, in one folder.
GROUPS = {
    "wheel": ("get_requires_for_build_wheel", "prepare_metadata_for_build_wheel", "build_wheel"),
    "sdist": ("get_requires_for_build_sdist", "build_sdist"),
    "editable": ("get_requires_for_build_editable", "prepare_metadata_for_build_editable", "build_editable"),
}
HOOKS_OF_METADATA = ("prepare_metadata_for_build_wheel", "prepare_metadata_for_build_editable")
LITTER = (".egg-info/", "/.cmake/api/", "/meson-info/", "/meson-logs/", "/meson-private/", "/.ninja_")
LITTER = (*LITTER, "/CMakeCache.txt", "/CMakeFiles/rules.ninja")
OF_A_WHEEL = "PYPROJECT_HOOKS_ALREADY_BUILT_WHEEL"
Facts = dict[str, object]


def facts_of(
    tree: Tree, variant: str, group: str, place: Path, *, consumer: Path, python: str = sys.executable
) -> Facts:
    """Return all that the hooks of a group make of a project, and what they leave in its folder.

    :param variant: "" for its own backend, else torchgraft's `provide`
    :param place: a folder whose name is the same for all variants: compilers write it down
    """
    shutil.rmtree(place, ignore_errors=True)
    source = place / tree.folder
    tree.write(source)
    for path in source.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (FIXED_S, FIXED_S))
    started = time.time() - 5
    output = bytearray()
    caller = _caller(tree, variant, source, consumer=consumer, python=python, output=output)
    facts: Facts = {}
    for hook in GROUPS[group]:
        out = place / "out" / hook
        out.mkdir(parents=True)
        arguments: tuple[Any, ...] = () if hook.startswith("get_requires") else (str(out),)
        options: dict[str, Any] = {}
        if hook == "build_wheel" and facts.get("prepare_metadata_for_build_wheel"):
            options = {"metadata_directory": str(place / "out" / GROUPS[group][1] / str(facts[GROUPS[group][1]]))}
        before = len(output)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                facts[hook] = getattr(caller, hook)(*arguments, config_settings=_copy(tree.settings), **options)
        except (subprocess.CalledProcessError, pyproject_hooks.HookMissing) as error:
            facts |= {hook: None, f"{hook} fails": True}
            facts[f"output of {hook}"] = f"{error}\n{output[before:].decode(errors='replace')}"
        facts |= {f"{hook}: {what}": fact for what, fact in _made_facts(out, started)}
    facts |= {f"left: {name}": fact for name, fact in _folder_facts(source)}
    return facts


def _caller(
    tree: Tree, variant: str, source: Path, *, consumer: Path, python: str, output: bytearray
) -> pyproject_hooks.BuildBackendHookCaller:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TORCHGRAFT_"))}
    variables |= {"TORCHGRAFT_CACHE_DIR": str(source.parents[1] / "cache"), **tree.variables}
    variables["PYTHONHASHSEED"] = "0"  # meson-python writes a set down, in the order that it has in that process
    # Backends look for their programs there, as in an environment that a front end has made.
    variables["PATH"] = os.pathsep.join([str(Path(python).parent), variables.get("PATH", "")])
    if variant:
        variables |= {"TORCHGRAFT_PROVIDE": variant, "TORCHGRAFT_BACKEND": tree.backend}
        variables |= {"TORCHGRAFT_CONSUMER": str(consumer), "PYTHONPATH": str(SOURCES)}

    def run(command: list[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        environment = {**variables, **(extra_environ or {})}
        done = subprocess.run(command, cwd=cwd, env=environment, check=False, capture_output=True, timeout=600)
        output.extend(done.stdout + done.stderr)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command)

    path = [tree.backend_path] if tree.backend_path else None
    backend, path = ("torchgraft.build_meta", None) if variant else (tree.backend, path)
    return pyproject_hooks.BuildBackendHookCaller(str(source), backend, path, run, python)


def _made_facts(out: Path, started: float) -> Iterator[tuple[str, object]]:
    for made in sorted(out.rglob("*")):
        if made.suffix == ".whl":
            yield from _wheel_facts(made, started).items()
        elif made.name.endswith(".tar.gz"):
            yield from _sdist_facts(made, started).items()
        elif made.is_file():
            yield str(made.relative_to(out)), _content(made.read_bytes())


def differences(theirs: Facts, ours: Facts) -> list[str]:
    """Return what differs, but for torchgraft's own files and what the hooks print.

    Where a backend has no hook for metadata, what counts in its stead is what a front end looks at: the METADATA of the
    wheel that it builds then (PEP 517). Where it fails to make metadata, those that files say are no difference: it
    builds no wheel for them either.
    """
    found = []
    failing = tuple(hook for hook in HOOKS_OF_METADATA if f"{hook} fails" in theirs)
    lacking = tuple(f"{hook}: " for hook in HOOKS_OF_METADATA if f"{hook}: {OF_A_WHEEL}" in theirs)
    for name in sorted({*theirs, *ours}):
        left, right = theirs.get(name, "(nothing)"), ours.get(name, "(nothing)")
        if isinstance(left, list) and isinstance(right, list) and name.startswith("get_requires"):
            right = [requirement for requirement in right if requirement in left]  # torchgraft may need more
        # setup.py is not run for requirements and metadata that files say, so that an .egg-info is made later, or not.
        # CMake notes the compiler cache that it was given (compiler-cache).
        # CMake's answers have the time in their names, and what Meson and ninja note of their runs is as it happens.
        is_litter = name.startswith("left: ") and any(part in name for part in LITTER)
        is_litter |= name.startswith(failing)
        is_litter |= bool(lacking) and name.startswith(lacking) and not name.endswith(".dist-info/METADATA")
        if left != right and not is_litter and not name.startswith("output of ") and not name.endswith(OURS):
            found.append(f"{name}\n    theirs: {str(left)[:400]}\n    ours:   {str(right)[:400]}")
    return found


def _copy(settings: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if settings is None else dict(settings)


def _wheel_facts(wheel: Path, started: float) -> Facts:
    facts: Facts = {}
    with zipfile.ZipFile(wheel) as archive:
        members = [member for member in archive.infolist() if not member.filename.endswith(OURS)]
        facts["members"] = [member.filename for member in members]
        for member in members:
            data = archive.read(member)
            if member.filename.endswith(".dist-info/RECORD"):
                rows = list(csv.reader(io.StringIO(data.decode())))
                facts["rows"] = [row for row in rows if not row[0].endswith(OURS)]
                data = b"rows"
            when = time.mktime((*member.date_time, 0, 0, -1))
            facts[member.filename] = (
                f"{stat.filemode(member.external_attr >> 16)} {member.create_system} {member.compress_type} "
                f"{_when(when, started)} {_content(data)}"
            )
    return facts


def _sdist_facts(sdist: Path, started: float) -> Facts:
    facts: Facts = {}
    with tarfile.open(sdist) as archive:
        facts["members"] = archive.getnames()
        for member in archive:
            file = archive.extractfile(member)
            facts[member.name] = (
                f"{stat.filemode(member.mode)} {member.type!r} {member.uid}:{member.gid} {member.uname}:{member.gname} "
                f"{member.linkname} {_when(member.mtime, started)} {_content(file.read() if file else b'')}"
            )
    return facts


def _folder_facts(source: Path) -> Iterator[tuple[str, object]]:
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if ".git" in name.parts:
            continue
        if path.is_symlink():
            yield str(name), f"link to {path.readlink()}"
        elif path.is_file():
            # What it was compiled at is in it, and ninja's notes have times.
            content = "bytecode" if path.suffix == ".pyc" else _content(path.read_bytes())
            yield str(name), f"{stat.filemode(path.stat().st_mode)} {content}"


def _when(then: float, started: float) -> str:
    """Say that a time is of the build, or which one it is."""
    return "now" if then >= started else str(int(then))


def _content(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()[:12]
    is_text = len(data) < 300 and b"\0" not in data
    return f"{len(data)} bytes {digest}" + (f" {data.decode(errors='replace')!r}" if is_text else "")
