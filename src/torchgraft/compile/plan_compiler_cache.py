"""Which compiler cache a build goes through, and the variables with which it hits in builds that are elsewhere.

May not look for one, nor ask it anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from packaging.version import Version

from ..model.decision import Compiling, Planned, PlannedVariable
from ..model.observation import Hook, Snapshot
from ..model.torch_values import Torch
from ..settings.config import CompilerCaching, Config
from ..untrusted import parse_version
from .plan_needs import of_machine, outlives_build

# With it, torch does not call ccache or sccache by itself, as it does since 2.13 (_wrap_compiler in cpp_extension.py).
SWITCH = "TORCH_NO_COMPILER_WRAPPER"
_WRAPS_SINCE = Version("2.13.dev0")
_LANGUAGES = ("C", "CXX", "CUDA")


def with_compiler_cache(compiling: Compiling, config: Config, snapshot: Snapshot, torch: Torch) -> Compiling:
    """Return what compiling needs, with the compiler cache that is wanted, where it is there."""
    wanted, origin = config.compiler_cache, config.origin("compiler-cache")
    if wanted is CompilerCaching.OFF:
        reason = f"compiler-cache ({origin}) is off, and torch would call one by itself"
        return replace(compiling, variables=(*compiling.variables, of_machine(SWITCH, "1", reason)))
    is_auto = wanted is CompilerCaching.AUTO
    if is_auto and SWITCH in snapshot.variables_set:
        return compiling
    programs = snapshot.hardware.caches if snapshot.hardware else ()
    why_not, found = _why_not(snapshot, torch), ""
    if not why_not:
        found = next((p for p in programs if is_auto or cache_name(p) == wanted.value), "")
        why_not = "" if found else "it is not on PATH"
    if why_not:
        note = f"compiler-cache = {wanted.value} ({origin}), and what compilers make is not kept: {why_not}"
        return compiling if is_auto else replace(compiling, notes=(*compiling.notes, note))
    cache = Planned(text=found, reason="it is on PATH" if is_auto else f"compiler-cache ({origin})")
    version = parse_version(torch.version)
    # torch takes the first one, too.
    by_torch = version is not None and version >= _WRAPS_SINCE and found == programs[0]
    more = (
        ()
        if by_torch or outlives_build(config, snapshot.hook)
        else (of_machine(SWITCH, "1", "compilers are called through the cache by a script of ours"),)
    )
    variables = (*compiling.variables, *more, *_variables(compiling, cache, snapshot))
    return replace(compiling, cache=cache, variables=variables)


def cache_name(program: str) -> str:
    """Return which one a program is, `ccache` or `sccache`."""
    return program.replace("\\", "/").rpartition("/")[2]


def _why_not(snapshot: Snapshot, torch: Torch) -> str:
    if snapshot.python.system == "win32":
        return "on Windows torch calls none"
    # torch 2.13: "hipcc with ccache/sccache is currently broken" (cpp_extension.py).
    return "hipcc cannot be called through one" if torch.hip else ""


def _variables(compiling: Compiling, cache: Planned, snapshot: Snapshot) -> Iterator[PlannedVariable]:
    for language in _LANGUAGES:
        yield of_machine(f"CMAKE_{language}_COMPILER_LAUNCHER", cache.text, cache.reason)
    is_ccache = cache_name(cache.text) == "ccache"
    if not is_ccache:
        yield of_machine("SCCACHE_IGNORE_SERVER_IO_ERROR", "1", "a server that ends is no reason not to compile")
    elif snapshot.hook is Hook.BUILD_WHEEL:
        elsewhere = "the same sources in another folder are the same"
        yield of_machine("CCACHE_BASEDIR", snapshot.project.folder, elsewhere)
        yield of_machine("CCACHE_NOHASHDIR", "1", elsewhere)
    if compiling.toolkit is not None and snapshot.project.passing:
        reason = "neither cache takes nvcc's -MD, and nothing is compiled again in a tree that is thrown away"
        yield of_machine("TORCH_EXTENSION_SKIP_NVCC_GEN_DEPENDENCIES", "1", reason)
