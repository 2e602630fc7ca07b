"""`torchgraft plan`: what a build would get, and why, without building; and in what two of them differ."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..codec import json_text, to_json
from ..compile.compilers import find_compilers
from ..compile.plan_compilers import no_compiler
from ..errors import PlanError, shown
from ..hook.plan import plan_build, plan_pass_through
from ..hook.plan_text import plan_text
from ..model.decision import Plan
from ..model.observation import Hook, Snapshot, Way
from ..model.torch_values import TorchRequirement
from ..settings.config import Config, Provide
from ..settings.sources import Settings, take_settings
from ..values import dataclass
from .from_json import SnapshotError, from_json_text
from .plan_result import result_text
from .shared_options import add_project_arguments, config_settings, refuse_no_project
from .show_snapshot import take_shell_snapshot
from .terminal import line_width, wrapped

_LARGEST_SNAPSHOT_BYTES = 100_000_000

DESCRIPTION = "Show what a build of PATH would do, and what needs attention, without building."
EPILOG = """examples:
  torchgraft plan                                       for the project in this folder
  torchgraft plan ~/src/ext --consumer ~/train/.venv    ... in another folder, for that environment
  torchgraft plan -C torchgraft.torch=2.8.0+cu128       what would change with this setting?
  torchgraft plan -v                                    how was the environment found?
  torchgraft plan --snapshot theirs.json                the plan of the machine that was recorded
  torchgraft plan --against theirs.json                 how does that machine differ from this one?
  torchgraft plan --consumer A/.venv --against B/.venv  how do two environments differ?

--against shows only differences: first in what was found, then in what is planned because of it. The exit status
is 0, whatever differs.
"""
_NARROWEST = 16
_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")
# By which an item of a list is the same one on both sides; the others of its fields are compared.
_KEYS = ("name", "rung", "rule", "code", "number", "home", "file", "text", "url", "label")
# The rules that were tried say how the same thing was found; the rest follows from what else is shown.
_LEFT_OUT = frozenset(
    {
        *("seen.format", "seen.rules", "seen.consumer.search_path"),
        *("planned.consumer", "planned.torch", "planned.rule", "planned.graft", "planned.front_end"),
    }
)
# What follows from a line that differs itself; JSON has it.
_FOLLOWS = re.compile(
    r".*(?:\.reason|\.of_machine|\.said|_reason)|planned\.rungs.*|planned\.problems\[.*\]\.(?:why|fixes|evidence).*"
    r"|seen\.consumer\.torch\.(?:known|extension_suffix)|seen\.consumer\.distributions\[torch\]"
)
_WORDS = {
    r"seen\.consumer\.torch\.version": "torch",
    r"seen\.consumer\.torch\.(\w+)": r"torch: \1",
    r"seen\.consumer\.prefix": "environment",
    r"seen\.consumer\.python_versions": "Python of the environment",
    r"seen\.consumer\.distributions\[(.+)\]": r"\1",
    r"seen\.consumer\.(\w+)": r"environment: \1",
    r"seen\.hardware\.cores": "processors",
    r"seen\.hardware\.memory_bytes": "memory in bytes",
    r"planned\.variables\[(.+)\]\.value": r"variable \1",
    r"planned\.requirements\[(.+)\]": r"requirement \1",
    r"planned\.problems\[(.+?)\]\.headline": r"problem \1",
    r"planned\.rung": "decided by",
    r"planned\.way": "torch comes by",
}
_NO_LISTS = frozenset({"links"})
# What only the hook that compiles knows of a plan.
_OF_COMPILING = (
    *("graft", "toolkit", "rebuild", "jobs", "compiler_cache", "precompiled", "variables", "runtime_torch", "when"),
    "overrides",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_project_arguments(parser)
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="also show how torch and the environment were found, and all links",
    )
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    parser.add_argument("--snapshot", type=Path, metavar="FILE", help="use a recorded snapshot instead of this machine")
    parser.add_argument(
        "--against", metavar="FILE|PATH", help="compare with a recorded snapshot, or with another environment"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the plan; return 1 where it holds problems."""
    settings = take_settings(arguments.path, config_settings(arguments))
    if arguments.snapshot:
        snapshot = _recorded(arguments.snapshot)
        plan = plan_build(settings.config, snapshot)
    else:
        refuse_no_project("plan", settings.source, _PROJECT_FILES)
        snapshot = take_shell_snapshot(settings)
        plan = _plan(settings, snapshot)
        print(_other_backend(settings), end="", file=sys.stderr)
    if arguments.against is not None:
        name = str(arguments.snapshot or arguments.consumer or "here")
        print(_comparison(arguments, settings.config, snapshot, name), end="")
        return 0
    if arguments.json:
        print(json_text(plan), end="")
    else:
        width = line_width()
        text = result_text(plan, folder=str(Path.cwd()), width=width)
        if arguments.verbose:
            whole = f"{plan_text(replace(plan, problems=()))}\n\n{rules_text(snapshot)}"
            lines = [line for text in whole.split("\n") for line in wrapped(text, width, " " * 13)]
            text = "\n".join([text.rpartition("\n\n")[0], "", *lines])
        print(text)
    return PlanError.exit_code if plan.problems else 0


def _plan(settings: Settings, snapshot: Snapshot) -> Plan:
    """Return the plan of a wheel."""
    if settings.config.provide is Provide.OFF:
        return plan_pass_through(settings.config, snapshot.hook)
    asked = plan_build(settings.config, snapshot)
    if asked.problems or asked.way not in {Way.GRAFT, Way.PRESENT}:
        return asked
    plan = plan_wheel(asked, plan_build(settings.config, take_shell_snapshot(settings, hook=Hook.BUILD_WHEEL)))
    script = snapshot.project.setup_script
    compiles = snapshot.project.cuda_sources or (script is not None and script.torch_sources)
    if not compiles or find_compilers(settings.variables, settings.variables.get("PATH", "")):
        return plan
    return replace(plan, problems=(*plan.problems, no_compiler()))


def plan_wheel(asked: Plan, built: Plan) -> Plan:
    """Return what a wheel gets by both hooks: the requirements of the first, and what the second one compiles with.

    Where the second cannot be foreseen, since it needs what the first has had installed, it is the plan of the first.
    """
    if built.problems:
        return asked
    notes = tuple(dict.fromkeys((*asked.notes, *built.notes)))
    return replace(asked, **{name: getattr(built, name) for name in _OF_COMPILING}, notes=notes)


def rules_text(snapshot: Snapshot) -> str:
    """Return what each rule for finding the consumer said, in the order in which they were asked."""
    lines = [f"  {shown(answer.said)}" for answer in snapshot.rules]
    return "\n".join(["how the consumer was looked for", *(lines or ["  no rule was asked"])])


def _other_backend(settings: Settings) -> str:
    """Return a line that says so where a project does not name torchgraft, and its build will not do what is shown."""
    system = settings.pyproject.get("build-system", {})
    name = system.get("build-backend", "setuptools.build_meta:__legacy__")
    if system.get("backend-path") or str(name).partition(".")[0] == "torchgraft":
        return ""
    from .adopt.adoptable import read_adoptable
    from .adopt.plan_need import torch_evidence, why_not_needed

    found = read_adoptable(settings.source)
    needless = "" if torch_evidence(found, system) else f", and seems to need no torch ({why_not_needed(found)})"
    said = f"{name} builds this project{needless}; what follows is for after `torchgraft adopt --write`"
    return shown(f"torchgraft: {said}") + "\n"


def _comparison(arguments: argparse.Namespace, config: Config, snapshot: Snapshot, name: str) -> str:
    """Return in what two machines or environments differ, as far as the same hook goes on both."""
    against = Path(arguments.against)
    is_program = os.access(against, os.X_OK) or against.suffix == ".exe"
    is_environment = against.is_dir() or (against.is_file() and against.suffix != ".json" and is_program)
    if is_environment:
        told = {**config_settings(arguments), "torchgraft.consumer": [arguments.against]}
        theirs = take_shell_snapshot(take_settings(arguments.path, told))
    else:
        theirs = _recorded(against)
    one, other = ((seen, plan_build(config, seen)) for seen in (snapshot, theirs))
    differences = compare(one, other)
    if arguments.json:
        return json_text({"one": name, "other": arguments.against, "differences": differences})
    # Which environments are compared stands above the columns.
    above = "seen.consumer.prefix" if is_environment else ""
    left = [d for d in differences if d.path != above and not _FOLLOWS.fullmatch(d.path)]
    rows = [(words_text(d.path), d.one or "-", d.other or "-") for d in left]
    if not rows:
        return f"no difference between {name} and {arguments.against}\n"
    return columns_text([("", name, arguments.against), *rows], width=line_width()) + "\n"


def words_text(path: str) -> str:
    """Return in words what differs: `planned.variables[MAX_JOBS].value` is "variable MAX_JOBS"."""
    for pattern, words in _WORDS.items():
        match = re.fullmatch(pattern, path)
        if match:
            return match.expand(words)
    return re.sub(r"[._\[\]]+", " ", path.removeprefix("seen.")).strip()


def columns_text(rows: list[tuple[str, str, str]], *, width: int) -> str:
    """Return rows in three columns; a text that is too long for its own goes on in the next line of it."""
    first = min(max(len(row[0]) for row in rows), width // 3)
    second = min(max(len(row[1]) for row in rows), max(_NARROWEST, (width - first - 4) // 2))
    third = max(_NARROWEST, width - first - second - 4)
    lines = []
    for row in rows:
        if max(len(word) for word in f"{row[2]} x".split()) > third:  # a path, say: no word is broken
            lines += [row[0], f"    {rows[0][1]}: {shown(row[1])}", f"    {rows[0][2]}: {shown(row[2])}"]
            continue
        cells = [wrapped(text, size) for text, size in zip(row, (first, second, third), strict=True)]
        for index in range(max(map(len, cells))):
            parts = [cell[index] if index < len(cell) else "" for cell in cells]
            lines.append(f"{parts[0]:<{first}}  {parts[1]:<{second}}  {parts[2]}".rstrip())
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing in which they differ: `path` is as in the JSON of snapshot (seen) and plan (planned); "" is nothing."""

    path: str
    one: str
    other: str


def compare(one: tuple[Snapshot, Plan], other: tuple[Snapshot, Plan]) -> tuple[Difference, ...]:
    """Return what differs, what was seen first, then what follows from it.

    Folders of the consumer, the cache and the sources are written as such: that they are elsewhere is no difference.
    """
    left, right = _flat(*one), _flat(*other)
    paths = dict.fromkeys((*left, *right))
    seen_first = sorted(paths, key=lambda path: not path.startswith("seen."))
    return tuple(
        Difference(path=path, one=left.get(path, ""), other=right.get(path, ""))
        for path in seen_first
        if left.get(path, "") != right.get(path, "")
    )


def _flat(snapshot: Snapshot, plan: Plan) -> dict[str, str]:
    consumer = snapshot.consumer
    places = [(consumer.prefix if consumer else "", "<consumer>"), (snapshot.cache_folder, "<cache>")]
    # The longer ones first: an environment is often inside the sources.
    places = sorted([*places, (snapshot.project.folder, "<source>")], key=lambda place: -len(place[0]))
    found = {**dict(_walk(to_json(snapshot), "seen")), **dict(_walk(to_json(plan), "planned"))}
    paths = {"seen.consumer.prefix", "seen.cache_folder", "seen.project.folder"}
    return {path: text if path in paths else _placed(text, places) for path, text in found.items()}


def _placed(text: str, places: list[tuple[str, str]]) -> str:
    for folder, name in places:
        if folder.strip("/"):
            text = text.replace(folder, name)
    return text


def _walk(data: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield every leaf of JSON with its path; lists of texts are one leaf, and items of others go by their names."""
    if path in _LEFT_OUT:
        return
    if isinstance(data, Mapping):
        for key, value in data.items():
            if key not in _NO_LISTS:
                yield from _walk(value, f"{path}.{key}")
    elif isinstance(data, list) and all(isinstance(item, str) for item in data):
        if data:
            yield path, " ".join(data)
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _walk_item(item, path, index)
    elif data not in (None, "", False):
        yield path, "yes" if data is True else str(data)


def _walk_item(item: Any, path: str, index: int) -> Iterator[tuple[str, str]]:
    if isinstance(item, list) and item and all(isinstance(part, str) for part in item):
        yield f"{path}[{item[0]}]", " ".join(item[1:]) or "yes"  # a distribution and its version
        return
    key = next((key for key in _KEYS if isinstance(item, Mapping) and item.get(key) not in (None, "")), "")
    if not key:
        yield from _walk(item, f"{path}[{index}]")
        return
    here = f"{path}[{item[key]}]"
    rest = {name: value for name, value in item.items() if name != key and name not in _NO_LISTS and value != []}
    found = [(here, rest["version"])] if list(rest) == ["version"] else list(_walk(rest, here))
    yield from found or [(here, "yes")]


def _recorded(path: Path) -> Snapshot:
    """Return a recorded snapshot; raise SnapshotError if it is none, or cannot be read."""
    try:
        # Not of a regular file alone: the output of a command is a pipe.
        with path.open("rb") as file:
            text = file.read(_LARGEST_SNAPSHOT_BYTES).decode("utf-8", errors="replace")
        snapshot = from_json_text(Snapshot, text, source=str(path))
        if snapshot.consumer is not None and snapshot.consumer.torch is not None:
            TorchRequirement.exactly(snapshot.consumer.torch.version)  # read from files it always is one
    except (OSError, ValueError) as error:
        raise SnapshotError.of(
            code="bad-snapshot",
            headline=f"{path}: {getattr(error, 'strerror', None) or error}",
            why="there is nothing to decide from",
            fixes=("torchgraft snapshot > snapshot.json",),
        ) from None
    return snapshot
