"""x + alpha * y in one pass, as a torch operator."""

from __future__ import annotations

import torch

from . import _C

BUILT_FOR_TORCH: str = _C.BUILT_FOR_TORCH


def scaled_add(x: torch.Tensor, y: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return x + alpha * y."""
    return torch.ops.scaled_add.scaled_add(x, y, alpha)
