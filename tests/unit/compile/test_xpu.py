from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support import sites
from support.toolkits import script
from torchgraft.compile.compilers import find_sycl
from torchgraft.compile.hardware import take_hardware
from torchgraft.compile.plan_needs import Looking
from torchgraft.model.hardware_values import SyclCompiler

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake programs are shell scripts")


def install_oneapi(root: Path, *versions: str) -> Path:
    for version in versions:
        script(root / "compiler" / version / "bin" / "icpx", f"#!/bin/sh\ntouch {root}/ran\n")
    sites.write(root, {"setvars.sh": ""})
    return root


def found(compilers: tuple[SyclCompiler, ...], root: Path) -> list[tuple[str, bool, str]]:
    return [(c.icpx.replace(f"{root}/", ""), c.on_path, c.setvars.replace(f"{root}/", "")) for c in compilers]


def test_each_icpx_once_the_one_on_path_first(tmp_path: Path) -> None:
    root = install_oneapi(tmp_path / "oneapi", "2024.2", "2025.1")
    (root / "compiler" / "latest").symlink_to("2025.1")
    path = str(root / "compiler" / "2024.2" / "bin")
    assert found(find_sycl({"PATH": path, "ONEAPI_ROOT": str(root)}, places=()), root) == [
        ("compiler/2024.2/bin/icpx", True, "setvars.sh"),
        ("compiler/latest/bin/icpx", False, "setvars.sh"),
    ]
    assert not (root / "ran").exists()


def test_the_usual_place_and_the_variable_of_a_shell_that_was_set_up(tmp_path: Path) -> None:
    root = install_oneapi(tmp_path / "oneapi", "2025.1")
    assert found(find_sycl({}, places=(str(root),)), root) == [("compiler/2025.1/bin/icpx", False, "setvars.sh")]
    (one,) = find_sycl({"CMPLR_ROOT": str(root / "compiler" / "2025.1")}, places=(str(root),))
    assert one.source == "CMPLR_ROOT"


def test_none() -> None:
    assert find_sycl({"ONEAPI_ROOT": "/nowhere", "CMPLR_ROOT": "/nowhere"}, places=("/nowhere",)) == ()


def test_looked_at_on_request(tmp_path: Path) -> None:
    root = install_oneapi(tmp_path / "oneapi", "2025.1")
    variables = {"ONEAPI_ROOT": str(root)}
    assert take_hardware(variables, Looking(sycl=True)).sycl
    assert not take_hardware(variables, Looking()).sycl
