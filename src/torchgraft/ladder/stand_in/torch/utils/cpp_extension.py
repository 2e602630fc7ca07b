"""torch.utils.cpp_extension whose extensions are ordinary ones: they name their sources, and cannot be compiled."""

from __future__ import annotations

import os
import sys
from typing import Any

from setuptools import Extension
from setuptools.command.build_ext import build_ext

from .. import _notes

IS_WINDOWS = sys.platform == "win32"
IS_MACOS = sys.platform.startswith("darwin")
IS_LINUX = sys.platform.startswith("linux")
IS_HIP_EXTENSION = False
CUDA_HOME = None
CUDNN_HOME = None
HIP_HOME = None
ROCM_HOME = None
SYCL_HOME = None
TORCH_LIB_PATH = ""
COMMON_NVCC_FLAGS: list[str] = []
COMMON_MSVC_FLAGS: list[str] = []


class BuildExtension(build_ext):
    """build_ext that takes the options of torch's, and refuses to compile."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{k: v for k, v in kwargs.items() if k not in _OPTIONS})

    @classmethod
    def with_options(cls, **options: Any) -> type[BuildExtension]:
        """Return a class that is made with these options, as torch's does."""

        class WithOptions(cls):  # type: ignore[misc, valid-type]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **{**kwargs, **options})

        return WithOptions

    def build_extensions(self) -> None:
        raise _notes.refusal("torch.utils.cpp_extension.BuildExtension.build_extensions()")


_OPTIONS = frozenset({"use_ninja", "no_python_abi_suffix"})
_OF_TORCH = frozenset({"dlink", "dlink_libraries"})


def CppExtension(name: str, sources: list[Any], *args: Any, **kwargs: Any) -> Extension:
    """Return an ordinary extension."""
    return _extension(name, sources, *args, **kwargs)


def CUDAExtension(name: str, sources: list[Any], *args: Any, **kwargs: Any) -> Extension:
    """Return an ordinary extension."""
    return _extension(name, sources, *args, **kwargs)


def SyclExtension(name: str, sources: list[Any], *args: Any, **kwargs: Any) -> Extension:
    """Return an ordinary extension."""
    return _extension(name, sources, *args, **kwargs)


def include_paths(*_: Any, **__: Any) -> list[str]:
    """Return no folders: nothing is compiled."""
    return []


def library_paths(*_: Any, **__: Any) -> list[str]:
    """Return no folders: nothing is linked."""
    return []


def is_ninja_available() -> bool:
    """Return False: nothing is compiled."""
    return False


def _extension(name: str, sources: list[Any], *args: Any, **kwargs: Any) -> Extension:
    # torch takes a table of flags by compiler, setuptools a list.
    if isinstance(kwargs.get("extra_compile_args"), dict):
        kwargs["extra_compile_args"] = []
    rest = {key: value for key, value in kwargs.items() if key not in _OF_TORCH}
    return Extension(name, [os.fspath(source) for source in sources], *args, **{"language": "c++", **rest})


def __getattr__(name: str) -> object:
    return _notes.unknown(__name__, name)
