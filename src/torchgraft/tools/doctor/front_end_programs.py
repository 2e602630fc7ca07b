"""The front ends that can be called from here, and their settings that change how builds are isolated.

May not ask a front end anything but its version.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...compile.programs import ask_program, find_programs
from ...consumer.uv_project import project_root
from ...files import is_file
from ...model.observation import FrontEndName
from ...untrusted import strings, table
from .checkup import FrontEndProgram, FrontEndSetting

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PROGRAMS = (
    ("pip", FrontEndName.PIP),
    ("uv", FrontEndName.UV),
    ("pyproject-build", FrontEndName.BUILD),
    ("poetry", FrontEndName.POETRY),
    ("pdm", FrontEndName.PDM),
    ("hatch", FrontEndName.HATCH),
    ("tox", FrontEndName.TOX),
    ("nox", FrontEndName.NOX),
    ("pipx", FrontEndName.PIPX),
)
_VERSION = re.compile(r"\b\d+(?:\.\d+)+(?:\.?(?:a|b|rc|dev|post)\d+)*\b")
_TIMEOUT_S = 5.0
_ISOLATION = ("no-build-isolation", "no-build-isolation-package")
# Everything that turns isolation off by a variable, in pip and in uv.
_VARIABLES = ("PIP_NO_BUILD_ISOLATION", "UV_NO_BUILD_ISOLATION", "UV_NO_BUILD_ISOLATION_PACKAGE")


def find_front_ends(variables: Mapping[str, str]) -> tuple[FrontEndProgram, ...]:
    """Return the first program of each name on PATH, with its version."""
    found = [(name, program) for text, name in _PROGRAMS for program in find_programs(text, variables)[:1]]
    answers: dict[str, str] = {}

    def ask(program: str) -> None:
        answers[program] = ask_program([program, "--version"], variables, timeout_s=_TIMEOUT_S) or ""

    # All at once: an interpreter takes half a second to start. Who interrupts us does not wait for them.
    threads = [threading.Thread(target=ask, args=(program,), daemon=True) for _, program in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tuple(
        FrontEndProgram(name=name, program=program, version=parse_version(answers.get(program, "")))
        for name, program in found
    )


def parse_version(text: str) -> str:
    """Return the first version in what a program says of itself, "" if there is none."""
    match = _VERSION.search(text)
    return match[0] if match else ""


def find_front_end_settings(
    variables: Mapping[str, str], folder: Path, *, system: Path = Path("/etc/uv/uv.toml")
) -> tuple[FrontEndSetting, ...]:
    """Return what uv's files and the variables of pip and uv say of build isolation; values of variables are left out.

    :param folder: where a front end would be called
    :param system: uv's file for all users
    """
    found = [FrontEndSetting(name=name, value="", source="a variable") for name in _VARIABLES if variables.get(name)]
    for file, settings in _uv_tables(variables, folder, system):
        found += _read(settings, str(file))
    return tuple(found)


def _uv_tables(variables: Mapping[str, str], folder: Path, system: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the files that uv reads, with the settings in them (uv, "Configuration files")."""
    root = project_root(folder) or folder
    own = root / "uv.toml"
    if is_file(own):  # it is then read instead of [tool.uv]
        yield own, _parsed(own)
    else:
        yield root / "pyproject.toml", table(table(_parsed(root / "pyproject.toml").get("tool")).get("uv"))
    home = variables.get("APPDATA") if os.name == "nt" else variables.get("XDG_CONFIG_HOME")
    base = Path(home) if home else Path("~/.config").expanduser()
    for file in (base / "uv" / "uv.toml", system):
        yield file, _parsed(file)


def _read(settings: Mapping[str, Any], source: str) -> Iterator[FrontEndSetting]:
    for part, prefix in ((settings, ""), (table(settings.get("pip")), "pip.")):
        for name in _ISOLATION:
            value = part.get(name)
            names = strings(value)
            if value is True or names:
                yield FrontEndSetting(name=prefix + name, value=", ".join(names), source=source)
        for package, requirements in table(part.get("extra-build-dependencies")).items():
            yield from _extra(str(package), requirements, prefix, source)


def _extra(package: str, requirements: object, prefix: str, source: str) -> Iterator[FrontEndSetting]:
    for item in requirements if isinstance(requirements, list) else []:
        entry = item if isinstance(item, dict) else {"requirement": item}
        if re.match(r"torch\s*($|[\[@<>=!~;,(])", str(entry.get("requirement", "")), re.IGNORECASE):
            matched = ", match-runtime" if entry.get("match-runtime") is True else ""
            name = f"{prefix}extra-build-dependencies.{package}"
            yield FrontEndSetting(name=name, value=f"{entry['requirement']}{matched}", source=source)


def _parsed(file: Path) -> Mapping[str, Any]:
    """Return the tables of a file; none where it cannot be read: uv itself will complain of it."""
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except (OSError, ValueError, RecursionError):
        return {}
