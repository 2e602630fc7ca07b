from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import sites
from support.toolkits import script
from torchgraft.model.observation import FrontEndName
from torchgraft.tools.doctor.take_checkup import Driver, FrontEndProgram, find_driver, find_front_ends, first_version
from torchgraft.tools.front_end_settings import find_front_end_settings, setting_text

CC = shutil.which("cc") or shutil.which("gcc")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake programs are shell scripts")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("uv 0.13.8 (x86_64-unknown-linux-gnu)", "0.13.8"),
        ("pip 26.3 from /x/python3.11/site-packages/pip (python 3.11)", "26.3"),
        ("Poetry (version 2.5.0)", "2.5.0"),
        ("PDM, version 2.29.0.dev1+g1234", "2.29.0.dev1"),
        ("4.67.0rc1 from /x/tox/__init__.py", "4.67.0rc1"),
        ("command not found", ""),
        ("", ""),
    ],
)
def test_versions(text: str, version: str) -> None:
    assert first_version(text) == version


def test_the_first_of_each_on_path(tmp_path: Path) -> None:
    script(tmp_path / "a" / "uv", "#!/bin/sh\necho uv 0.9.1\n")
    script(tmp_path / "b" / "uv", "#!/bin/sh\necho uv 0.1.0\n")
    script(tmp_path / "b" / "pip", "#!/bin/sh\nexit 1\n")
    found = find_front_ends({"PATH": f"{tmp_path}/a:{tmp_path}/b"})
    assert found == (
        FrontEndProgram(name=FrontEndName.PIP, program=f"{tmp_path}/b/pip"),
        FrontEndProgram(name=FrontEndName.UV, program=f"{tmp_path}/a/uv", version="0.9.1"),
    )
    assert find_front_ends({"PATH": str(tmp_path / "nowhere")}) == ()


def settings(tmp_path: Path, **variables: str) -> list[tuple[str, str, str]]:
    variables.setdefault("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "project" / "inner"
    folder.mkdir(parents=True, exist_ok=True)
    found = find_front_end_settings(variables, folder, etc=tmp_path / "etc")
    return [(setting.name, setting.value, Path(setting.source).name) for setting in found]


def test_no_settings(tmp_path: Path) -> None:
    assert settings(tmp_path) == []


def test_settings_of_the_project(tmp_path: Path) -> None:
    text = """
[tool.uv]
no-build-isolation-package = ["flash-attn", "apex"]
[tool.uv.pip]
no-build-isolation = true
[tool.uv.extra-build-dependencies]
ext = [{ requirement = "torch", match-runtime = true }, "numpy"]
other = ["torch>=2.4", "torchvision"]
"""
    sites.write(tmp_path / "project", {"pyproject.toml": text})
    assert settings(tmp_path) == [
        ("no-build-isolation-package", "flash-attn, apex", "pyproject.toml"),
        ("extra-build-dependencies.ext", "torch, match-runtime", "pyproject.toml"),
        ("extra-build-dependencies.other", "torch>=2.4", "pyproject.toml"),
        ("pip.no-build-isolation", "", "pyproject.toml"),
    ]


def test_uv_toml_is_read_instead_of_the_table(tmp_path: Path) -> None:
    pyproject = "[project]\nname = 'x'\n[tool.uv]\nno-build-isolation = true\n"
    sites.write(tmp_path / "project", {"pyproject.toml": pyproject, "uv.toml": "no-build-isolation = false\n"})
    assert settings(tmp_path) == []


def test_settings_of_the_user_and_the_system(tmp_path: Path) -> None:
    sites.write(tmp_path, {"config/uv/uv.toml": "no-build-isolation = true\n"})
    sites.write(tmp_path, {"etc/uv/uv.toml": "no-build-isolation-package = ['a']\n"})
    assert [source for _, _, source in settings(tmp_path)] == ["uv.toml", "uv.toml"]


def test_files_that_are_wrong_are_uvs_business(tmp_path: Path) -> None:
    text = "no-build-isolation-package = 3\nextra-build-dependencies = ['torch']\npip = 1\n"
    sites.write(tmp_path, {"config/uv/uv.toml": text, "etc/uv/uv.toml": "= ="})
    assert settings(tmp_path) == []


def test_the_line_that_goes(tmp_path: Path) -> None:
    pyproject = """\
[tool.uv]
no-build-isolation-package = ["ext"]
[tool.uv.extra-build-dependencies]
"flash-attn" = ["torch"]
[tool.pixi.pypi-options]
no-build-isolation = ["ext"]
"""
    pip = "[global]\nindex-url = x\n[install]\nno-build-isolation = false\n"
    files = {"project/pyproject.toml": pyproject, "pip.conf": pip, "project/pixi.toml": "[pypi-options]\n"}
    sites.write(tmp_path, files)
    variables = {"XDG_CONFIG_HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    found = find_front_end_settings(variables, tmp_path / "project", etc=tmp_path / "etc")
    assert [(setting.name, setting.value, setting.where) for setting in found] == [
        ("no-build-isolation-package", "ext", f"{tmp_path}/project/pyproject.toml:2"),
        ("extra-build-dependencies.flash-attn", "torch", f"{tmp_path}/project/pyproject.toml:4"),
        ("no-build-isolation", "ext", f"{tmp_path}/project/pyproject.toml:6"),
        ("[install] no-build-isolation", "", f"{tmp_path}/pip.conf:4"),
    ]
    text, fix = setting_text(found[0])
    assert "no-build-isolation-package = ext" in text
    assert fix == f"take the packages that name torchgraft out of the list in {tmp_path}/project/pyproject.toml:2"


def test_variables_without_their_values(tmp_path: Path) -> None:
    found = settings(tmp_path, UV_NO_BUILD_ISOLATION="1", PIP_NO_BUILD_ISOLATION="0", UV_NO_BUILD_ISOLATION_PACKAGE="a")
    names = ("PIP_NO_BUILD_ISOLATION", "UV_NO_BUILD_ISOLATION", "UV_NO_BUILD_ISOLATION_PACKAGE")
    assert found == [(name, "", "a variable") for name in names]


@pytest.mark.parametrize(
    ("value", "is_on"), [("0", False), ("False", False), ("off", False), ("1", True), ("yes", True)]
)
def test_pip_reads_its_setting_the_other_way_round(tmp_path: Path, value: str, *, is_on: bool) -> None:
    # As measured with pip 23.2 and 26.3.
    assert bool(settings(tmp_path, PIP_NO_BUILD_ISOLATION=value)) is not is_on
    assert bool(settings(tmp_path, UV_NO_BUILD_ISOLATION=value)) is is_on
    sites.write(tmp_path, {"pip.conf": f"[global]\nno-build-isolation = {value}\n"})
    variables = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    found = find_front_end_settings(variables, tmp_path / "project", etc=tmp_path / "etc")
    assert bool(found) is not is_on
    for setting in found:
        text, fix = setting_text(setting)
        assert "'no' that turns isolation off" in text
        assert fix == f"remove it from {tmp_path}/pip.conf:2"


def test_the_settings_file_that_a_variable_names(tmp_path: Path) -> None:
    sites.write(
        tmp_path,
        {"project/inner/own.toml": "no-build-isolation = true\n", "etc/uv/uv.toml": "no-build-isolation = true"},
    )
    assert settings(tmp_path, UV_CONFIG_FILE="own.toml") == [("no-build-isolation", "", "own.toml")]
    assert settings(tmp_path, UV_NO_CONFIG="1") == []


def test_no_driver(tmp_path: Path) -> None:
    (tmp_path / "nvml.so").write_text("no library")
    assert find_driver(("libnowhere.so.1", str(tmp_path / "nvml.so"))) is None


_NVML = """
#include <string.h>
int nvmlInit_v2(void) { return STATUS; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { strncpy(text, "580.95.05", length); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 12040; return CUDA_STATUS; }
"""


@pytest.mark.skipif(CC is None, reason="the fake driver is compiled")
@pytest.mark.parametrize(
    ("status", "cuda_status", "expected"),
    [(0, 0, Driver(version="580.95.05", cuda="12.4")), (0, 1, Driver(version="580.95.05")), (9, 0, None)],
)
def test_what_nvml_says(tmp_path: Path, status: int, cuda_status: int, expected: Driver | None) -> None:
    library = str(tmp_path / "nvml.so")
    options = ["-shared", "-fPIC", f"-DSTATUS={status}", f"-DCUDA_STATUS={cuda_status}", "-x", "c", "-", "-o", library]
    subprocess.run([str(CC), *options], input=_NVML, text=True, check=True, timeout=60)
    assert find_driver((library,)) == expected
