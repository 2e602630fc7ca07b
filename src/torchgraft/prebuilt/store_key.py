"""All that decides a wheel, as far as it can be told: the key under which one is kept.

May not keep one, nor write. Where something cannot be told there is no key. What nobody can see is not in it: files
outside of the source tree that are no compiler's, Python's or torch's (system libraries, say), servers, and the time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..compile.compilers import machine_libc
from ..consumer.environment import python_path_of
from ..consumer.processes import take_hook_process
from ..files import digest_of, read_start, read_text, walk
from ..installed.dist_info import LARGEST_LIST_BYTES, find_installed
from ..model.decision import Plan
from ..programs import take_answer

_MOST_FILES, _MOST_BYTES, _LARGEST_RUN_BYTES = 100_000, 2_000_000_000, 20_000_000
_CHUNK_BYTES = 1 << 20
# What builds leave in a tree that is unpacked once and built several times; a note says for which torch it was.
_OUTPUT = re.compile(r"build/(?:lib|temp|bdist)[^/]*|(?:.*/)?(?:__pycache__|\.git)")
# Files that run while a wheel is built, or say what is to be done.
_RUNS = re.compile(r"(?:.*\.(?:py|pyx|cfg|toml|ini|json|cmake|sh|mk|in|build|txt)|Makefile[^/]*|configure[^/]*)")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_ALL_VARIABLES = re.compile(rb"\benviron(?:b?)\.(?:items|keys|values)\(|\bin (?:os\.)?environ\b(?!\.get)|printenv")
# This machine's processor decides: -march=native, or a look at what it can do.
_PROCESSOR = re.compile(rb"=native|cpuinfo|cpu_info|platform\.processor|/arch:|xhost", re.IGNORECASE)
# Variables that compilers, linkers and build tools read, whatever the tree names.
_READ_BY_TOOLS = re.compile(
    r"(?:AR|ARCHFLAGS|AS|CC|CFLAGS|CL|COMPILER_PATH|CPATH|CPP|CPPFLAGS|CXX|CXXFLAGS|FORCE_CUDA|INCLUDE|LD|LDFLAGS"
    r"|LDSHARED|LDCXXSHARED|LIB|LIBRARY_PATH|LINK|LD_RUN_PATH|NM|OBJC_INCLUDE_PATH|RANLIB|SOURCE_DATE_EPOCH|STRIP"
    r"|_PYTHON_HOST_PLATFORM|_PYTHON_SYSCONFIGDATA_NAME|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH"
    r"|(?:CMAKE|CUDA|CUDNN|NVCC|NCCL|TORCH|PYTORCH|SETUPTOOLS|DISTUTILS|SKBUILD|HATCH|PDM|PBR|MESON|CYTHON|PYBIND11|NPY"
    r"|GCC|MACOSX|PKG_CONFIG|VERSIONINGIT|VERSIONEER|ROCM|HIP|MAX)(?:_|\d|[A-Z]).*|CUDAFLAGS|CUDAHOSTCXX)"
)
# Those of shells, sessions and front ends, and what other facts say: a tree that names PATH does not go by its text.
_IDLE = re.compile(
    r"(?:PATH|HOME|PWD|OLDPWD|TMPDIR|TEMP|TMP|USER|LOGNAME|SHELL|SHLVL|TERM|COLUMNS|LINES|HOSTNAME|VIRTUAL_ENV|CONDA_.*|_"
    r"|PYTHONPATH|MAX_JOBS|CMAKE_BUILD_PARALLEL_LEVEL|CUDA_HOME|CUDA_PATH|CUDACXX|CC|CXX|CUDA_VISIBLE_DEVICES"
    r"|TORCH_NO_COMPILER_WRAPPER|PYTORCH_NVCC|(?:PIP|UV|XDG|SSH|PEP517|TORCHGRAFT|CCACHE|SCCACHE"
    r"|PYPROJECT_HOOKS|_PYPROJECT_HOOKS)_.*)"
)
_SYSCONFIG = (
    *("AR", "ARFLAGS", "BASECFLAGS", "CC", "CCSHARED", "CFLAGS", "CPPFLAGS", "CXX", "LDCXXSHARED", "LDFLAGS"),
    *("LDSHARED", "OPT", "SHLIB_SUFFIX"),
)


class NoKeyError(Exception):
    """Why it cannot be told what decides a wheel."""


class _Tree(NamedTuple):
    """The digest of a source tree; the words of what runs in it, and whether the processor of this machine counts."""

    digest: str
    words: frozenset[str]
    by_processor: bool


def wheel_key(
    plan: Plan, source: Path, *, variables: Mapping[str, str], user: Mapping[str, str], config_settings: object
) -> str:
    """Return the key of the wheel that a plan builds.

    :param variables: those of the delegate
    :param user: those that the hook has inherited
    :param config_settings: the delegate's
    :raises NoKeyError: if it cannot be told what decides it
    """
    tree = read_tree(source)
    facts: dict[str, Any] = dict(plan.store.facts if plan.store else ())
    facts |= {
        "sources": tree.digest,
        "torch files": _torch_files(plan),
        "compilers": list(_compilers(plan, variables)),
        "config_settings": config_settings or {},  # uv hands over an empty mapping, pip nothing
        "environment": deciding_variables(user, tree.words | {v.name for v in plan.variables}),
        "python path": python_path_of(take_hook_process()),
        "sysconfig": {name: sysconfig.get_config_var(name) for name in _SYSCONFIG},
        "system": _system(),
        "processor": _processor() if tree.by_processor else "",
    }
    return key_of(facts)


def key_of(facts: Mapping[str, Any]) -> str:
    """Return the key of all that decides a wheel."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def read_tree(source: Path) -> _Tree:
    """Return what a source tree is.

    :raises NoKeyError: if that cannot be told
    """
    total, words, by_processor = hashlib.sha256(), set[str](), False
    left = _MOST_BYTES
    for number, (name, path) in enumerate(_entries(source)):
        facts = path.lstat()
        left -= facts.st_size
        if number > _MOST_FILES or left < 0:
            raise NoKeyError("the source tree is too large")
        if stat.S_ISLNK(facts.st_mode):
            target = os.readlink(path)  # noqa: PTH115 - as it is spelled
            if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(source)):
                raise NoKeyError(f"{name} leads out of the source tree")
            row: tuple[object, ...] = (name, "link", target)
        elif stat.S_ISREG(facts.st_mode):
            row = (name, bool(facts.st_mode & stat.S_IXUSR), digest_of(path))
            if _RUNS.fullmatch(name.rpartition("/")[2]):
                content = read_start(path, _LARGEST_RUN_BYTES + 1) or b""
                if len(content) > _LARGEST_RUN_BYTES:
                    raise NoKeyError(f"{name} is too large to be looked through")
                if name.endswith(".py") and _ALL_VARIABLES.search(content):
                    raise NoKeyError(f"{name} may read all variables")
                words.update({match[0].decode() for match in _WORD.finditer(content)})
                by_processor = by_processor or _PROCESSOR.search(content) is not None
        else:
            row = (name, "folder" if stat.S_ISDIR(facts.st_mode) else "other")
        total.update(json.dumps(row).encode() + b"\n")
    total.update(json.dumps(_version_control(source / ".git")).encode())
    return _Tree(total.hexdigest(), frozenset(words), by_processor)


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
    """Return what of git a version may be made of: the commit, branches and tags.

    :raises NoKeyError: if git keeps it elsewhere
    """
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
    return found


def deciding_variables(user: Mapping[str, str], words: frozenset[str]) -> dict[str, str]:
    """Return the variables that a build may depend on: those of tools, and those that the source tree names.

    A name may be put together: what begins or ends with a word such as `FLASH_ATTENTION_` or `_FORCE_BUILD` counts.
    """
    starts = tuple(word for word in words if word.endswith("_") and word.isupper())
    ends = tuple(word for word in words if word.startswith("_") and word.isupper())
    return {
        name: value
        for name, value in user.items()
        if not _IDLE.fullmatch(name)
        and (name in words or _READ_BY_TOOLS.fullmatch(name) or name.startswith(starts) or name.endswith(ends))
    }


def _torch_files(plan: Plan) -> str:
    """Return a digest of the headers and libraries of torch, as its RECORD has them: a version may be built twice.

    :raises NoKeyError: if its RECORD has no digests
    """
    torch = plan.torch
    site = Path(torch.folder).parent if torch else Path()
    found = find_installed((str(site),)).get("torch", ())
    if torch is None or len(found) != 1:
        raise NoKeyError("torch has no metadata, or several")
    data = read_start(found[0].information / "RECORD", LARGEST_LIST_BYTES) or b""
    rows = [row.strip() for row in data.splitlines() if row.startswith(b"torch/") and b".pyc," not in row]
    if not any(row.startswith(b"torch/version.py,sha256=") for row in rows):
        raise NoKeyError("nothing says which files torch has")
    return hashlib.sha256(b"\n".join(sorted(rows))).hexdigest()


def _compilers(plan: Plan, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield what the compilers say of themselves."""
    nvcc = [str(Path(plan.toolkit.home) / "bin" / "nvcc")] if plan.toolkit else []
    for command in (variables.get("CC") or "cc", variables.get("CXX") or "c++", *nvcc):
        answer = take_answer([*command.split(), "--version"], variables)
        program = shutil.which(command.split()[0], path=variables.get("PATH", ""))
        if answer.fault or program is None:
            raise NoKeyError(f"{command} does not answer")
        # A script may add flags, and say the same version. The first line has its name as it was called.
        yield f"{digest_of(Path(program))} {answer.text.partition(' ')[2]}"


def _system() -> list[str]:
    words = re.findall(r"^(?:ID|VERSION_ID)=.*$", read_text(Path("/etc/os-release")), re.MULTILINE)
    return [machine_libc(), *words]


def _processor() -> str:
    said = read_text(Path("/proc/cpuinfo"), _CHUNK_BYTES)
    rows = re.findall(r"^(?:model name|flags|Features|CPU part)\s*:.*$", said, re.MULTILINE)
    if not rows:
        raise NoKeyError("the build depends on a processor that is not known")
    return hashlib.sha256("\n".join(sorted(set(rows))).encode()).hexdigest()
