import os
from pathlib import Path

try:
    import torch
except ImportError:
    torch = None

from op_builder import ALL_OPS
from setuptools import find_packages, setup

build_all = int(os.environ.get("DS_BUILD_OPS", "0"))
installed = {op.NAME: bool(int(os.environ.get(op.BUILD_VAR, build_all))) for op in ALL_OPS}
assert torch or not any(installed.values()), "Unable to pre-compile ops without torch"

info = f"version = '0.19.8'\ninstalled_ops = {installed}\ntorch = {torch.__version__ if torch else None!r}\n"
Path("deepspeed/git_version_info_installed.py").write_text(info)
setup(
    name="deepspeed",
    version="0.19.8",
    packages=find_packages(include=["deepspeed"]),
    install_requires=Path("requirements/requirements.txt").read_text().split(),
    ext_modules=[op().builder() for op in ALL_OPS if installed[op.NAME]],
)
