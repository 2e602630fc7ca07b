"""Pages with commands: which blocks they have, and what their marks say of how each is run.

A mark is a comment above a block, which no reader sees. May not run anything.

    <!-- world: NAME -->            a new, empty machine; tests/e2e/how_to_worlds.py says what it has
    <!-- file: PATH -->             the block is written to that file
    <!-- add to: PATH -->           the block is added at the end of that file
    <!-- change: PATH -->           each line of the block takes the place of the one with the same key in that file
    <!-- varies: TEXT | TEXT -->    these parts of what is said are others on another machine, or at another time
    <!-- fails -->                  the last command of the block has to fail
    <!-- not run: REASON -->        one of REASONS, and what it needs
    <!-- run by: PATH, PATH -->     a test elsewhere runs what the block, or the rest of the page, shows: it reads the
                                    page, or has every word of its commands and key of its settings

A block of commands, a Dockerfile and a workflow without a mark are run. In a block of commands, `$ ` begins a command;
other lines are what it says, in their order, each somewhere in its output; `...` stands for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

REASONS = ("needs a GPU", "needs a CUDA toolkit", "needs conda's channels")
SHOWN = frozenset({"text", "mermaid"})  # no reader would type it
COMMANDS = frozenset({"console", "dockerfile", "yaml"})
FILES = frozenset({"file", "add to", "change"})

_ITEM = re.compile(
    r"<!-- (?P<mark>world|file|add to|change|varies|fails|not run|run by)(?:: (?P<value>[^\n]+?))? -->"
    r"|^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
# What a test may write in other quotes, or as parts of a list.
_WORDS = re.compile(r"[\w.-]*\w[\w.-]*")
_KEYS = re.compile(r"^([\w.-]+) = ", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block with the marks above it. `run by` above the first block of a page counts for all of them."""

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        return list(_commands(self.text))

    def problem(self) -> str:
        """Return why nobody knows how this block is run; "" if somebody does."""
        if self.language in SHOWN or self.language.startswith("{") or "run by" in self.marks:
            return ""
        if "not run" in self.marks:
            reason = self.marks["not run"]
            return "" if reason.startswith(REASONS) else f"{reason!r} is none of {REASONS}"
        if self.language == "console":
            return "" if self.text.startswith("$ ") else "commands begin with '$ '"
        if self.language in COMMANDS or not FILES.isdisjoint(self.marks):
            return ""
        return f"no mark says what becomes of this {self.language or 'nameless'} block"

    @property
    def is_run(self) -> bool:
        skipped = "not run" in self.marks or "run by" in self.marks
        return not skipped and (self.language in COMMANDS or not FILES.isdisjoint(self.marks))

    def untested(self, source: str) -> list[str]:
        """Return what of the block the test that runs it does not know: words of commands, keys of TOML.

        A test that names the page reads it, and fails by itself if the page changes.
        """
        if Path(self.page).name in source or self.language in SHOWN:
            return []
        if self.language != "console":
            return [
                key for key in _KEYS.findall(self.text) if key not in source and key.replace("-", "_") not in source
            ]
        words = (word for command in self.commands for word in _WORDS.findall(command.text.partition(" #")[0]))
        return [word for word in words if word not in source]


@dataclass(frozen=True)
class Command:
    """A line that is typed, and what it says."""

    text: str
    says: tuple[str, ...]

    def missing(self, output: str, varies: str = "") -> str:
        """Return the first line of `says` that the output does not have after the one before; "" if it has all.

        :param varies: what may be something else there, as the mark of that name has it
        """
        place = 0
        other = re.compile("|".join(map(re.escape, ["...", *filter(None, varies.split(" | "))])))
        for line in self.says:
            # A terminal that is narrower, or a longer path, breaks lines elsewhere.
            parts = (r"\s+".join(map(re.escape, part.split())) for part in other.split(line))
            pattern = r"\s*.*\s*".join(parts)
            found = re.compile(pattern).search(output, place)
            if found is None:
                return line
            place = found.end()
        return ""


@dataclass(frozen=True)
class Story:
    """The blocks of a page that are run on one machine, in their order."""

    page: str
    world: str
    blocks: tuple[Block, ...]

    def __str__(self) -> str:
        return f"{Path(self.page).stem}-{self.world}"


def read_blocks(page: str, text: str) -> list[Block]:
    """Return all fenced blocks of a page, each with the marks that stand between it and the block before."""
    blocks: list[Block] = []
    marks: dict[str, str] = {}
    by_page = ""
    for found in _ITEM.finditer(text):
        if found["mark"]:
            marks[found["mark"]] = found["value"] or ""
            continue
        if not blocks and "world" not in marks:
            by_page = marks.get("run by", "")
        if by_page and marks.keys().isdisjoint({"world", "not run"}):
            marks.setdefault("run by", by_page)
        line = text.count("\n", 0, found.start()) + 1
        body = "".join(part.removeprefix(found["indent"]) for part in found["text"].splitlines(keepends=True))
        blocks.append(Block(page, line, found["language"], body, marks))
        marks = {}
    return blocks


def stories(blocks: list[Block]) -> list[Story]:
    """Return what is run of a page, by machine; on one without a name what stands above the first."""
    made: list[Story] = []
    for block in blocks:
        if "world" in block.marks:
            made.append(Story(block.page, block.marks["world"], ()))
        if not block.is_run:
            continue
        last = made.pop() if made else Story(block.page, "", ())
        made.append(Story(last.page, last.world, (*last.blocks, block)))
    return [story for story in made if story.blocks]


def _commands(text: str) -> Iterator[Command]:
    command, says = "", []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield Command(command, tuple(says))
            command, says = line.removeprefix("$ "), []
        elif command.endswith("\\"):
            command = f"{command}\n{line}"
        elif line.strip():
            says.append(line)
    if command:
        yield Command(command, tuple(says))
