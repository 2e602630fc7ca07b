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

# What is called as its module is, with dashes.
_OF_ONE_NAME = (
    *("cffi", "cmake", "cmake_build_extension", "Cython", "einops", "expecttest", "extension_helpers", "filelock"),
    *("nanobind", "numpy", "pbr", "psutil", "py_cpuinfo", "pybind11", "requests", "scikit_build_core", "scipy"),
    *("semver", "setuptools_cpp", "setuptools_git_versioning", "setuptools_rust", "setuptools_scm", "six"),
    *("tabulate", "toml", "tomli", "tomlkit", "tqdm", "typing_extensions", "urllib3"),
)
_OF_OTHER_NAMES = {
    "babel": "Babel",
    "cpuinfo": "py-cpuinfo",
    "cv2": "opencv-python-headless",
    "git": "GitPython",
    "jinja2": "Jinja2",
    "mypyc": "mypy",
    "pkg_resources": "setuptools<81",  # gone since setuptools 82
    "pynvml": "nvidia-ml-py",
    "skbuild": "scikit-build",
    "yaml": "PyYAML",
}
PROVIDERS = {
    **{name: Provider(requirement=name.replace("_", "-")) for name in _OF_ONE_NAME},
    **{name: Provider(requirement=requirement) for name, requirement in _OF_OTHER_NAMES.items()},
    **{name: Provider(requirement=name, even_guarded=True) for name in ("ninja", "packaging", "wheel")},
}

# Of setuptools, or always there with it.
OF_SETUPTOOLS = frozenset({"_distutils_hack", "distutils", "pip", "setuptools"})
