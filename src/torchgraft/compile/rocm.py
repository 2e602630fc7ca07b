"""Every ROCm toolkit of the machine, each once, as far as its files say.

May not run hipcc, which starts perl and clang.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..files import is_file, is_folder, read_text, real
from ..model.hardware_values import RocmToolkit
from .programs import find_programs

PLACES = ("/opt/rocm*",)

_HIPCC = "hipcc"
_WHEEL = "_rocm_sdk_core"  # of the distribution rocm-sdk-core, which has a whole toolkit
_VERSION = re.compile(r"(\d+\.\d+(?:\.\d+)?)")
_VERSION_FILES = (".info/version", ".info/version-dev", ".info/version-hip-libraries", "share/rocm/version")


def find_rocm(
    variables: Mapping[str, str], *, search_paths: tuple[str, ...] = (), places: tuple[str, ...] = PLACES
) -> tuple[RocmToolkit, ...]:
    """Return the homes that have hipcc: those that the user named, AMD's wheels, that of PATH, then the usual places.

    torch looks in the same order (torch/utils/cpp_extension.py, `_find_rocm_home`).

    :param search_paths: where distributions are looked for
    :param places: patterns of homes
    """
    found: dict[str, RocmToolkit] = {}
    for home, source in _candidates(variables, search_paths, places):
        if is_file(home / "bin" / _HIPCC) and real(home) not in found:
            toolkit = RocmToolkit(home=str(home), version=_read_version(home), source=source)
            found[real(home)] = toolkit
    return tuple(found.values())


def _candidates(
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


def _read_version(home: Path) -> str:
    """Return the version (6.4.1) that a home's files say; "" where there are none, as in Debian's /usr."""
    for name in _VERSION_FILES:
        match = _VERSION.match(read_text(home / name).strip())
        if match:
            return match[1]
    return ""
