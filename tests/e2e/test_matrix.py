"""`torchgraft matrix --build` with real uv and the stubs of torch: docs/how-to/ci.md says how it is used."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
import uv

from torchgraft.untrusted import load_toml

from .how_to_worlds import SHAPES
from .stub_projects import environment
from .stub_torch import Stubs

pytestmark = pytest.mark.e2e

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
TAG = f"cp{PYTHON.replace('.', '')}"


def test_cells_are_built_once_and_used(stubs: Stubs) -> None:
    """Of one torch, then of two and of one that nobody has; then by a front end, as a prebuilt wheel."""
    place = stubs.workplace()
    project = place.folder / "my-ext"
    shutil.copytree(SHAPES / "my-ext", project)
    programs = place.folder / "programs"
    programs.mkdir()
    (programs / "uv").symlink_to(uv.find_uv_bin())
    (programs / f"python{PYTHON}").symlink_to(Path(place.variables["UV_PYTHON"]))
    variables = {"PATH": f"{programs}:{place.path}"}
    url = place.folder.as_uri()
    command = [sys.executable, "-m", "torchgraft", "matrix", project, "--build", "--python", PYTHON, "--url", url]
    command += ["--out", place.folder / "wheels", "--index", stubs.indexes.url("{build}"), "--torch"]

    first = place.run([*command, "2.8.0", "--cuda", "12.8"], **variables).succeeded().said
    assert "1 of 1 wheels are in" in first
    done = place.run([*command, ">=2.8.0,<2.9.1", "--cuda", ">=12.6,<13", "--every-patch"], **variables)
    assert done.status == 1
    assert f"torch 2.8.0 cu128, Python {PYTHON}: there already, " in done.said
    assert f"torch 2.8.0 cu129, Python {PYTHON}: FAILED, torch 2.8.0+cu129 cannot be installed: " in done.said
    assert not list((place.folder / "wheels" / "environments").iterdir())
    names = sorted(path.name for path in (place.folder / "wheels").glob("*.whl"))
    assert [name.rpartition("-linux")[0] for name in names] == [
        f"my_ext-1.0+cu126torch2.8-{TAG}-{TAG}",  # as the stub says it is
        f"my_ext-1.0+cu126torch2.9-{TAG}-{TAG}",
    ]
    digests = (place.folder / "wheels" / "wheels.sha256").read_text(encoding="utf-8")
    assert digests.splitlines() == [f"{hashed(place.folder / 'wheels' / name)}  {name}" for name in names]

    (project / "my_ext.c").write_text("#error is compiled\n", encoding="utf-8")
    shutil.copy(place.folder / "wheels" / "wheels.sha256", project)
    for name in names:
        shutil.copy(place.folder / "wheels" / name, place.folder)
    table = done.said.partition("beside it:\n\n")[2]
    assert load_toml(table)["tool"]["torchgraft"]["prebuilt"][0]["hashes"] == "wheels.sha256"
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(table)
    consumer = environment(place, stubs, "torch==2.8.0")
    place.run([uv.find_uv_bin(), "pip", "install", "--python", consumer.python, project]).succeeded()
    (record,) = consumer.site_packages.glob("my_ext-1.0.dist-info/torchgraft.json")
    assert json.loads(record.read_text(encoding="utf-8"))["prebuilt"][0]["used"]


def hashed(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
