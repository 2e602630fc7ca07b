"""What a project needs, as both look and decide have to know: nothing costly is looked at for nothing.

May not decide more than that.
"""

from __future__ import annotations

from .config import Config, Cuda
from .model import Project, Torch


def asks_for_gpus(config: Config) -> bool:
    """Return whether a rule of the package is about GPUs."""
    return any(rule.gpu for rule in config.when)


def asks_for_compilers(config: Config) -> bool:
    """Return whether a rule of the package is about the host compiler."""
    return any(rule.gcc for rule in config.when)


def cuda_need(config: Config, project: Project, torch: Torch | None) -> str:
    """Return why a CUDA toolkit is needed; "" if it is not."""
    if config.cuda is Cuda.OFF:
        return ""
    if config.cuda is Cuda.REQUIRED:
        return f"cuda = required ({config.origin('cuda')})"
    if torch is None or not torch.cuda:
        return ""
    return project.cuda_sources


def rocm_need(config: Config, project: Project, torch: Torch | None) -> str:
    """Return why a ROCm toolkit is needed; "" if it is not. torch has it compile what is written for CUDA."""
    if config.cuda is Cuda.OFF or torch is None or not torch.hip:
        return ""
    required = f"cuda = required ({config.origin('cuda')})" if config.cuda is Cuda.REQUIRED else ""
    return project.cuda_sources or required


def sycl_need(config: Config, project: Project, torch: Torch | None) -> str:
    """Return why a SYCL compiler is needed; "" if it is not."""
    if config.cuda is Cuda.OFF or torch is None or not torch.xpu:
        return ""
    return "SyclExtension in setup.py" if project.setup_script and project.setup_script.names_sycl else ""
