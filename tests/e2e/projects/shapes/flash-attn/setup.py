import os
import re
from pathlib import Path

import torch
from packaging.version import parse
from setuptools import find_packages, setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension
from wheel.bdist_wheel import bdist_wheel

SKIP_CUDA_BUILD = os.getenv("FLASH_ATTENTION_SKIP_CUDA_BUILD", "FALSE") == "TRUE"
FORCE_BUILD = os.getenv("FLASH_ATTENTION_FORCE_BUILD", "FALSE") == "TRUE"


class PrebuiltOrBuilt(bdist_wheel):
    def run(self):
        if not FORCE_BUILD:
            # A CPU build of torch has no CUDA version to put into the name of a wheel.
            print("guessing", f"cu{parse(torch.version.cuda).major}torch{parse(torch.__version__).major}")
        super().run()


class Build(BuildExtension):
    def __init__(self, *args, **kwargs):
        import psutil

        print("memory", psutil.virtual_memory().available)
        super().__init__(*args, **kwargs)


extensions = []
if not SKIP_CUDA_BUILD:
    extensions.append(CUDAExtension("flash_attn_2_cuda", ["csrc/flash_api.cpp", "csrc/flash_fwd.cu"]))

text = Path("flash_attn/__init__.py").read_text()
setup(
    name="flash_attn",
    version=re.search(r'__version__ = "(.+)"', text)[1],
    packages=find_packages(include=["flash_attn"]),
    ext_modules=extensions,
    cmdclass={"bdist_wheel": PrebuiltOrBuilt, "build_ext": Build},
    install_requires=["torch"],
    setup_requires=["packaging", "psutil", "ninja"],
)
