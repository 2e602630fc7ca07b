"""The page of benchmarks is what its numbers say."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("suite")


def test_the_page_and_its_plot_are_those_of_the_numbers(suite: Any) -> None:
    found = suite.known_rows(ROOT / "docs" / "benchmarks.jsonl")
    assert suite.PAGE.read_text(encoding="utf-8") == suite.page_text(found)
    assert suite.PAGE.with_suffix(".svg").read_text(encoding="utf-8") == suite.plot_text(found)
