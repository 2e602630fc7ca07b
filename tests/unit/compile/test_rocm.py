from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support import sites
from support.toolkits import script
from torchgraft.compile.compilers import find_rocm
from torchgraft.model.hardware_values import RocmToolkit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="ROCm is on Linux alone")


def install_rocm(home: Path, version: str = "") -> Path:
    script(home / "bin" / "hipcc", f"#!/bin/sh\ntouch {home}/ran\n")
    sites.write(home, {".info/version": f"{version}-12\n"} if version else {})
    return home


def homes(found: tuple[RocmToolkit, ...]) -> list[tuple[str, str, str]]:
    return [(toolkit.home, toolkit.version, toolkit.source) for toolkit in found]


def test_each_rocm_once(tmp_path: Path) -> None:
    old, new = install_rocm(tmp_path / "rocm-5.7.1", "5.7.1"), install_rocm(tmp_path / "rocm-6.4.1", "6.4.1")
    (tmp_path / "rocm").symlink_to(new)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "hipcc").symlink_to(new / "bin" / "hipcc")
    (tmp_path / "rocm-runtime").mkdir()
    variables = {"ROCM_PATH": str(tmp_path / "rocm"), "PATH": str(tmp_path / "bin")}
    assert homes(find_rocm(variables, places=(str(tmp_path / "rocm*"),))) == [
        (str(tmp_path / "rocm"), "6.4.1", "ROCM_PATH"),
        (str(old), "5.7.1", str(tmp_path)),
    ]
    assert not (new / "ran").exists()


def test_hipcc_on_path(tmp_path: Path) -> None:
    home = install_rocm(tmp_path / "rocm-5.4", "5.4.3")
    (home / "hip" / "bin").mkdir(parents=True)
    (home / "hip" / "bin" / "hipcc").write_text("")
    (home / "hip" / "bin" / "hipcc").chmod(0o755)
    assert homes(find_rocm({"PATH": str(home / "hip" / "bin")}, places=())) == [(str(home), "5.4.3", "hipcc on PATH")]


def test_a_version_that_is_not_written(tmp_path: Path) -> None:
    home = install_rocm(tmp_path / "usr")
    assert homes(find_rocm({"ROCM_HOME": str(home)}, places=())) == [(str(home), "", "ROCM_HOME")]


def test_amds_wheels_come_before_path(tmp_path: Path) -> None:
    wheels, other = install_rocm(tmp_path / "site" / "_rocm_sdk_core", "7.0.0"), install_rocm(tmp_path / "opt", "6.4.1")
    variables = {"PATH": str(other / "bin")}
    assert homes(find_rocm(variables, search_paths=(str(tmp_path / "site"),), places=())) == [
        (str(wheels), "7.0.0", "AMD's wheels"),
        (str(other), "6.4.1", "hipcc on PATH"),
    ]


def test_none() -> None:
    assert find_rocm({"ROCM_HOME": "/nowhere", "PATH": ""}, places=("/nowhere/rocm*",)) == ()
