"""Every front end: the package meets the torch that it was built for, however it was installed.

The rows are in `front_ends/rows*.py`. The whole matrix, and the page that it becomes: `python
tests/e2e/front_ends_page.py`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from .front_ends.bench import FORBIDDEN, Bench, Grounds, read_report
from .front_ends.model import Row
from .front_ends.rows import ROWS
from .stub_torch import STUBS

pytestmark = pytest.mark.e2e


def marks(row: Row) -> Iterator[pytest.MarkDecorator]:
    if row.slow:
        yield pytest.mark.slow


@pytest.mark.parametrize("row", [pytest.param(row, id=str(row), marks=list(marks(row))) for row in ROWS])
def test_the_package_meets_the_torch_that_it_was_built_for(
    row: Row, grounds: Grounds, request: pytest.FixtureRequest
) -> None:
    # For front_ends_page.py; the fixture record_property refuses the report's present format.
    properties = request.node.user_properties
    properties.append(("row", str(row)))
    bench = grounds.bench(row.tool)
    row.situation.lay_out(bench, row.tool)
    for command in row.before:
        bench.run(command).succeeded()

    bench.indexes.forget()
    started = time.perf_counter()
    outcome = bench.run(row.command)
    seconds = time.perf_counter() - started

    print(f"{row.command}: {seconds:.1f} s\n{outcome.said}")  # noqa: T201 - what pytest shows of a failure
    assert FORBIDDEN not in outcome.said
    outcome.succeeded()
    properties.append(("seconds", round(seconds, 1)))
    assert row.within_s is None or seconds < row.within_s
    fetched = Counter(_version_of(file) for file in bench.indexes.fetches("torch"))
    properties.append(("downloads", ", ".join(f"{count} x {version}" for version, count in sorted(fetched.items()))))
    # No other torch than the one that it is built for, in no step of the command.
    assert set(fetched) - {row.expected and row.expected.torch} == set(row.others)
    if row.expected is None:
        return
    assert_it_meets_its_torch(row, bench, outcome.said, properties)


def _version_of(file: str) -> str:
    return file.rpartition("/")[2].split("-")[1]


def assert_it_meets_its_torch(row: Row, bench: Bench, said: str, properties: list[tuple[str, object]]) -> None:
    for command in row.after:
        bench.run(command).succeeded()
    report = read_report(bench.run(row.use).succeeded().said if row.use else said)
    assert row.expected
    properties.extend((key, report.record[key] or "-") for key in ("rule", "rung", "way"))
    found = tuple(report.record[key] for key in ("rule", "rung", "way"))
    runtime = next(stub.runtime for stub in STUBS if stub.version == row.expected.torch)
    assert (report.built_for["version"], report.meets["version"]) == (runtime, runtime)
    properties.append(("meets", row.expected.torch))
    assert report.built_for["git_version"] == report.meets["git_version"]
    assert found == (row.expected.rule, row.expected.rung, row.expected.way)
    # `uv run --with` gives the package a copy of the project's torch.
    if row.expected.way == "graft" and " --with " not in row.command:
        assert report.built_for["file"] == report.meets["file"]
        assert report.record["torch"]["version"] == runtime
