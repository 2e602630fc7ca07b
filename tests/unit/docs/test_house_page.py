"""What the page on the house says is there."""

from __future__ import annotations

import re
from pathlib import Path

from unit.test_house import ROOMS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "src" / "torchgraft"


def test_every_module_that_is_named_is_there() -> None:
    named = sorted(set(re.findall(r"`([\w/]+\.py)`", PAGE)) - {"version.py"})
    assert len(named) > 30
    assert [name for name in named if not (PACKAGE / name).is_file() and not (ROOT / name).is_file()] == []


def test_the_rooms_are_those_of_the_test() -> None:
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)`", PAGE, re.MULTILINE)
    assert ["__main__", *rows] == list(ROOMS)
