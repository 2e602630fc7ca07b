"""The lines of README, docs, Dockerfiles and CI that an adopted project needs no more, and what may stand there.

May not change a file. A command gets a line without the option; what is prose, or may be meant otherwise, is shown.
What is about other packages only is left alone: these may need it as before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path

from packaging.utils import canonicalize_name

from ...files import read_text, walk
from ...model.source_tree import NOT_SOURCES
from ...values import dataclass
from ..front_end_settings import find_front_end_settings, setting_text

_LARGEST_BYTES = 1_000_000
_MOST_FILES = 2000
_LONGEST_LINE = 2000
_MOST_PARTS = 50
_READ = re.compile(
    r"(README|INSTALL|CONTRIBUTING)[^/]*|.*\.(md|rst|sh|bat|ps1|ya?ml|ipynb|mk)|(.*[./])?(Docker|Container)file[^/]*|"
    r"(GNU)?Makefile|Jenkinsfile|justfile|tox\.ini|noxfile\.py|setup\.cfg|pyproject\.toml",
    re.IGNORECASE,
)
_HISTORY = re.compile(r"(CHANGE|HISTORY|NEWS|RELEASE)", re.IGNORECASE)
# Elsewhere a line may be all that is in a block, or a build that is not isolated may need what it installs.
_PROSE = re.compile(r".*\.(md|rst)|(README|INSTALL|CONTRIBUTING)[^/]*", re.IGNORECASE)
_OPTION = re.compile(r"\s*--no-(?:build-)?isolation(?:-package(?:=|\s+)(?P<package>[\w.-]+))?(?![\w-])")
_COMMAND = re.compile(r"\b(pip3?|uv|poetry|pdm|pipx|build)\b.*(\b(install|sync|add|wheel|run|lock|build)\b|--no-iso)")
# What may stand before a command; behind any other word it is in a sentence.
_BEFORE = re.compile(r"\W*(?:(?:RUN|run|sudo|\w+=\S+|cd \S+|timeout \w+|python3?|m)\b\W*|\w+=\"[^\"]*\"\s*)*")
_VERB = re.compile(r"\b(?:install|add|wheel)\b(?P<what>[^&|;`#]*)")
_VALUED = re.compile(
    r"\s(?:-[cCift]|--(?:[\w-]*index[\w-]*|find-links|constraint|override|group|target|wheel-dir|python|config-settings?))[\s=]+\S+"
)
_INSTALL = re.compile(
    r"\W*(?:(?:RUN|run|uv|python3?|m)\b\W*)*\bpip3?\s+install\s+(?P<what>[^&|;`#]+)(?P<more>[&|;].*)?"
)
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}")
_CODE = re.compile(r"`([^`]+)`")
_SETTING = re.compile(
    r"(PIP_NO_BUILD_ISOLATION|UV_NO_BUILD_ISOLATION(_PACKAGE)?|no-build-isolation(-package)?|"
    r"[\w.-]+(?= = \[?\{.*match-runtime))\s*[=:]"
)
_HEADER = re.compile(r"\s*\[tool\.uv\.extra-build-dependencies\]\s*")
_ALONE = re.compile(rf"\W*((ENV|export|env:)\W+)?{_SETTING.pattern}.*|{_HEADER.pattern}")
_SCRIPT = re.compile(r"\bpython3?\s+setup\.py\s+(?:-\S+\s+)*(?P<what>install|develop|bdist_wheel|sdist)\b")
_INSTEAD = {"install": "pip install .", "develop": "pip install -e .", "bdist_wheel": "pip wheel --no-deps ."}
_TORCH = frozenset({"torch", "torchvision", "torchaudio"})
_TOOLS = frozenset({"packaging", "ninja", "wheel", "setuptools", "psutil", "pybind11"})
_NEEDLESS = "builds are isolated, and get the torch that is there"
_NOT_ALONE = f"{_NEEDLESS}; what it installs besides may still need it"
_OWN = "the build brings its own tools"


@dataclass(frozen=True, kw_only=True)
class StaleLine:
    """A line of a file: why it is stale, and what stands there instead ("" for nothing, None for a person to say)."""

    file: str
    number: int
    text: str
    reason: str
    after: str | None = None


def find_stale_lines(folder: Path, variables: Mapping[str, str], name: str | None) -> tuple[StaleLine, ...]:
    """Return what the files of a project say about its build that nobody needs any more; not what is about others."""
    own = canonicalize_name(name or "")
    files = islice(_files(folder), _MOST_FILES)
    found = {(line.file, line.number): line for file in files for line in _stale_in(folder, file, own)}
    for setting in find_front_end_settings(variables, folder):
        names = _normalized(setting.value if "isolation" in setting.name else setting.name.rpartition(".")[2])
        is_of_others = bool(names) and bool(own) and own not in names
        if (
            setting.line
            and not is_of_others
            and not (place := os.path.relpath(setting.source, folder)).startswith("..")
        ):
            text = read_text(Path(setting.source), _LARGEST_BYTES).splitlines()[setting.line - 1]
            reason = setting_text(setting)[1] or _NEEDLESS
            found[place, setting.line] = StaleLine(file=place, number=setting.line, text=text, reason=reason)
    return tuple(found[key] for key in sorted(found))


def _files(folder: Path) -> Iterator[str]:
    for parent, folders, files in walk(folder):
        folders[:] = sorted(set(folders) - (NOT_SOURCES - {"docs"}) - {".git", ".venv"})
        for name in sorted(files):
            if _READ.fullmatch(name) and not _HISTORY.match(name):
                yield os.path.relpath(Path(parent, name), folder).replace(os.sep, "/")


def _stale_in(folder: Path, file: str, own: str) -> Iterator[StaleLine]:
    text = read_text(folder / file, _LARGEST_BYTES)
    lines, name = text.split("\n"), file.rpartition("/")[2]
    is_prose, by_hand = _PROSE.fullmatch(name) is not None, _SCRIPT.search(text) is not None
    for index, line in enumerate(lines):
        stale = _judged(lines, index, own, is_prose=is_prose) if len(line) <= _LONGEST_LINE else None
        if stale is None:
            continue
        reason, after = stale
        is_continued = index > 0 and _continues(lines[index - 1])
        goes = after == ""
        is_needed = goes and is_continued and not _continues(line)  # without it a command would not end
        may_be_all = goes and not is_prose and not is_continued and (line[:1].isspace() or reason == _OWN)
        if is_needed or may_be_all or (by_hand and reason == _OWN) or name == "pyproject.toml":
            after = None
        yield StaleLine(file=file, number=index + 1, text=line, reason=reason, after=after)


def _continues(line: str) -> bool:
    return line.rstrip().endswith("\\")


def _whole(lines: Sequence[str], index: int) -> str:
    """Return the command that a line is a part of."""
    start, end = index, index
    while start > 0 and index - start < _MOST_PARTS and _continues(lines[start - 1]):
        start -= 1
    while end + 1 < len(lines) and end - index < _MOST_PARTS and _continues(lines[end]):
        end += 1
    return " ".join(line.rstrip().rstrip("\\") for line in lines[start : end + 1])


def _judged(lines: Sequence[str], index: int, own: str, *, is_prose: bool) -> tuple[str, str | None] | None:
    """Return why a line is stale and what stands there instead, None for one that is not."""
    line = lines[index]
    options = list(_OPTION.finditer(line))
    if options:
        return _judged_option(line, _whole(lines, index), options, own, is_prose=is_prose)
    setting = _SETTING.search(line)
    if setting or _HEADER.fullmatch(line) or _is_below_header(lines, index):
        return _judged_setting(lines, index, own)
    script = _SCRIPT.search(line)
    if script and (is_prose or line.lstrip()[:1] != "#"):
        return f"`{_INSTEAD.get(script['what'], 'python -m build --sdist')}` does it in isolation", None
    for code in (_whole(lines, index) if not index or not _continues(lines[index - 1]) else "", *_CODE.findall(line)):
        needless = _needless_install(code)
        if needless:
            match = _INSTALL.fullmatch(code)
            return needless, "" if needless == _OWN and code == line and match and not match["more"] else None
    return None


def _needless_install(command: str) -> str:
    """Return why what a command of pip installs beforehand need not be, "" where it may be needed."""
    match = _INSTALL.fullmatch(command)
    what = _EXPRESSION.sub("X", match["what"]) if match else ""
    words = (word.strip("'\"") for word in what.split())
    names = {re.split(r"[\[<>=!~;@]", word)[0].lower() for word in words if "/" not in word and word[:1] != "-"}
    if not names or not names <= _TOOLS | _TORCH:
        return ""
    of_torch = "torch need not come first, unless this chooses which one" if names & _TORCH else ""
    return "; ".join(filter(None, (of_torch, _OWN if names & _TOOLS else "")))


def _judged_option(
    line: str, whole: str, options: Sequence[re.Match[str]], own: str, *, is_prose: bool
) -> tuple[str, str | None] | None:
    meant = {one.span() for one in options if not one["package"] or canonicalize_name(one["package"]) == own}
    if not meant:
        return None
    spans = [code for code in _CODE.findall(whole) if _OPTION.search(code)] if is_prose else []
    commands = [part for text in spans or [whole] for part in re.split(r"&&|\|\||[;|]", text) if _OPTION.search(part)]
    starts = [_COMMAND.search(part) for part in commands]
    if not all(one and (not is_prose or _BEFORE.fullmatch(one.string[: one.start()])) for one in starts):
        return _NEEDLESS, None  # a sentence, or a list of options
    subjects = {True} if all(one["package"] for one in options) else {_is_own(part, own) for part in commands}
    if subjects == {False}:
        return None
    if subjects != {True}:
        return _NOT_ALONE, None
    rest = _OPTION.sub(lambda one: "" if one.span() in meant else one[0], line)
    before = filter(None, map(_needless_install, re.split(r"&&|;", whole)))
    return "; ".join((_NEEDLESS, *before)), "" if rest.strip() == "\\" else rest if rest.strip() else None


def _is_own(command: str, own: str) -> bool | None:
    """Return whether a command builds the project itself, None where it may build others too."""
    verb = _VERB.search(_VALUED.sub("", command))
    words = [word.strip("'\",") for word in (verb["what"] if verb else "").split()]
    found: set[bool | None] = {None} if any(word.startswith(("-r", "--requirement")) for word in words) else set()
    for word in (word for word in words if word and word[0] != "-"):
        name = canonicalize_name(re.split(r"[\[<>=!~;@]", word.rpartition("/")[2].removesuffix(".git"))[0])
        is_plain = word in {".", "./"} or (name == own and "[" not in word)
        found |= {is_plain or (None if name == own or not own or set(word) & set("/$*.[{") else False)}
    return True if not found else found.pop() if len(found) == 1 else None


def _judged_setting(lines: Sequence[str], index: int, own: str) -> tuple[str, str | None] | None:
    line = lines[index]
    if _HEADER.fullmatch(line):
        keys = {_key(one) for one in takewhile(_key, lines[index + 1 :])}
        return (_NEEDLESS, "") if keys <= {own} else None
    if _is_below_header(lines, index):
        return (_NEEDLESS, "") if _key(line) == own and "torch" in line else None
    setting = _SETTING.search(line)
    if setting is None or not _ALONE.fullmatch(line) or line.count("[") != line.count("]"):
        return _NEEDLESS, None  # in a list of several lines, or in a sentence, it is for a person
    is_list, is_option = "package" in setting[1].lower(), "isolation" in setting[1].lower().replace("_", "-")
    names = _normalized(line[setting.end() :]) if is_list else set() if is_option else _normalized(setting[1])
    if names and own and own not in names:
        return None
    return _NEEDLESS, "" if names <= {own} else None


def _is_below_header(lines: Sequence[str], index: int) -> bool:
    above = next((one for one in lines[max(index - _MOST_PARTS, 0) : index][::-1] if not _key(one)), "")
    return bool(_key(lines[index])) and _HEADER.fullmatch(above) is not None


def _key(line: str) -> str:
    """Return the normalized key of a line of TOML, "" for another line."""
    match = re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)
    return canonicalize_name(match[1]) if match else ""


def _normalized(text: str) -> set[str]:
    return {canonicalize_name(name) for name in re.findall(r"[A-Za-z0-9][\w.-]*", text)}
