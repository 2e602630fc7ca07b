"""The commands of the pages that tell how to do something, typed as they stand there.

Which block is run, and where, is said by marks in the pages (tests/support/how_to.py).
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

import pytest

from support.how_to import FILES, Block, Story, read_blocks, stories

from .how_to_images import run_dockerfile, run_workflow
from .how_to_worlds import World, Worlds
from .laboratory import CHECKOUT
from .stub_torch import Stubs

# Installs and compiles against a real torch.
SLOW = frozenset({"tutorial"})


def _all_stories() -> list[object]:
    found = []
    for page in sorted([*(CHECKOUT / "docs/how-to").glob("*.md"), CHECKOUT / "docs/tutorial.md"]):
        blocks = read_blocks(str(page.relative_to(CHECKOUT)), page.read_text(encoding="utf-8"))
        marks = [pytest.mark.slow] if page.stem in SLOW else []
        found += [pytest.param(story, id=str(story), marks=marks) for story in stories(blocks)]
    return found


pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def worlds(stubs: Stubs, request: pytest.FixtureRequest) -> Worlds:
    return Worlds(stubs, lambda: request.getfixturevalue("laboratory"))


@pytest.mark.parametrize("story", _all_stories())
def test_what_a_page_says_works(story: Story, worlds: Worlds) -> None:
    world = worlds.make(story.world)
    base = Path(sysconfig.get_path("purelib", vars={"base": sys.base_prefix}))
    before = set(base.iterdir())
    for number, block in enumerate(story.blocks):
        if block.language == "console":
            type_in(block, world, number)
        elif block.language == "dockerfile":
            run_dockerfile(block.text, world.folder, lambda: worlds.make(story.world))
        elif block.language == "yaml":
            # The index of stubs has every version that a page names, the real one has one.
            has = worlds.has_torch if "real torch" in story.world else bool
            run_workflow(block.text, world.folder, lambda: worlds.make(story.world), has)
        else:
            write(block, world)
    assert set(base.iterdir()) == before, "a command installed into the interpreter that runs the tests"


def type_in(block: Block, world: World, number: int) -> None:
    for at, command in enumerate(block.commands):
        status, said = world.run(command.text, 100 * number + at)
        fails = "fails" in block.marks and at + 1 == len(block.commands)
        told = f"{block.place}: $ {command.text}\n{said}"
        assert (status != 0) == fails, f"exit status {status}: {told}"
        missing = command.missing(said, block.marks.get("varies", ""))
        assert missing == "", f"is not said: {missing!r}: {told}"


def write(block: Block, world: World) -> None:
    name = next(block.marks[mark] for mark in FILES if mark in block.marks)
    path = world.working_folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if "file" in block.marks:
        text = block.text + world.additions.get(name, "")
    elif "change" in block.marks:
        text = changed(path.read_text(encoding="utf-8"), block.text)
    else:
        text = path.read_text(encoding="utf-8") + block.text
    path.write_text(world.translated(text), encoding="utf-8")


def changed(text: str, lines: str) -> str:
    """Return a TOML text in which lines take the place of those with the same key."""
    for line in lines.splitlines():
        key = re.escape(line.partition(" = ")[0])
        text, count = re.subn(rf"^{key} = .*$", lambda _, line=line: line, text, flags=re.MULTILINE)
        assert count == 1, f"{line} stands for {count} lines"
    return text


def test_a_world_has_a_name_that_is_known(worlds: Worlds) -> None:
    with pytest.raises(ValueError, match="no world has 'tortch'"):
        worlds.make("tortch")


@pytest.mark.parametrize("command", ["uv pip install my-ext", "python -m pip install my-ext", "pip3 install my-ext"])
def test_a_command_cannot_reach_the_interpreter_that_runs_the_tests(command: str, worlds: Worlds) -> None:
    status, said = worlds.make("python").run(f"{command} --dry-run", 0)
    assert status != 0
    assert "virtual" in said or "not found" in said


def test_a_command_that_does_not_say_what_the_page_says(worlds: Worlds) -> None:
    world = worlds.make("python")
    wrong = Block("p", 1, "console", "$ echo one\ntwo\n")
    with pytest.raises(AssertionError, match="is not said: 'two'"):
        type_in(wrong, world, 0)
    with pytest.raises(AssertionError, match="exit status 1"):
        type_in(Block("p", 1, "console", "$ false\n"), world, 1)
    type_in(Block("p", 1, "console", "$ false\n", {"fails": ""}), world, 2)
    type_in(Block("p", 1, "console", "$ mkdir a && cd a && export B=c\n"), world, 3)
    type_in(Block("p", 1, "console", "$ basename $PWD; echo $B\na\nc\n"), world, 4)


def test_a_dockerfile_and_a_workflow_that_cannot_be_carried_out(worlds: Worlds) -> None:
    world = worlds.make("python")
    with pytest.raises(AssertionError, match="exit status 1: false"):
        run_dockerfile("FROM a\nRUN false\n", world.folder, lambda: world)
    with pytest.raises(ValueError, match="EXPOSE 80: nobody knows"):
        run_dockerfile("FROM a\nEXPOSE 80\n", world.folder, lambda: world)
    job = "jobs:\n  one:\n    steps:\n      - {}\n"
    with pytest.raises(AssertionError, match="exit status 1: false"):
        run_workflow(job.format("run: false"), world.folder, lambda: world, bool)
    with pytest.raises(AssertionError, match="nobody here can read"):
        run_workflow(job.format("name: x"), world.folder, lambda: world, bool)
