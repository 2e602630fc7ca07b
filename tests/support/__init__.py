"""What several test files need."""

from __future__ import annotations
