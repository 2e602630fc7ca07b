"""The lines of requirements files, constraints files and scripts, with the files that they name.

May not fetch a URL, show a variable that stands in one (a token, mostly), or raise: what cannot be read becomes a
sentence.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from ..files import UnreadableError, read_text, read_whole
from ..installed.markers import NOTHING_CHOSEN, Chosen
from ..model.observation import Python
from ..model.torch_values import requirement_of
from ..redaction import without_credentials
from ..untrusted import find_toml, parse_toml, strings, table
from .torch_lines import Line, torch_in_line

# Any of them makes a folder a project.
PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
# PEP 751, 'File Name'.
_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")
_MOST_FILES = 100
_LARGEST_BYTES = 1_000_000
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COMMENT = re.compile(r"(^|\s)#.*$")
_NESTED = re.compile(r"(?:(-r|-c)\s*=?\s*|(--requirement|--constraint)(?:\s+|\s*=\s*))(\S.*)")
_EDITABLE = re.compile(r"(?:-e\s*=?\s*|--editable(?:\s+|\s*=\s*))(\S.*)")
# Where the options of a single requirement begin: `torch==2.8 --hash=sha256:...`.
_OPTIONS = re.compile(r"\s-{1,2}[A-Za-z].*$")
# Names what a URL has.
EGG = re.compile(r".*[#&]egg=([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?.*")
# Up to the dash before a version, a commit, or what follows a name in a repository's address.
_ELSEWHERE = re.compile(
    r"(?:\w+\+|(?!file:))(?P<place>\w+://\S*?/(?P<name>[A-Za-z][\w.]*?(?:-[A-Za-z][\w.]*?)*))"
    r"(?:\.git)?(?:-\d[^/@#]*)?/?(?:@[^#]*)?(?:#.*)?"
)
# As pip and uv replace them, by what is in a build's environment too.
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_ORIGIN = re.compile(r"^\s*url = (\S+)", re.MULTILINE)
# PEP 723, 'Reference Implementation'.
_SCRIPT_BLOCK = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


class RequirementsReader:
    """Reads files once each, and adds a sentence to `faults` for what went wrong.

    `lock_files` are the pylock.toml that were named like requirements files. A pyproject.toml gives one line, which
    names its project with the chosen `extras`; `script` is the metadata of the last script.

    :param reads_scripts: whether a Python script that is named like one gives the requirements in its metadata
    """

    def __init__(
        self, folder: Path, faults: list[str], *, extras: Chosen = NOTHING_CHOSEN, reads_scripts: bool = False
    ) -> None:
        self.folder, self.faults = Path(os.path.normpath(folder)), faults
        self.extras, self.reads_scripts = extras, reads_scripts
        self.lock_files: list[str] = []
        self.script: Mapping[str, object] = {}
        self._read: set[str] = set()

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were read."""
        return tuple(sorted(self._read))

    def read(self, name: str, *, folder: Path | None = None, chain: tuple[str, ...] = ()) -> Iterator[Line]:
        """Return the requirements in a file and in those that it names; `chain` are the files that led here."""
        if name in ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"):
            self.faults.append("requirements on standard input cannot be read")
            return
        path = path_of(name, self.folder if folder is None else folder)
        if path is None:
            self.faults.append(f"{_shown(name)} is not fetched")
            return
        shown = self._shown(path)
        if is_lock_name(path.name):
            self.lock_files.append(str(path))
        elif self.reads_scripts and path.suffix == ".py" and path.name != "setup.py":
            yield from self.read_script(str(path))
        elif str(path) in chain:
            self.faults.append(f"{shown} includes itself")
        elif str(path) not in self._read:
            if len(self._read) >= _MOST_FILES:
                self.faults.append(f"{shown} is not read: there are more than {_MOST_FILES} files")
                return
            self._read.add(str(path))
            text = self._text(path, shown)
            if text is not None:
                yield from self._lines(text, path, shown, (*chain, str(path)))

    def read_script(self, name: str) -> Iterator[Line]:
        """Return the requirements in the metadata of a script (PEP 723); none where it has none."""
        path = path_of(name, self.folder)
        if path is None:
            self.faults.append(f"{_shown(name)} is not fetched")
            return
        shown = self._shown(path)
        text = self._text(path, shown)
        if text is None:
            return
        blocks = [match for match in _SCRIPT_BLOCK.finditer(text) if match["type"] == "script"]
        if len(blocks) > 1:
            self.faults.append(f"{shown} has several blocks of metadata")
        elif blocks:
            lines = blocks[0]["content"].splitlines(keepends=True)
            self.script = self._toml("".join(line.removeprefix("#").removeprefix(" ") for line in lines), shown)
            yield from self._listed(self.script.get("dependencies"), path.parent, f"{shown} (its metadata)")

    def pins_for_builds(self, files: tuple[str, ...], python: Python) -> Iterator[str]:
        """Yield which torch files pin that limit builds alone, and not what is installed."""
        for line in (line for file in files for line in self.read(file)):
            asked = torch_in_line(line, python, [])
            if asked and (asked.requirement.pinned or asked.requirement.url):
                yield f"{line.source} has {asked.requirement.text} for builds alone"

    def of_script(self, key: str) -> Iterator[Line]:
        """Return what the `[tool.uv]` of the last script adds to what it requires."""
        settings = table(table(self.script.get("tool")).get("uv"))
        yield from self._listed(settings.get(key), self.folder, f"a script's metadata ({key})")

    def _lines(self, text: str, path: Path, shown: str, chain: tuple[str, ...]) -> Iterator[Line]:
        if path.name in PROJECT_FILES:
            # `uv pip install -r pyproject.toml --extra gpu`: what the project there requires.
            known = table(table(find_toml(path).get("project")).get("optional-dependencies"))
            chosen = sorted(filter(self.extras.has_extra, {*self.extras.extras, *map(str, known)}))
            extras = f"[{','.join(chosen)}]" if chosen else ""
            yield Line(text=f"{path.parent}/{extras}", folder=path.parent, source=shown)
            return
        for number, written in _logical_lines(text):
            line = self._with_variables(written)
            nested = _NESTED.fullmatch(line)
            editable = _EDITABLE.fullmatch(line)
            if editable:
                place = f"-e {_unquoted(editable[1])}"
                yield Line(text=place, folder=path.parent, source=f"{shown} line {number}")
            elif nested:
                yield from self.read(_unquoted(nested[3]), folder=path.parent, chain=chain)
            elif not line.startswith("-"):
                requirement = _OPTIONS.sub("", line).strip()
                yield Line(text=requirement, folder=path.parent, source=f"{shown} line {number}")

    def _with_variables(self, line: str) -> str:
        """Return a line with the values of its variables, unless they make the address of another machine."""
        known = {"PROJECT_ROOT": str(self.folder), **os.environ}
        found = _VARIABLE.sub(lambda match: known.get(match[1]) or match[0], line)
        return line if "://" in found.replace("file://", "") else found

    def _listed(self, items: object, folder: Path, source: str) -> Iterator[Line]:
        yield from (Line(text=text, folder=folder, source=source) for text in strings(items))

    def _toml(self, text: str, shown: str) -> Mapping[str, object]:
        try:
            return parse_toml(text.encode("utf-8", "surrogatepass"))
        except UnreadableError as error:
            self.faults.append(f"{shown} {error}")
            return {}

    def _text(self, path: Path, shown: str) -> str | None:
        try:
            return _decoded(read_whole(path, _LARGEST_BYTES))
        except UnreadableError as error:
            self.faults.append(f"{shown} {error}")
            return None

    def _shown(self, path: Path) -> str:
        return shown_path(path, self.folder)


def shown_path(path: Path, folder: Path) -> str:
    """Return a path as people see it who are in a folder."""
    try:
        return _shown(path.relative_to(folder).as_posix())
    except ValueError:
        return _shown(str(path))


def is_lock_name(path: str) -> bool:
    """Return whether a file that arguments name as requirements is a pylock.toml."""
    return _PYLOCK.fullmatch(path.replace("\\", "/").rpartition("/")[2]) is not None


def path_of(name: str, folder: Path) -> Path | None:
    """Return the file that a name stands for; None if it is a URL of another machine."""
    if name.lower().startswith("file:"):
        name = unquote(name[len("file:") :].removeprefix("//").removeprefix("localhost"))
        name = name[1:] if name[2:3] == ":" else name
    elif "://" in name:
        return None
    return Path(os.path.normpath(folder / name))


def name_elsewhere(text: str, checkout: str) -> str:
    """Return what is probably called what a bare URL of another machine has; "" for all else.

    :param checkout: the folder of the project that is being built: a repository may be called otherwise
    """
    text = text.strip().removeprefix("-e ").strip()
    found, egg = _ELSEWHERE.fullmatch(text), EGG.fullmatch(text)
    if found is None or requirement_of(text) is not None or (checkout and _cloned_from(checkout) == found["place"]):
        return ""
    return canonicalize_name(egg[1] if egg else found["name"])


def _cloned_from(folder: str) -> str:
    """Return the address of the repository that a folder is of; "" where it is of none.

    pip clones it there; uv clones a copy of its own, which it has fetched from there.
    """
    for above in (Path(folder), *Path(folder).parents[:3]):
        origin = _ORIGIN.search(read_text(above / ".git" / "config"))
        if origin is not None:
            fetched = read_text(Path(origin[1], ".git", "FETCH_HEAD")) if "://" not in origin[1] else ""
            return (fetched.split() or [origin[1]])[-1].removesuffix(".git")
    return ""


def _shown(name: str) -> str:
    return without_credentials(name)[:120]


def _decoded(content: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    return content.decode("utf-8", errors="replace")


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Return lines without comments, continued ones joined, with the number of their first line.

    As pip does it (pip/_internal/req/req_file.py, `join_lines`): a comment ends a continuation.
    """
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        comment = line.lstrip().startswith("#")
        if not parts:
            first = number
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        parts.append(" " + line if comment else line)
        yield from _without_comment(first, "".join(parts))
        parts = []
    yield from _without_comment(first, "".join(parts))


def _without_comment(number: int, line: str) -> Iterator[tuple[int, str]]:
    line = _COMMENT.sub("", line).strip()
    if line:
        yield number, line


def _unquoted(text: str) -> str:
    try:
        parts = shlex.split(text)
    except ValueError:
        return text
    return parts[0] if parts else text
