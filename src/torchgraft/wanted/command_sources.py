"""Where a front end's command names requirements: as text, in files, in groups; and what a tool was installed with.

May not resolve anything, nor raise: what cannot be read becomes a sentence. One function for each front end.
"""

from __future__ import annotations

import glob
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.utils import canonicalize_name

from ..consumer.command_line import CommandLine, parse_arguments
from ..consumer.environment import holds_torch
from ..files import UnreadableError, is_file, read_text
from ..model.observation import FrontEndName
from ..untrusted import find_toml, json_table, read_toml, strings, table, tables, text_of
from .local_projects import LocalProjects
from .tool_tables import list_hatch, tool_table
from .torch_lines import Line

_LARGEST_BYTES = 10_000_000


class Sources(NamedTuple):
    """Where a command line names requirements: as text, in files, and in files that replace all others; and groups.

    What `constraints` name is only installed if something else requires it, what `for_builds` name only in builds.
    """

    texts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    script: str | None = None
    groups: tuple[str, ...] = ()
    for_builds: tuple[str, ...] = ()


def sources_of(command: CommandLine, variables: Mapping[str, str], folder: str) -> Sources:
    """Return where a command names requirements; nowhere, for one that installs nothing.

    :param variables: those of the front end; PIP_CONSTRAINT, PIP_REQUIREMENT, UV_CONSTRAINT, UV_OVERRIDE are looked at
    """
    reads = _SOURCES.get(command.program)
    return Sources() if reads is None else reads(command, variables, folder)


def _pip(command: CommandLine, variables: Mapping[str, str], folder: str) -> Sources:
    if command.words == ("compile",):
        # pip-tools; the others that it takes without being told of are setup.py and pyproject.toml, the project itself.
        files = command.positional or ("requirements.in",)
        return Sources(files=files, constraints=command.values("-c", "--constraint"))
    # A program that calls pip as a function says no word: pip's variables and settings count all the same.
    is_silent = not (command.words or command.positional)
    if command.words not in (("install",), ("wheel",), ("download",), ("lock",)) and not is_silent:
        return Sources()
    from .settings_files import named_files

    script = command.values("--requirements-from-script")
    return Sources(
        texts=(*command.positional, *_editable(command.values("-e", "--editable"))),
        files=(*command.values("-r", "--requirement"), *named_files(command, "requirement", variables, folder)),
        constraints=(*command.values("-c", "--constraint"), *named_files(command, "constraint", variables, folder)),
        script=script[-1] if script else None,
        groups=command.values("--group"),
        for_builds=_for_pips_builds(command, variables) if command.words == ("install",) else (),
    )


def _for_pips_builds(command: CommandLine, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that limit what builds require alone: isolated from variables, pip hands them on to builds."""
    names = ("PIP_BUILD_CONSTRAINT", *(("PIP_CONSTRAINT",) if command.has("--isolated") else ()))
    return (*command.values("--build-constraint"), *(file for name in names for file in _listed(variables, name)))


def _uv(command: CommandLine, variables: Mapping[str, str], _folder: str) -> Sources:
    found = _uvs_own(command, variables)
    if found == Sources():
        return found
    for_builds = command.values("-b", "--build-constraint", "--build-constraints")
    return found._replace(for_builds=(*for_builds, *_listed(variables, "UV_BUILD_CONSTRAINT")))


def _uvs_own(command: CommandLine, variables: Mapping[str, str]) -> Sources:
    words = command.words
    constraints = (*command.values("-c", "--constraint", "--constraints"), *_listed(variables, "UV_CONSTRAINT"))
    overrides = (*command.values("--override", "--overrides"), *_listed(variables, "UV_OVERRIDE"))
    requirements = command.values("-r", "--requirement", "--requirements")
    with_files = tuple(f for value in command.values("--with-requirements") for f in value.split(",") if f)
    with_texts = tuple(text for value in command.values("-w", "--with") for text in _split_commas(value))
    with_texts += _editable(text for value in command.values("--with-editable") for text in _split_commas(value))
    if words == ("pip", "install"):
        return Sources(
            texts=(*command.positional, *_editable(command.values("-e", "--editable"))),
            files=requirements,
            constraints=constraints,
            overrides=overrides,
            groups=command.values("--group"),
        )
    if words in (("pip", "sync"), ("pip", "compile")):
        # What is to be installed is listed whole for `uv pip sync`, which resolves nothing.
        overrides = () if words == ("pip", "sync") else overrides
        groups = command.values("--group")
        return Sources(files=command.positional, constraints=constraints, overrides=overrides, groups=groups)
    if words == ("add",):
        # Of all that is added.
        extras = ",".join(command.values("--extra"))
        texts = tuple(f"{text}[{extras}]" if extras and "[" not in text else text for text in command.positional)
        return Sources(texts=texts, files=requirements, constraints=constraints, script=command.script)
    if words == ("run",):
        reads_input = command.positional[:1] == ("-",) and not command.has("-m", "--module")
        files = (*with_files, *(("-",) if reads_input else ()))
        return Sources(texts=with_texts, files=files, script=None if reads_input else command.script)
    if words in (("tool", "install"), ("tool", "run")):
        tool = command.values("--from") or command.positional[:1]
        tool = _editable(tool) if command.has("-e", "--editable") else tool
        also = (text for value in command.values("--with-executables-from") for text in _split_commas(value))
        texts = (*with_texts, *also, *tool)
        return Sources(texts=texts, files=with_files, constraints=constraints, overrides=overrides)
    if words in (("sync",), ("lock",)):
        return Sources(script=command.script)
    return Sources()


def _pipx(command: CommandLine, variables: Mapping[str, str], folder: str) -> Sources:
    by_words: dict[tuple[str, ...], tuple[str, ...]] = {
        ("install",): command.positional,
        ("inject",): command.positional[1:],
        ("run",): command.values("--spec") or command.positional[:1],
    }
    texts = by_words.get(command.words)
    if texts is None:
        return Sources()
    passed = [part for value in command.values("--pip-args") for part in _shell_words(value)]
    pip = _pip(parse_arguments(FrontEndName.PIP, ("install", *passed)), variables, folder)
    files = (*command.values("-r", "--requirement"), *pip.files)
    editable = _editable(texts) if command.has("-e", "--editable") else texts
    texts = (*editable, *command.values("--preinstall", "--with"), *pip.texts)
    return Sources(texts=texts, files=files, constraints=pip.constraints)


def _shell_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _added(command: CommandLine, _variables: Mapping[str, str], _folder: str) -> Sources:
    texts = (*command.positional, *_editable(filter(None, command.values("-e", "--editable"))))
    return Sources(texts=texts if command.words == ("add",) else ())


_SOURCES = {
    FrontEndName.PIP: _pip,
    FrontEndName.UV: _uv,
    FrontEndName.PIPX: _pipx,
    FrontEndName.POETRY: _added,
    FrontEndName.PDM: _added,
}


def _editable(texts: Iterable[str]) -> tuple[str, ...]:
    """Return what is installed in place as requirements files have it: `-e app` is a folder, `app` a distribution."""
    return tuple(f"-e {text}" for text in texts)


def _listed(variables: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(variables.get(name, "").split())


def _split_commas(text: str) -> Iterator[str]:
    """Return the requirements in `numpy,torch>=2,<3`: a comma also stands between specifiers, and between extras."""
    depth = 0
    start = 0
    for place, character in enumerate(text):
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0 and not text[place + 1 :].lstrip().startswith(("<", ">", "=", "!", "~")):
            yield text[start:place]
            start = place + 1
    yield text[start:]


def read_receipts(tools: Sequence[Path], faults: list[str], key: str) -> Iterator[Line]:
    """Return the requirements of a tool that stand under a key: `requirements`, `constraints`, `overrides`.

    uv upgrades one tool after the other, and for which one a hook is called is not seen: of several, those that have
    torch are likely; where these are several, too, that is a fault.
    """
    likely = [tool for tool in tools if len(tools) == 1 or holds_torch(tool)]
    if len(likely) > 1:
        names = ", ".join(tool.name for tool in likely)
        faults.append(f"which tool is being upgraded is not seen ({names[:120]}): upgrade them one by one")
        return
    for tool in likely:
        file = tool / "uv-receipt.toml"
        try:
            receipt = table(read_toml(file).get("tool")) if is_file(file) else {}
        except UnreadableError as error:
            faults.append(f"{file} {error}")
            return
        for item in tables(receipt.get(key)):
            name, extras = text_of(item.get("name")) or "", ",".join(strings(item.get("extras")))
            if canonicalize_name(name) == "torch" and item.get("index"):
                faults.append(f"{file} has torch from an index that no build may see")
            folder = text_of(item.get("directory")) or text_of(item.get("editable")) or text_of(item.get("path"))
            place = text_of(item.get("url")) or text_of(item.get("git")) or (folder and Path(folder).as_uri())
            marker = text_of(item.get("marker"))
            text = f"{name}{f'[{extras}]' if extras else ''}" + (
                f" @ {place}" if place else text_of(item.get("specifier")) or ""
            )
            yield Line(text=f"{text} ; {marker}" if marker else text, folder=tool, source=str(file))


def read_injected(venv: Path) -> Iterator[Line]:
    """Return what `pipx reinstall` will inject into an environment again, once the tool itself is built.

    Until then its metadata lie beside the other environments (pipx, `commands/reinstall.py` and `paths.py`).
    """
    for trash in (venv.parent.parent / "trash", venv.parent.parent / ".trash"):
        for file in sorted(trash.glob(f"{glob.escape(venv.name)}-*-pipx-reinstall/pipx_metadata.json")):
            for package in table(json_table(read_text(file, _LARGEST_BYTES)).get("injected_packages")).values():
                yield Line(text_of(table(package).get("package_or_url")) or "", venv, "what pipx injects")


def read_hatch(command: CommandLine, projects: LocalProjects, variable: str | None) -> Iterator[Line]:
    """Return what hatch will install into a command's environment after the project; `variable` is HATCH_ENV."""
    folder = projects.folder
    root = next((above for above in (folder, *folder.parents) if is_file(above / "pyproject.toml")), None)
    if root is None:
        return
    named = next(iter(command.positional), "")
    if command.words not in {("shell",), ("env", "create")}:
        named = named.partition(":")[0] if ":" in named else ""
    usual = "hatch-test" if command.words == ("test",) else variable or "default"
    name = named or command.value("-e", "--env") or usual
    project = find_toml(root / "pyproject.toml")
    settings = {**tool_table(project, FrontEndName.HATCH), **find_toml(root / "hatch.toml")}
    listed, groups = list_hatch(settings, name)
    source = f"hatch's environment {name[:60]}"
    for text in listed:
        yield from projects.with_projects(Line(text, root, source))
    for group in groups:
        yield from projects.read_group(f"{root}/pyproject.toml:{group}")
