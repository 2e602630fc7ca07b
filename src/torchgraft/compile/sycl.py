"""Intel's compilers for SYCL on this machine, as far as folders say: oneAPI's, on PATH or not.

May not run icpx, nor oneAPI's script, which sets up a whole shell.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..files import is_file, real
from ..model.hardware_values import SyclCompiler
from .programs import find_programs

PLACES = ("/opt/intel/oneapi",)

_ICPX = "icpx"
_MOST_PARENTS = 5


def find_sycl(variables: Mapping[str, str], *, places: tuple[str, ...] = PLACES) -> tuple[SyclCompiler, ...]:
    """Return each icpx once: those on PATH, those that oneAPI's variables name, those of the usual place.

    :param places: folders of whole oneAPI installations, which hold compiler/2025.1/bin/icpx
    """
    found: dict[str, SyclCompiler] = {}
    for path, source, on_path in _candidates(variables, places):
        if is_file(path) and real(path) not in found:
            found[real(path)] = SyclCompiler(icpx=str(path), source=source, on_path=on_path, setvars=_setvars(path))
    return tuple(found.values())


def _candidates(variables: Mapping[str, str], places: tuple[str, ...]) -> Iterator[tuple[Path, str, bool]]:
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
