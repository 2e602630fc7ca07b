"""What the arguments of a front end say of torch, and the files and local projects that they name.

May not look at the lock of the project that the front end works on, nor raise: what cannot be read is a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from ..consumer.command_line import CommandLine
from ..installed.markers import Chosen
from ..model.observation import FrontEndName, Python
from ..model.source_tree import Project
from ..model.torch_values import AskedFor, requirement_of
from ..values import dataclass
from .command_sources import sources_of
from .torch_lines import Line, torch_in_line

if TYPE_CHECKING:
    from .local_projects import LocalProjects
    from .requirements_files import RequirementsReader

# A folder, or a distribution with extras, which may be the one that is being built.
_LOOKS_LIKE_PLACE = re.compile(r"\s*\.|-e |.*[/\\\[]|.*file:")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The requirements on torch that apply to an interpreter and platform, and what could not be read.

    `lock_files` are those that are named among the requirements (`-r pylock.toml`), `variables` those that a local
    project among them has for this build, `others` the requirements on other distributions; `named` is as in `Wanted`.
    """

    requirements: tuple[AskedFor, ...] = ()
    faults: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    named: bool = False
    lock_files: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def read_asked_for(
    command: CommandLine, *, folder: str, variables: Mapping[str, str], python: Python, building: Project | None = None
) -> Asked:
    """Return what the arguments of a front end say of torch.

    :param variables: its own; only those of uv's settings files, PIP_CONSTRAINT, PIP_REQUIREMENT, UV_CONSTRAINT,
        UV_OVERRIDE, UV_NO_SOURCES and where uv's tools are (UV_TOOL_DIR, XDG_DATA_HOME) are looked at
    """
    sources = sources_of(command, variables, folder)
    if command.text == "pipx run" and building is not None and _names_torch(building, python):
        # What is there once the package is installed stays, whatever comes with it.
        sources = sources._replace(texts=tuple(t for t in sources.texts if t not in command.values("--with")))
    tools: tuple[Path, ...] = ()
    if command.text == "uv tool upgrade":
        from ..consumer.uv import tool_environments

        tools = tool_environments(command, folder, variables.get)
    shown = f"the arguments of {command.program.value}"
    lines = [Line(text, Path(folder), shown) for text in sources.texts]
    limits: list[Line] = []
    overrides: list[Line] = []
    faults: list[str] = []
    build_variables: Mapping[str, str] = {}
    lock_files = [str(Path(folder, file)) for file in command.values("--lock") if command.program is FrontEndName.PIPX]
    if tools or any(sources[1:]) or any(map(_LOOKS_LIKE_PLACE.match, sources.texts)):
        from .requirements_files import PROJECT_FILES, RequirementsReader  # most commands name no file and no project

        reader, projects = _readers(command, variables, Path(folder), python, faults, building=building)
        is_alone = command.leaves_dependencies
        named = [*lines, *(line for file in sources.files for line in reader.read(file))]
        # Of a project nothing more is installed then, but of its own file uv takes what it lists.
        lines = [
            line
            for one in named
            for line in ((one,) if is_alone and not one.source.endswith(PROJECT_FILES) else projects.with_projects(one))
        ]
        lines += (line for group in sources.groups for line in projects.read_group(group))
        if sources.script:
            lines += projects.with_sources(list(reader.read_script(sources.script)), reader.script)
            limits += reader.of_script("constraint-dependencies")
            overrides += reader.of_script("override-dependencies")
        limits += (line for file in sources.constraints for line in reader.read(file))
        overrides += (line for file in sources.overrides for line in reader.read(file))
        if tools:
            from .command_sources import read_receipts

            required = read_receipts(tools, faults, "requirements")
            lines += (line for one in required for line in projects.with_projects(one))
            limits += read_receipts(tools, faults, "constraints")
            overrides += read_receipts(tools, faults, "overrides")
        lock_files += reader.lock_files
        faults += RequirementsReader(Path(folder), []).pins_for_builds(sources.for_builds, python)
        build_variables = projects.variables
    if command.program is FrontEndName.UV:
        from .settings_files import lowest_first, pip_lines, stated_lines

        lines += stated_lines(command, variables, Path(folder), building.name or "") if building else ()
        limits += pip_lines(command, variables, Path(folder), "constraint-dependencies")
        overrides += pip_lines(command, variables, Path(folder), "override-dependencies")
        is_direct = any(torch_in_line(line, python, []) for line in lines)
        faults += lowest_first(command, variables, Path(folder), is_direct=is_direct)
    others = tuple(dict.fromkeys(_others(lines, building)))
    wished, limiting, replaced = (
        [asked for line in found if (asked := torch_in_line(line, python, faults))]
        for found in (lines, limits, overrides)
    )
    has_none = building is not None and building.dependencies == () and not others
    is_idle = not wished and (has_none or command.leaves_dependencies)
    return Asked(
        requirements=tuple(replace(one, idle=is_idle) for one in dict.fromkeys(replaced or [*wished, *limiting])),
        faults=tuple(dict.fromkeys(faults)),
        others=others,
        named=bool(wished),
        lock_files=tuple(dict.fromkeys(lock_files)),
        variables=build_variables,
    )


def _readers(
    command: CommandLine,
    variables: Mapping[str, str],
    folder: Path,
    python: Python,
    faults: list[str],
    *,
    building: Project | None,
) -> tuple[RequirementsReader, LocalProjects]:
    from .local_projects import LocalProjects
    from .requirements_files import RequirementsReader

    named, without = (
        frozenset(canonicalize_name(name) for value in command.values(option) for name in value.split(","))
        for option in ("--extra", "--no-extra")
    )
    extras = Chosen(extras=named, all_extras=command.has("--all-extras"), without_extras=without)
    is_uv = command.program is FrontEndName.UV
    reader = RequirementsReader(folder, faults, extras=extras, reads_scripts=is_uv)
    tool = FrontEndName.UV if is_uv and not (command.has("--no-sources") or variables.get("UV_NO_SOURCES")) else None
    projects = LocalProjects(folder, python, faults, building=building, tool=tool)
    listed = (*command.values("--no-sources-package"), *variables.get("UV_NO_SOURCES_PACKAGE", "").split())
    projects.without_source = frozenset(map(canonicalize_name, listed))
    return reader, projects


def _names_torch(project: Project, python: Python) -> bool:
    return any(torch_in_line(Line(text, Path(), ""), python, []) for text in project.dependencies or ())


def _others(lines: Iterable[Line], building: Project | None) -> Iterator[str]:
    """Yield the requirements on others than torch and the project that is built, by name where a URL has it."""
    own = {"torch", canonicalize_name(building.name or "") if building else ""}
    for line in lines:
        requirement = requirement_of(line.text)
        if requirement is not None:
            yield from (line.text,) if canonicalize_name(requirement.name) not in own else ()
        elif "://" in line.text:
            from .requirements_files import name_elsewhere

            yield from {name_elsewhere(line.text, building.folder if building else "")} - own - {""}
