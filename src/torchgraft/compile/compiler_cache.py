"""Have compilers called through the plan's compiler cache, where it works; where it does not, the build goes without.

May not choose one, nor look into what it keeps.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from ..child import say
from ..consumer.ownership import foreign_place
from ..errors import shown
from ..files import real
from ..model.decision import Plan
from ..own_files import private_folder, write_own_file
from ..programs import take_answer
from .plan_compiler_cache import SWITCH, cache_name

_PROBE_S = 60.0
_CACHES = frozenset({"ccache", "sccache"})
_PROBE = "int torchgraft_probe;\n"
# A program of one word for CXX and PYTORCH_NVCC. Where CMake or a project has put the cache in front of it already, or
# sccache's server runs it, it is the compiler. What stands for the compiler is another file once that is another.
_SCRIPT = """#!/bin/sh
# {state}
read -r parent 2>/dev/null </proc/$PPID/comm
case $parent in ccache|sccache) exec {compiler} "$@" ;; esac
exec {cache} {compiler} "$@"
"""


def fixed_folder() -> Path:
    """Return a folder of ours that is the same whatever TMPDIR is, and wherever the home of another machine is.

    sccache knows what nvcc makes by the real path of the source.
    """
    return private_folder(lambda other: not foreign_place(other), within="/var/tmp")  # noqa: S108 - nobody else's


def through_cache(plan: Plan, variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the delegate's variables by which its compilers are called through the plan's cache, by scripts."""
    cache = plan.compiler_cache
    if cache is None:
        return dict(variables)
    try:
        return _through(plan, cache.text, variables, folder)
    except OSError as error:
        return _without(plan, cache.text, variables, f"{error.strerror or error}: {error.filename or folder}")


def _through(plan: Plan, cache: str, variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    cxx = plain_compiler(variables)
    nvcc = Path(plan.toolkit.home) / "bin" / "nvcc" if plan.toolkit else None
    fault = _fault(cache, {"cpp": cxx, "cu": nvcc}, variables)
    if fault:
        return _without(plan, cache, variables, fault)
    if SWITCH not in variables:  # torch calls it
        return {**variables, **({SWITCH: "1"} if cxx is None else {})}
    scripts = {"CXX": cxx} if cxx else {}
    if nvcc and not variables.get("PYTORCH_NVCC"):
        scripts["PYTORCH_NVCC"] = nvcc
    made = {name: str(compiler_script(folder, _SCRIPT, compiler, cache=cache)) for name, compiler in scripts.items()}
    # Older versions of torch write what PYTORCH_NVCC says into build.ninja as it is.
    return {**variables, **{name: path for name, path in made.items() if " " not in path}}


def _without(plan: Plan, cache: str, variables: Mapping[str, str], fault: str) -> dict[str, str]:
    say(shown(f"torchgraft: {cache_name(cache)} is not used, and compilers run without: {fault}"))
    launchers = {v.name for v in plan.variables if v.value == cache and v.name.endswith("_LAUNCHER")}
    return {**{name: value for name, value in variables.items() if name not in launchers}, SWITCH: "1"}


def plain_compiler(variables: Mapping[str, str]) -> Path | None:
    """Return the program that compiles C++; None for a command of several words, or where it is a cache itself."""
    found = shutil.which(variables.get("CXX", "").strip() or "c++", path=variables.get("PATH", ""))
    if found is None or " " in found or cache_name(real(Path(found))) in _CACHES:
        return None
    return Path(found).absolute()


def _fault(cache: str, compilers: Mapping[str, Path | None], variables: Mapping[str, str]) -> str:
    """Return why a cache cannot be used with compilers (by the endings of their sources), by trying; "" if it can."""
    folder = fixed_folder()  # the files stay, so that they are found in the cache the next time
    for ending, compiler in compilers.items():
        if compiler is None:
            continue
        source = folder / f"probe.{ending}"
        with tempfile.TemporaryDirectory(prefix="torchgraft-") as scratch:
            target = Path(scratch, "probe.o")
            if not source.exists():
                write_own_file(source, _PROBE)
            command = [str(compiler), "-c", str(source), "-o", str(target)]
            answer = take_answer([cache, *command], variables, timeout_s=_PROBE_S)
            if not target.exists():
                take_answer(command, variables, timeout_s=_PROBE_S)
                # Where the compiler itself does not work, that is said when it compiles.
                said = [line.strip() for line in answer.text.splitlines() if line.strip()]
                return (answer.fault or (said or ["it makes nothing"])[0]) if target.exists() else ""
    return ""


def compiler_script(folder: Path, template: str, compiler: Path, **words: str) -> Path:
    """Return the script for a compiler, made if it is not there of a template with {state}, {compiler} and `words`."""
    facts = compiler.stat()
    state = f"{real(compiler)!a} {facts.st_size} {facts.st_mtime_ns}"
    quoted_words = {name: quote(word) for name, word in words.items()}
    text = template.format(state=state, compiler=quote(str(compiler)), **quoted_words)
    return kept_script(folder, text, compiler.name)


def kept_script(folder: Path, text: str, name: str) -> Path:
    """Return the script of a text, under the name of the program that it stands for, made if it is not there."""
    path = folder / hashlib.sha256(text.encode()).hexdigest()[:16] / name
    if not os.access(path, os.X_OK):
        write_own_file(path, text)
        path.chmod(0o700)
    with contextlib.suppress(OSError):  # `torchgraft cache prune` goes by that
        os.utime(path.parent)
    return path
