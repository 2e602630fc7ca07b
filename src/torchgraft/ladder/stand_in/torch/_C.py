"""The one fact that extensions read from torch._C."""

from __future__ import annotations

from . import _notes


def __getattr__(name: str) -> object:
    if name == "_GLIBCXX_USE_CXX11_ABI":
        return _notes.fact("cxx11_abi", "torch._C._GLIBCXX_USE_CXX11_ABI")
    return _notes.unknown(__name__, name)
