"""The CUDA release beside a locked torch: lines of the locks that uv, poetry and pdm write, cut down."""

from __future__ import annotations

import sys

import pytest

from support.snapshots import PYTHON
from torchgraft.wanted.locked_toolkit import find_locked_toolkit

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
    ("text", "version", "toolkit"),
    [
        (UV, "2.14.1", "13.0.3"),
        (UV.replace("linux'", "darwin'"), "2.14.1", None),
        (UV.replace("linux'", "linux' and"), "2.14.1", None),
        (UV_BEFORE_2_11, "2.9.0", "12.8.90"),
        (UV_FORK, "2.9.0", "12.8.90"),
        (UV_FORK, "2.9.0+cpu", None),
        (POETRY, "2.9.0", "12.8.90"),
        (PDM, "2.9.0", "12.8.90"),
        (PYLOCK, "2.14.1", "13.0.3"),
        (PYLOCK.replace("linux'", "win32'"), "2.14.1", None),
        # One file for two environments, and nothing that says which CUDA is whose.
        (f'{PYLOCK}\n[[packages]]\nname = "torch"\nversion = "2.14.1"\n', "2.14.1", None),
        (f'{PYLOCK}\n[[packages]]\nname = "cuda-toolkit"\nversion = "12.9.1"\n', "2.14.1", None),
        (UV, "2.8.0", None),
        ("", None, None),
        ('package = "text"\npackages = [1]', "2.14.1", None),
    ],
)
def test_the_release_that_torch_requires(text: str, version: str | None, toolkit: str | None) -> None:
    assert find_locked_toolkit(tomllib.loads(text), version, PYTHON) == toolkit
