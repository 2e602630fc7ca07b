"""What a project needs, as both look and decide have to know: nothing costly is looked at for nothing.

May not decide more than that.
"""

from __future__ import annotations

from .config import Config, Cuda
from .model import Project, Torch


def cuda_need(config: Config, project: Project, torch: Torch | None) -> str:
    """Return why a CUDA toolkit is needed; "" if it is not."""
    if config.cuda is Cuda.OFF:
        return ""
    if config.cuda is Cuda.REQUIRED:
        return f"cuda = required ({config.origin('cuda')})"
    if torch is None or not torch.cuda:
        return ""
    return project.cuda_sources
