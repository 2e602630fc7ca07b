"""`torchgraft cache`: what is kept for later builds, and how it is removed."""

from __future__ import annotations
