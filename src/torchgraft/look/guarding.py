"""Why an extension module does not link with the torch that is here, and the commands that build it anew.

May use nothing but the standard library: `act.guard` copies this file into the dist-info of guarded packages, where
their modules run it when they cannot be loaded. May not raise.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

# What Linux, macOS and Windows say. Of a library that is missing, only with torch in the process: it brings its own.
_SIGNS = ("undefined symbol", "Symbol not found", "procedure could not be found", "version `")
_SIGNS_WITH_TORCH = ("cannot open shared object", "Library not loaded")
_TORCH_LIBRARY = re.compile(r"\blib(?:c10|torch)\w*\.(?:so|dylib)")
_WORDS = {"version": "", "cuda": "CUDA ", "hip": "ROCm ", "cxx11_abi": "C++11 ABI ", "git_version": "commit "}
# "None" is an answer: there is none.
_MAY_BE_NONE = frozenset({"cuda", "hip"})
_VERSION_LINE = re.compile(
    r"^(__version__|cuda|hip|git_version)\s*(?::[^=\n]*)?=\s*('[^'\n]*'|\"[^\"\n]*\"|None)\s*$", re.MULTILINE
)


def explained(error: ImportError, module: str, info: str) -> ImportError | None:
    """Return what to raise instead of a loader's error; None where the torch that is here is not the reason.

    :param info: the dist-info of the distribution that the module is of
    """
    said = str(error)
    lacking = _without_torch(said, module, Path(info))
    if lacking:
        return ImportError(lacking, name=error.name, path=error.path)
    signs = _SIGNS + (_SIGNS_WITH_TORCH if "torch" in sys.modules else ())
    if not any(sign in said for sign in signs):
        return None
    built, here = built_torch(_json(Path(info, "torchgraft.json"))), torch_here()
    if not built or not here:
        return None
    differing = differences(built, here)
    if not differing:
        return None
    shown = [
        "version",
        *(key for key in differing if key != "version" and (key != "git_version" or len(differing) == 1)),
    ]
    then, now = (", ".join(f"{_WORDS[key]}{torch.get(key)}" for key in shown) for torch in (built, here))
    lines = [
        f"{module} was built for torch {then}, and does not link with torch {now}",
        f"  torch:  {here['folder']}",
        *(f"  cure:   {command}" for command in cures(Path(info), prefix=Path(sys.prefix))),
    ]
    return ImportError("\n".join(lines), name=error.name, path=error.path)


def _without_torch(said: str, module: str, info: Path) -> str:
    """Return that torch is missing, where the loader could not find a library of it; "" where that is not so."""
    built = built_torch(_json(info / "torchgraft.json"))
    if not (built.get("version") and _TORCH_LIBRARY.search(said)) or "torch" in sys.modules or _is_there("torch"):
        return ""
    torch = f"torch=={str(built['version']).partition('+')[0]}"
    by_uv = _text(info / "INSTALLER").strip() == "uv"
    words = ["uv", "pip", "install", "--python", sys.prefix] if by_uv else ["pip", "--python", sys.prefix, "install"]
    return (
        f"{module} was built for torch {built['version']}, and there is no torch here\n"
        f"  cure:   {shlex.join([*words, torch])}"
    )


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

    :param info: its dist-info
    :param prefix: the environment
    :param options: further ones of `pip`, `uv pip` and `uv sync`
    """
    name, version = _name_and_version(info)
    before, what = _source(name, version, _json(info / "direct_url.json"))
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
        path = unquote(urlsplit(url).path)
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
