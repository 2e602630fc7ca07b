"""Which distribution provides a module that build scripts import.

May not hold modules that only a package itself provides: nothing is guessed from the name of an import.
"""

from __future__ import annotations

# What is called as its module is, with dashes.
_OF_ONE_NAME = (
    *("cffi", "cmake", "cmake_build_extension", "Cython", "einops", "expecttest", "extension_helpers", "filelock"),
    *("nanobind", "numpy", "pbr", "psutil", "py_cpuinfo", "pybind11", "requests", "scikit_build_core", "scipy"),
    *("ninja", "packaging", "semver", "setuptools_cpp", "setuptools_git_versioning", "setuptools_rust"),
    *("setuptools_scm", "six", "tabulate", "toml", "tomli", "tomlkit", "tqdm", "typing_extensions", "urllib3", "wheel"),
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
PROVIDERS = {**{name: name.replace("_", "-") for name in _OF_ONE_NAME}, **_OF_OTHER_NAMES}
