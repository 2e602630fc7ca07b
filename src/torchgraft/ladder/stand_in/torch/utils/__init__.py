"""torch.utils as far as setup.py scripts go."""

from __future__ import annotations

from .. import _notes
from . import cpp_extension  # noqa: F401

cmake_prefix_path = ""


def __getattr__(name: str) -> object:
    return _notes.unknown(__name__, name)
