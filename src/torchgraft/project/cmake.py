"""Whether the files that a build gives to CMake or meson look for torch.

May not run them: what is included is followed by its literal name, and where a variable stands in it, to all that it
could be.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from ..files import read_text, walk
from ..model.source_tree import NOT_SOURCES
from .setup_script import LARGEST_SCRIPT_BYTES

_MOST_FILES = 2000
_MOST_COMMANDS = 10_000
_LISTS, _MESON = "CMakeLists.txt", "meson.build"
_MESON_LOOKS = re.compile(
    r"^[^#\n]*\b(?:dependency\(\s*'Torch'|import torch\b|modules\s*:\s*(?:\[[^\]]{0,200})?'torch')",
    re.IGNORECASE | re.MULTILINE,
)
# With what Python says of torch, CMake files find it too: in a child, or by torch.utils.cmake_prefix_path.
_TOKEN = re.compile(
    r"\b((?:import|from) torch\b|torch\.utils\.cmake_prefix_path|torch/(?:extension|script|torch|all)\.h\b)"
    r"|^[ \t]*(if|elseif|else|endif|option|include|add_subdirectory|find_package)[ \t]*\(\s*([^()]*)",
    re.IGNORECASE | re.MULTILINE,
)
_COMMENT = re.compile(r"#[^\n]*")


def find_torch_search(folder: Path, said: Iterable[str] = ()) -> str:
    """Return which file of a project has CMake or meson look for torch, "" if none does.

    :param said: what the project tells CMake: which folder is its source tree, and which options are on
    """
    files = dict(itertools.islice(_files(folder), _MOST_FILES))
    meson = [name for name in sorted(files) if name.rpartition("/")[2] == _MESON]
    if _MESON in files:
        return next((name for name in meson if _MESON_LOOKS.search(read_text(files[name], LARGEST_SCRIPT_BYTES))), "")
    words = {word for text in said for word in re.split(r"[^\w.-]+", text)}
    lists = [name for name in sorted(files) if name.rpartition("/")[2] == _LISTS]
    return _followed([name for name in lists if {*PurePosixPath(name).parent.parts} <= words], files, words)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, names in walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in NOT_SOURCES)
        for name in sorted(names):
            if name in {_LISTS, _MESON} or name.endswith(".cmake"):
                path = Path(parent) / name
                yield path.relative_to(folder).as_posix(), path


def _followed(starts: Iterable[str], files: Mapping[str, Path], words: set[str]) -> str:
    """Return the first file that is reached and looks for torch; not where only an option that is off leads to it."""
    todo, seen, off = list(starts), set[str](), set[str]()
    while todo:
        name = todo.pop(0)
        if name in seen:
            continue
        seen.add(name)
        for command, given in _commands(read_text(files[name], LARGEST_SCRIPT_BYTES), words, off):
            if command == "find_package" and given in {"Torch", "torch"}:
                return name
            if len(todo) < _MOST_FILES:
                todo += _led_to(command, given, name, files)
    return ""


def _commands(text: str, words: set[str], off: set[str]) -> Iterator[tuple[str, str]]:
    """Yield what may run of a file: commands that lead somewhere, each with its first argument.

    :param words: all that the project says to CMake, and so the options that it may have turned on
    :param off: the options that are off, to which the file adds its own
    """
    skipped: list[bool] = []
    for python, name, arguments in itertools.islice(_TOKEN.findall(_COMMENT.sub("", text)), _MOST_COMMANDS):
        command, given = name.lower(), [argument.strip('"') for argument in arguments.split()]
        if command == "if":
            skipped.append(len(given) == 1 and given[0] in off)
        elif command == "endif":
            skipped = skipped[:-1]
        elif command in {"else", "elseif"}:
            skipped = [*skipped[:-1], False]
        elif any(skipped):
            continue
        elif command == "option":
            is_on = given[-1:] == ["ON"] or not words.isdisjoint({given[0], f"-D{given[0]}"} if given else set())
            off |= set() if is_on else {*given[:1]}
        elif python:
            yield "find_package", "Torch"
        elif given:
            yield command, given[0]


def _led_to(command: str, given: str, name: str, files: Mapping[str, Path]) -> list[str]:
    """Return the files that a command may lead to."""
    tail = given.rpartition("}")[2].strip("/") if "}" in given else given
    if command == "find_package":
        wanted = f"Find{tail}.cmake"
    elif command == "add_subdirectory":
        wanted = f"{tail}/{_LISTS}".lstrip("/")
    else:
        wanted = tail if tail.endswith((".cmake", ".txt")) else f"{tail}.cmake"
    beside = os.path.normpath(PurePosixPath(name).parent / wanted)
    if "}" not in given and beside in files:
        return [beside]
    return [file for file in files if file == wanted or file.endswith(f"/{wanted}")]
