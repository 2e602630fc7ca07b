"""The requirement on torch, by the real hooks and the real setuptools: the same in prepared metadata and wheel."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

DYNAMIC = """
[build-system]
requires = ["torchgraft", "setuptools>=77"]
build-backend = "torchgraft.build_meta"
[project]
name = "ext"
version = "1.0"
dynamic = ["dependencies"]
[tool.setuptools]
py-modules = ["ext"]
[tool.torchgraft]
runtime-torch = "minor"
"""
SETUP_PY = "from setuptools import setup\nsetup(install_requires=['numpy', 'torch>=2.4'])\n"
REQUIRES = [b"Requires-Dist: numpy", b"Requires-Dist: torch>=2.4", b"Requires-Dist: torch==2.8.*"]


def requires(metadata: bytes) -> list[bytes]:
    return [line for line in metadata.splitlines() if line.startswith(b"Requires-Dist")]


def read_wheel(path: Path) -> tuple[bytes, dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        return archive.read(f"{info}/METADATA"), json.loads(archive.read(f"{info}/torchgraft.json"))


# setuptools warns of every editable installation, and pyproject-hooks passes warnings on.
@pytest.mark.filterwarnings("ignore:Editable installation")
@pytest.mark.parametrize("handed_back", ["handed back", ""])
@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_prepared_metadata_and_wheel_are_identical(
    kind: str, handed_back: str, make_project: Any, make_caller: Any, tmp_path: Path
) -> None:
    caller = make_caller(make_project({"pyproject.toml": DYNAMIC, "setup.py": SETUP_PY}))
    meta, out = tmp_path / "meta", tmp_path / "out"
    meta.mkdir()
    out.mkdir()
    name = getattr(caller, f"prepare_metadata_for_build_{kind}")(meta)
    prepared = (meta / name / "METADATA").read_bytes()
    assert requires(prepared) == REQUIRES
    assert json.loads((meta / name / "torchgraft.json").read_text())["runtime_torch"] == "torch==2.8.*"

    build = getattr(caller, f"build_{kind}")
    wheel = build(out, metadata_directory=meta / name) if handed_back else build(out)

    metadata, record = read_wheel(out / wheel)
    assert metadata == prepared
    assert record["runtime_torch"] == "torch==2.8.*"


def test_metadata_that_were_prepared_without_torch_stay_so(
    make_project: Any, make_caller: Any, consumer: Path, tmp_path: Path
) -> None:
    caller = make_caller(make_project({"pyproject.toml": DYNAMIC, "setup.py": SETUP_PY}))
    (site,) = (consumer / "lib").glob("python*/site-packages")
    shutil.move(site, tmp_path / "aside")
    site.mkdir()
    meta = tmp_path / "meta"
    meta.mkdir()
    name = caller.prepare_metadata_for_build_wheel(meta)
    prepared = (meta / name / "METADATA").read_bytes()
    assert requires(prepared) == REQUIRES[:2]
    shutil.rmtree(site)
    shutil.move(tmp_path / "aside", site)

    wheel = caller.build_wheel(tmp_path, metadata_directory=meta / name)

    metadata, record = read_wheel(tmp_path / wheel)
    assert metadata == prepared
    assert record["runtime_torch"] is None


def test_static_dependencies_are_refused_by_every_hook(make_project: Any, make_caller: Any, capfd: Any) -> None:
    static = DYNAMIC.replace('dynamic = ["dependencies"]', 'dependencies = ["torch"]')
    caller = make_caller(make_project({"pyproject.toml": static, "setup.py": SETUP_PY}))
    with pytest.raises(subprocess.CalledProcessError, match="exit status 2"):
        caller.get_requires_for_build_wheel()
    assert "error[static-dependencies]: runtime-torch" in capfd.readouterr().err
