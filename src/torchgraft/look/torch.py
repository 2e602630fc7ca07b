"""An installed torch, read from its files.

May not import it: that costs seconds and hundreds of megabytes, and runs the consumer's code in our process.
"""

from __future__ import annotations

import ast
import json
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

from ..model import Origin, Torch
from .distributions import find_distribution, find_editable_packages

_LARGEST_TEXT_BYTES = 5_000_000
# The constructor c10::Error(SourceLocation, std::string) in the two C++ ABIs: std::string is mangled as Ss in the old.
_NEW_ABI = b"_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_string"
_OLD_ABI = b"_ZN3c105ErrorC1ENS_14SourceLocationESs"
# torch._C._cuda_getArchFlags() returns this literal: sm_75 sm_80 ... compute_120
_ARCHITECTURES = re.compile(rb"(?:(?:sm|compute|gfx)_?[0-9]+[a-z]{0,2} ){1,40}(?:sm|compute)_[0-9]+[a-z]?")
_GENERATED = re.compile(rb"-gencode;arch=compute_([0-9]+[a-z]?)")
_TOOLKIT = re.compile(
    r"^Requires-Dist: (?:cuda-toolkit(?:\[[^\]]*\])?|nvidia-cuda-runtime-cu\d+) ?\(?==([0-9.]+)", re.M
)


@dataclass(frozen=True, kw_only=True)
class TorchReading:
    """A torch, or what is broken in one that is there in part; neither where there is none."""

    torch: Torch | None = None
    fault: str | None = None


def read_torch(search_path: tuple[str, ...], *, architectures: bool) -> TorchReading:
    """Return the torch that an interpreter with this path would import.

    :param architectures: whether to read those it was built for, which costs up to 0.1 s in a library of gigabytes
    """
    try:
        return _read(search_path, architectures=architectures)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return TorchReading(fault=f"torch cannot be read: {error}")


def _read(search_path: tuple[str, ...], *, architectures: bool) -> TorchReading:
    distribution = find_distribution(search_path, "torch")
    folder = _find_package(search_path)
    if distribution is None and folder is None:
        return TorchReading()
    if folder is None:
        assert distribution is not None
        where = getattr(distribution, "_path", "its metadata")
        return TorchReading(fault=f"{where} is there, but no folder torch with an __init__.py")
    facts = _read_version_file(folder / "version.py")
    real = (folder / "lib").is_dir() or bool(_extension_suffix(folder)) or _lists_version_file(distribution)
    if not facts.get("__version__"):
        if real or distribution is None:
            return TorchReading(fault=f"{folder / 'version.py'} is missing or says no __version__")
        facts = {"__version__": distribution.version}
    if distribution is not None and distribution.read_text("METADATA") is None and _is_dist_info(distribution):
        return TorchReading(fault=f"{getattr(distribution, '_path', 'its metadata')} has no METADATA")
    text = {key: value for key, value in facts.items() if isinstance(value, str)}
    return TorchReading(
        torch=Torch(
            version=text["__version__"],
            folder=str(folder),
            origin=_origin(distribution, folder, search_path, text["__version__"]),
            cuda=text.get("cuda"),
            hip=text.get("hip"),
            xpu=text.get("xpu"),
            debug=facts.get("debug") is True,
            git_version=text.get("git_version"),
            cxx11_abi=_read_cxx11_abi(folder / "lib" / "libc10.so"),
            extension_suffix=_extension_suffix(folder),
            toolkit=_toolkit(distribution),
            architectures=read_architectures(folder) if architectures else (),
        )
    )


def read_architectures(folder: Path) -> tuple[str, ...]:
    """Return the architectures that a torch was built for, as sm_90, compute_120 or gfx90a, in its own order."""
    for match in _search(folder / "lib" / "libtorch_python.so", _ARCHITECTURES):
        return tuple(match.group().decode("ascii").split())
    found = (m.group(1).decode("ascii") for m in _search(folder / "lib" / "libtorch_cuda.so", _GENERATED))
    return tuple(sorted({f"sm_{number}" for number in found}))


def _search(path: Path, pattern: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            # The matches are copied: they would keep the map open.
            yield from list(pattern.finditer(data))
    except (OSError, ValueError):
        return


def _find_package(search_path: tuple[str, ...]) -> Path | None:
    for entry in search_path:
        if (Path(entry) / "torch" / "__init__.py").is_file():
            return Path(entry) / "torch"
    for folder in find_editable_packages(search_path).get("torch", ()):
        if (folder / "__init__.py").is_file():
            return folder
    return None


def _read_version_file(path: Path) -> dict[str, object]:
    """Return the constants of torch/version.py."""
    try:
        with path.open("rb") as file:
            tree = ast.parse(file.read(_LARGEST_TEXT_BYTES))
    except (OSError, SyntaxError):
        return {}
    found: dict[str, object] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        if isinstance(value, ast.Call) and len(value.args) == 1:
            value = value.args[0]  # TorchVersion("2.8.0")
        if isinstance(value, ast.Constant):
            found.update({target.id: value.value for target in targets if isinstance(target, ast.Name)})
    return found


def _read_cxx11_abi(path: Path) -> bool | None:
    """Return whether libc10 uses the new C++ ABI; its symbols say so, the CMake files stopped to after 2.5."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data.find(_NEW_ABI) >= 0:
                return True
            return False if data.find(_OLD_ABI) >= 0 else None
    except (OSError, ValueError):
        return None


def _extension_suffix(folder: Path) -> str | None:
    for path in sorted(folder.glob("_C.*")):
        if path.name.endswith((".so", ".pyd")):
            return path.name[len("_C") :]
    return None


def _lists_version_file(distribution: Distribution | None) -> bool:
    return distribution is not None and "torch/version.py" in (distribution.read_text("RECORD") or "")


def _is_dist_info(distribution: Distribution) -> bool:
    return isinstance(distribution, PathDistribution) and str(getattr(distribution, "_path", "")).endswith(".dist-info")


def _toolkit(distribution: Distribution | None) -> str | None:
    text = (distribution.read_text("METADATA") or "") if distribution else ""
    found = _TOOLKIT.search(text)
    return found.group(1) if found else None


def _origin(distribution: Distribution | None, folder: Path, search_path: tuple[str, ...], version: str) -> Origin:
    installer = ((distribution.read_text("INSTALLER") if distribution else None) or "").strip().lower()
    prefix = folder.parents[3] if len(folder.parents) > 3 else folder
    if installer == "conda" or next(prefix.glob("conda-meta/pytorch-[0-9]*.json"), None):
        return Origin.CONDA
    url = _direct_url(distribution)
    inside = any(Path(entry) == folder.parent for entry in search_path if Path(entry).name.endswith("-packages"))
    if url.get("editable") or not inside:
        return Origin.EDITABLE
    return Origin.SOURCE if url.get("directory") or "+git" in version else Origin.WHEEL


def _direct_url(distribution: Distribution | None) -> dict[str, bool]:
    """Return what direct_url.json (PEP 610) says of a folder."""
    try:
        data = json.loads((distribution.read_text("direct_url.json") if distribution else None) or "{}")
    except ValueError:
        return {}
    information = data.get("dir_info") if isinstance(data, dict) else None
    if not isinstance(information, dict):
        return {}
    return {"directory": True, "editable": information.get("editable") is True}
