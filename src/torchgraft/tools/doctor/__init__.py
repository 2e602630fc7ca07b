"""`torchgraft doctor`: whether this machine can build for its torch, and what to mend."""

from __future__ import annotations
