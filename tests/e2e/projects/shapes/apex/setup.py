import os
import sys

import torch
from setuptools import find_packages, setup
from torch.utils.cpp_extension import BuildExtension, CppExtension, CUDAExtension


def wanted(option, variable):
    if option in sys.argv:
        sys.argv.remove(option)
        return True
    return os.getenv(variable, "0") == "1"


print("torch", torch.__version__)
extensions = []
if wanted("--cpp_ext", "APEX_CPP_EXT"):
    extensions.append(CppExtension("apex_C", ["csrc/flatten_unflatten.cpp"]))
if wanted("--cuda_ext", "APEX_CUDA_EXT"):
    extensions.append(CUDAExtension("amp_C", ["csrc/amp_C_frontend.cpp", "csrc/multi_tensor_scale_kernel.cu"]))
setup(
    name="apex",
    version="0.1",
    packages=find_packages(include=["apex"]),
    ext_modules=extensions,
    cmdclass={"build_ext": BuildExtension},
)
