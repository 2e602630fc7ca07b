"""Build packages of the index as `torchgraft adopt` changes them, and compare with what --no-build-isolation makes.

    python tests/corpus/run.py [NAME ...] [--front-end pip|uv]
    python tests/corpus/run.py --together

tests/cases/ceilings.json says what `pip install --no-build-isolation --no-deps` made of the untouched sdist in an
environment with the same torch and with the build requirements installed by hand: its ceiling. Where the sdist does not
ask for torch it also says what plain `pip install --no-deps` made of it: where that works and the ceiling fails, it is
what counts, since adopting breaks nothing. --record measures both anew and writes them there. Everything that is
downloaded, and the environment that this runs in (see tests/run.py), is kept in .environments/; E2E_TORCH names the
torch (see tests/e2e/laboratory.py); no build can reach an index. All of it takes about an hour on two cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from support.environment import enter_environment  # noqa: E402 - it is no package

if __name__ == "__main__":
    enter_environment()

from corpus.together import sync_together  # noqa: E402
from e2e.laboratory import CHECKOUT, Environment, Laboratory, Outcome, Workplace  # noqa: E402

from torchgraft.files import find_text  # noqa: E402
from torchgraft.tools.adopt.adoptable import read_adoptable  # noqa: E402
from torchgraft.tools.adopt.adoption import OWN_NAME, Adoption  # noqa: E402
from torchgraft.tools.adopt.plan_adoption import plan_adoption  # noqa: E402
from torchgraft.tools.adopt.sdist import write_project_file  # noqa: E402
from torchgraft.untrusted import load_toml, strings, table  # noqa: E402

CASES = TESTS / "cases" / "ceilings.json"
FRONT_ENDS = ("pip", "uv")
TIMEOUT_S = 1800
# setup.py raises, python says the type first; whatever a front end adds comes before or after it.
EXCEPTION = re.compile(r"^\s*((?:\w+\.)*\w+(?:Error|Exception|Warning|Exit): .*?)\s*$")
TRACEBACK, RAISED = "Traceback (most recent call last):", re.compile(r"[A-Za-z_][\w.]*(?:: .*)?$")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A package and its ceiling.

    `requires` are build requirements that are not found in it; `use` is a program whose last line of output is
    compared, whether it works or not.
    """

    kind: str
    package: str
    version: str
    sha256: str
    requires: list[str] = dataclasses.field(default_factory=list)
    use: str = ""
    distribution: str = ""  # where it is called otherwise, which uv does not take
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    ceiling: dict[str, Any] = dataclasses.field(default_factory=dict)
    stock: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def wanted(self) -> dict[str, Any]:
        """What has to come of it: its ceiling, unless it works today where that fails."""
        return self.stock if "fails" in self.ceiling and self.works_today else self.ceiling

    @property
    def works_today(self) -> bool:
        return bool(self.stock) and "fails" not in self.stock

    @property
    def title(self) -> str:
        return " ".join([self.package, self.version, *(f"{k}={v}" for k, v in self.variables.items())])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What came out of one package with one front end."""

    case: Case
    front_end: str
    seconds: float
    difference: str
    said: str

    def row(self) -> tuple[str, ...]:
        word = "differs" if self.difference else "equal"
        return (self.case.title, self.case.kind, self.front_end, word, f"{self.seconds:.0f}", self.difference)


HEADER = ("package", "class", "front end", "result", "s", "first difference")


def main(arguments: list[str]) -> int:
    """Return 0 if everything equals its ceiling, else 1."""
    options = parse_arguments(arguments)
    cases = [Case(**row) for row in json.loads(CASES.read_text(encoding="utf-8"))]
    chosen = [case for case in cases if not options.names or {case.package, case.title} & set(options.names)]
    unknown = set(options.names) - {name for case in cases for name in (case.package, case.title)}
    if unknown:
        print(f"no such package: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    keep = Path(options.keep)
    keep.mkdir(exist_ok=True)
    if options.together:
        return sync_together(keep, uv_program())
    scratch = Path(tempfile.mkdtemp(prefix="run-", dir=keep))
    outside = Path(tempfile.mkdtemp(prefix="torchgraft-corpus-"))
    try:
        bench = Bench(Laboratory(keep=keep, scratch=scratch, outside=outside), keep, cases)
        if options.record:
            record(bench, cases, chosen)
            return 0
        return compare(bench, chosen, options.front_end or FRONT_ENDS)
    finally:
        if not options.leave:
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.rmtree(outside, ignore_errors=True)


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="packages of the table; all of them if none is named")
    parser.add_argument("--front-end", action="append", choices=FRONT_ENDS, help="both if none is named")
    parser.add_argument("--record", action="store_true", help="build the ceilings, and write them into the table")
    parser.add_argument("--together", action="store_true", help="adopt four packages in one project, and uv sync")
    parser.add_argument("--keep", default=CHECKOUT / ".environments", help="where downloads are kept")
    parser.add_argument("--leave", action="store_true", help="leave environments and source trees behind")
    return parser.parse_args(arguments)


def compare(bench: Bench, cases: list[Case], front_ends: list[str] | tuple[str, ...]) -> int:
    results = []
    for case in cases:
        for front_end in front_ends:
            if case.distribution and front_end == "uv":
                continue
            results.append(bench.try_case(case, front_end))
            print(*results[-1].row(), sep=" | ", flush=True)
            if results[-1].difference:
                print(results[-1].said, file=sys.stderr, flush=True)
    print()
    print(table_text([HEADER, *(result.row() for result in results)]))
    return int(any(result.difference for result in results))


def record(bench: Bench, cases: list[Case], chosen: list[Case]) -> None:
    known = {case.title: case for case in cases}
    for case in chosen:
        known[case.title] = dataclasses.replace(case, ceiling=bench.ceiling(case), stock=bench.stock(case))
        print(case.title, json.dumps(dataclasses.asdict(known[case.title]), indent=1), flush=True)
        rows = [
            {name: value for name, value in dataclasses.asdict(row).items() if value not in ("", [], {})}
            for row in known.values()
        ]
        CASES.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


class Bench:
    """Builds packages in environments of a laboratory."""

    def __init__(self, laboratory: Laboratory, keep: Path, cases: list[Case]) -> None:
        self._laboratory = laboratory
        self._adoptions: dict[str, Adoption] = {}
        for case in cases:
            if case.sha256 not in self._adoptions:
                source = self._source(case, laboratory.new_folder("adopted"))
                self._adoptions[case.sha256] = adopt(source, case)
                shutil.rmtree(source.parent)
        self._more_wheels = fetch_wheels(keep, sorted({needed(one) for one in self._adoptions.values()} - {()}))

    def try_case(self, case: Case, front_end: str) -> Result:
        """Return how a package that has adopted torchgraft differs from its ceiling."""
        workplace = self._workplace()
        source = self._source(case, workplace.folder)
        adopt(source, case)
        consumer = self._laboratory.environment("pip")
        before = consumer.listing()
        command: list[str | Path] = [consumer.python, "-m", "pip", "install", "--no-deps", source]
        if front_end == "uv":
            command = [uv_program(), "pip", "install", "--python", consumer.python, "--no-deps", source]
        began = time.monotonic()
        outcome = workplace.run(command, timeout_s=TIMEOUT_S, **case.variables)
        seconds = time.monotonic() - began
        found = facts(case, consumer, outcome, workplace)
        difference = first_difference(case.wanted, found) or self._trace(case, consumer, before)
        return Result(case=case, front_end=front_end, seconds=seconds, difference=difference, said=outcome.said)

    def ceiling(self, case: Case) -> dict[str, Any]:
        """Return what the untouched sdist makes of itself without isolation."""
        workplace = self._workplace()
        consumer = self._laboratory.environment("pip", "setuptools", "wheel", "ninja", "packaging")
        python = consumer.python
        tools = needed(self._adoptions[case.sha256])
        if tools:
            workplace.run([python, "-m", "pip", "install", "--quiet", *tools]).succeeded()
        options = ("--no-deps", "--no-build-isolation")
        command = [python, "-m", "pip", "install", *options, self._source(case, workplace.folder)]
        return facts(case, consumer, workplace.run(command, timeout_s=TIMEOUT_S, **case.variables), workplace)

    def stock(self, case: Case) -> dict[str, Any]:
        """Return what the untouched sdist makes of itself in isolation; {} for one that asks for torch there."""
        workplace = self._workplace()
        source = self._source(case, workplace.folder)
        pyproject = find_text(source / "pyproject.toml", 1_000_000) or ""
        asked = strings(table(load_toml(pyproject).get("build-system")).get("requires"))
        if any(re.match(r"torch\b(?!-)", requirement) for requirement in asked):
            return {}  # no build can reach an index that has one
        consumer = self._laboratory.environment("pip")
        command = [consumer.python, "-m", "pip", "install", "--no-deps", source]
        return facts(case, consumer, workplace.run(command, timeout_s=TIMEOUT_S, **case.variables), workplace)

    def _workplace(self) -> Workplace:
        folder = self._laboratory.new_folder("workplace")
        given = self._laboratory.workplace()
        return Workplace(folder, given.path, (*given.find_links, self._more_wheels))

    def _source(self, case: Case, folder: Path) -> Path:
        sdist = self._laboratory.fetch_sdist(f"{case.package}=={case.version}", case.sha256)
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "source", filter="data")
        (source,) = (folder / "source").iterdir()
        return source

    @staticmethod
    def _trace(case: Case, consumer: Environment, before: set[str]) -> str:
        """Return a file in the consumer that was there before and is no longer, or that nothing owns."""
        after = consumer.listing()
        gone = sorted(before - after)
        if gone:
            return f"consumer: {gone[0]} is gone"
        owned: set[str] = set()
        for found in importlib.metadata.distributions(
            name=case.distribution or case.package, path=[str(consumer.site_packages)]
        ):
            for file in found.files or ():
                place = Path(os.path.normpath(str(found.locate_file(file)))).relative_to(consumer.prefix)
                owned |= {str(place), *map(str, place.parents)}
        extra = sorted(name for name in after - before - owned - {".lock"} if "__pycache__" not in name)
        return f"consumer: {extra[0]} was left there" if extra else ""


def adopt(source: Path, case: Case) -> Adoption:
    """Change a source tree as `torchgraft adopt --write` does; a package that builds without torch stays as it is."""
    found = read_adoptable(source)
    adoption = plan_adoption(
        dataclasses.replace(found, setup_requires=(*found.setup_requires, *case.requires)), force=bool(case.requires)
    )
    if adoption.after is not None:
        write_project_file(source / "pyproject.toml", adoption.after)
    return adoption


def needed(adoption: Adoption) -> tuple[str, ...]:
    """Return the build requirements of a package but torchgraft itself."""
    return tuple(item for item in adoption.requires if item != OWN_NAME)


def facts(case: Case, consumer: Environment, outcome: Outcome, workplace: Workplace) -> dict[str, Any]:
    """Return what is compared: of a package that was installed, or of a build that failed."""
    if outcome.status:
        return {"fails": last_exception(outcome.said) or outcome.said.strip().splitlines()[-1]}
    (found,) = importlib.metadata.distributions(
        name=case.distribution or case.package, path=[str(consumer.site_packages)]
    )
    tags = [line.partition(": ")[2] for line in str(found.read_text("WHEEL")).splitlines() if line.startswith("Tag:")]
    files = [str(file) for file in found.files or () if not str(file).endswith(".pyc")]
    # In an empty folder, or the source tree would be imported.
    used = workplace.run([consumer.python, "-B", "-W", "ignore", "-c", case.use], cwd=workplace.folder / "home")
    return {
        "wheel": "/".join(tags),
        "version": found.version,
        "so": sum(file.endswith(".so") for file in files),
        "files": sum(".dist-info/" not in file for file in files),
        "requires_dist": found.requires or [],
        "use": (used.said.strip().splitlines() or [""])[-1],
    }


def last_exception(said: str) -> str:
    """Return the last exception in an output, whatever it is called; "" if there is none.

    It stands where its traceback began, below all that is farther in: a front end puts spaces before each line.
    """
    found, column = "", -1
    for line in said.splitlines():
        text = line.strip()
        here = len(line) - len(line.lstrip())
        if text == TRACEBACK:
            column = here
        elif here == column and RAISED.match(text):
            found, column = text, -1
        elif exception := EXCEPTION.match(line):
            found = exception[1]
    return found


def first_difference(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    """Return the first fact that differs, "" if none does."""
    for name in dict.fromkeys([*found, *wanted]):
        one, other = wanted.get(name), found.get(name)
        if isinstance(one, list) and isinstance(other, list):
            # Extras may come out of a set, in any order.
            one, other = (
                sorted((Counter(one) - Counter(other)).elements()),
                sorted((Counter(other) - Counter(one)).elements()),
            )
        if one != other:
            return f"{name}: {shortened(other)}, not {shortened(one)}"
    return ""


def shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def table_text(rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def fetch_wheels(keep: Path, sets: list[tuple[str, ...]]) -> Path:
    """Return a folder of wheels in which each set of build requirements can be met, downloaded once; never torch."""
    folder = keep / "corpus-wheels"
    listed = folder / "requirements.txt"
    text = "".join(f"{' '.join(requirements)}\n" for requirements in sets)
    if not listed.exists() or listed.read_text(encoding="utf-8") != text:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for requirements in sets:  # one by one: they need not fit together
            options = ("--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder))
            subprocess.run([sys.executable, "-m", "pip", "download", *options, *requirements], check=True, timeout=600)
        listed.write_text(text, encoding="utf-8")
    return folder


def uv_program() -> str:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise SystemExit("uv is not on PATH: leave it out with --front-end pip")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
