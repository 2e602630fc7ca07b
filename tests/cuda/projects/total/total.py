"""What the extension makes, with torch loaded before it."""

import torch  # noqa: F401 - the extension needs its libraries
from total_ext import BUILT_FOR_TORCH, scaled, total

__all__ = ["BUILT_FOR_TORCH", "scaled", "total"]
