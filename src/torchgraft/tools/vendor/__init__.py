"""`torchgraft vendor`: a copy of the backend in a project."""

from __future__ import annotations
