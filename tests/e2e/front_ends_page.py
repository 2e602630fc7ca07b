"""Run the whole matrix of front ends and write what came of it: `python tests/e2e/front_ends_page.py`.

Takes about ten minutes. Writes docs/reference/front-ends.md, unless a row
turned out otherwise than the matrix says. Arguments go to pytest: `-n 2` halves the time; with `-k` the other rows are
taken from the runs before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "reference" / "front-ends.md"
KEPT = CHECKOUT / ".environments" / "front-ends.json"
COLUMNS = ("front end", "version", "command", "torch", "rule", "rung", "way", "result")

HEAD = """# Front ends

<!-- Written by tests/e2e/front_ends_page.py from a run of tests/e2e/test_front_ends.py. -->

What comes of every front end, by real ones on Linux, with a stub named torch in versions 2.8.0 and 2.9.0 on an index of
its own. *torch* says what there is before the command is typed; *rule*, *rung* and *way* are from the record in the
wheel ([how it works](../how-it-works.md)). The result is the version of torch that the package was built for and that
it meets where it is used; it was imported there and compared. Where only metadata is wanted, no torch was downloaded.

The record is written where the wheel is built. By then, what `get_requires_for_build_wheel` had asked for is installed
in the build environment, so that the way `install` shows as `present`: with the rung that named the torch in pip and
pdm, and as `R0`, `installed` where the build environment is a virtual environment of its own (uv, build).

"""


def main(arguments: list[str]) -> int:
    """Return 0 if every row is as the matrix says."""
    KEPT.parent.mkdir(exist_ok=True)
    results = json.loads(KEPT.read_text(encoding="utf-8")) if "-k" in arguments and KEPT.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        module = str(Path(__file__).with_name("test_front_ends.py"))
        command = [sys.executable, "-m", "pytest", module, "-m", "slow or not slow", f"--junitxml={report}", *arguments]
        status = subprocess.run(command, cwd=CHECKOUT, check=False).returncode
        if report.exists():
            results.update(read_results(report))
    KEPT.write_text(json.dumps(results, indent=1, sort_keys=True), encoding="utf-8")
    if status == 0:
        PAGE.write_text(page_text(results), encoding="utf-8")
    return status


def read_results(report: Path) -> dict[str, dict[str, str]]:
    """Return what pytest recorded of each row, by the row's text."""
    results = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
        said = {str(item.get("name")): str(item.get("value")) for item in case.iter("property")}
        # A row that failed has no result, and so the page none.
        if "row" in said and case.find("failure") is None and case.find("error") is None:
            results[said["row"]] = said
    return results


def page_text(results: Mapping[str, Mapping[str, str]]) -> str:
    """Return the page; rows are in the order of the matrix."""
    from e2e.front_ends.rows import ROWS

    lines = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    for row in ROWS:
        said = results[str(row)]
        result = said.get("meets", "no torch fetched")
        cells = (row.tool.name, row.tool.version, f"`{row.command}`", row.situation.name)
        found = (said.get("rule", "-"), said.get("rung", "-"), said.get("way", "-"))
        lines.append(f"| {' | '.join((*cells, *found, result))} |")
    return HEAD + "\n".join([*lines, ""])


def page_rows(text: str) -> list[dict[str, str]]:
    """Return the table of a page, a mapping for each row."""
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    return [dict(zip(COLUMNS, (cell.strip() for cell in line.strip("|").split(" | ")), strict=True)) for line in lines]


if __name__ == "__main__":
    sys.path.insert(0, str(CHECKOUT / "tests"))
    from support.environment import enter_environment

    enter_environment()
    sys.exit(main(sys.argv[1:]))
