"""What decides a wheel besides its sources: programs, installed files, places, the system, the processor.

May not look into the source tree. What cannot be told raises: better compiled twice than wrong once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import stat
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

from ..compile.compilers import machine_libc
from ..compile.cuda_home import nvcc_of
from ..files import digest_of, names_in, read_start, read_text, walk
from ..installed.dist_info import LARGEST_LIST_BYTES, find_installed, parse_file_list
from ..model.decision import Plan
from ..programs import take_answer
from .plan_prebuilt import OWN_DISTRIBUTIONS

_MOST_ENTRIES, _MOST_BYTES, _CPU_BYTES = 50_000, 2_000_000_000, 1 << 20
# This machine's processor decides: -march=native, or a look at what it can do.
_PROCESSOR = re.compile(
    rb"""[=-]native|["']native["']|cpuinfo|cpu_info|cpuid|cpu_capability|lscpu|_is_avx|platform\.processor|/arch:|xhost"""
    rb"|try_run|source_runs",
    re.IGNORECASE,
)
_PATH = re.compile(r"(?:(?<![\w.$})/])|(?<=-[ILB])|(?<=-isystem))~?/[^\s:;,'\"()\[\]{}<>]+")
_UPWARD = re.compile(r"(?:(?<![^\s=:;,'\"])|(?<=-[ILB])|(?<=-isystem))\.\.(?:/|\Z)")
# What comes with the distribution, and changes with its version; and what says nothing.
_OF_SYSTEM = re.compile(r"/(?:usr(?!/local(?:/|\Z))|bin|lib\w*|sbin|proc|sys|dev|run)?(?:/.*)?")
# Programs that change what is built, or whether part of it is: those that torch looks for, and those that a tree names.
_ALWAYS = ("nvcc", "hipcc", "icpx")
_NAMED = (
    *("bison", "cargo", "clang", "clang++", "cmake", "flex", "g++", "gcc", "gfortran", "git", "ispc", "llvm-config"),
    *("make", "mpicc", "mpicxx", "nasm", "ninja", "nvidia-smi", "patchelf", "pkg-config", "protoc", "ptxas"),
    *("rocm-smi", "rocminfo", "rustc", "swig", "yasm"),
)


class NoKeyError(Exception):
    """Why it cannot be told what decides a wheel."""


def asks_processor(text: bytes) -> bool:
    """Return whether what is compiled depends on the processor of this machine, going by what is said."""
    return _PROCESSOR.search(text) is not None


def processor() -> str:
    """Return what the processor of this machine is; raise NoKeyError if that is not known."""
    said = read_text(Path("/proc/cpuinfo"), _CPU_BYTES)
    rows = re.findall(r"^(?:model name|flags|Features|CPU part)\s*:.*$", said, re.MULTILINE)
    if not rows:
        raise NoKeyError("the build depends on a processor that is not known")
    return hashlib.sha256("\n".join(sorted(set(rows))).encode()).hexdigest()


def machine_system() -> list[str]:
    """Return the C library, the distribution, and which headers and libraries there are to compile with.

    A build takes libjpeg where its headers are, and leaves it out where they are not.
    """
    words = re.findall(r"^(?:ID|VERSION_ID)=.*$", read_text(Path("/etc/os-release")), re.MULTILINE)
    found: list[str] = [machine_libc(), *words, *names_in(Path("/usr/include"))]
    for folder in ("/usr/lib", "/usr/lib64", f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}", "/usr/local/lib"):
        names = [name for name in names_in(Path(folder)) if name.endswith((".so", ".a"))]
        # libjpeg.so leads to libjpeg.so.62.3.0
        found += [f"{name} {os.path.realpath(os.path.join(folder, name))}" for name in names]  # noqa: PTH118 - many
    digest = hashlib.sha256(json.dumps(found).encode())
    for row in _below("/usr/local/include", times=False):
        digest.update(json.dumps(row).encode())
    return [*found[: 1 + len(words)], digest.hexdigest()]


def programs(
    plan: Plan,
    variables: Mapping[str, str],
    words: AbstractSet[str],
    configured: Iterable[str | None],
    search_path: Iterable[str],
) -> list[str]:
    """Return what compilers say of themselves, and which programs there are that the build may look for.

    :param configured: the compilers of Python's own configuration, which setuptools takes where nothing else is said
    :param search_path: the build's; programs beside its distributions are theirs, and scripts have their folder in them
    :raises NoKeyError: if a compiler does not answer
    """
    nvcc = [str(nvcc_of(plan.toolkit))] if plan.toolkit else []
    commands = (variables.get("CC") or "cc", variables.get("CXX") or "c++", *nvcc)
    found = [_compiler(command, variables) for command in commands]
    if "" in found:
        raise NoKeyError("a compiler does not answer")
    found += [_compiler(command, variables) for command in configured if command]
    sites = [place for place in search_path if any(name.endswith(".dist-info") for name in names_in(Path(place)))]
    for name in (*_ALWAYS, *_NAMED):
        program = shutil.which(name, path=variables.get("PATH", ""))
        is_named = name in _ALWAYS or words >= set(re.findall(r"\w+", name))
        if program and is_named and not any(Path(site).is_relative_to(Path(program).parent.parent) for site in sites):
            found.append(f"{name} {digest_of(Path(program))}")
    return [*found, f"/usr/local/cuda {os.path.realpath('/usr/local/cuda')} {os.path.isdir('/usr/local/cuda')}"]  # noqa: PTH112


def _compiler(command: str, variables: Mapping[str, str]) -> str:
    """Return what a compiler is, "" of one that is not there or does not answer."""
    answer = take_answer([*command.split(), "--version"], variables)
    paths = [shutil.which(word, path=variables.get("PATH", "")) for word in command.split() if word[:1] != "-"]
    if answer.fault or not paths or paths[0] is None:
        return ""
    # A script may add flags, and say the same version. The first line has its name as it was called.
    return " ".join([*(digest_of(Path(path)) for path in paths if path), answer.text.partition(" ")[2]])


def installed_files(plan: Plan, search_path: Iterable[str]) -> dict[str, str]:
    """Return a digest of the files of each distribution that the build sees: a version may be built or changed twice.

    :raises NoKeyError: if nothing says which files torch has
    """
    site = Path(plan.torch.folder).parent if plan.torch else Path()
    torch = find_installed((str(site),)).get("torch", ())
    if len(torch) != 1:
        raise NoKeyError("torch has no metadata, or several")
    found = {torch[0].information.name: _digest_of_files(torch[0].information)}
    if "" in found.values():
        raise NoKeyError("nothing says which files torch has")
    linked = [Path(link.target) for link in plan.graft.links] if plan.graft else []
    here = find_installed(search_path)
    of_build = [here[name][0].information for name in here if name not in OWN_DISTRIBUTIONS]
    for information in (*(path for path in linked if path.suffix == ".dist-info"), *of_build):
        if information.name not in found:
            found[information.name] = _digest_of_files(information)
    return found


def _digest_of_files(information: Path) -> str:
    """Return a digest of what a RECORD lists, "" if it has no digests; what was changed since then is read.

    :raises NoKeyError: if that is too much
    """
    try:
        rows = parse_file_list(read_start(information / "RECORD", LARGEST_LIST_BYTES) or b"")
    except ValueError:
        rows = []
    skipped = (f"{information.name}/", "..", "/")
    rows = sorted(row for row in rows if not row.path.startswith(skipped) and not row.path.endswith(".pyc"))
    if not any(row.digest for row in rows):
        return ""
    state, left = [], _MOST_BYTES
    installed_ns = (information / "RECORD").stat().st_mtime_ns
    for row in rows:
        path, digest = os.path.join(information.parent, row.path), row.digest  # noqa: PTH118 - torch has 15,000
        try:
            facts = os.stat(path)  # noqa: PTH116
        except OSError:
            digest = f"{digest} is gone"
        else:
            if facts.st_mtime_ns > installed_ns or str(facts.st_size) != row.size:
                left -= facts.st_size
                if left < 0:
                    raise NoKeyError(f"most files of {information.name} were changed after it was installed")
                raw = base64.urlsafe_b64encode(bytes.fromhex(digest_of(Path(path))))
                digest = f"sha256={raw.decode().rstrip('=')}"
        state.append((row.path, digest))
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def state_of(said: Iterable[str], named: Iterable[str], known: Iterable[str]) -> dict[str, object]:
    """Return what is at the places that variables say and the source tree names: a digest; names, sizes and times.

    :param known: folders of which other facts say what is there
    :raises NoKeyError: if it cannot be told
    """
    found: dict[str, object] = {}
    home = os.path.expanduser("~/.pydistutils.cfg")  # noqa: PTH111 - Path's raises
    for text, is_deep in (*((text, True) for text in said), *((text, False) for text in named), (home, False)):
        if _UPWARD.search(text):
            raise NoKeyError(f"{text} leads out of the source tree")
        for match in _PATH.finditer(text):
            path = os.path.realpath(os.path.expanduser(match[0]))  # noqa: PTH111
            if path in found or any(f"{path}/".startswith(f"{os.path.realpath(place)}/") for place in known if place):
                continue
            if os.path.isfile(path):  # noqa: PTH113
                found[path] = digest_of(Path(path))
            elif os.path.isdir(path) and not _OF_SYSTEM.fullmatch(path):  # noqa: PTH112
                rows = list(_below(path)) if is_deep else sorted(_facts(entry.path) for entry in os.scandir(path))
                found[path] = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    return found


def _below(folder: str, *, times: bool = True) -> Iterator[tuple[str, int, int]]:
    left = _MOST_ENTRIES
    for parent, folders, files in walk(Path(folder)):
        folders.sort()
        left -= len(folders) + len(files)
        if left < 0:
            raise NoKeyError(f"{folder} has too many files to be looked through")
        for name in sorted(files):
            path, size, time = _facts(f"{parent}/{name}")
            yield path, size, time * times


def _facts(path: str) -> tuple[str, int, int]:
    try:
        facts = os.lstat(path)
    except OSError:
        return path, -1, 0
    # The time of a folder changes with what is kept in it for a moment.
    return (path, facts.st_size, facts.st_mtime_ns) if stat.S_ISREG(facts.st_mode) else (path, 0, 0)
