import torch  # noqa: F401 - as every setup.py of such a package
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension

setup(
    py_modules=[],
    ext_modules=[CUDAExtension("scale_ext", ["scale.cpp", "scale_cuda.cu"])],
    cmdclass={"build_ext": BuildExtension},
)
