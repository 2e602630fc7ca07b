"""The commands that cure what `torchgraft check` finds, besides those of the packages that torchgraft has built.

May not guess: where the front end is not known, or a wheel would come back as it was, there are none.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...files import read_start
from ...versions import parse_version
from ...wheel.guarding import built_torch, cures, torch_cure

_LARGEST_BYTES = 1_000_000
_INSTALLERS = frozenset({"pip", "uv"})
# What was compiled on this machine; the wheels of indexes are for manylinux.
_LOCAL_TAG = re.compile(rb"^Tag:.*-linux_\w+[ \t\r]*$", re.MULTILINE)


def torch_cures(installer: str, record: Mapping[str, Any], *, prefix: Path) -> tuple[str, ...]:
    """Return the command that installs a torch where there is none: the one that a package was built for.

    :param installer: the front end that installed the package, as its INSTALLER says
    :param record: that of the package, {} where it has none
    """
    if installer not in _INSTALLERS:
        return ()
    version = str(built_torch(record).get("version") or "")
    return (torch_cure(version if parse_version(version) else "", by_uv=installer == "uv", prefix=prefix),)


def foreign_cures(info: Path, name: str, *, installer: str, prefix: Path, libraries: Iterable[Path]) -> tuple[str, ...]:
    """Return the commands that build a package anew that was not built by torchgraft, but on this machine.

    Without build isolation: its own build would not see the torch that is there. `tests/e2e/test_check.py` runs them.

    :param info: its dist-info
    :param installer: as its INSTALLER says
    :param libraries: those that it has
    """
    if installer not in _INSTALLERS or (prefix / "uv-receipt.toml").is_file():
        return ()
    direct = _direct_url(info)
    if not _is_built_here(info, direct):
        return ()
    # Of an index that has wheels too.
    source = () if direct else ("--no-binary", name)
    alone = ("--no-build-isolation-package", name)
    options = {"pip": ("--no-build-isolation", *source), "uv pip": (*alone, *source), "uv sync": alone}
    found = cures(info, prefix=prefix, options=options)
    folder = direct.get("dir_info")
    if isinstance(folder, dict) and folder.get("editable"):
        # setuptools compares the times of the sources alone, and they are older than these.
        found.insert(0, shlex.join(["rm", "-f", *sorted(map(str, libraries))]))
    return tuple(found)


def _is_built_here(info: Path, direct: dict[str, Any]) -> bool:
    if direct:
        return "archive_info" not in direct or not str(direct.get("url")).partition("#")[0].endswith(".whl")
    return bool(_LOCAL_TAG.search(read_start(info / "WHEEL", _LARGEST_BYTES) or b""))


def _direct_url(info: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_start(info / "direct_url.json", _LARGEST_BYTES) or b"")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
