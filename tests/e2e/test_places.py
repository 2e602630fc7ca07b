"""Wherever it is said which torch, with whatever front end: the right one, an error, or a guess that is guarded.

The places are in `front_ends/places.py`. All of them, and the table that they become: `python
tests/e2e/front_ends_page.py`.
"""

from __future__ import annotations

import os
import re
import shutil

import pytest

from .front_ends.bench import FORBIDDEN, Bench, Grounds, read_report
from .front_ends.places import CELLS, FROM_FOLDER, SCRIPT, Cell
from .front_ends.rows_others import APP_S
from .front_ends.tools import PIP_OLD, PIPX, UV
from .front_ends_page import ANEW, GUARDED, PAGE, SILENT, page_cells
from .laboratory import Outcome
from .stub_torch import make_sdist

pytestmark = pytest.mark.e2e


def marks(cell: Cell) -> list[pytest.MarkDecorator]:
    stands_for_others = cell.state == "another" and cell.saying.tool is not PIP_OLD and cell.saying.front_end != "uvx"
    return [] if stands_for_others else [pytest.mark.slow]


@pytest.mark.parametrize("cell", [pytest.param(cell, id=str(cell), marks=marks(cell)) for cell in CELLS])
def test_no_guess_is_silent(cell: Cell, grounds: Grounds, request: pytest.FixtureRequest) -> None:
    bench = grounds.bench(cell.saying.tool)
    cell.lay_out(bench)

    outcome = bench.run(cell.saying.command)

    print(f"{cell}\n{outcome.said}")  # noqa: T201 - what pytest shows of a failure
    assert FORBIDDEN not in outcome.said
    if not outcome.status and cell.saying.use:
        outcome = bench.run(cell.saying.use).succeeded()
    result = result_of(outcome)
    # For front_ends_page.py; the fixture record_property refuses the report's present format.
    request.node.user_properties.extend((("row", str(cell)), ("result", result)))
    assert not result.startswith(SILENT), result
    if not os.environ.get(ANEW):
        assert result == page_cells(PAGE.read_text(encoding="utf-8"))[str(cell)]


@pytest.mark.parametrize("command", ["uvx --with torch=={torch} --from ./ext ext", "uv run script.py"])
def test_what_uv_keeps_for_the_next_torch_is_guarded_and_cured(command: str, grounds: Grounds) -> None:
    bench = grounds.bench(UV)
    shutil.copy(grounds.extension, bench.package() / "ext")
    built = ""
    for torch in ("2.8.0", "2.9.0", "2.8.0"):
        bench.write("script.py", SCRIPT.replace("{torch}", f'"torch=={torch}", '))
        line = command.format(torch=torch)
        found = read_report(bench.run(line).succeeded().said)
        if built:
            assert found.said.startswith(f"ext._C was built for torch {built}+cu126, and meets torch {torch}+cu126\n")
            type_cure(bench, found.said)
            found = read_report(bench.run(line).succeeded().said)
        assert (found.built_for["version"], found.said) == (f"{torch}+cu126", "")
        built = torch


def test_what_pip_keeps_for_the_next_torch_of_pipx_is_guarded_and_cured(grounds: Grounds) -> None:
    bench = grounds.bench(PIPX)
    source = bench.package()
    shutil.copy(grounds.extension, source / "ext")
    make_sdist(source, grounds.indexes.folder / "elsewhere", "ext", "1.0")
    url = grounds.indexes.file_url("elsewhere", "ext-1.0.tar.gz")
    for torch in ("2.8.0", "2.9.0"):
        bench.run(f"pipx install --force --preinstall torch=={torch} 'ext @ {url}'").succeeded()
        found = read_report(bench.run(APP_S).succeeded().said)
    assert found.said.startswith("ext._C was built for torch 2.8.0+cu126, and meets torch 2.9.0+cu126\n")
    type_cure(bench, found.said)
    found = read_report(bench.run(APP_S).succeeded().said)
    assert (found.built_for["version"], found.said) == ("2.9.0+cu126", "")


@pytest.mark.parametrize("command", ["uv pip sync requirements.txt", "uv sync --project app --active"])
def test_a_wheel_for_a_torch_that_the_command_takes_away_is_guarded(command: str, grounds: Grounds) -> None:
    bench = grounds.bench(UV)
    package = bench.package()
    shutil.copy(grounds.extension, package / "ext")
    pyproject = package / "pyproject.toml"
    pyproject.write_text(pyproject.read_text(encoding="utf-8").replace('["torch"]', "[]"), encoding="utf-8")
    bench.write("requirements.txt", "./ext\n")
    bench.write("app/pyproject.toml", '[project]\nname = "app"\nversion = "1"\ndependencies = ["ext"]\n' + FROM_FOLDER)
    bench.environment("consumer", "torch==2.8.0", activate=True)
    bench.run(command).succeeded()
    bench.run("uv pip install torch==2.9.0").succeeded()
    found = read_report(bench.run("python -m ext").succeeded().said)
    assert "built for torch 2.8.0+cu126, which was a guess, and meets torch 2.9.0+cu126" in found.said
    type_cure(bench, found.said)
    found = read_report(bench.run("python -m ext").succeeded().said)
    assert (found.built_for["version"], found.said) == ("2.9.0+cu126", "")


def type_cure(bench: Bench, said: str) -> None:
    """Type what the guard says."""
    for line in said.splitlines():
        if line.startswith("  cure:   "):
            bench.run(line.partition(":   ")[2]).succeeded()


def result_of(outcome: Outcome) -> str:
    """Return the torch that the package was built for and meets, or why there is no such one."""
    if outcome.status:
        code = re.search(r"error\[([a-z-]+)\]", outcome.said)
        assert code, outcome.said
        return f"error {code[1]}"
    report = read_report(outcome.said)
    built, meets = report.built_for, report.meets
    if built["git_version"] == meets["git_version"]:
        return str(meets["version"]).removesuffix("+cu126")
    if report.record.get("guess") and f"torch {built['version']}" in report.said:
        return GUARDED
    return f"{SILENT}: built for {built['version']}, meets {meets['version']}: {report.said}"
