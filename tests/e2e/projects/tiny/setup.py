import torch
from setuptools import Extension, setup
from torch.utils.cpp_extension import include_paths

setup(
    packages=["tiny"],
    ext_modules=[
        Extension(
            "tiny._C",
            ["tiny/_C.c"],
            include_dirs=include_paths(),
            define_macros=[("BUILT_FOR_TORCH", f'"{torch.__version__}"')],
        )
    ],
)
