"""All that decides a wheel, as far as it can be told: the key under which one is kept.

May not keep one, nor write. Where something cannot be told there is no key. What nobody can see is not in it: files
outside of the source tree that are no compiler's, Python's or torch's (system libraries, say), servers, and the time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ..consumer.environment import python_path_of
from ..consumer.processes import take_hook_process
from ..files import digest_of, read_start, read_text, walk
from ..installed.dist_info import LARGEST_LIST_BYTES
from ..model.decision import Plan
from .plan_prebuilt import IDLE_VARIABLES
from .surroundings import NoKeyError, asks_processor, installed_files, machine_system, processor, programs, state_of

_MOST_FILES, _MOST_BYTES, _LARGEST_RUN_BYTES = 100_000, 2_000_000_000, 20_000_000
_CHUNK_BYTES = 1 << 20
# What builds leave in a tree that is unpacked once and built several times; a note says for which torch it was.
_OUTPUT = re.compile(r"build/(?:temp|bdist)[^/]*|build/lib[^/]*/.*\.(?:so|pyd|o|obj)|(?:.*/)?(?:__pycache__|\.git)")
_COPIED = re.compile(r"build/lib[^/]*(?:/.*)?")
# What is compiled, read by people, or for who looks after the sources: nothing of it runs while a wheel is built.
_NEVER_RUNS = re.compile(
    r"(?:.*/)?(?:\.github|\.circleci)/.*|.*\.(?:c|cc|cpp|cxx|cu|cuh|h|hh|hpp|hxx|hip|inl|md|rst|html|svg|ya?ml|ipynb)"
)
# A place that a tree names, and that is not of the distribution.
_PLACE = re.compile(rb"(?<![\w.:/$}])(?:~|/(?:data|etc|home|mnt|opt|root|srv|usr/local))/[\w./+-]+")
_WORD = re.compile(rb"(?<![%\w])[A-Za-z_]\w*|(?<=%[srd])\w+")
_ALL_VARIABLES = re.compile(
    rb"\benviron(?:b?)\.(?:items|keys|values)\(|\bfor\b[^\n]{1,200}\bin (?:os\.)?environ\b(?!\.get|\[)|printenv"
    rb"|\b(?:sorted|list|set|tuple|filter|map|iter)\([^()\n]{0,200}\benviron\b(?!\.get|\[)"
)
_COPY_OF_VARIABLES = re.compile(rb"\b(\w{1,80})\s*=\s*(?:dict\(\s*|\{\s*\*\*)?(?:os\.)?environ\b(?!\.get|\[)")
# Variables that compilers, linkers and build tools read, whatever the tree names.
_READ_BY_TOOLS = re.compile(
    r"(?:AR|ARCHFLAGS|AS|CC|CFLAGS|CL|COMPILER_PATH|CPATH|CPP|CPPFLAGS|CXX|CXXFLAGS|FORCE_CUDA|INCLUDE|LD|LDFLAGS"
    r"|LDSHARED|LDCXXSHARED|LIB|LIBRARY_PATH|LINK|LD_LIBRARY_PATH|LD_PRELOAD|LD_RUN_PATH|NM|OBJC_INCLUDE_PATH|RANLIB"
    r"|SOURCE_DATE_EPOCH|STRIP|_PYTHON_HOST_PLATFORM|_PYTHON_SYSCONFIGDATA_NAME|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH"
    r"|DIST_EXTRA_CONFIG|MAKEFLAGS|PYTHONOPTIMIZE"
    r"|(?:CMAKE|CUDA|CUDNN|NVCC|NCCL|TORCH|PYTORCH|SETUPTOOLS|DISTUTILS|SKBUILD|HATCH|PDM|PBR|MESON|CYTHON|PYBIND11|NPY"
    r"|GCC|MACOSX|PKG_CONFIG|VERSIONINGIT|VERSIONEER|ROCM|HIP|MAX)(?:_|\d|[A-Z]).*|CUDAFLAGS|CUDAHOSTCXX)"
)
# Those of shells, sessions and front ends, and what other facts say: a tree that names PATH does not go by its text.
_IDLE = re.compile(
    r"(?:PATH|HOME|PWD|OLDPWD|TMPDIR|TEMP|TMP|USER|LOGNAME|SHELL|SHLVL|TERM|COLUMNS|LINES|HOSTNAME|VIRTUAL_ENV|CONDA_.*|_"
    r"|PYTHONPATH|MAX_JOBS|CMAKE_BUILD_PARALLEL_LEVEL|CUDA_HOME|CUDA_PATH|CUDACXX|CC|CXX|CUDA_VISIBLE_DEVICES"
    r"|CUDA_CACHE_PATH|TORCH_EXTENSIONS_DIR|TORCH_HOME|TORCHINDUCTOR_.*"
    r"|TORCH_NO_COMPILER_WRAPPER|PYTORCH_NVCC|(?:PIP|UV|XDG|SSH|PEP517|TORCHGRAFT|CCACHE|SCCACHE"
    r"|PYPROJECT_HOOKS|_PYPROJECT_HOOKS)_.*)"
)
# Where CMake's find_package(NAME) looks, and what packages call the folder of another one.
_WHERE = re.compile(r"(?P<name>.+)_(?:ROOT|DIR|ROOT_DIR|HOME|PREFIX|INCLUDE|INCLUDE_DIRS?|LIB|LIBRARY|LIBRARIES)")
_SYSCONFIG = (
    *("AR", "ARFLAGS", "BASECFLAGS", "CC", "CCSHARED", "CFLAGS", "CPPFLAGS", "CXX", "LDCXXSHARED", "LDFLAGS"),
    *("LDSHARED", "OPT", "SHLIB_SUFFIX"),
)


class _Tree(NamedTuple):
    """The digest of a source tree, and what is said by all that runs in it: words, places elsewhere, the processor."""

    digest: str
    words: frozenset[str]
    places: frozenset[str]
    by_processor: bool


def read_facts(
    plan: Plan, source: Path, *, variables: Mapping[str, str], user: Mapping[str, str], config_settings: object
) -> Mapping[str, object]:
    """Return all that decides the wheel that a plan builds, by name.

    :raises NoKeyError: if it cannot be told what decides it
    """
    tree = read_tree(source)
    process = take_hook_process()
    planned = {v.name: v.value for v in plan.variables if v.name not in IDLE_VARIABLES}
    told = deciding_variables(user, tree.words | planned.keys())
    if plan.toolkit is None:  # a package looks for a toolkit, whatever torch has
        told |= {name: user[name] for name in ("CUDA_HOME", "CUDA_PATH", "CUDACXX") if name in user}
    python_path, config = python_path_of(process), {name: sysconfig.get_config_var(name) for name in _SYSCONFIG}
    options = json.dumps(config_settings or {}, sort_keys=True)
    said = [*told.values(), *(value for value in planned.values() if value), options, *python_path]
    known = [process.prefix, str(source), *(place.folder for place in (plan.torch, plan.graft) if place)]
    known += [plan.toolkit.home] if plan.toolkit else []
    by_processor = tree.by_processor or asks_processor(" ".join([*said, *map(str, config.values())]).encode())
    return {
        **dict(plan.store.facts if plan.store else ()),
        "sources": tree.digest,
        "files": installed_files(plan, process.sys_path),
        "programs": programs(plan, variables, tree.words, [config["CC"], config["CXX"]], process.sys_path),
        "config_settings": options,  # uv hands over an empty mapping, pip nothing
        "environment": told,
        "places": state_of(said, tree.places, known),
        "python path": python_path,
        "sysconfig": config,
        "system": machine_system(),
        "processor": processor() if by_processor else "",
    }


def key_of(facts: Mapping[str, object]) -> str:
    """Return the key of all that decides a wheel."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def read_tree(source: Path) -> _Tree:
    """Return what a source tree is; raise NoKeyError if that cannot be told."""
    total, words, places, by_processor = hashlib.sha256(), set[str](), set[str](), False
    contents, copies = set[tuple[str, str]](), list[tuple[str, str]]()
    left = _MOST_BYTES
    for number, (name, path) in enumerate(_entries(source)):
        facts = path.lstat()
        left -= facts.st_size
        if number > _MOST_FILES or left < 0:
            raise NoKeyError("the source tree is too large")
        base = name.rpartition("/")[2]
        if stat.S_ISLNK(facts.st_mode):
            target = os.readlink(path)  # noqa: PTH115 - as it is spelled
            if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(source)):
                raise NoKeyError(f"{name} leads out of the source tree")
            row: tuple[object, ...] = (name, "link", target)
        elif stat.S_ISREG(facts.st_mode):
            digest = digest_of(path)
            row = (name, bool(facts.st_mode & stat.S_IXUSR), digest)
            if _COPIED.fullmatch(name):
                copies.append((base, digest))
                continue
            contents.add((base, digest))
            content = b"" if _NEVER_RUNS.fullmatch(name) else _text_of(path, name)
            words.update({match[0].decode("ascii", "replace") for match in _WORD.finditer(content)})
            places.update(match[0].decode("utf-8", "replace") for match in _PLACE.finditer(content))
            by_processor = by_processor or asks_processor(content)
        elif _COPIED.fullmatch(name):
            continue
        else:
            row = (name, "folder" if stat.S_ISDIR(facts.st_mode) else "other")
        total.update(json.dumps(row).encode() + b"\n")
    # setuptools copies into build/lib, and packs all that lies there: what is no copy came with the sources.
    total.update(json.dumps(sorted(set(copies) - contents)).encode())
    total.update(json.dumps(_version_control(source / ".git")).encode())
    return _Tree(total.hexdigest(), frozenset(words), frozenset(places), by_processor)


def _text_of(path: Path, name: str) -> bytes:
    """Return what a file says that may run in a build, b"" of no text; raise NoKeyError if it may say anything."""
    content = read_start(path, _LARGEST_RUN_BYTES + 1) or b""
    if b"\0" in content[:_CHUNK_BYTES]:
        return b""
    if len(content) > _LARGEST_RUN_BYTES:
        raise NoKeyError(f"{name} is too large to be looked through")
    if name.endswith(".py"):
        copies = {match[1] for match in _COPY_OF_VARIABLES.finditer(content)}
        looked_through = (rb"\b%s\.(?:items|keys|values)\(|\bin %s\s*(?:[:\])]|if\b)" % (name, name) for name in copies)
        if _ALL_VARIABLES.search(content) or any(re.search(pattern, content) for pattern in looked_through):
            raise NoKeyError(f"{name} may read all variables")
    return content


def _entries(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield all that is in a tree but what builds leave there, folders before what is in them."""
    folders = [source]
    while folders:
        with os.scandir(folders.pop()) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            path = Path(entry.path)
            name = os.fsencode(path.relative_to(source)).decode("utf-8", "backslashreplace").replace(os.sep, "/")
            if _OUTPUT.fullmatch(name):
                continue
            if is_folder := entry.is_dir(follow_symlinks=False):
                folders.append(path)
            if not (is_folder and name == "build"):
                yield name, path


def _version_control(git: Path) -> list[tuple[str, str]]:
    """Return what of git a version may be made of (commit, branches, tags); raise NoKeyError if it is elsewhere."""
    if not os.path.lexists(git):
        return []
    if not git.is_dir():
        raise NoKeyError("git keeps its own files outside of the source tree")
    found = [(name, read_text(git / name)) for name in ("HEAD", "shallow")]
    rows = read_text(git / "packed-refs", LARGEST_LIST_BYTES).splitlines()
    found += [("packed", row) for row in rows if " refs/heads/" in row or " refs/tags/" in row or row.startswith("^")]
    for kind in ("heads", "tags"):
        refs = sorted(Path(parent, name) for parent, _, files in walk(git / "refs" / kind) for name in files)
        found += [(path.relative_to(git).as_posix(), read_text(path)) for path in refs]
    for parent, folders, files in walk(git / "modules"):
        folders.sort()
        if "HEAD" in files and "refs" in folders:
            here = os.path.relpath(parent, git)
            found += [(here, f"{name} {value}") for name, value in _version_control(Path(parent))]
    return found


def deciding_variables(user: Mapping[str, str], words: frozenset[str]) -> dict[str, str]:
    """Return the variables that a build may depend on: those of tools, and those that the source tree names.

    A name may be put together: what begins or ends with a word such as `FLASH_ATTENTION_` or `_FORCE_BUILD` counts,
    and `OpenCV_DIR` where the tree says find_package(OpenCV).
    """
    lowered = {word.lower() for word in words}
    prefixes = tuple(word for word in words if word.endswith("_") and word.isupper())
    suffixes = tuple(word for word in words if word.startswith("_") and word.isupper())
    return {
        name: value
        for name, value in user.items()
        if not _IDLE.fullmatch(name)
        and (
            name in words
            or _READ_BY_TOOLS.fullmatch(name)
            or name.startswith(prefixes)
            or name.endswith(suffixes)
            or ((where := _WHERE.fullmatch(name)) and where["name"].lower() in lowered)
        )
    }
