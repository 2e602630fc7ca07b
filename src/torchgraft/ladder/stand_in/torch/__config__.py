"""torch.__config__: how torch was built; extensions ask it for OpenMP."""

from __future__ import annotations

from . import _notes


def parallel_info() -> str:
    """Return what every build for Linux says of its threads."""
    return "ATen parallel backend: OpenMP\n"


def show() -> str:
    """Return nothing: what it would be is only known of a real torch."""
    raise _notes.refusal("torch.__config__.show()")


def __getattr__(name: str) -> object:
    return _notes.unknown(__name__, name)
