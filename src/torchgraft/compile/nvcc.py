"""What an nvcc is: its home behind wrapper scripts and links, its version, its architectures; what the home has.

May not look for one. Files are read first; nvcc is run (5-40 ms) only for what none of them says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

from ..files import is_file, names_in, read_text, real
from ..programs import ask_program, take_answer
from ..untrusted import json_table, table, text_of
from ..values import dataclass
from .plan_toolkit import CLASHES

NVCC = "nvcc.exe" if os.name == "nt" else "nvcc"

# What torch's own headers and the extensions of the corpus include. All of them are in every full toolkit from 11.8 on:
# one that is missing means that a part was not installed. nvToolsExt.h is not here, since CUDA 13 has nvtx3 alone.
HEADERS = (
    *("cuda.h", "cuda_runtime.h", "cuda_fp16.h", "crt/host_config.h", "nv/target", "thrust/version.h"),
    *("cub/version.cuh", "cublas_v2.h", "cublasLt.h", "cusparse.h", "cusolverDn.h", "cufft.h", "curand.h"),
    *("curand_kernel.h", "nvrtc.h", "nvtx3/nvToolsExt.h", "cuda_profiler_api.h"),
)
_LARGEST_HEADER_BYTES = 1_000_000
_PROFILE = "nvcc.profile"
_MOST_WRAPPERS = 8
# Characters of what is wrong with an nvcc.
_MOST_SAID = 160
# Flags of the user's that nvcc repeats in its answer.
_FLAGS = frozenset({"NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS"})
_TOP = re.compile(r"^(?:#\$ )?TOP[ \t]*=[ \t]*(.+)$", re.MULTILINE)
_HERE = re.compile(r"^#\$ _HERE_=(.+)$", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#.*")
_CALLED = re.compile(r"(/[^\s\"'$`;&|()<>]*/nvcc)(?=[\s\"';]|$)")
_RELEASE = re.compile(r"release (\d+\.\d+)")
_ARCHITECTURE = re.compile(r"\bcompute_(\d+[a-z]?)\b")
_VERSION = re.compile(r"^(\d+\.\d+)(?:\.|$)")
_VERSION_TXT = re.compile(r"CUDA Version (\d+\.\d+)")
_VERSION_MACRO = re.compile(r"^#define\s+CUDA(?:RT)?_VERSION\s+(\d{4,6})\b", re.MULTILINE)
_CONDA_PACKAGE = re.compile(r"cuda-nvcc(?:-tools|-impl|_[\w-]+?)?-(\d+\.\d+)\.[^-]*-[^-]*\.json")
_HIGHEST_GCC = re.compile(r"^#if __GNUC__ > (\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Nvcc:
    """An nvcc and the home that it takes everything from, both absolute."""

    path: str
    home: str


def parse_profile(text: str, here: str) -> str | None:
    """Return the home that an nvcc.profile names as TOP; None where that is beyond us. `here` is the folder of nvcc."""
    match = _TOP.search(text)
    top = match[1].strip().replace("$(_HERE_)", here) if match else ""
    return top if PurePath(top).is_absolute() and "$" not in top.replace(here, "") and "\0" not in top else None


def parse_dry_run(text: str) -> tuple[str, str] | None:
    """Return what `nvcc --dryrun` says of itself: its folder, and its home."""
    here, top = _HERE.search(text), _TOP.search(text)
    if here is None or top is None or "\0" in here[1] + top[1]:
        return None
    return here[1].strip(), top[1].strip()


def parse_wrapper(text: str) -> str | None:
    """Return the nvcc that a script calls, where it names just one by its full path."""
    if not text.startswith("#!"):
        return None
    lines = (_COMMENT.sub("", line) for line in text.splitlines()[1:])
    called = {match[1] for line in lines for match in _CALLED.finditer(line)}
    return called.pop() if len(called) == 1 else None


def parse_architectures(text: str) -> tuple[str, ...]:
    """Return the architectures that `nvcc --list-gpu-arch` prints, lowest first: 75, 80, 90a."""
    found = set(_ARCHITECTURE.findall(text))
    return tuple(sorted(found, key=lambda name: (int(re.sub(r"\D", "", name)), name)))


def parse_highest_gcc(text: str) -> int | None:
    """Return the newest major version of gcc that a crt/host_config.h lets pass; None if it says nothing of it."""
    match = _HIGHEST_GCC.search(text)
    return int(match[1][:9]) if match else None


def resolve_nvcc(path: str, variables: Mapping[str, str]) -> Nvcc | None:
    """Return what is behind an nvcc, however many links and scripts are in between; None where nothing answers.

    nvcc reads the nvcc.profile beside the name that it was called by, without following links, and takes its home
    from there. Distributions have scripts on PATH instead (Debian; the images of some vendors).
    """
    for _ in range(_MOST_WRAPPERS):
        for candidate in dict.fromkeys((path, real(Path(path)))):
            home = _home_beside(candidate)
            if home:
                return _placed(candidate, home)
        called = parse_wrapper(read_text(Path(path)))
        if called is None or not is_file(Path(called)):
            # No script that can be read: ccache under the name of nvcc, or one that computes what it calls.
            said = parse_dry_run(ask_program([path, "--dryrun", "-x", "cu", os.devnull], _plain(variables)) or "")
            return _placed(str(Path(said[0], NVCC)), said[1]) if said else None
        path = called
    return None


def read_version(nvcc: Nvcc, variables: Mapping[str, str]) -> str | None:
    """Return the version of a toolkit as 13.0; None where nothing says it.

    Best are those files that speak of nvcc itself: in conda's environments and among wheels, headers may be newer.
    """
    written = next(filter(None, _written_versions(Path(nvcc.home))), None)
    return written or _first(_RELEASE, ask_program([nvcc.path, "--version"], _plain(variables)) or "")


def read_highest_gcc(home: Path) -> int | None:
    """Return the newest major version of gcc that a toolkit takes; None if it sets no limit."""
    found = (parse_highest_gcc(read_text(folder / "crt" / "host_config.h")) for folder in include_folders(home))
    return next((gcc for gcc in found if gcc is not None), None)


def read_highest_libc(home: Path) -> str:
    """Return the newest glibc that the headers of a toolkit agree with; "" where none is known that they do not.

    Headers that somebody has patched agree with more than their release does.
    """
    for folder in include_folders(home):
        text = read_text(folder / "crt" / "math_functions.h", _LARGEST_HEADER_BYTES)
        for clash in CLASHES if text else ():
            if re.search(rf"\bdouble\s+{clash.function}\(double x\)\s*;", text):
                return clash.before
        if text:
            break
    return ""


def has_header(home: Path, name: str) -> bool:
    """Return whether a toolkit has a header."""
    return any(is_file(folder / name) for folder in include_folders(home))


def take_architectures(nvcc: str, variables: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """Return the architectures that an nvcc compiles for, and ""; none where it does not start, and why.

    Why is what the system says, or the dynamic linker: an nvcc for other processors, or one without its libraries.
    """
    answer = take_answer([nvcc, "--list-gpu-arch"], _plain(variables))
    names = parse_architectures(answer.text)
    if names:
        return names, ""
    said = next((line.strip() for line in answer.text.splitlines() if line.strip()), "it lists no architectures")
    return (), answer.fault or said[:_MOST_SAID]


def include_folders(home: Path) -> tuple[Path, ...]:
    """Return where a toolkit may have headers: conda and NVIDIA's packages have targets/, CUDA 13 has cccl/."""
    targets = [home / "targets" / name / "include" for name in names_in(home / "targets")]
    return tuple(folder / part for folder in (home / "include", *targets) for part in ("", "cccl"))


def _written_versions(home: Path) -> Iterator[str | None]:
    matches = (_CONDA_PACKAGE.fullmatch(name) for name in names_in(home / "conda-meta"))
    yield next((match[1] for match in matches if match), None)
    # {"cuda": {"version": "12.4.1"}, "cuda_nvcc": {...}, ...}
    data = json_table(read_text(home / "version.json"))
    for name in ("cuda_nvcc", "cuda"):
        yield _first(_VERSION, text_of(table(data.get(name)).get("version")) or "")
    yield _first(_VERSION_TXT, read_text(home / "version.txt"))
    for folder in include_folders(home):
        for name in ("cuda.h", "cuda_runtime_api.h"):
            macro = _first(_VERSION_MACRO, read_text(folder / name))
            if macro:
                # CUDA_VERSION is 1000 * major + 10 * minor.
                yield f"{int(macro) // 1000}.{int(macro) % 1000 // 10}"


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None


def _home_beside(path: str) -> str | None:
    """Return the home that the nvcc.profile beside an nvcc names; None where there is no such file."""
    here = Path(path).parent
    if not is_file(here / _PROFILE):
        return None
    return parse_profile(read_text(here / _PROFILE), str(here)) or str(here.parent)


def _placed(path: str, home: str) -> Nvcc:
    """Return an nvcc with the home that has it as bin/nvcc: what torch and CMake start from CUDA_HOME."""
    plain = os.path.normpath(home)
    # TOP is bin/.., which leads elsewhere where bin is a link.
    home = plain if real(Path(plain)) == real(Path(home)) else real(Path(home))
    for folder in (Path(home), Path(path).parent.parent):
        inside = folder / "bin" / NVCC
        if is_file(inside):
            return Nvcc(path=str(inside), home=str(folder))
    return Nvcc(path=path, home=home)


def _plain(variables: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in variables.items() if name not in _FLAGS}
