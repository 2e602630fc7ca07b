from importlib.metadata import PackageNotFoundError, version

from setuptools import find_packages, setup

try:
    torch_version = version("torch")
except PackageNotFoundError:
    torch_version = "2.8.0"
major, minor = map(int, torch_version.split(".")[:2])
setup(
    version="0.16.1",
    package_dir={"": "src"},
    packages=find_packages("src"),
    install_requires=[f"torch=={torch_version}"],
    extras_require={"vllm": ["vllm>=0.11"] if (major, minor) >= (2, 9) else ["vllm==0.10"]},
)
