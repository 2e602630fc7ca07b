"""Packages of the index with nothing changed but [build-system]: the outcome is that of --no-build-isolation.

tests/cases/corpus.tsv holds what `pip wheel --no-build-isolation --no-deps` made of the untouched sdist, in an
environment with the same torch and with all build requirements installed by hand.
"""

from __future__ import annotations

import csv
import importlib.metadata
import platform
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest
import uv

from .laboratory import Environment, Laboratory, Workplace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.e2e

CASES = Path(__file__).resolve().parent.parent / "cases" / "corpus.tsv"
UV = uv.find_uv_bin()
BUILD_SYSTEM = """\
[build-system]
requires = ["torchgraft", "setuptools>=77"]
build-backend = "torchgraft.build_meta"
"""

with CASES.open(encoding="utf-8", newline="") as table:
    ROWS = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.skipif(platform.system() != "Linux", reason="what is recorded are wheels for Linux")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['class']}-{row['package']}-{row['front']}")
def test_a_package_of_the_index_comes_out_as_without_isolation(
    row: dict[str, str], laboratory: Laboratory, workplace: Workplace
) -> None:
    sdist = laboratory.fetch_sdist(f"{row['package']}=={row['version']}", row["sha256"])
    with tarfile.open(sdist) as archive:
        archive.extractall(workplace.folder / "source", filter="data")
    (source,) = (workplace.folder / "source").iterdir()
    pyproject = source / "pyproject.toml"
    pyproject.write_text(
        with_build_system(pyproject.read_text(encoding="utf-8") if pyproject.exists() else ""), encoding="utf-8"
    )
    consumer = laboratory.environment("pip")
    before = consumer.listing()

    if row["front"] == "uv":
        command = [UV, "pip", "install", "--python", consumer.python, "--no-deps", source]
    else:
        command = [consumer.python, "-m", "pip", "install", "--no-deps", source]
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


def with_build_system(pyproject: str) -> str:
    """Return a pyproject.toml with another [build-system] and nothing else changed."""
    kept, inside = [], False
    for line in pyproject.splitlines():
        if line.startswith("["):
            inside = line.strip() == "[build-system]"
        if not inside:
            kept.append(line)
    text = "\n".join([BUILD_SYSTEM, *kept, ""])
    old, new = tomllib.loads(pyproject), tomllib.loads(text)
    assert {**old, "build-system": None} == {**new, "build-system": None}
    return text


@pytest.mark.parametrize(
    "pyproject",
    ["", "[project]\nname = 'x'\n", "[build-system]\nrequires = [\n  'torch',  # [x]\n]\n\n[project]\nname = 'x'\n"],
    ids=["none", "without", "with"],
)
def test_only_the_table_is_replaced(pyproject: str) -> None:
    assert tomllib.loads(with_build_system(pyproject))["build-system"] == tomllib.loads(BUILD_SYSTEM)["build-system"]
