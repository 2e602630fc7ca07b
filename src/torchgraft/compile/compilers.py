"""The compilers beside nvcc: pairs of a C and a C++ compiler, homes of ROCm that have hipcc, and oneAPI's icpx.

May not choose one, nor compile anything.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ..files import is_file, is_folder, names_in, read_text, real
from ..model.hardware_values import HostCompiler, RocmToolkit, SyclCompiler
from ..programs import ask_program, find_programs
from ..untrusted import numbers_in
from .plan_toolkit import first_cuda

# gcc, x86_64-conda-linux-gnu-gcc, gcc-12, x86_64-linux-gnu-g++-12, clang++-17, cc, c++
_NAME = re.compile(r"(?P<target>(?:[\w.]+-)*)(?P<driver>gcc|g\+\+|clang\+\+|clang|cc|c\+\+)(?:-(?P<version>\d[\d.]*))?")
_CXX = {"gcc": "g++", "clang": "clang++", "cc": "c++"}
_CC = {cxx: cc for cc, cxx in _CXX.items()}
_FAMILY = {"gcc": "gcc", "g++": "gcc", "clang": "clang", "clang++": "clang"}
_NUMBERED = re.compile(r"(?:gcc|clang)-\d+")
_VERSION = re.compile(r"^\d+(?:\.\d+)*$", re.MULTILINE)
_TIMEOUT_S = 5.0
_GLIBC = re.compile(r"glibc (\d+\.\d+)")
_GLIBC_MACROS = re.compile(r"^#define __GLIBC(|_MINOR)__ (\d+)$", re.MULTILINE)
ROCM_PLACES = ("/opt/rocm*",)
ONEAPI_PLACES = ("/opt/intel/oneapi",)
_HIPCC = "hipcc"
_WHEEL = "_rocm_sdk_core"  # of the distribution rocm-sdk-core, which has a whole toolkit
_ROCM_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")
_VERSION_FILES = (".info/version", ".info/version-dev", ".info/version-hip-libraries", "share/rocm/version")
_ICPX = "icpx"
_MOST_PARENTS = 5


def find_compilers(variables: Mapping[str, str], path: str) -> tuple[HostCompiler, ...]:
    """Return the complete pairs: the user's, then what is used by default, then the others, highest version first.

    Those that a build takes by itself come first, so that the first one is what would compile. Only these are run,
    to ask for their version; the others have its first part in their names.

    What the user's variables name is returned in any case. Its `name` is "" where nvcc cannot be given it: a command
    of several words (`ccache gcc`, which breaks -ccbin), no gcc or clang, or no program at all; then `version` is
    that of the compiler in it, or "".
    """
    folders = tuple(dict.fromkeys(folder for folder in path.split(os.pathsep) if folder))
    users = tuple(_of_user(variables, path))
    default = tuple(_default(variables, path, known={real(Path(c.cxx)) for c in users if c.name}))
    others = sorted(_numbered(folders), key=lambda compiler: numbers_in(compiler.version), reverse=True)
    unique: dict[str, HostCompiler] = {}
    for compiler in (*users, *default, *others):
        unique.setdefault(real(Path(compiler.cxx)) if compiler.name else compiler.cxx, compiler)
    return tuple(unique.values())


def machine_libc() -> str:
    """Return the release of the C library of the machine, such as 2.42; "" where it is no glibc."""
    try:
        match = _GLIBC.fullmatch(os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (AttributeError, OSError, ValueError):  # not on Windows, macOS, musl
        return ""
    return match[1] if match else ""


def with_libc(
    compilers: tuple[HostCompiler, ...], variables: Mapping[str, str], *, machine: str
) -> tuple[HostCompiler, ...]:
    """Return compilers with the glibc whose headers they take (conda's is old), where the machine's may clash."""
    if first_cuda(machine) is None:
        return compilers
    return tuple(replace(c, libc=_libc_of(c.cxx, variables)) if c.name else c for c in compilers)


def _of_user(variables: Mapping[str, str], path: str) -> Iterator[HostCompiler]:
    """Yield what CC and CXX name; where only one is set, with the other of that name, since builds take both."""
    cc, cxx = variables.get("CC", "").strip(), variables.get("CXX", "").strip()
    source = " and ".join(name for name, value in (("CC", cc), ("CXX", cxx)) if value)
    if not source:
        return
    cc, cxx = cc or _counterpart(cxx, _CC), cxx or _counterpart(cc, _CXX)
    c_program, cxx_program = _program(cc, path), _program(cxx, path)
    if c_program and cxx_program:
        family, _ = _driver(cxx_program)
        version = _take_version([cxx_program], family, variables) if family else ""
        name = family if version else ""
        yield HostCompiler(cc=c_program, cxx=cxx_program, name=name, version=version, source=source)
    else:
        yield HostCompiler(cc=cc, cxx=cxx, name="", version=_version_in(cxx, path, variables), source=source)


def _version_in(command: str, path: str, variables: Mapping[str, str]) -> str:
    """Return the version of the compiler in `ccache g++`; "" where there is none."""
    words = command.split()
    inner = next((word for word in words if _NAME.fullmatch(Path(word).name)), "")
    first = _program(words[0], path) if words else None
    return _take_version([first, *words[1:]], _driver(inner)[0], variables) if inner and first else ""


def _default(variables: Mapping[str, str], path: str, *, known: Collection[str]) -> Iterator[HostCompiler]:
    """Yield what is used where nothing is set: torch takes c++, nvcc gcc, make and CMake cc and c++."""
    taken = set(known)
    for name, other in (("cc", "c++"), ("gcc", "g++"), ("clang", "clang++")):
        cc, cxx = _program(name, path), _program(other, path)
        if cc and cxx and real(Path(cxx)) not in taken:
            taken.add(real(Path(cxx)))
            family, _ = _driver(cxx)
            version = _take_version([cxx], family, variables)
            if version:
                yield HostCompiler(cc=cc, cxx=cxx, name=family, version=version, source=f"{other} on PATH")


def _numbered(folders: tuple[str, ...]) -> Iterator[HostCompiler]:
    for folder in folders:
        names = set(names_in(Path(folder)))
        for name in sorted(name for name in names if _NUMBERED.fullmatch(name)):
            other = _counterpart(name, _CXX)
            cc, cxx = Path(folder, name), Path(folder, other)
            if other in names and os.access(cc, os.X_OK) and os.access(cxx, os.X_OK):
                family, version = _driver(str(cxx))
                yield HostCompiler(cc=str(cc), cxx=str(cxx), name=family, version=version, source=f"{other} on PATH")


def _counterpart(command: str, names: Mapping[str, str]) -> str:
    """Return the compiler of the other language that belongs to one: /opt/bin/g++-12 to /opt/bin/gcc-12."""
    words = command.split()
    match = _NAME.fullmatch(Path(words[-1]).name) if words else None
    if match is None or match["driver"] not in names:
        return ""
    name = match["target"] + names[match["driver"]] + (f"-{match['version']}" if match["version"] else "")
    last = str(Path(words[-1]).with_name(name)) if "/" in words[-1] else name
    return " ".join([*words[:-1], last])


def _program(command: str, path: str) -> str | None:
    """Return the program that a variable names, by its full path; None where it names none, or has arguments."""
    found = shutil.which(command, path=path)
    return str(Path(found).absolute()) if found and " " not in found and is_file(Path(found)) else None


def _driver(path: str) -> tuple[str, str]:
    """Return the family and version of a compiler, by its name and what it is a link to: c++ is g++-12 on many."""
    family = version = generic = ""
    for name in (Path(path).name, Path(real(Path(path))).name):
        match = _NAME.fullmatch(name)
        if match:
            generic = "gcc"
            family = _FAMILY.get(match["driver"], family)
            version = match["version"] or version
    # Where cc and c++ are no links, they are gcc on every Linux that CUDA is made for.
    return family or generic, version


def _take_version(command: list[str], family: str, variables: Mapping[str, str]) -> str:
    """Return the version that a compiler says it is; "" where it does not answer.

    gcc's -dumpversion is the first number alone on many distributions; clang knows no other.
    """
    flags = ["-dumpversion"] if family == "clang" else ["-dumpfullversion", "-dumpversion"]
    match = _VERSION.search(ask_program([*command, *flags], variables, timeout_s=_TIMEOUT_S) or "")
    return match[0] if match else ""


def _libc_of(compiler: str, variables: Mapping[str, str]) -> str:
    command = [compiler, "-E", "-dM", "-x", "c++", "-include", "features.h", os.devnull]
    said = dict(_GLIBC_MACROS.findall(ask_program(command, variables, timeout_s=_TIMEOUT_S) or ""))
    return f"{said['']}.{said['_MINOR']}" if len(said) == len(("major", "minor")) else ""


def find_rocm(
    variables: Mapping[str, str], *, search_paths: tuple[str, ...] = (), places: tuple[str, ...] = ROCM_PLACES
) -> tuple[RocmToolkit, ...]:
    """Return the homes that have hipcc: those that the user named, AMD's wheels, that of PATH, then the usual places.

    torch looks in the same order (torch/utils/cpp_extension.py, `_find_rocm_home`).
    """
    found: dict[str, RocmToolkit] = {}
    for home, source in _rocm_candidates(variables, search_paths, places):
        if is_file(home / "bin" / _HIPCC) and real(home) not in found:
            found[real(home)] = RocmToolkit(home=str(home), version=_rocm_version(home), source=source)
    return tuple(found.values())


def _rocm_candidates(
    variables: Mapping[str, str], search_paths: tuple[str, ...], places: tuple[str, ...]
) -> Iterator[tuple[Path, str]]:
    for name in ("ROCM_HOME", "ROCM_PATH"):
        if variables.get(name):
            yield Path(variables[name]).absolute(), name
    for path in search_paths:
        yield Path(path, _WHEEL), "AMD's wheels"
    for program in find_programs(_HIPCC, variables):
        # /usr/bin/hipcc is a link into /opt/rocm-6.4.1; up to ROCm 5 there is another one in hip/bin.
        home = Path(real(Path(program))).parent.parent
        yield home.parent if home.name == "hip" else home, "hipcc on PATH"
    for pattern in places:
        for path in sorted(glob.glob(pattern)):  # noqa: PTH207 - a pattern from the root
            home = Path(real(Path(path)))
            if is_folder(home):
                yield home, str(Path(pattern).parent)


def _rocm_version(home: Path) -> str:
    """Return the version (6.4.1) that a home's files say; "" where there are none, as in Debian's /usr."""
    matches = (_ROCM_VERSION.match(read_text(home / name).strip()) for name in _VERSION_FILES)
    return next((match[0] for match in matches if match), "")


def find_sycl(variables: Mapping[str, str], *, places: tuple[str, ...] = ONEAPI_PLACES) -> tuple[SyclCompiler, ...]:
    """Return each icpx once: those on PATH, those that oneAPI's variables name, those of the usual place."""
    found: dict[str, SyclCompiler] = {}
    for path, source, on_path in _sycl_candidates(variables, places):
        if is_file(path) and real(path) not in found:
            scripts = (str(folder / "setvars.sh") for folder in path.parents[:_MOST_PARENTS])
            setvars = next((script for script in scripts if is_file(Path(script))), "")
            found[real(path)] = SyclCompiler(icpx=str(path), source=source, on_path=on_path, setvars=setvars)
    return tuple(found.values())


def _sycl_candidates(variables: Mapping[str, str], places: tuple[str, ...]) -> Iterator[tuple[Path, str, bool]]:
    for program in find_programs(_ICPX, variables):
        yield Path(program), "icpx on PATH", True
    if variables.get("CMPLR_ROOT"):
        yield Path(variables["CMPLR_ROOT"], "bin", _ICPX).absolute(), "CMPLR_ROOT", False
    roots = [(variables["ONEAPI_ROOT"], "ONEAPI_ROOT")] if variables.get("ONEAPI_ROOT") else []
    for root, source in (*roots, *((place, place) for place in places)):
        # The newest first; `latest` is a link to one of them. Before 2024 it was in linux/bin.
        for pattern in ("compiler/*/bin/icpx", "compiler/*/linux/bin/icpx"):
            for name in sorted(glob.glob(pattern, root_dir=root), reverse=True):  # noqa: PTH207 - sorted as text
                yield Path(root, name).absolute(), source, False
