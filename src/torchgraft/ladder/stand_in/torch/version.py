"""What torch/version.py says, from the plan."""

from __future__ import annotations

from . import _notes


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _notes.fact("version", "torch.version.__version__")
    if name in {"cuda", "hip", "xpu", "debug", "git_version"}:
        return _notes.fact(name, f"torch.version.{name}")
    return _notes.unknown(__name__, name)
