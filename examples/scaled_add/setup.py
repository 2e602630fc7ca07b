import torch
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension

setup(
    packages=["scaled_add"],
    ext_modules=[
        CppExtension(
            "scaled_add._C",
            ["scaled_add/scaled_add.cpp"],
            define_macros=[("BUILT_FOR_TORCH", f'"{torch.__version__}"')],
        )
    ],
    cmdclass={"build_ext": BuildExtension},
)
