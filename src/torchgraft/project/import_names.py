"""Which distribution provides a module that build scripts import, where the two have different names or rules.

May not hold modules that only a package itself provides: nothing is guessed from the name of an import.
"""

from __future__ import annotations

from ..values import dataclass


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A distribution that provides a module.

    `even_guarded`: it is small, and a build script that puts up with its absence does less without it.
    """

    requirement: str
    even_guarded: bool = False


# torch itself and what is made for one version of it: matched to the consumer's, never installed for the build.
MATCHED = {"torch": "torch", "torchvision": "torchvision", "torchaudio": "torchaudio"}

# Distributions of which an environment has one, whichever it is.
VARIANTS = {
    "cv2": (
        *("opencv-python", "opencv-python-headless"),
        *("opencv-contrib-python", "opencv-contrib-python-headless"),
    ),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
}

PROVIDERS = {
    "babel": Provider(requirement="Babel"),
    "cffi": Provider(requirement="cffi"),
    "cmake": Provider(requirement="cmake"),
    "cmake_build_extension": Provider(requirement="cmake-build-extension"),
    "cpuinfo": Provider(requirement="py-cpuinfo"),
    "cv2": Provider(requirement="opencv-python-headless"),
    "Cython": Provider(requirement="Cython"),
    "einops": Provider(requirement="einops"),
    "expecttest": Provider(requirement="expecttest"),
    "extension_helpers": Provider(requirement="extension-helpers"),
    "filelock": Provider(requirement="filelock"),
    "git": Provider(requirement="GitPython"),
    "jinja2": Provider(requirement="Jinja2"),
    "mypyc": Provider(requirement="mypy"),
    "nanobind": Provider(requirement="nanobind"),
    "ninja": Provider(requirement="ninja", even_guarded=True),
    "numpy": Provider(requirement="numpy"),
    "packaging": Provider(requirement="packaging", even_guarded=True),
    "pbr": Provider(requirement="pbr"),
    # Gone since setuptools 82.
    "pkg_resources": Provider(requirement="setuptools<81"),
    "psutil": Provider(requirement="psutil"),
    "py_cpuinfo": Provider(requirement="py-cpuinfo"),
    "pybind11": Provider(requirement="pybind11"),
    "pynvml": Provider(requirement="nvidia-ml-py"),
    "requests": Provider(requirement="requests"),
    "scikit_build_core": Provider(requirement="scikit-build-core"),
    "scipy": Provider(requirement="scipy"),
    "semver": Provider(requirement="semver"),
    "setuptools_cpp": Provider(requirement="setuptools-cpp"),
    "setuptools_git_versioning": Provider(requirement="setuptools-git-versioning"),
    "setuptools_rust": Provider(requirement="setuptools-rust"),
    "setuptools_scm": Provider(requirement="setuptools-scm"),
    "six": Provider(requirement="six"),
    "skbuild": Provider(requirement="scikit-build"),
    "tabulate": Provider(requirement="tabulate"),
    "toml": Provider(requirement="toml"),
    "tomli": Provider(requirement="tomli"),
    "tomlkit": Provider(requirement="tomlkit"),
    "tqdm": Provider(requirement="tqdm"),
    "typing_extensions": Provider(requirement="typing-extensions"),
    "urllib3": Provider(requirement="urllib3"),
    "wheel": Provider(requirement="wheel", even_guarded=True),
    "yaml": Provider(requirement="PyYAML"),
}

# Of setuptools, or always there with it.
OF_SETUPTOOLS = frozenset({"_distutils_hack", "distutils", "pip", "setuptools"})
