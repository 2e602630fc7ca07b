"""Every ROCm toolkit and every SYCL compiler of the machine, each once, as far as files and folders say.

May not run hipcc, which starts perl and clang, nor icpx or oneAPI's script, which sets up a whole shell.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..files import is_file, is_folder, read_text, real
from ..model.hardware_values import RocmToolkit, SyclCompiler
from ..programs import find_programs

ROCM_PLACES = ("/opt/rocm*",)
ONEAPI_PLACES = ("/opt/intel/oneapi",)

_HIPCC = "hipcc"
_WHEEL = "_rocm_sdk_core"  # of the distribution rocm-sdk-core, which has a whole toolkit
_VERSION = re.compile(r"(\d+\.\d+(?:\.\d+)?)")
_VERSION_FILES = (".info/version", ".info/version-dev", ".info/version-hip-libraries", "share/rocm/version")
_ICPX = "icpx"
_MOST_PARENTS = 5


def find_rocm(
    variables: Mapping[str, str], *, search_paths: tuple[str, ...] = (), places: tuple[str, ...] = ROCM_PLACES
) -> tuple[RocmToolkit, ...]:
    """Return the homes that have hipcc: those that the user named, AMD's wheels, that of PATH, then the usual places.

    torch looks in the same order (torch/utils/cpp_extension.py, `_find_rocm_home`).

    :param search_paths: where distributions are looked for
    :param places: patterns of homes
    """
    found: dict[str, RocmToolkit] = {}
    for home, source in _rocm_candidates(variables, search_paths, places):
        if is_file(home / "bin" / _HIPCC) and real(home) not in found:
            toolkit = RocmToolkit(home=str(home), version=_rocm_version(home), source=source)
            found[real(home)] = toolkit
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
    for name in _VERSION_FILES:
        match = _VERSION.match(read_text(home / name).strip())
        if match:
            return match[1]
    return ""


def find_sycl(variables: Mapping[str, str], *, places: tuple[str, ...] = ONEAPI_PLACES) -> tuple[SyclCompiler, ...]:
    """Return each icpx once: those on PATH, those that oneAPI's variables name, those of the usual place.

    :param places: folders of whole oneAPI installations, which hold compiler/2025.1/bin/icpx
    """
    found: dict[str, SyclCompiler] = {}
    for path, source, on_path in _sycl_candidates(variables, places):
        if is_file(path) and real(path) not in found:
            found[real(path)] = SyclCompiler(icpx=str(path), source=source, on_path=on_path, setvars=_setvars(path))
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


def _setvars(icpx: Path) -> str:
    for folder in icpx.parents[:_MOST_PARENTS]:
        if is_file(folder / "setvars.sh"):
            return str(folder / "setvars.sh")
    return ""
