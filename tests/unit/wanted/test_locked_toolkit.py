"""The CUDA release beside a locked torch: lines of the locks that uv, poetry and pdm write, cut down."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.snapshots import PYTHON
from torchgraft.wanted.locked_torch import LockedPackage, find_locked_toolkit
from torchgraft.wanted.other_locks import pdm_packages, poetry_packages, pylock_packages
from torchgraft.wanted.uv_lock import uv_packages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# `uv lock` 0.13 of torch==2.14.1 from PyPI.
UV = """
[[package]]
name = "cuda-toolkit"
version = "13.0.3.0"

[[package]]
name = "torch"
version = "2.14.1"
source = { registry = "https://pypi.org/simple" }
dependencies = [
    { name = "cuda-bindings" },
    { name = "cuda-toolkit", extra = ["cublas", "cudart"], marker = "sys_platform == 'linux'" },
    { name = "filelock" },
]
"""
UV_BEFORE_2_11 = """
[[package]]
name = "nvidia-cuda-runtime-cu12"
version = "12.8.90"

[[package]]
name = "torch"
version = "2.9.0"
dependencies = [{ name = "nvidia-cuda-runtime-cu12", marker = "platform_machine == 'x86_64'" }]
"""
# Two torch behind extras: the one for CPUs requires nothing of CUDA.
UV_FORK = f"""
{UV_BEFORE_2_11}
[[package]]
name = "torch"
version = "2.9.0+cpu"
dependencies = [{{ name = "filelock" }}]
"""
POETRY = """
[[package]]
name = "nvidia-cuda-runtime-cu12"
version = "12.8.90"
markers = "platform_system == \\"Linux\\""

[[package]]
name = "torch"
version = "2.9.0"

[package.dependencies]
filelock = "*"
nvidia-cuda-runtime-cu12 = {version = "12.8.90", markers = "platform_system == \\"Linux\\""}
"""
PDM = """
[[package]]
name = "nvidia-cuda-runtime-cu12"
version = "12.8.90"

[[package]]
name = "torch"
version = "2.9.0"
dependencies = ["filelock", "nvidia-cuda-runtime-cu12==12.8.90; platform_system == \\"Linux\\""]
"""
PYLOCK = """
[[packages]]
name = "cuda-toolkit"
version = "13.0.3.0"
marker = "sys_platform == 'linux'"

[[packages]]
name = "torch"
version = "2.14.1"
"""


@pytest.mark.parametrize(
    ("kind", "text", "version", "toolkit"),
    [
        ("uv", UV, "2.14.1", "13.0.3"),
        ("uv", UV.replace("linux'", "darwin'"), "2.14.1", None),
        ("uv", UV.replace("linux'", "linux' and"), "2.14.1", None),
        ("uv", UV_BEFORE_2_11, "2.9.0", "12.8.90"),
        ("uv", UV_FORK, "2.9.0", "12.8.90"),
        ("uv", UV_FORK, "2.9.0+cpu", None),
        ("poetry", POETRY, "2.9.0", "12.8.90"),
        ("pdm", PDM, "2.9.0", "12.8.90"),
        ("pylock", PYLOCK, "2.14.1", "13.0.3"),
        ("pylock", PYLOCK.replace("linux'", "win32'"), "2.14.1", None),
        # One file for two environments, and nothing that says which CUDA is whose.
        ("pylock", f'{PYLOCK}\n[[packages]]\nname = "torch"\nversion = "2.14.1"\n', "2.14.1", None),
        ("pylock", f'{PYLOCK}\n[[packages]]\nname = "cuda-toolkit"\nversion = "12.9.1"\n', "2.14.1", None),
    ],
)
def test_the_release_that_torch_requires(kind: str, text: str, version: str, toolkit: str | None) -> None:
    packages = packages_of(kind, text)
    torch = next(package for package in packages if (package.name, package.version) == ("torch", version))
    assert find_locked_toolkit(packages, torch, PYTHON) == toolkit


@pytest.mark.parametrize("kind", ["uv", "poetry", "pdm", "pylock"])
def test_what_is_no_list_of_packages_has_none(kind: str) -> None:
    assert packages_of(kind, 'package = "text"\npackages = [1]') == ()


def packages_of(kind: str, text: str) -> tuple[LockedPackage, ...]:
    data, folder = tomllib.loads(text), Path("/app")
    if kind == "uv":
        return uv_packages(data, folder=folder, settings={})
    if kind == "poetry":
        return poetry_packages(data, folder=folder, settings={})
    return pdm_packages(data, folder=folder) if kind == "pdm" else pylock_packages(data, folder=folder)
