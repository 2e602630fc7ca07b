"""The page of front ends is of the matrices as they are now: what came, went or changed there needs a new run."""

from __future__ import annotations

import re

from e2e.front_ends.places import CELLS
from e2e.front_ends.rows import ROWS
from e2e.front_ends_page import CELL_COLUMNS, GUARDED, NONE, PAGE, ROW_COLUMNS, page_cells, page_rows

TEXT = PAGE.read_text(encoding="utf-8")
# Where only versions of a front end differ, they are one line: the order is not that of the matrix.
PAGE_ROWS = {(row["front end"], row["command"], row["torch"]): row for row in page_rows(TEXT, ROW_COLUMNS)}


def test_the_page_has_the_rows_of_the_matrix_and_no_others() -> None:
    expected = [(f"{row.tool.name} {row.tool.version}", f"`{row.command}`", row.situation.name) for row in ROWS]
    assert sorted(PAGE_ROWS) == sorted(expected)


def test_the_page_says_what_the_matrix_expects() -> None:
    for row in ROWS:
        on_page = PAGE_ROWS[f"{row.tool.name} {row.tool.version}", f"`{row.command}`", row.situation.name]
        said = (on_page["rule, rung, way"], on_page["result"])
        if row.expected is None:
            assert (*said, on_page["downloads"]) == (NONE, NONE, NONE), str(row)
        else:
            expected = row.expected
            found = {part.rpartition(" ")[2] for part in on_page["downloads"].split(", ")} - {NONE, expected.torch}
            assert found == set(row.others), str(row)
            assert said == (f"{expected.rule or NONE}, {expected.rung}, {expected.way}", expected.torch), str(row)


def test_every_row_has_a_name_of_its_own() -> None:
    names = [str(row) for row in (*ROWS, *CELLS)]
    assert sorted(set(names)) == sorted(names)


def test_the_page_has_the_cells_of_the_matrix_and_no_others() -> None:
    assert sorted(page_cells(TEXT)) == sorted(map(str, CELLS))


def test_no_cell_is_a_silent_mismatch() -> None:
    others = [
        cell
        for cell, said in page_cells(TEXT).items()
        if not re.fullmatch(rf"2\.[89]\.0(\+cu128)?|error [a-z-]+|{GUARDED}", said)
    ]
    assert others == []
    assert CELL_COLUMNS[3:] == ("nothing", "the same", "another")
    assert ", and 0 met\nanother torch in silence." in TEXT
