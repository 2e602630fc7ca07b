"""The page of front ends is of the matrix as it is now: a row that came, went or changed needs a new run."""

from __future__ import annotations

from e2e.front_ends.rows import ROWS
from e2e.front_ends_page import PAGE, page_rows

PAGE_ROWS = page_rows(PAGE.read_text(encoding="utf-8"))


def test_the_page_has_the_rows_of_the_matrix_and_no_others() -> None:
    on_page = [(row["front end"], row["version"], row["command"], row["torch"]) for row in PAGE_ROWS]
    assert on_page == [(row.tool.name, row.tool.version, f"`{row.command}`", row.situation.name) for row in ROWS]


def test_the_page_says_what_the_matrix_expects() -> None:
    for row, on_page in zip(ROWS, PAGE_ROWS, strict=True):
        said = tuple(on_page[name] for name in ("rule", "rung", "way", "result"))
        if row.expected is None:
            assert said == ("-", "-", "-", "no torch fetched"), str(row)
        else:
            expected = row.expected
            assert said == (expected.rule, expected.rung, expected.way, expected.torch), str(row)


def test_every_row_has_a_name_of_its_own() -> None:
    names = [str(row) for row in ROWS]
    assert sorted(set(names)) == sorted(names)
