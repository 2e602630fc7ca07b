"""A stand-in for torch, for making metadata and sdists where there is no torch. Never importable in a wheel's build.

It answers with the facts of the plan and fails closed: whatever it does not know ends in an error, so that no metadata
is made from an answer that was made up. Every read of a fact that differs between builds of torch is noted.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys

from . import _notes

__all__ = ["__version__", "cuda", "has_cuda", "has_mps", "utils", "version"]

has_cuda = False
has_mps = False


class _Unknown(importlib.abc.MetaPathFinder):
    """Refuses submodules that the stand-in does not have, also where the importer would put up with that."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.startswith("torch."):
            raise _notes.refusal(fullname)
        return None


sys.meta_path.append(_Unknown())

from . import _C, __config__, cuda, torch_version, utils, version  # noqa: E402, F401


def __getattr__(name: str) -> object:
    if name == "__version__":
        return torch_version.__version__
    return _notes.unknown(__name__, name)


def compiled_with_cxx11_abi() -> bool:
    """Return the C++ ABI of the plan's torch."""
    return bool(_notes.fact("cxx11_abi", "torch.compiled_with_cxx11_abi()"))
