"""What the source tree says, without running it."""

from __future__ import annotations
