"""An installed torch, read from its files: its version.py, its metadata, its libraries.

May not import or load it: that costs seconds and hundreds of megabytes, and runs the consumer's code in our process.
Libraries are mapped, not read: one has a gigabyte.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.machinery
import itertools
import mmap
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..files import is_file, is_folder, names_in, read_start
from ..model.torch_values import Origin, Torch
from ..untrusted import bindings_in, parse_version, read_syntax_tree, text_of
from ..values import dataclass
from .dist_info import Installed, MetadataHeader, find_installed, is_editable, read_files, read_header, read_lines

# What can stand behind === in a requirement; git describes more than PEP 440 knows (2.0.0a0+git-unknown).
_VERSION = r"[A-Za-z0-9_.!+~-]{1,200}"
# It has ten lines.
_LARGEST_VERSION_BYTES = 65_536
_LONGEST_TEXT = 1000  # each line of a file can double one
# The release of the whole toolkit (torch >= 2.11), else that of its runtime.
_TOOLKITS = tuple(
    name + r"\s*(?:\[[^\]]*\])?\s*\(?\s*==\s*(\d+(?:\.\d+)+)(?![.\d*])"
    for name in ("cuda-toolkit", r"nvidia-cuda-runtime(?:-cu\d+)?")
)
# The constructor c10::Error(SourceLocation, std::string) in the two ABIs: the old one's std::string is mangled as Ss.
# The CMake files stopped to tell after 2.5.
_ERROR = rb"_ZN3c105ErrorC[12]ENS_14SourceLocationE(?:(NSt7__cxx1112basic_string)|Ss)"
# What torch._C._cuda_getArchFlags() returns, to its end; before it may stand anything.
_FLAGS = (rb"sm_\d+[a-z]?(?: (?:sm|compute)_\d+[a-z]?)*(?=\0)", rb"gfx[0-9a-f]{3,5}(?: gfx[0-9a-f]{3,5})*(?=\0)")
# What torch.__config__.show() says of nvcc.
_NVCC_FLAGS = rb"-gencode;arch=compute_\w+,code=[\w,\[\]]+(?:;-gencode;arch=compute_\w+,code=[\w,\[\]]+)*"


@dataclass(frozen=True, kw_only=True)
class TorchReading:
    """A torch, or what is broken in one that is there in part; neither where there is none."""

    torch: Torch | None = None
    fault: str | None = None


class _TorchFaultError(Exception):
    """What is missing or broken, in one sentence; it never leaves this module."""


def read_torch(search_path: tuple[str, ...]) -> TorchReading:
    """Return the torch that an interpreter with this path would import, less what `read_architectures` reads."""
    try:
        place = _find_place(search_path)
        return TorchReading(torch=_read(place) if place else None)
    except _TorchFaultError as fault:
        return TorchReading(fault=str(fault))
    except (OSError, ValueError, RecursionError) as error:
        return TorchReading(fault=f"torch cannot be read: {error}")


@dataclass(frozen=True, kw_only=True)
class _TorchPlace:
    """Where torch is imported from: a package's folder, or a single module. `metadata` is what speaks of it."""

    package: Path
    metadata: tuple[Installed, ...]

    @property
    def folder(self) -> Path:
        """Where its libraries are: elsewhere if an editable installation says so, most often in the site folder."""
        apart = (installed for installed in self.metadata if installed.site != self.package.parent)
        for installed in apart if self.package.suffix != ".py" else ():
            files = read_files(installed)
            if any(file.startswith("torch/") for file in files or ()):
                return installed.site / "torch"
            from .editable import compiled_folders

            if compiled := compiled_folders(installed, files).get("torch"):
                return compiled
        return self.package.parent if self.package.suffix == ".py" else self.package


def _find_place(search_path: tuple[str, ...]) -> _TorchPlace | None:
    """Return the first torch on a path, None if there is none; raise _TorchFaultError for what is left of one."""
    candidates = find_installed(search_path).get("torch", ())
    for entry in dict.fromkeys(search_path):
        package = _package_in(Path(entry))
        if package is not None:
            # Else that of an editable installation, which stands in the site folder. Not that of another torch.
            apart = tuple(c for c in candidates if _package_in(c.site) is None)
            return _TorchPlace(package=package, metadata=tuple(c for c in candidates if c.site == Path(entry)) or apart)
    for candidate in candidates:
        from .editable import editable_targets

        targets = editable_targets(candidate, read_files(candidate))
        package = _package_in(candidate.site) or targets.get("torch") or targets.get("torch.py")
        if package is not None:
            if is_folder(package) and not is_file(package / "__init__.py"):
                raise _missing(package / "__init__.py", candidate)
            return _TorchPlace(package=package, metadata=(candidate,))
    _refuse_remains(search_path, candidates)
    return None


def _refuse_remains(search_path: Iterable[str], candidates: tuple[Installed, ...]) -> None:
    for candidate in candidates:
        if is_editable(candidate):
            raise _TorchFaultError(
                f"{candidate.information} is of an editable installation, and its source folder is not to be found"
            )
        missing = candidate.site / "torch"
        raise _missing(missing / "__init__.py" if is_folder(missing) else missing, candidate)
    for entry in search_path:
        folder = Path(entry) / "torch"
        extensions = folder / "utils" / "cpp_extension.py"
        if is_file(folder / "version.py") or is_folder(folder / "lib") or is_file(extensions):
            raise _TorchFaultError(f"{folder / '__init__.py'} is missing, and so is the metadata of torch")


def _missing(path: Path, candidate: Installed) -> _TorchFaultError:
    return _TorchFaultError(f"{path} is missing, and {candidate.information} says that it is there")


def _package_in(folder: Path) -> Path | None:
    """Return what `import torch` finds in a folder: a package, then a module."""
    if is_file(folder / "torch" / "__init__.py"):
        return folder / "torch"
    return folder / "torch.py" if is_file(folder / "torch.py") else None


def _read(place: _TorchPlace) -> Torch:
    folder, is_module = place.folder, place.package.suffix == ".py"
    files = [] if is_module else [place.package / "version.py", folder / "version.py"]
    facts = next(filter(None, map(_read_version_file, files)), None)
    stated = str(facts["__version__"]) if facts else ""
    installed, header = _choose(place.metadata, stated)
    if not is_module:
        _refuse_half(folder, installed, has_version=facts is not None)
    if installed is None and facts is None:
        raise _TorchFaultError(f"{place.package} has neither a version.py nor a dist-info")
    if installed is not None and header is None and installed.entry.endswith(".dist-info"):
        raise _TorchFaultError(f"{installed.information / 'METADATA'} is missing")
    version = stated or (header or MetadataHeader()).version or (installed.stated if installed else "")
    if not version:
        raise _TorchFaultError(f"{place.package} has no version, neither in a version.py nor in its metadata")
    if not re.fullmatch(_VERSION, version):
        raise _TorchFaultError(f"{place.package} says that its version is {version[:60]!r}, which is none")
    facts = facts or {}
    return Torch(
        version=version,
        folder=str(folder),
        modules="" if is_module or folder == place.package else str(place.package),
        origin=_origin(place, installed, version),
        cuda=text_of(facts.get("cuda")),
        hip=text_of(facts.get("hip")),
        xpu=text_of(facts.get("xpu")),
        debug=facts.get("debug") is True,
        git_version=text_of(facts.get("git_version")),
        cxx11_abi=read_cxx11_abi(folder),
        extension_suffix=_extension_suffix(folder),
        toolkit=_parse_toolkit((header or MetadataHeader()).requires),
        metadata_version=_other_version((header or MetadataHeader()).version, version),
    )


def _other_version(stated: str, version: str) -> str:
    """Return what METADATA says where it is another version of the same release: 2.8.0 for a 2.8.0a0+git.

    A local part makes no difference: wheels on PyPI have it in version.py alone. Of another release, it is a leftover.
    """
    one, other = parse_version(stated), parse_version(version)
    is_other = one and other and one.base_version == other.base_version and one.public != other.public
    return stated if is_other else ""


def _choose(metadata: tuple[Installed, ...], version: str) -> tuple[Installed | None, MetadataHeader | None]:
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

    :raises _TorchFaultError: naming the first that is missing
    """
    has_library, has_extension = is_folder(folder / "lib"), bool(_extensions(folder))
    if has_library and has_extension and has_version:
        return
    listed = tuple((read_files(installed) if installed else None) or ())
    if not has_version and (has_library or has_extension or "torch/version.py" in listed):
        raise _TorchFaultError(f"{folder / 'version.py'} is missing")
    if not has_library and any(file.startswith("torch/lib/") for file in listed):
        raise _TorchFaultError(f"{folder / 'lib'} is missing")
    if not has_extension and any(file.startswith("torch/_C.") for file in listed):
        raise _TorchFaultError(f"{folder / '_C'} is missing: the extension module of torch")


def _read_version_file(path: Path) -> Mapping[str, object] | None:
    """Return the constants of torch/version.py, None if there is none; raise _TorchFaultError if it has no version."""
    if not os.path.lexists(path):
        return None
    data = read_start(path, _LARGEST_VERSION_BYTES + 1)
    if data is None:
        raise _TorchFaultError(f"{path} cannot be read")
    if len(data) > _LARGEST_VERSION_BYTES:
        raise _TorchFaultError(f"{path} has more than {_LARGEST_VERSION_BYTES} bytes")
    tree = read_syntax_tree(data)
    if tree is None:
        raise _TorchFaultError(f"{path} is not Python")
    found: dict[str, object] = {}
    for target, value in bindings_in(tree.body):
        if isinstance(target, ast.Name):
            found[target.id] = _constant(value, found)
    if not text_of(found.get("__version__")):
        raise _TorchFaultError(f"{path} says no __version__")
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
        if isinstance(left, str) and isinstance(right, str) and len(left) + len(right) <= _LONGEST_TEXT:
            return left + right
    return None


def _extensions(folder: Path) -> list[str]:
    return [name.removeprefix("_C") for name in names_in(folder) if re.fullmatch(r"_C(?:\..+)?\.(?:so|pyd)", name)]


def _extension_suffix(folder: Path) -> str | None:
    """Return that of torch._C, the running interpreter's if there are several; .abi3.so and .so tell nothing."""
    found = [suffix for suffix in _extensions(folder) if suffix.count(".") > 1 and not suffix.startswith(".abi3")]
    own = [suffix for suffix in importlib.machinery.EXTENSION_SUFFIXES if suffix in found]
    return next(iter(own + found), None)


def _parse_toolkit(requires: tuple[str, ...]) -> str | None:
    matches = (re.match(pattern, text) for pattern in _TOOLKITS for text in requires)
    return next((match[1] for match in matches if match), None)


def _origin(place: _TorchPlace, installed: Installed | None, version: str) -> Origin:
    if installed is None:
        return Origin.SOURCE  # a build tree on the path
    if (read_lines(installed, "INSTALLER") or ("",))[0].lower() == "conda" or _is_in_conda(installed.site):
        return Origin.CONDA
    editable = is_editable(installed)
    if editable or installed.is_developed or installed.site != place.package.parent:
        return Origin.EDITABLE
    return Origin.SOURCE if editable is not None or "+git" in version else Origin.WHEEL


def _is_in_conda(site: Path) -> bool:
    """Return whether conda lists a pytorch in the environment whose site folder this is."""
    return any(
        re.fullmatch(r"pytorch-\d.*\.json", name)
        for prefix in site.parents[1:3]  # lib/python3.11/site-packages, or Lib/site-packages
        for name in names_in(prefix / "conda-meta")
    )


def read_cxx11_abi(folder: Path) -> bool | None:
    """Return whether a torch uses the new C++ ABI, None where there is no libc10.so to tell."""
    found = _found_in(folder / "lib" / "libc10.so", _ERROR, most=1)
    return b"NSt7__cxx11" in found[0] if found else None


def read_architectures(folder: Path) -> tuple[str, ...]:
    """Return the architectures that a torch was built for, as sm_90, compute_120 or gfx90a, in its own order.

    It takes up to 0.1 s in a library of gigabytes.
    """
    for library in ("libtorch_python.so", "torch_python.dll"):
        found = [flags for pattern in _FLAGS for flags in _found_in(folder / "lib" / library, pattern)]
        if found:
            # A name that is alone may be of something else.
            return _names_of(max(found, key=len).split())
    for library in ("libtorch_cuda.so", "torch_cuda.dll"):
        for flags in _found_in(folder / "lib" / library, _NVCC_FLAGS, most=1):
            # arch=compute_90,code=sm_90: what is generated is the code.
            codes = (code.strip(b"[]") for code in re.findall(rb"code=([^;]+)", flags))
            return _names_of(name for names in codes for name in names.split(b","))
    return ()


def _names_of(names: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.decode("ascii") for name in names))


def _found_in(path: Path, pattern: bytes, *, most: int | None = None) -> list[bytes]:
    """Return what matches in a library, as often as it is asked for; nothing where its bytes cannot be had."""
    if is_file(path):
        with (
            contextlib.suppress(OSError, ValueError),  # ValueError: it is empty
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return [match[0] for match in itertools.islice(re.finditer(pattern, data), most)]
    return []
