"""The door for people: what `torchgraft`, `python -m torchgraft` and programs that run it in their own process call."""

from __future__ import annotations

from .tools.commands import main

__all__ = ["main"]
