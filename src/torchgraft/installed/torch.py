"""An installed torch, read from its files.

May not import it: that costs seconds and hundreds of megabytes, and runs the consumer's code in our process.
"""

from __future__ import annotations

import ast
import importlib.machinery
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..files import is_file, is_folder, names_in, read_start
from ..model.observation import Origin, Torch
from ..versions import parse_version
from .dist_info import Header, Installed, find_installed, read_files, read_header, read_lines
from .editable import editable_targets, read_syntax_tree
from .torch_libraries import read_architectures, read_cxx11_abi

# It has ten lines.
_LARGEST_VERSION_BYTES = 65_536
_LARGEST_JSON_BYTES = 65_536
# The release of the whole toolkit (torch >= 2.11), else that of its runtime.
_TOOLKITS = tuple(
    re.compile(name + r"\s*(?:\[[^\]]*\])?\s*\(?\s*==\s*(\d+(?:\.\d+)+)(?![.\d*])")
    for name in ("cuda-toolkit", r"nvidia-cuda-runtime(?:-cu\d+)?")
)


@dataclass(frozen=True, kw_only=True)
class TorchReading:
    """A torch, or what is broken in one that is there in part; neither where there is none."""

    torch: Torch | None = None
    fault: str | None = None


class _BrokenError(Exception):
    """What is missing or broken, in one sentence; it never leaves this module."""


def read_torch(search_path: tuple[str, ...], *, architectures: bool) -> TorchReading:
    """Return the torch that an interpreter with this path would import.

    :param architectures: whether to read those it was built for, which costs up to 0.1 s in a library of gigabytes
    """
    try:
        place = _find_place(search_path)
        return TorchReading(torch=_read(place, architectures=architectures) if place else None)
    except _BrokenError as fault:
        return TorchReading(fault=str(fault))
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        return TorchReading(fault=f"torch cannot be read: {error}")


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where torch is imported from: a package's folder, or a single module. `metadata` is what speaks of it."""

    package: Path
    metadata: tuple[Installed, ...]

    @property
    def folder(self) -> Path:
        return self.package.parent if self.package.suffix == ".py" else self.package


def _find_place(search_path: tuple[str, ...]) -> _Place | None:
    """Return the first torch on a path, None if there is none.

    :raises _BrokenError: if there is metadata without a torch, or what is left of one
    """
    candidates = find_installed(search_path).get("torch", ())
    for entry in dict.fromkeys(search_path):
        package = _package_in(Path(entry))
        if package is not None:
            beside = tuple(c for c in candidates if c.site == Path(entry))
            # Else that of an editable installation, which stands in the site folder. Not that of another torch.
            return _Place(
                package=package, metadata=beside or tuple(c for c in candidates if _package_in(c.site) is None)
            )
    for candidate in candidates:
        targets = editable_targets(candidate, read_files(candidate))
        package = _package_in(candidate.site) or targets.get("torch") or targets.get("torch.py")
        if package is not None:
            if is_folder(package) and not is_file(package / "__init__.py"):
                raise _BrokenError(
                    f"{package / '__init__.py'} is missing, and {candidate.information} says that it is there"
                )
            return _Place(package=package, metadata=(candidate,))
    _refuse_remains(search_path, candidates)
    return None


def _refuse_remains(search_path: Iterable[str], candidates: tuple[Installed, ...]) -> None:
    for candidate in candidates:
        if _direct_url(candidate).get("editable"):
            raise _BrokenError(
                f"{candidate.information} is of an editable installation, and its source folder is not to be found"
            )
        missing = candidate.site / "torch"
        missing = missing / "__init__.py" if is_folder(missing) else missing
        raise _BrokenError(f"{missing} is missing, and {candidate.information} says that it is there")
    for entry in search_path:
        folder = Path(entry) / "torch"
        if is_file(folder / "version.py") or is_folder(folder / "lib"):
            raise _BrokenError(f"{folder / '__init__.py'} is missing, and so is the metadata of torch")


def _package_in(folder: Path) -> Path | None:
    """Return what `import torch` finds in a folder: a package, then a module."""
    if is_file(folder / "torch" / "__init__.py"):
        return folder / "torch"
    return folder / "torch.py" if is_file(folder / "torch.py") else None


def _read(place: _Place, *, architectures: bool) -> Torch:
    folder = place.folder
    facts = _read_version_file(place.package / "version.py") if place.package == folder else None
    stated = str(facts["__version__"]) if facts else ""
    installed, header = _choose(place.metadata, stated)
    if place.package == folder:
        _refuse_half(folder, installed, has_version=facts is not None)
    if installed is None and facts is None:
        raise _BrokenError(f"{place.package} has neither a version.py nor a dist-info")
    if installed is not None and header is None and installed.entry.endswith(".dist-info"):
        raise _BrokenError(f"{installed.information / 'METADATA'} is missing")
    version = stated or (header or Header()).version or (installed.stated if installed else "")
    if not version:
        raise _BrokenError(f"{place.package} has no version, neither in a version.py nor in its metadata")
    facts = facts or {}
    cuda, hip, xpu = (_text(facts.get(name)) for name in ("cuda", "hip", "xpu"))
    return Torch(
        version=version,
        folder=str(folder),
        origin=_origin(place, installed, version),
        cuda=cuda,
        hip=hip,
        xpu=xpu,
        debug=facts.get("debug") is True,
        git_version=_text(facts.get("git_version")),
        cxx11_abi=read_cxx11_abi(folder),
        extension_suffix=_extension_suffix(folder),
        toolkit=_parse_toolkit((header or Header()).requires),
        metadata_version=_other_version((header or Header()).version, version),
        architectures=read_architectures(folder) if architectures and (cuda or hip) else (),
    )


def _other_version(stated: str, version: str) -> str:
    """Return what METADATA says where it is another version of the same release: 2.8.0 for a 2.8.0a0+git.

    A local part makes no difference: wheels on PyPI have it in version.py alone. Of another release, it is a leftover.
    """
    one, other = parse_version(stated), parse_version(version)
    is_other = one and other and one.base_version == other.base_version and one.public != other.public
    return stated if is_other else ""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _choose(metadata: tuple[Installed, ...], version: str) -> tuple[Installed | None, Header | None]:
    """Return the metadata that speaks of this version: upgrades that were killed leave others behind."""
    read = [(installed, read_header(installed)) for installed in metadata]
    whole = [(installed, header) for installed, header in read if header is not None]
    for installed, header in whole:
        if header.version.partition("+")[0] == version.partition("+")[0]:
            return installed, header
    return next(iter(whole or read), (None, None))


def _refuse_half(folder: Path, installed: Installed | None, *, has_version: bool) -> None:
    """Refuse a torch that has lost some of its files.

    A stub (a distribution that is called torch and is plain Python) has none of them, and lists none.

    :raises _BrokenError: naming the first that is missing
    """
    has_library, has_extension = is_folder(folder / "lib"), bool(_extensions(folder))
    if has_library and has_extension and has_version:
        return
    listed = tuple((read_files(installed) if installed else None) or ())
    if not has_version and (has_library or has_extension or "torch/version.py" in listed):
        raise _BrokenError(f"{folder / 'version.py'} is missing")
    if not has_library and any(file.startswith("torch/lib/") for file in listed):
        raise _BrokenError(f"{folder / 'lib'} is missing")
    if not has_extension and any(file.startswith("torch/_C.") for file in listed):
        raise _BrokenError(f"{folder / '_C'} is missing: the extension module of torch")


def _read_version_file(path: Path) -> Mapping[str, object] | None:
    """Return the constants of torch/version.py, `__version__` among them; None if there is no such file.

    :raises _BrokenError: if it says no version
    """
    try:
        path.lstat()
    except FileNotFoundError:
        return None
    data = read_start(path, _LARGEST_VERSION_BYTES + 1)
    if data is None:
        raise _BrokenError(f"{path} cannot be read")
    if len(data) > _LARGEST_VERSION_BYTES:
        raise _BrokenError(f"{path} has more than {_LARGEST_VERSION_BYTES} bytes")
    tree = read_syntax_tree(data)
    if tree is None:
        raise _BrokenError(f"{path} is not Python")
    found: dict[str, object] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        found.update({target.id: _constant(value, found) for target in targets if isinstance(target, ast.Name)})
    if not _text(found.get("__version__")):
        raise _BrokenError(f"{path} says no __version__")
    return found


def _constant(node: ast.expr, known: Mapping[str, object]) -> object:
    """Return the value of a literal, of a name, of "2.8.0" + suffix, or of TorchVersion("2.8.0"); else None."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Call) and len(node.args) == 1:
        return _constant(node.args[0], known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _constant(node.left, known), _constant(node.right, known)
        return left + right if isinstance(left, str) and isinstance(right, str) else None
    return None


def _extensions(folder: Path) -> list[str]:
    return [name.removeprefix("_C") for name in names_in(folder) if re.fullmatch(r"_C(?:\..+)?\.(?:so|pyd)", name)]


def _extension_suffix(folder: Path) -> str | None:
    """Return that of torch._C, the running interpreter's if there are several; .abi3.so and .so tell nothing."""
    found = [suffix for suffix in _extensions(folder) if suffix.count(".") > 1 and not suffix.startswith(".abi3")]
    own = [suffix for suffix in importlib.machinery.EXTENSION_SUFFIXES if suffix in found]
    return next(iter(own + found), None)


def _parse_toolkit(requires: tuple[str, ...]) -> str | None:
    for pattern in _TOOLKITS:
        for text in requires:
            match = pattern.match(text)
            if match:
                return match[1]
    return None


def _origin(place: _Place, installed: Installed | None, version: str) -> Origin:
    if installed is None:
        return Origin.SOURCE  # a build tree on the path
    if (read_lines(installed, "INSTALLER") or ("",))[0].lower() == "conda" or _is_in_conda(installed.site):
        return Origin.CONDA
    url = _direct_url(installed)
    if url.get("editable") or installed.is_developed or installed.site != place.package.parent:
        return Origin.EDITABLE
    return Origin.SOURCE if url.get("folder") or "+git" in version else Origin.WHEEL


def _is_in_conda(site: Path) -> bool:
    """Return whether conda lists a pytorch in the environment whose site folder this is."""
    return any(
        re.fullmatch(r"pytorch-\d.*\.json", name)
        for prefix in site.parents[1:3]  # lib/python3.11/site-packages, or Lib/site-packages
        for name in names_in(prefix / "conda-meta")
    )


def _direct_url(installed: Installed) -> Mapping[str, bool]:
    """Return what direct_url.json (PEP 610) says of a folder; nothing if it was none."""
    data = read_start(installed.information / "direct_url.json", _LARGEST_JSON_BYTES) or b"{}"
    try:
        table = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    about = table.get("dir_info") if isinstance(table, dict) else None
    return {"folder": True, "editable": about.get("editable") is True} if isinstance(about, dict) else {}
