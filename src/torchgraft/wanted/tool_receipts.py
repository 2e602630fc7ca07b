"""What tools were installed with, which the front end goes by: uv's receipts, pipx's metadata, hatch's table.

May not resolve anything, nor raise: what cannot be read becomes a sentence.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from ..consumer.command_line import CommandLine
from ..consumer.environment import holds_torch
from ..files import UnreadableError, is_file, read_text
from ..model.observation import FrontEndName
from ..untrusted import find_toml, json_table, read_toml, strings, table, tables, text_of
from .local_projects import LocalProjects
from .tool_tables import list_hatch, tool_table
from .torch_lines import Line

_LARGEST_BYTES = 10_000_000


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
    """Return what hatch will install into the environment of a command, once the project itself is there.

    :param variable: HATCH_ENV
    """
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
