"""What uv would install, found out without running anything of what it would build.

uv resolves, and stops at the first sdist whose metadata it would have to build: the interpreter that it is given runs
uv's own question to it, and nothing else. Such an sdist is then read (PKG-INFO, requires.txt), and uv is given a wheel
of no files that says the same. May not decide what becomes of an sdist.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from ...errors import ActError
from ...installed.dist_info import Installed, MetadataHeader, read_header
from ...programs import Answer, find_programs, take_answer
from ...project.read_project import read_project
from ...redaction import without_credentials
from ...settings.sources import read_pyproject
from .address_sources import AddressSource
from .locked_sdists import NamedSdist

_ANY = "-py3-none-any.whl"
_WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_LONGEST_S = 600
# uv asks what kind of interpreter it is by this module of its own, in every version so far.
_WATCH = """\
import os, sys
if not any("get_interpreter_info" in word for word in getattr(sys, "orig_argv", ())):
    os._exit(1)
"""
_FIXES = ("torchgraft adopt --lock FILE", "torchgraft adopt NAME==VERSION --no-deps")
_AT_ADDRESS = re.compile(
    r"build `([A-Za-z0-9._-]+) @ (?:git\+([^`@\s]+(?:@[^`@\s/]+(?=/))?[^`@#\s]*)(?:@([^`#\s]+))?|([^`#\s]+))[^`\s]*`"
)
_STOPPED = re.compile(r"Failed to (?:download and )?build `([A-Za-z0-9._-]+)==([^`\s]+)`")


class Resolver:
    """Asks uv, in a scratch folder, again and again until it has an answer.

    :param folder: where uv is called, whose settings it heeds
    :param preferred: versions that are taken where they are allowed, by name
    :raises ActError: if there is no uv, or it finds no interpreter
    """

    def __init__(
        self, folder: Path, scratch: Path, variables: Mapping[str, str], preferred: Iterable[tuple[str, str]]
    ) -> None:
        self._variables = {**variables, "NO_COLOR": "1", "PWD": str(folder.absolute())}  # in paths of requirements
        self._uv = next(iter(find_programs("uv", variables)), "")
        if not self._uv:
            raise ActError.of(
                code="no-resolver",
                headline="there is no lock, and no uv to say what would be installed",
                fixes=("pip install uv", *_FIXES),
            )
        self._folder, self._scratch = folder, scratch
        listed = (f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in preferred)
        self._preferred = "".join(listed)
        self._links = scratch / "links"
        self._links.mkdir()
        self.given: list[NamedSdist] = []
        self._instead: dict[str, str] = {}  # versions of what comes from an address
        environment = scratch / "environment"
        said = self._ask("venv", "--quiet", str(environment)).text
        sites = [*environment.glob("lib/python*/site-packages"), *environment.glob("Lib/site-packages")]
        if not sites:
            raise _no_answer(said)
        self._python = str(environment)
        (sites[0] / "_torchgraft_watch.py").write_text(_WATCH, encoding="utf-8")
        (sites[0] / "_torchgraft_watch.pth").write_text("import _torchgraft_watch\n", encoding="utf-8")

    def resolve(self, options: Sequence[str]) -> Path | NamedSdist | AddressSource:
        """Return a pylock.toml, or the sdist or the address at which uv stopped.

        :param options: requirements, files of them, and indexes, as `uv pip compile` takes them
        :raises ActError: if uv has none
        """
        lock = self._scratch / "pylock.toml"
        lock.unlink(missing_ok=True)
        if self._preferred:
            lock.write_text(f'lock-version = "1.0"\ncreated-by = "torchgraft"\n{self._preferred}', encoding="utf-8")
        overrides = self._scratch / "overrides.txt"
        lines = (f"{name}=={version}\n" for name, version in self._instead.items())
        overrides.write_text("".join(lines), encoding="utf-8")
        answer = self._ask(
            *("pip", "compile", "--quiet", "--format", "pylock.toml", "--output-file", str(lock)),
            *("--override", str(overrides), "--python", self._python, "--no-build-isolation"),
            *("--find-links", str(self._links), *options),
        )
        if not answer.fault and answer.status == 0:
            return lock
        if (match := _AT_ADDRESS.search(answer.text)) and canonicalize_name(match[1]) not in self._instead:
            url, is_git = match[2] or match[4], bool(match[2])
            return AddressSource(name=canonicalize_name(match[1]), url=url, commit=match[3] or "", is_git=is_git)
        match = _STOPPED.search(answer.text)
        stopped = match and NamedSdist(name=canonicalize_name(match[1]), version=match[2])
        if stopped is None or self._wheel(stopped).exists():
            raise _no_answer(answer.fault or answer.text)
        return stopped

    def give(self, stopped: NamedSdist | AddressSource, tree: Path) -> None:
        """Let uv know what a source tree says of itself."""
        header = read_metadata(tree)
        if isinstance(stopped, AddressSource):
            stopped = NamedSdist(name=stopped.name, version=header.version or "0")
            self._instead[stopped.name] = stopped.version
        else:
            self.given.append(stopped)
        wheel = self._wheel(stopped)
        stem = wheel.name.removesuffix(_ANY)
        lines = ["Metadata-Version: 2.1", f"Name: {stopped.name}", f"Version: {stopped.version}"]
        lines += [f"Requires-Dist: {one}" for one in header.requires]
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{stem}.dist-info/METADATA", "\n".join([*lines, ""]))
            archive.writestr(f"{stem}.dist-info/WHEEL", _WHEEL)
            archive.writestr(f"{stem}.dist-info/RECORD", "")

    def _wheel(self, stopped: NamedSdist) -> Path:
        return self._links / f"{stopped.name.replace('-', '_')}-{stopped.version}{_ANY}"

    def _ask(self, *words: str) -> Answer:
        command = [self._uv, "--directory", str(self._folder), *words]
        return take_answer(command, self._variables, timeout_s=_LONGEST_S)


def read_metadata(tree: Path) -> MetadataHeader:
    """Return what a source tree says that it requires: in PKG-INFO, where setuptools wrote it, else its own files."""
    places = [tree, *sorted(tree.glob("*.egg-info")), *sorted(tree.glob("*/*.egg-info"))]
    found = (
        read_header(Installed(name="", stated="", site=place.parent, information=place, entry=place.name))
        for place in places
        if (place / "PKG-INFO").is_file()
    )
    headers = [header for header in found if header]
    if headers:
        return next((header for header in headers if header.requires), headers[0])
    project = read_project(tree, read_pyproject(tree))
    return MetadataHeader(version=project.version or "", requires=project.dependencies or ())


def _no_answer(said: str) -> ActError:
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["nothing"]
    return ActError.of(
        code="no-resolution",
        headline="uv cannot say what would be installed",
        uv=[without_credentials(line)[:200] for line in lines[:4]],
        why="what has to be adopted is found in its answer, or in a lock",
        fixes=_FIXES,
    )
