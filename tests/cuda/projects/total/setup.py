import torch
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension

setup(
    py_modules=["total"],
    ext_modules=[
        CUDAExtension(
            "total_ext",
            ["csrc/total.cpp", "csrc/total_cuda.cu"],
            define_macros=[("BUILT_FOR_TORCH", f'"{torch.__version__}"')],
        )
    ],
    cmdclass={"build_ext": BuildExtension},
)
