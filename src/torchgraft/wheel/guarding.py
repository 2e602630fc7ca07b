"""Why an extension module does not link with the torch that is here, and the commands that build it anew.

May use nothing but the standard library: `guard` copies this file into the dist-info of guarded packages, where
their modules run it when they cannot be loaded. May not raise.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

# What the loaders of Linux and macOS say, and which symbol or library they name; macOS has one more underscore before
# a symbol. Windows names neither.
_SYMBOL = re.compile(
    r"(?:undefined symbol: |\bsymbol (?=\S+ version \S+ not defined in file )"
    r"|Symbol not found: \(?_|symbol not found in flat namespace ['(]_)(\w+)"
)
_LIBRARY = re.compile(
    r"^(?:.*/)?([^/:\n]+): (?:cannot open shared object file|version `)|Library not loaded: (?:.*/)?(\S+)"
    r"| not defined in file (?:.*/)?(\S+)|undefined symbol: \w+, version (\S+)"
)
# Whose symbol it is that is undefined: torch may be the one that is not whole.
_OWNER = re.compile(r"^(?:.*/)?([^/:\n]+): (?:undefined symbol|symbol )")
_TORCH_LIBRARY = re.compile(
    r"lib(?:torch(?:_(?:cpu|cuda|global|hip|nvshmem|python|xpu)\w*)?|c10\w*|caffe2\w*|shm)\.(?:so|dylib)[\d.]*"
)
_CUDART = re.compile(r"libcudart(?:-[0-9a-f]+)?\.so\.\d+(?:\.\d+)*")
# As `linkage` has them, which `torchgraft check` goes by; a test compares both.
_OF_TORCH = re.compile(
    r"_Z(?:T[VTIS]|GV|T[hv]n?\d+_(?:n?\d+_)?|Tc[hv]n?\d+_(?:n?\d+_)?[hv]n?\d+_(?:n?\d+_)?)?"
    r"(?:N[rVK]*[RO]?(?:3c10|4c10d|2at|5torch|6caffe2|8pybind116detail11type_casterIN(?:3c10|2at|5torch))"
    r"|\d+THP[A-Z]\w*)"
)
_C_OF_TORCH = re.compile(r"(?:aoti_torch|torch)_\w+")
_PYTHON_OF_TORCH = re.compile(r"THP[A-Z]\w*")
# Of what PyTorch publishes: cu126, rocm6.4, cpu, xpu. Who compiles torch has others, such as git5811a8d.
_INDEX = re.compile(r"cpu|cu\d+|rocm[\d.]+|xpu")
# In place of the default one; besides it, for what is no dependency of torch; and by a name, so that `uv add` writes
# down that torch alone is from there.
_INDEX_OPTIONS = (("--index-url", ""), ("--index", ""), ("--index", "pytorch="))
_WORDS = {"version": "", "cuda": "CUDA ", "hip": "ROCm ", "cxx11_abi": "C++11 ABI ", "git_version": "commit "}
# "None" is an answer: there is none.
_MAY_BE_NONE = frozenset({"cuda", "hip"})
# The folder of uv's cache with the environments of uvx and `uv run --with`.
_UVS_OWN = re.compile(r"archive-v\d+")
_VERSION_LINE = re.compile(
    r"^(__version__|cuda|hip|git_version)\s*(?::[^=\n]*)?=\s*('[^'\n]*'|\"[^\"\n]*\"|None)\s*$", re.MULTILINE
)


def explained(error: ImportError, module: str, info: str) -> ImportError | None:
    """Return what to raise instead of a loader's error in a distribution; None where torch is not the reason."""
    said, path = str(error), Path(info)
    if not _is_of(path, error.path):
        return None
    lacking = _without_torch(said, module, path)
    if lacking:
        return ImportError(lacking, name=error.name, path=error.path)
    built, here = built_torch(_json(path / "torchgraft.json")), torch_here()
    differing = differences(built, here) if built and here else []
    if here and not differing and "torch" not in sys.modules and _TORCH_LIBRARY.fullmatch(_library(said)):
        text = f"{module} needs libraries that come with torch: import torch first\n  torch:  {here['folder']}"
        return ImportError(text, name=error.name, path=error.path)
    if not differing or not _is_torchs(said, differing):
        return None
    text = _text_of_both(module, "and does not link with torch", path, built, here, differing)
    return ImportError(text, name=error.name, path=error.path)


def refused(module: str, info: str, file: str) -> ImportError | None:
    """Return what to raise where a module meets another torch than its wheel was built for; None where not.

    Builds of one minor version, one CUDA and one C++ ABI get along, as wheels on the web are named; nightlies do not.

    :param file: the module of an editable installation, which may be another's or need no torch; "" elsewhere
    """
    path = Path(info)
    record, here = _json(path / "torchgraft.json"), torch_here()
    built = record.get("torch") or {}
    needing = record.get("built", {}).get("link", {}).get("modules", [])
    is_meant = not file or (_is_of(path, file) and any(Path(file).match(name) for name in needing))
    differing = differences(built, here) if is_meant and here else []
    if all(_rough(key, built[key]) == _rough(key, here[key]) for key in differing):
        return None
    said = "and meets torch" if record.get("guess", "") is None else "which was a guess, and meets torch"
    text = _text_of_both(module, said, path, built, here, differing)
    return ImportError(text, name=module, path=file or None)


def _rough(key: str, value: object) -> str:
    """Return what two torches have to have in common, for a module of one to work with the other."""
    text = str(value)
    if key == "version":
        release = re.fullmatch(r"(\d+\.\d+)[.\d]*(?:\.post\d+)?(?:\+.*)?", text)
        return release[1] if release else text
    if key in _MAY_BE_NONE:
        return text.partition(".")[0]
    return "" if key == "git_version" else text


def _text_of_both(
    module: str, said: str, info: Path, built: Mapping[str, Any], here: Mapping[str, Any], differing: list[str]
) -> str:
    more = (key for key in differing if key != "version" and (key != "git_version" or len(differing) == 1))
    shown = ["version", *more]
    then, now = (", ".join(f"{_WORDS[key]}{torch.get(key)}" for key in shown) for torch in (built, here))
    lines = [
        f"{module} was built for torch {then}, {said} {now}",
        f"  torch:  {here['folder']}",
        *(f"  cure:   {command}" for command in cures(info, prefix=Path(sys.prefix))),
    ]
    return "\n".join(lines)


def _is_torchs(said: str, differing: list[str]) -> bool:
    """Return whether a loader names a symbol or a library that another torch would have."""
    owner, symbol, library = _OWNER.search(said), _SYMBOL.search(said), _library(said)
    if owner and _TORCH_LIBRARY.fullmatch(owner[1]):
        return False
    if symbol and any(known.fullmatch(symbol[1]) for known in (_C_OF_TORCH, _PYTHON_OF_TORCH)):
        return True
    if symbol and _OF_TORCH.match(symbol[1]):
        return True
    # Before torch is imported, nobody finds its libraries. It brings its own libcudart.
    of_cuda = _CUDART.fullmatch(library) and "cuda" in differing
    return "torch" in sys.modules and bool(_TORCH_LIBRARY.fullmatch(library) or of_cuda)


def _library(said: str) -> str:
    """Return the library that a loader does not find, or that lacks something; "" where it names none."""
    found = _LIBRARY.search(said)
    return next(filter(None, found.groups()), "") if found else ""


def _is_of(info: Path, file: str | None) -> bool:
    """Return whether a module is of the distribution; of one that is not editable, its own guard asks.

    Other distributions may have modules in the same namespace package, and projects of their own below the same folder.
    """
    direct = _json(info / "direct_url.json")
    folder = direct.get("dir_info")
    if not file or not isinstance(folder, dict) or not folder.get("editable"):
        return True
    place = Path(file)
    if place.is_relative_to(info.parent):
        record = _text(info / "RECORD").splitlines()
        if any(line.startswith(f"{place.relative_to(info.parent).as_posix()},") for line in record):
            return True
    url = str(direct.get("url") or "")
    if not url.startswith("file:"):
        return False
    place, tree = (Path(os.path.realpath(path)) for path in (file, _path_of(url)))
    between = [parent for parent in place.parents if parent != tree and parent.is_relative_to(tree)]
    return place.is_relative_to(tree) and not any((parent / "pyproject.toml").is_file() for parent in between)


def _without_torch(said: str, module: str, info: Path) -> str:
    """Return that torch is missing, where the loader could not find a library of it; "" where that is not so."""
    version = built_torch(_json(info / "torchgraft.json")).get("version")
    if not version or "torch" in sys.modules or not _TORCH_LIBRARY.fullmatch(_library(said)) or _is_there("torch"):
        return ""
    cure = torch_cure(str(version), by_uv=_text(info / "INSTALLER").strip() == "uv", prefix=Path(sys.prefix))
    return f"{module} was built for torch {version}, and there is no torch here\n  cure:   {cure}"


def torch_cure(version: str, *, by_uv: bool, prefix: Path) -> str:
    """Return the command that installs the torch of a version where there is none.

    The default index has one build of each version; the others are on indexes of their own, which are named as the
    local parts of their versions are (https://pytorch.org/get-started/locally/).

    :param version: with its local part; "" for any
    """
    public, _, local = version.partition("+")
    index = ""
    if _INDEX.fullmatch(local):
        index = f"https://download.pytorch.org/whl/{'nightly/' * ('.dev' in public)}{local}"
    torch = f"torch=={version if index else public}" if public else "torch"
    only, besides, named = ([option, f"{name}{index}"] if index else [] for option, name in _INDEX_OPTIONS)
    # Where its files are gone and its metadata are not, it counts as installed.
    libraries = ("lib*/python*", "Lib")
    listed = [info for lib in libraries for info in prefix.glob(f"{lib}/site-packages/torch-*.dist-info")]
    direct = _json(listed[0] / "direct_url.json") if listed else {}
    if "dir_info" in direct:
        # Somebody has built it: no index has that one.
        words = ["install", "--no-build-isolation", "--no-deps", *_source("torch", public, direct)[1]]
        tool = ["uv", "pip", words[0], "--python", str(prefix)] if by_uv else ["pip", "--python", str(prefix), words[0]]
        return shlex.join([*tool, *words[1:]])
    again = ["--force-reinstall", "--no-deps"] if listed else []
    command = ["pip", "--python", str(prefix), "install", *again, *only, torch]
    if by_uv:
        lock = prefix.parent / "uv.lock"
        again = ["--reinstall-package", "torch"] if listed else []
        command = ["uv", "pip", "install", "--python", str(prefix), *again, *only, torch]
        if (prefix / "uv-receipt.toml").is_file():
            command = ["uv", "tool", "install", *again, *besides, "--with", torch, prefix.name]
        elif prefix.name == ".venv" and lock.is_file():
            # What is locked is what the project wants.
            words = ["sync", "--inexact"] if _is_locked("torch", lock) else ["add", *named, torch]
            command = ["uv", words[0], "--project", str(prefix.parent), *again, *words[1:]]
    return shlex.join(command)


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def built_torch(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a record says of the torch that the package was built for; {} if nothing.

    A wheel that was built already has the record of its own build within ours.
    """
    prebuilt = record.get("prebuilt")
    for wheel in prebuilt if isinstance(prebuilt, list) else ():
        if isinstance(wheel, dict) and wheel.get("used") and isinstance(wheel.get("record"), dict):
            return built_torch(wheel["record"])
    torch = record.get("torch")
    return torch if isinstance(torch, dict) else {}


def differences(built: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return in which facts two torches differ, of those that are known of both."""
    both = [key for key in _WORDS if key in built and key in here]
    known = [key for key in both if key in _MAY_BE_NONE or (built[key] is not None and here[key] is not None)]
    return [key for key in known if built[key] != here[key]]


def torch_here() -> dict[str, Any]:
    """Return what is known of the torch that is imported, else of the one that would be; {} without any."""
    torch = sys.modules.get("torch")
    if torch is None:
        return _torch_on_path()
    said = getattr(torch, "version", None)
    abi = getattr(getattr(torch, "_C", None), "_GLIBCXX_USE_CXX11_ABI", None)
    return {
        # A TorchVersion compares as versions do.
        "version": str(getattr(torch, "__version__", None)),
        "cuda": getattr(said, "cuda", None),
        "hip": getattr(said, "hip", None),
        "git_version": getattr(said, "git_version", None),
        "cxx11_abi": abi if isinstance(abi, bool) else None,
        "folder": str(Path(getattr(torch, "__file__", None) or "?").parent),
    }


def _torch_on_path() -> dict[str, Any]:
    try:
        spec = find_spec("torch")
        folder = Path(next(iter((spec and spec.submodule_search_locations) or ())))
        text = (folder / "version.py").read_text(encoding="utf-8")
    except (ImportError, OSError, StopIteration, ValueError):
        return {}
    found = {key.replace("__", ""): ast.literal_eval(value) for key, value in _VERSION_LINE.findall(text)}
    return {**found, "folder": str(folder)} if found.get("version") else {}


def cures(info: Path, *, prefix: Path, options: Mapping[str, tuple[str, ...]] | None = None) -> list[str]:
    """Return the commands that build an installed distribution anew; each runs as typed.

    `tests/e2e/test_guard.py` runs them.

    :param options: further ones of `pip`, `uv pip` and `uv sync`
    """
    name, version = _name_and_version(info)
    before, what = _source(name, version, _json(info / "direct_url.json"))
    if (info / "torchgraft.json").is_file():
        before = []  # torchgraft compiles anew what was built for another torch
    if any(_UVS_OWN.fullmatch(part) for part in info.parts):
        # uv shows it to nobody, and makes it anew for the same command once it and the wheel are gone.
        return [f"uv cache clean {shlex.quote(name)}", "uv cache prune"]
    more = options or {}
    pip = ["--no-cache-dir", "--force-reinstall", "--no-deps", *more.get("pip", ())]
    anew = ["--no-cache", "--reinstall-package", name]
    command = ["pip", "--python", str(prefix), "install", *pip, *what]
    if _text(info / "INSTALLER").strip() == "uv":
        command = ["uv", "pip", "install", "--python", str(prefix), *anew, *more.get("uv pip", ()), *what]
        if (prefix / "uv-receipt.toml").is_file():
            command = ["uv", "tool", "upgrade", prefix.name, *anew]
        elif prefix.name == ".venv" and _is_locked(name, prefix.parent / "uv.lock"):
            # What somebody has installed besides is none of this.
            command = ["uv", "sync", "--inexact", "--project", str(prefix.parent), *anew, *more.get("uv sync", ())]
    return [shlex.join(words) for words in (*before, command)]


def _is_locked(name: str, lock: Path) -> bool:
    """Return whether a lock of uv has a package; `uv sync` leaves alone, or removes, what it has not."""
    normal = re.sub(r"[-_.]+", "-", name).lower()
    return re.search(rf'^name = "{re.escape(normal)}"\s*$', _text(lock), re.MULTILINE) is not None


def _source(name: str, version: str, direct: Mapping[str, Any]) -> tuple[list[list[str]], list[str]]:
    """Return what has to be done first, and what names the source of a distribution (PEP 610, direct_url.json)."""
    url = str(direct.get("url") or "")
    folder, vcs = direct.get("dir_info"), direct.get("vcs_info")
    if isinstance(folder, dict) and url.startswith("file:"):
        path = _path_of(url)
        if folder.get("editable"):
            return [], ["-e", path]
        # setuptools keeps what it compiled there, for whichever torch: it compares the times of the sources alone.
        return [["rm", "-rf", f"{path}/build"]], [path]
    if isinstance(vcs, dict):
        below = f"#subdirectory={direct['subdirectory']}" if direct.get("subdirectory") else ""
        return [], [f"{name} @ {vcs.get('vcs')}+{url}@{vcs.get('commit_id')}{below}"]
    if url and not url.partition("#")[0].endswith(".whl"):
        return [], [f"{name} @ {url}"]
    return [], [f"{name}=={version}"]


def _path_of(url: str) -> str:
    try:
        return unquote(urlsplit(url).path)
    except ValueError:  # half an IPv6 address
        return url


def _name_and_version(info: Path) -> tuple[str, str]:
    """Return both as the METADATA says them, else as the folder is called."""
    head = _text(info / "METADATA").replace("\r\n", "\n").partition("\n\n")[0]
    fields = dict(line.partition(": ")[::2] for line in reversed(head.splitlines()))
    name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
    return fields.get("Name", name).strip(), fields.get("Version", version).strip()


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""
