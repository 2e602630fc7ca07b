import torch
from setuptools import Extension, setup

macros = [("BUILT_FOR", f'"{torch.__version__}"')]
setup(packages=["my_ext"], ext_modules=[Extension("my_ext._C", ["my_ext.c"], define_macros=macros)])
