"""Write src/torchgraft/tools/matrix/plan_cells.py anew: `python docs/torch_releases.py`, with uv on PATH.

Versions and Pythons are those of PyPI's page of torch for Linux on x86-64 (free-threaded builds are left out). Which
CUDA the wheel on PyPI has, uv says, by what it requires. The other builds are those of the pages of PyTorch's index;
where it does not answer, they stay as they are, and a new release gets the one of PyPI and that for CPUs alone.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

FILE = Path(__file__).parents[1] / "src" / "torchgraft" / "tools" / "matrix" / "plan_cells.py"
sys.path[:0] = [str(FILE.parents[3])]

from packaging.version import Version  # noqa: E402

from torchgraft.tools.matrix.plan_cells import RELEASES, Release  # noqa: E402

PYPI = "https://pypi.org/simple/torch/"
INDEX = "https://download.pytorch.org/whl/{}/torch/"
WHEEL = re.compile(r"torch-([\d.]+)(?:-\d+)?-cp3(\d+)-cp3\d+-manylinux\w*x86_64\.whl")
FIRST = Version("2.0")


def page(url: str) -> str:
    """Return a page of an index."""
    request = urllib.request.Request(url, headers={"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return str(answer.read().decode())


def pythons() -> dict[str, set[int]]:
    """Return the minor versions of Python of each release."""
    found: dict[str, set[int]] = {}
    for file in json.loads(page(PYPI))["files"]:
        match = WHEEL.fullmatch(file["filename"])
        if match and not file["yanked"] and Version(match[1]) >= FIRST:
            found.setdefault(match[1], set()).add(int(match[2]))
    return found


def cuda_on_pypi(version: str, python: int) -> str:
    """Return the CUDA of the wheel on PyPI, by what it requires: cu128."""
    command = ["uv", "pip", "compile", "-q", "--no-header", "--python-platform", "x86_64-unknown-linux-gnu"]
    done = subprocess.run(
        [*command, "--python-version", f"3.{python}", "-"],
        input=f"torch=={version}",
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = re.search(r"^nvidia-cuda-runtime(?:-cu\d+)?==(\d+)\.(\d+)", done.stdout, re.MULTILINE)
    if found is None:
        raise SystemExit(f"torch {version} on PyPI requires no CUDA")
    return f"cu{found[1]}{found[2]}"


def builds(on_pypi: set[str]) -> dict[str, set[str]]:
    """Return the builds of PyTorch's index by release; none where it does not answer."""
    found: dict[str, set[str]] = {}
    for build in sorted({"cpu", *on_pypi, *(b for release in RELEASES for b in release.builds)}):
        with contextlib.suppress(OSError):
            for version in set(re.findall(rf"torch-([\d.]+)(?:\+|%2B){build}-cp3\d+", page(INDEX.format(build)))):
                found.setdefault(version, set()).add(build)
    return found


def main() -> None:
    """Write the rows."""
    known = {release.version: release for release in RELEASES}
    versions = pythons()
    here = {
        version: known[version].on_pypi if version in known else cuda_on_pypi(version, max(found))
        for version, found in versions.items()
    }
    listed = builds(set(here.values()))
    rows = []
    for version in sorted(versions, key=Version, reverse=True):
        before = known[version].builds if version in known else ("cpu", here[version])
        some = tuple(sorted(listed.get(version, before)))
        minors = tuple(f"3.{minor}" for minor in sorted(versions[version]))
        rows.append(Release(version=version, on_pypi=here[version], builds=some, pythons=minors))
    head, _, rest = FILE.read_text(encoding="utf-8").partition('_ROWS = """\n')
    lines = [f"{r.version} {r.on_pypi} {','.join(r.builds)} {','.join(r.pythons)}" for r in rows]
    tail = rest.partition('"""\n')[2]
    FILE.write_text(head + '_ROWS = """\n' + "\n".join(lines) + '\n"""\n' + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
