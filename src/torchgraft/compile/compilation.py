"""Which compilations take a precompiled torch/extension.h, and what of a command line decides that header.

gcc takes the first `torch/extension.h.gch` on its search path that was made with the same macros and options, if it is
the first thing in a file. What has become of the headers in it, it does not ask. May not make one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..files import read_text

HEADER = "torch/extension.h"
_ENDINGS = (".cpp", ".cc", ".cxx", ".C", ".c++", ".cp")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_INCLUDE = re.compile(r'#[ \t]*include[ \t]*(<[^>]+>|"[^"]+")')
_DEEPEST = 5
_FOLDERS = ("-I", "-isystem", "-iquote", "-idirafter")
_WITH_VALUE = {"-D", "-U", "--param", "-Xlinker", "-Xassembler", "-Xpreprocessor", "-L", "-l", "-T", "-u", "-z"}
# What makes something else of a file than an object, or stands in front of its first line.
_OTHER = (
    *("@", "-E", "-S", "-fdirectives", "-fpreprocessed", "-fsyntax-only"),
    *("-imacros", "-include", "-save-temps", "-x"),
)
_PREFIX_MAPS = ("-ffile-prefix-map=", "-fdebug-prefix-map=", "-fmacro-prefix-map=")
# It stands in no header of torch's; gcc does not take the header where it does.
_OF_MODULE = "-DTORCH_EXTENSION_NAME="


class Compilation(NamedTuple):
    """What a command line says: one C++ file becomes an object.

    `folders` are those of headers, each with its option; `dependencies` is the file that gets the names of headers,
    "" for none; `flags` are all other options that may matter to a header.
    """

    source: str
    folders: tuple[tuple[str, str], ...]
    flags: tuple[str, ...]
    dependencies: str = ""


def parse_compilation(arguments: Iterable[str]) -> Compilation | None:
    """Return what a command line of gcc compiles; None where it is anything but one C++ file to an object."""
    sources, flags, folders, dependencies = [], [], [], ""
    has = set()
    words = iter(arguments)
    for word in words:
        option = next((option for option in _FOLDERS if word.startswith(option)), "")
        if option:
            folders.append((option, word.removeprefix(option) or next(words, "")))
        elif word in {"-c", "-MD", "-MMD"}:
            has.add(word)
        elif word == "-o":
            next(words, "")
        elif word in {"-M", "-MM"} or word.startswith(_OTHER):
            return None
        elif word.startswith("-M"):
            value = word[3:] or next(words, "") if word[:3] in {"-MF", "-MT", "-MQ"} else ""
            dependencies = value if word.startswith("-MF") else dependencies
        elif word.startswith("-"):
            flags.append(word + next(words, "") if word in _WITH_VALUE and len(word) == 2 else word)
            flags += [next(words, "")] if word in _WITH_VALUE and len(word) > 2 else []
        elif word.endswith(_ENDINGS):
            sources.append(word)
        else:
            return None
    if "-c" not in has or len(sources) != 1 or (has != {"-c"} and not dependencies):
        return None
    return Compilation(sources[0], tuple(folders), tuple(flags), dependencies)


def header_flags(compilation: Compilation, *, folder: str, header: str) -> tuple[str, ...]:
    """Return the options that a header is made with, and known by.

    Left out is what differs from module to module, or from build to build, and is not about headers of others: the
    name of the module, and what the folder of the source tree is called in debug information.
    """
    return tuple(
        flag for flag in compilation.flags if not flag.startswith(_OF_MODULE) and not _is_of_tree(flag, folder, header)
    )


def _is_of_tree(flag: str, folder: str, header: str) -> bool:
    option = next((option for option in _PREFIX_MAPS if flag.startswith(option)), "")
    old = flag.removeprefix(option).partition("=")[0].rstrip("/")
    return bool(option) and f"{folder}/".startswith(f"{old}/") and not header.startswith(f"{old}/")


def parse_dependencies(text: str) -> tuple[str, ...]:
    """Return the files that a rule of make says something depends on (`-MD`)."""
    rule = text.partition(": ")[2].replace("\\\n", " ").replace("\\ ", "\0").replace("\\#", "#").replace("$$", "$")
    return tuple(word.replace("\0", " ") for word in rule.split())


def used_folders(compilation: Compilation, files: Iterable[str]) -> list[list[str]]:
    """Return the folders of headers in which some of these files are, each with its option, in their order."""
    files = tuple(files)
    return [
        [option, name] for option, name in compilation.folders if any(file.startswith(f"{name}/") for file in files)
    ]


def other_places(names: Collection[str], files: Iterable[str]) -> Iterator[str]:
    """Yield where headers of the same names would be in a folder with these names in it."""
    for file in files:
        parts = file.split("/")
        for index, part in enumerate(parts):
            if part in names:
                yield "/".join(parts[index:])


def count_beginning(folder: Path) -> int:
    """Return how many C++ files of a source tree begin with the header."""
    from ..project.read_project import source_folders

    sources = (parent / name for parent, names in source_folders(folder) for name in names)
    return sum(begins_with(source) for source in sources if source.name.endswith(_ENDINGS))


def first_include(text: str) -> str:
    """Return what a file includes first, with its brackets or quotes; "" where something else of C++ comes before."""
    for line in _COMMENT.sub(" ", text).splitlines():
        word = line.strip()
        match = _INCLUDE.match(word)
        if match or (word and not word.startswith("#")):
            return match[1] if match else ""
    return ""


def begins_with(source: Path) -> bool:
    """Return whether the header is the first thing in a file, or in the one beside it that is the first thing.

    Conditions are not looked at: gcc has the last word, and says so where it does not take the header.
    """
    for _ in range(_DEEPEST):
        name = first_include(read_text(source))
        if name[1:-1] == HEADER:
            return True
        if not name.startswith('"'):
            return False
        source = source.parent / name[1:-1]
    return False
