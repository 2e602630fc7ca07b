"""Run both matrices of front ends and write what came of them: `python tests/e2e/front_ends_page.py`.

Takes about twenty minutes. Writes docs/reference/front-ends.md, unless a row turned out otherwise than the matrix says,
or somebody met another torch in silence. Arguments go to pytest: `-n 2` halves the time; with `-k` all else is taken
from the runs before.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from e2e.front_ends.model import Row
    from e2e.front_ends.places import Cell

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "reference" / "front-ends.md"
# A front end, and its versions if they are told apart: "uv pip", "pip 26.3, 23.2".
_VERSIONED = re.compile(r"([a-z ]*[a-z]) ?([0-9., ]*)")
KEPT = CHECKOUT / ".environments" / "front-ends.json"
# Set while the page is made anew: what it says so far counts for nothing.
ANEW = "FRONT_ENDS_ANEW"
GUARDED, SILENT, NONE = "guarded", "SILENT", "-"
CELL_COLUMNS = ("torch is said by", "front end", "command", "nothing", "the same", "another")
ROW_COLUMNS = ("front end", "command", "torch", "rule, rung, way", "result", "downloads")

HEAD = """# Front ends

<!-- Written by tests/e2e/front_ends_page.py from a run of test_front_ends.py and test_places.py there. -->

The results of real front ends on Linux, with a stub named torch on a local index. Each package was imported where it
was installed, and the torch that it was built for was compared with the one that is there.

## Where torch is named

Each row is a place where a command, or a file that it uses, names a torch. The columns are for an environment with no
torch, with the same torch, and with another one. The named torch is 2.8.0, the newest is 2.9.0, and the named index has
2.9.0+cu128. {counts}

- `app` is a project that depends on the package. If the command does not name a torch, its `pyproject.toml` does: in
  its dependencies, `[tool.uv] constraint-dependencies` or `override-dependencies`, or `[tool.uv.sources]`.
- `pins-torch` is a package on the index that requires torch 2.8.0.
- A version is the torch that the package was built for and runs with.
- [`error`](errors.md): the command stopped with this error before anything was compiled.
- *guarded*: the guess was wrong, and the import of the package says so ([guard](guard.md)).
- A front end that is not listed has no such place.

"""
ROWS_HEAD = """
## Where torch is installed

The index has 2.8.0 and 2.9.0. *torch* is what is installed before the command runs; *rule*, *rung* and *way* are from
the record in the wheel ([how it works](../how-it-works.md)): how the consumer was found, which source named the
torch, and how torch got into the build. The result is the torch that the package was built for and runs with; `-` if
only metadata or an sdist is wanted. *downloads* lists how often the command downloaded which torch, for builds and
the environment together.

The record is written when the wheel is built. By then, the front end has installed the build requirements, so the way
`install` shows as `present`.

"""


def main(arguments: list[str]) -> int:
    """Return 0 if every row is as the matrix says, and no guess is silent."""
    KEPT.parent.mkdir(exist_ok=True)
    results = json.loads(KEPT.read_text(encoding="utf-8")) if "-k" in arguments and KEPT.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        modules = [str(Path(__file__).with_name(name)) for name in ("test_front_ends.py", "test_places.py")]
        command = [sys.executable, "-m", "pytest", *modules, "-m", "slow or not slow", f"--junitxml={report}"]
        variables = {**os.environ, ANEW: "1"}
        status = subprocess.run([*command, *arguments], cwd=CHECKOUT, env=variables, check=False).returncode
        if report.exists():
            results.update(read_results(report))
    KEPT.write_text(json.dumps(results, indent=1, sort_keys=True), encoding="utf-8")
    if status == 0:
        PAGE.write_text(page_text(results), encoding="utf-8")
    return status


def read_results(report: Path) -> dict[str, dict[str, str]]:
    """Return what pytest recorded of each row and cell, by its text."""
    results = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
        said = {str(item.get("name")): str(item.get("value")) for item in case.iter("property")}
        # A row that failed has no result, and so the page none.
        if "row" in said and case.find("failure") is None and case.find("error") is None:
            results[said["row"]] = said
    return results


def page_text(results: Mapping[str, Mapping[str, str]]) -> str:
    """Return the page; rows are in the order of the matrices."""
    from e2e.front_ends.places import CELLS
    from e2e.front_ends.rows import ROWS

    found = {cell: results[str(cell)]["result"] for cell in CELLS}
    head = HEAD.replace("{counts}", _counts_text(list(found.values())))
    cells = _table(CELL_COLUMNS, _cell_lines(found))
    return head + cells + ROWS_HEAD + _table(ROW_COLUMNS, [_row_line(row, results[str(row)]) for row in ROWS])


def _counts_text(results: Sequence[str]) -> str:
    errors = sum(result.startswith("error") for result in results)
    guarded = results.count(GUARDED)
    silent = sum(result.startswith(SILENT) for result in results)
    right = len(results) - errors - guarded - silent
    return (
        f"Of {len(results)},\n{right} met the torch that they were built for, {errors} ended with an error, {guarded} "
        f"guessed wrong and were guarded, and {silent} met\nanother torch in silence."
    )


def _cell_lines(found: Mapping[Cell, str]) -> Iterator[tuple[str, ...]]:
    from e2e.front_ends.places import FRONT_ENDS, SAYINGS, Cell

    for place, sayings in itertools.groupby(SAYINGS, key=lambda saying: saying.place):
        there = list(sayings)
        for name in FRONT_ENDS:
            for saying in (saying for saying in there if saying.front_end == name):
                results = (found[Cell(saying, state)] for state in CELL_COLUMNS[3:])
                yield (place, saying.shown, f"`{saying.command}`", *results)


def _row_line(row: Row, said: Mapping[str, str]) -> tuple[str, ...]:
    found = ", ".join(said.get(name, NONE) for name in ("rule", "rung", "way")) if "rule" in said else NONE
    tool = f"{row.tool.name} {row.tool.version}"
    return tool, f"`{row.command}`", row.situation.name, found, said.get("meets", NONE), said["downloads"] or NONE


def _table(columns: Sequence[str], lines: Iterable[tuple[str, ...]]) -> str:
    """Return a table. Lines that differ only in the version of the front end are one."""
    place = columns.index("front end")
    versions: dict[tuple[str, ...], list[str]] = {}
    for line in lines:
        name, version = _versioned(line[place])
        versions.setdefault((*line[:place], name, *line[place + 1 :]), []).append(version)
    texts = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for line, found in versions.items():
        name = f"{line[place]} {', '.join(found)}".strip()
        texts.append(f"| {' | '.join((*line[:place], name, *line[place + 1 :]))} |")
    return "\n".join([*texts, ""])


def _versioned(text: str) -> tuple[str, str]:
    match = _VERSIONED.fullmatch(text)
    assert match, text
    return match[1], match[2]


def page_rows(text: str, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the lines of the table of a page that has these columns, one for each version of a front end."""
    table = text.partition(f"| {' | '.join(columns)} |\n")[2].partition("\n\n")[0]
    for line in table.splitlines()[1:]:
        row = dict(zip(columns, line.removeprefix("| ").removesuffix(" |").split(" | "), strict=True))
        name, versions = _versioned(row["front end"])
        yield from ({**row, "front end": f"{name} {version}".strip()} for version in versions.split(", "))


def page_cells(text: str) -> dict[str, str]:
    """Return what the table of places says of each cell, by its text."""
    return {
        f"{row[CELL_COLUMNS[0]]}: {row['front end']}: {row['command'].strip('`')}: {state}": row[state]
        for row in page_rows(text, CELL_COLUMNS)
        for state in CELL_COLUMNS[3:]
    }


if __name__ == "__main__":
    sys.path.insert(0, str(CHECKOUT / "tests"))
    from support.environment import enter_environment

    enter_environment()
    sys.exit(main(sys.argv[1:]))
