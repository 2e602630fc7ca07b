"""Every block of the pages that tell how to do something is run, or says what it needs that no test has."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.how_to import Block, Command, read_blocks, stories

ROOT = Path(__file__).parents[3]
PAGES = sorted([*(ROOT / "docs/how-to").glob("*.md"), ROOT / "docs/tutorial.md"])

PAGE = """
<!-- world: venv -->
<!-- file: a.toml -->
```toml
x = 1
```

```console
$ one \\
    --more
says ... this
and that
$ two
```

1. in a list
   <!-- not run: needs a GPU -->
   ```console
   $ three
   ```

```text
output
```

<!-- world: other -->
```console
$ four
```
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    blocks = read_blocks(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))
    assert [f"{block.place}: {problem}" for block in blocks if (problem := block.problem())] == []
    for block in blocks:
        if "run by" in block.marks:
            tests = block.marks["run by"].split(", ")
            source = "".join((ROOT / test).read_text(encoding="utf-8") for test in tests)
            assert block.untested(source) == [], block.place
    assert [f"{story.blocks[0].place}: no world to run it in" for story in stories(blocks) if not story.world] == []


def test_marks_belong_to_the_next_block() -> None:
    toml, commands, gpu, text, other = read_blocks("p.md", PAGE)
    assert toml.marks == {"world": "venv", "file": "a.toml"}
    assert toml.text == "x = 1\n"
    assert toml.line == 4
    assert commands.commands == [Command("one \\\n    --more", ("says ... this", "and that")), Command("two", ())]
    assert gpu.text == "$ three\n"
    assert not gpu.is_run
    assert not text.is_run
    assert other.marks == {"world": "other"}
    assert [(s.world, [b.line for b in s.blocks]) for s in stories([toml, commands, gpu, text, other])] == [
        ("venv", [4, 8]),
        ("other", [27]),
    ]


def test_a_page_whose_first_mark_names_a_test_is_run_there() -> None:
    page = "<!-- run by: tests/x.py -->\n```console\n$ a\n```\n```toml\nb = 1\n```\n"
    blocks = read_blocks("p.md", f"{page}<!-- not run: needs a GPU -->\n```console\n$ c\n```\n")
    assert [(block.problem(), block.is_run) for block in blocks] == [("", False)] * 3
    assert ["run by" in block.marks for block in blocks] == [True, True, False]


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (Block("p", 1, "toml", ""), "no mark says"),
        (Block("p", 1, "", ""), "no mark says"),
        (Block("p", 1, "console", "pip install x\n"), "begin with"),
        (Block("p", 1, "console", "$ x\n", {"not run": "it is slow"}), "none of"),
        (Block("p", 1, "console", "$ x\n", {"not run": "needs a GPU"}), ""),
        (Block("p", 1, "console", "$ x\n"), ""),
        (Block("p", 1, "{toctree}", ""), ""),
    ],
)
def test_a_block_that_nobody_runs_is_found(block: Block, problem: str) -> None:
    assert problem in block.problem()
    assert bool(problem) == bool(block.problem())


@pytest.mark.parametrize(
    ("block", "source", "untested"),
    [
        (Block("a.md", 1, "console", "$ pip cache remove ext\n"), 'pip("cache", "remove", "ext")', []),
        (Block("a.md", 1, "console", "$ uv sync --no-cache\nsaid\n"), 'run("uv", "sync")', ["--no-cache"]),
        (Block("a.md", 1, "toml", 'env = { A = "1" }   # why\n'), 'env = {"A": "1"}', []),
        (Block("a.md", 1, "toml", "jobs = 2\n"), "env", ["jobs"]),
        (Block("docs/a.md", 1, "toml", "jobs = 2\n"), 'read("docs/a.md")', []),
        (Block("a.md", 1, "text", "anything\n"), "", []),
    ],
)
def test_a_test_that_does_not_run_what_a_page_shows(block: Block, source: str, untested: list[str]) -> None:
    assert block.untested(source) == untested


def test_something_to_run_without_a_machine() -> None:
    (story,) = stories([Block("p", 1, "console", "$ x\n")])
    assert story.world == ""


def test_what_a_command_says_comes_in_order_and_may_be_shortened() -> None:
    command = Command("x", ("error[...]: no", "  fix:  pip"))
    assert command.missing("a\nerror[no-torch]: no torch\nfix:  pip install\n") == ""
    assert command.missing("fix:  pip\nerror[a]: no\n") == "  fix:  pip"


def test_what_varies_is_shown_as_it_was_on_one_machine() -> None:
    command = Command("x", ("built for 2.13.0+cpu in 12 s", "done"))
    assert command.missing("built for 2.14.1 in 3 s\ndone\n", "2.13.0+cpu | 12 s") == ""
    assert command.missing("built for 2.14.1 in 3 s\ndone\n", "2.13.0+cpu") == "built for 2.13.0+cpu in 12 s"
