"""`torchgraft check`: whether installed packages, wheels and libraries link with the torch that is there."""

from __future__ import annotations
