"""What compiles CUDA, ROCm, SYCL and C++ here, and how much at once.

May not look for torch.
"""

from __future__ import annotations
