"""The lines of README, docs, Dockerfiles and CI that an adopted project needs no more, and what may stand there.

May not change a file. A command gets a line without the option; what is prose, or may be meant otherwise, is shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...files import find_text, walk
from ...model.source_tree import NOT_SOURCES
from ...values import dataclass
from ..front_end_settings import find_front_end_settings, setting_text

_LARGEST_BYTES = 1_000_000
_MOST_FILES = 2000
_LONGEST_LINE = 2000
_READ = re.compile(
    r"(README|INSTALL|CONTRIBUTING)[^/]*|.*\.(md|rst|sh|ya?ml)|(.*[./])?Dockerfile[^/]*|Makefile|tox\.ini|noxfile\.py",
    re.IGNORECASE,
)
_HISTORY = re.compile(r"(CHANGE|HISTORY|NEWS|RELEASE)", re.IGNORECASE)
_OPTION = re.compile(r"\s*--no-build-isolation(-package(=|\s+)[\w.-]+)?\b")
_COMMAND = re.compile(r"\b(pip3?|uv|poetry|pdm|pipx|build)\b.*\b(install|sync|add|wheel|run|lock|build)\b")
_INSTALL = re.compile(r"\W*(?:(?:RUN|run|uv|python3?|m)\b\W*)*\bpip3?\s+install\s+(?P<what>[^&|;`#]+)")
_SETTING = re.compile(
    r"(PIP_NO_BUILD_ISOLATION|UV_NO_BUILD_ISOLATION(_PACKAGE)?|no-build-isolation(-package)?|"
    r"[\w.-]+(?= = \[?\{.*match-runtime))\s*[=:]"
)
_HEADER = re.compile(r"\s*\[tool\.uv\.extra-build-dependencies\]\s*")
_ALONE = re.compile(rf"\W*((ENV|export|env:)\W+)?{_SETTING.pattern}.*|{_HEADER.pattern}")
_SCRIPT = re.compile(r"\bpython3?\s+setup\.py\s+(install|develop|bdist_wheel)\b")
_TORCH = frozenset({"torch", "torchvision", "torchaudio"})
_TOOLS = frozenset({"packaging", "ninja", "wheel", "setuptools", "psutil", "pip", "build", "pybind11"})
_NEEDLESS = "builds are isolated, and get the torch that is there"
_OWN = "the build brings its own tools"


@dataclass(frozen=True, kw_only=True)
class StaleLine:
    """A line of a file: why it is stale, and what stands there instead ("" for nothing, None for a person to say)."""

    file: str
    number: int
    text: str
    reason: str
    after: str | None = None


def find_stale_lines(folder: Path, variables: Mapping[str, str]) -> tuple[StaleLine, ...]:
    """Return what the files of a project say about building it that nobody needs any more."""
    found = [line for file in _files(folder) for line in _stale_in(folder, file)]
    for setting in find_front_end_settings(variables, folder):
        if setting.line and (place := os.path.relpath(setting.source, folder)) and not place.startswith(".."):
            text = (find_text(Path(setting.source), _LARGEST_BYTES) or "").splitlines()[setting.line - 1]
            reason = setting_text(setting)[1] or _NEEDLESS
            found.append(StaleLine(file=place, number=setting.line, text=text, reason=reason))
    return tuple(sorted(found, key=lambda line: (line.file, line.number)))


def _files(folder: Path) -> Iterator[str]:
    seen = 0
    for parent, folders, files in walk(folder):
        kept = (name for name in folders if name not in NOT_SOURCES - {"docs"} and name not in {".git", ".venv"})
        folders[:] = sorted(kept)
        for name in sorted(files):
            place = os.path.relpath(Path(parent, name), folder).replace(os.sep, "/")
            if _READ.fullmatch(place.rpartition("/")[2]) and not _HISTORY.match(name):
                seen += 1
                yield place
        if seen > _MOST_FILES:
            return


def _stale_in(folder: Path, file: str) -> Iterator[StaleLine]:
    text = find_text(folder / file, _LARGEST_BYTES) or ""
    for number, line in enumerate(text.split("\n"), start=1):
        stale = _judged(line) if len(line) <= _LONGEST_LINE else None
        if stale is not None:
            yield StaleLine(file=file, number=number, text=line, reason=stale[0], after=stale[1])


def _judged(line: str) -> tuple[str, str | None] | None:
    """Return why a line is stale and what stands there instead, None for one that is not."""
    if _OPTION.search(line):
        rest = _OPTION.sub("", line)
        if rest.strip() == "\\":
            return _NEEDLESS, ""
        return _NEEDLESS, rest if _COMMAND.search(line) else None
    if _SETTING.search(line) or _HEADER.fullmatch(line):
        # In a list, or in prose, it is for a person.
        return _NEEDLESS, "" if _ALONE.fullmatch(line) else None
    if _SCRIPT.search(line):
        return "pip install . does it in isolation", None
    match = _INSTALL.fullmatch(line)
    words = (word.strip("'\"") for word in (match["what"] if match else "").split())
    names = {re.split(r"[\[<>=!~;@]", word)[0].lower() for word in words if "/" not in word and word[:1] != "-"}
    if names and names <= _TOOLS:
        return _OWN, ""
    if names and names <= _TOOLS | _TORCH:
        return f"torch need not come first, unless this chooses which one; {_OWN}", None
    return None
