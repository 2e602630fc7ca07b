"""A package of the index as `torchgraft adopt` changes it: the outcome is that of --no-build-isolation.

tests/cases/corpus.tsv holds what `pip wheel --no-build-isolation --no-deps` made of the untouched sdist, in an
environment with the same torch and with all build requirements installed by hand. `tests/corpus/run.py` has fifty more,
with pip too.
"""

from __future__ import annotations

import csv
import importlib.metadata
import platform
import sys
import sysconfig
from pathlib import Path

import pytest
import uv

from torchgraft.cli import main

from .laboratory import Environment, Laboratory, Workplace

pytestmark = pytest.mark.e2e

CASES = Path(__file__).resolve().parent.parent / "cases" / "corpus.tsv"
UV = uv.find_uv_bin()

with CASES.open(encoding="utf-8", newline="") as table:
    ROWS = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.skipif(platform.system() != "Linux", reason="what is recorded are wheels for Linux")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["package"])
def test_a_package_of_the_index_comes_out_as_without_isolation(
    row: dict[str, str], laboratory: Laboratory, workplace: Workplace
) -> None:
    sdist = laboratory.fetch_sdist(f"{row['package']}=={row['version']}", row["sha256"])
    assert main(["adopt", str(sdist), "--output", str(workplace.folder / "adopted")]) == 0
    source = workplace.folder / "adopted" / sdist.name
    consumer = laboratory.environment()
    before = consumer.listing()

    command = [UV, "pip", "install", "--python", consumer.python, "--no-deps", source]
    workplace.run(command, timeout_s=900).succeeded()

    assert facts_of(row["package"], consumer) == {
        "wheel": row["wheel"].replace("cp311", f"cp{sys.version_info.major}{sys.version_info.minor}"),
        "version": row["version"],
        "so": row["so"],
        "requires_dist": row["requires_dist"],
    }
    module = row["package"].replace("-", "_")
    assert {Path(name).parts[3] for name in consumer.listing() - before - {".lock"} if name.count("/") > 2} == {
        module,
        f"{module}-{row['version']}.dist-info",
    }
    # In an empty folder, or the source tree would be imported.
    used = workplace.run([consumer.python, "-B", "-W", "ignore", "-c", row["use"]], cwd=workplace.folder / "home")
    assert used.succeeded().said.strip() == "True"


def facts_of(package: str, consumer: Environment) -> dict[str, str]:
    (found,) = importlib.metadata.distributions(name=package, path=[str(consumer.site_packages)])
    tags = [line.partition(": ")[2] for line in str(found.read_text("WHEEL")).splitlines() if line.startswith("Tag:")]
    suffix = str(sysconfig.get_config_var("SHLIB_SUFFIX"))
    return {
        "wheel": "/".join(tags),
        "version": found.version,
        "so": str(sum(str(file).endswith(suffix) for file in found.files or ())),
        "requires_dist": ", ".join(found.requires or ()),
    }
