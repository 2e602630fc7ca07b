"""Have C++ compiled with a precompiled torch/extension.h, made once for each torch, compiler and flags.

The flags of a file are known when it is compiled: the hook puts a script in front of the compiler, which runs `main` in
a process of its own, without site packages. Whatever fails costs a line, and the file is compiled without.

May not decide whether it pays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..child import say
from ..errors import shown
from ..files import is_file, names_in, read_text
from ..own_files import FileLock, made_in_one_step, write_own_file
from .compilation import (
    HEADER,
    Compilation,
    begins_with,
    header_flags,
    other_places,
    parse_compilation,
    parse_dependencies,
    used_folders,
)

_SCRIPT = """#!/bin/sh
# {state}
case " $* " in *" -c "*) [ -z "$_TORCHGRAFT_PYTHON" ] || exec "$_TORCHGRAFT_PYTHON" -I -S -B -c \\
'import sys; sys.path.insert(0, sys.argv.pop(1)); __import__(sys.argv.pop(1), fromlist=["main"]).main()' \\
"$_TORCHGRAFT_ROOT" {module} "$0" {compiler} "$@" ;; esac
exec {compiler} "$@"
"""
_FOLDER, _ABOUT = "headers", "about.json"
_WITHOUT = f"torchgraft: {HEADER} is not precompiled, and C++ is compiled without"
_LARGEST_BYTES = 10_000_000
_FREE_BYTES = 2_000_000_000  # one takes 0.8 GB
_MOST_S = 1800.0


@contextlib.contextmanager
def through_header(variables: Mapping[str, str], cache_folder: Path) -> Iterator[dict[str, str]]:
    """Yield the variables of the delegate with which C++ is compiled with the precompiled header.

    What became of it is said afterwards: a compiler cache would repeat what a compiler says.
    """
    note = cache_folder / _FOLDER / f".{os.getpid()}-{time.time_ns()}.tmp"
    ours = {
        "_TORCHGRAFT_PYTHON": sys.executable,
        "_TORCHGRAFT_ROOT": str(Path(__file__).parents[__name__.count(".")]),
        "_TORCHGRAFT_BUILD": str(note),
    }
    try:
        ours["CXX"] = str(_script(variables, cache_folder / "compilers"))
        write_own_file(note, "")
    except (OSError, ValueError) as error:
        say(shown(f"{_WITHOUT}: {error}"))
        ours = {}
    try:
        yield {**variables, **ours}
    finally:
        if said := read_text(note):
            say(shown(said.rstrip()))
        with contextlib.suppress(OSError):
            note.unlink(missing_ok=True)


def _script(variables: Mapping[str, str], folder: Path) -> Path:
    """Return what is called as the compiler, made if it is not there.

    :raises OSError: if it cannot be made
    :raises ValueError: if the user's CXX is several words, or a cache, or what is made cannot be called by some
    """
    from .compiler_cache import compiler_script, plain_compiler

    compiler = plain_compiler(variables)
    if compiler is None:
        raise ValueError(f"CXX={variables.get('CXX', '')} is no compiler alone")
    if " " in str(folder):
        raise ValueError(f"{folder} has a space in it")
    return compiler_script(folder, _SCRIPT, compiler, module=__name__)


def _leave_word(text: str) -> None:
    try:
        with Path(os.environ["_TORCHGRAFT_BUILD"]).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError:
        say(shown(text))


def main() -> None:
    """Compile as the arguments say, with the header where it fits; end as the compiler does."""
    script, compiler, *arguments = sys.argv[1:]
    compilation = parse_compilation(arguments)
    entry, headers = None, ""
    try:
        if compilation is not None and begins_with(Path(compilation.source)):
            entry = _header(compiler, compilation, Path(script).parents[2] / _FOLDER)
            # It may be removed from the cache meanwhile: gcc then reads the plain one.
            headers = _dependencies(entry, is_whole="-MMD" not in arguments) if entry else ""
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        _leave_word(f"{_WITHOUT}: {error}")
    if compilation is None or entry is None:
        os.execv(compiler, [compiler, *arguments])  # noqa: S606
    # Where gcc does not take it after all, it says so.
    command = [compiler, f"-I{entry}", "-Winvalid-pch", "-Wno-error=invalid-pch", *arguments]
    if not compilation.dependencies:
        os.execv(compiler, command)  # noqa: S606
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        rule = Path(compilation.dependencies)
        rule.write_text(re.sub(r"(?<!\\)(?=\n)", lambda _: headers, read_text(rule, _LARGEST_BYTES), count=1))
    sys.exit(status if status >= 0 else 128 - status)


def _dependencies(entry: Path, *, is_whole: bool) -> str:
    """Return the headers in it as gcc names them in a rule of make, with those of the system if it `is_whole`."""
    about = json.loads(read_text(entry / _ABOUT, _LARGEST_BYTES))
    folders = tuple(f"{name}/" for option, name in about["folders"] if option == "-I")
    files = [file for file in about["files"] if is_whole or file.startswith(folders)]
    return "".join(" \\\n " + re.sub(r"([ #])", r"\\\1", file).replace("$", "$$") for file in files)


def _header(compiler: str, compilation: Compilation, folder: Path) -> Path | None:
    """Return the folder of the header that fits, made if there is none; None where none can be made.

    Who comes while it is made waits. In one build it is tried once.
    """
    found = (f"{name}/{HEADER}" for one in ("-I", "-isystem") for option, name in compilation.folders if option == one)
    header = next((path for path in found if is_file(Path(path))), "")
    if not header:
        return None
    flags = header_flags(compilation, folder=os.getcwd(), header=header)  # noqa: PTH109
    decides = [compiler, *_state(compiler), header, *flags]
    key = hashlib.sha256("\0".join(map(str, decides)).encode()).hexdigest()[:16]
    entry = _find(folder, key, compilation)
    if entry is not None:
        return entry
    lock = FileLock(folder / f".{key}.lock")
    if not lock.acquire(timeout_s=_MOST_S):
        return None
    try:
        build = os.environ["_TORCHGRAFT_BUILD"]
        entry = _find(folder, key, compilation)
        if entry is None and read_text(lock.path) != build:
            lock.path.write_text(build)
            entry = folder / f"{key}-{secrets.token_hex(4)}"
            _make(compiler, compilation, header, flags, entry)
    finally:
        lock.release()
    return entry


def _find(folder: Path, key: str, compilation: Compilation) -> Path | None:
    fitting = (folder / name for name in names_in(folder) if name.startswith(f"{key}-"))
    entry = next((entry for entry in fitting if _fits(entry, compilation)), None)
    if entry is not None:
        os.utime(entry)
    return entry


def _fits(entry: Path, compilation: Compilation) -> bool:
    """Return whether all headers in it are as they were, and are those that would be found now."""
    try:
        about = json.loads(read_text(entry / _ABOUT, _LARGEST_BYTES))
    except ValueError:  # somebody removes it
        return False
    files = about["files"]
    if any(_state(path) != state for path, state in files.items()):
        return False
    used = used_folders(compilation, files)
    others = [name for option, name in compilation.folders if [option, name] not in used]
    for variable in ("CPATH", "CPLUS_INCLUDE_PATH"):
        others += os.environ.get(variable, "").split(os.pathsep)
    elsewhere = (
        os.path.lexists(folder / place)
        for folder in map(Path, filter(None, others))
        for place in other_places(set(names_in(folder)), files)
    )
    return used == about["folders"] and not any(elsewhere)


def _state(path: str) -> list[int]:
    """Return what changes where a file does."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - of thousands
    except OSError:
        return []
    return [facts.st_size, facts.st_mtime_ns]


def _make(compiler: str, compilation: Compilation, header: str, flags: tuple[str, ...], entry: Path) -> None:
    """Make the header; raise OSError if it cannot be made, ValueError if it would hold headers of the source tree."""
    if shutil.disk_usage(entry.parent).free < _FREE_BYTES:
        raise ValueError(f"less than {_FREE_BYTES / 1e9:g} GB are free in {entry.parent}")
    started = time.monotonic()
    with made_in_one_step(entry) as draft:
        (draft / HEADER).parent.mkdir()
        target, rule = f"{draft / HEADER}.gch", draft / "rule"
        folders = [word for pair in compilation.folders for word in pair]
        command = [compiler, *flags, *folders, "-w", "-MD", "-MF", str(rule), "-x", "c++-header", header, "-o", target]
        made = subprocess.run(command, check=False, capture_output=True, timeout=_MOST_S)
        if made.returncode:
            lines = made.stderr.decode(errors="replace").splitlines()
            raise ValueError(next((line for line in lines if "error" in line), f"gcc ended with {made.returncode}"))
        files = parse_dependencies(read_text(rule, _LARGEST_BYTES))
        if not all(map(os.path.isabs, files)):
            raise ValueError("it includes headers of the source tree")
        rule.unlink()
        about = {"files": {path: _state(path) for path in files}, "folders": used_folders(compilation, files)}
        (draft / _ABOUT).write_text(json.dumps(about))
        (draft / "include").symlink_to(header.removesuffix(f"/{HEADER}"))  # of no use without
        size = os.stat(target).st_size  # noqa: PTH116
    said = f"{size / 1e6:.0f} MB in {entry}, in {time.monotonic() - started:.0f} s"
    _leave_word(f"torchgraft: {HEADER} is precompiled for this build and later ones: {said}")
