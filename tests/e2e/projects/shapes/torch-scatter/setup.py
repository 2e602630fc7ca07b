import os
from glob import glob

import torch
from setuptools import find_packages, setup
from torch.__config__ import parallel_info
from torch.utils.cpp_extension import CUDA_HOME, BuildExtension, CppExtension, CUDAExtension

suffixes = ["cpu", "cuda"] if torch.cuda.is_available() and CUDA_HOME else ["cpu"]
if os.getenv("FORCE_CUDA", "0") == "1":
    suffixes = ["cuda", "cpu"]
if os.getenv("FORCE_ONLY_CPU", "0") == "1":
    suffixes = ["cpu"]
flags = ["-O2", *(["-fopenmp"] if "backend: OpenMP" in parallel_info() else [])]
setup(
    name="torch_scatter",
    version="2.1.2",
    packages=find_packages(),
    ext_modules=[
        (CppExtension if suffix == "cpu" else CUDAExtension)(
            f"torch_scatter._scatter_{suffix}",
            [*glob("csrc/*.cpp"), *glob(f"csrc/{suffix}/*")],
            extra_compile_args=flags,
        )
        for suffix in suffixes
    ],
    cmdclass={"build_ext": BuildExtension.with_options(no_python_abi_suffix=True, use_ninja=False)},
)
