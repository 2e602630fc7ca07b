"""Say whether the project `total` computes what torch does, on the CPU and on a GPU if there is one."""

from __future__ import annotations

import torch
import total

devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
for device in devices:
    x = torch.arange(1000, dtype=torch.float32, device=device) / 7
    torch.testing.assert_close(total.scaled(x, 2.5), x * 2.5)
    torch.testing.assert_close(total.total(x), x.sum().reshape(1))
assert torch.__version__ == total.BUILT_FOR_TORCH, total.BUILT_FOR_TORCH
print("equal on", " and ".join(devices))
