"""What the script of the corpus compares where a build fails."""

from __future__ import annotations

import dataclasses
import json

import pytest
from corpus.run import CASES, Case, last_exception

TRACEBACK = """\
      Traceback (most recent call last):
        File "<string>", line 2, in <module>
          f()
          ^^^
      {error}
      [end of output]
"""


@pytest.mark.parametrize(
    "error", ["packaging.version.InvalidVersion: Invalid version: 'None'", "KeyboardInterrupt", "OSError: no CUDA_HOME"]
)
def test_every_exception_is_recognised(error: str) -> None:
    both = "".join(TRACEBACK.format(error=one) for one in ("ValueError: first", error))
    assert last_exception(f"Collecting x\n{both}note: pip\nerror: failed\n") == error


def test_an_exception_without_its_traceback() -> None:
    assert (
        last_exception("    RuntimeError: Error compiling objects\nnote: what\n")
        == "RuntimeError: Error compiling objects"
    )
    assert last_exception("note: what\nerror: subprocess-exited\n") == ""


def test_what_works_today_counts_where_its_ceiling_fails() -> None:
    case = Case(kind="R", package="x", version="1", sha256="")
    works, fails = {"version": "1"}, {"fails": "x"}
    for ceiling, stock, wanted in [
        (works, fails, works),
        (fails, works, works),
        (fails, fails, fails),
        (fails, {}, fails),
    ]:
        assert dataclasses.replace(case, ceiling=ceiling, stock=stock).wanted == wanted


def test_what_the_corpus_holds() -> None:
    cases = [Case(**row) for row in json.loads(CASES.read_text(encoding="utf-8"))]
    assert len({(case.package, case.version) for case in cases}) >= 30
    assert all(case.ceiling for case in cases)
    assert len({case.title for case in cases}) == len(cases)
