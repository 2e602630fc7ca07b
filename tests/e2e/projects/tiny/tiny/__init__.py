from __future__ import annotations

import torch

from . import _C

BUILT_FOR_TORCH: str = _C.BUILT_FOR_TORCH


def scaled_add(x: torch.Tensor, y: torch.Tensor, alpha: float) -> torch.Tensor:
    """Return x + alpha * y of float64 tensors."""
    x, y = x.contiguous(), y.contiguous()
    total = torch.empty_like(x)
    _C.scaled_add(total.data_ptr(), x.data_ptr(), y.data_ptr(), x.numel(), alpha)
    return total
