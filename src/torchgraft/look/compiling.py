"""What compiling can use, looked at only by the hooks that have to know.

May not look for a toolkit where no CUDA code is compiled.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..config import Config
from ..machine import Hardware
from ..model import BuildEnvironment, Consumer, Hook, Project, Torch
from ..needs import cuda_need
from .hardware import take_hardware
from .settings import Settings
from .torch_libraries import read_architectures

COMPILES = frozenset({Hook.BUILD_WHEEL, Hook.BUILD_EDITABLE})
_ASKS = frozenset({Hook.GET_REQUIRES_FOR_BUILD_WHEEL, Hook.GET_REQUIRES_FOR_BUILD_EDITABLE})


def take_hardware_for(
    settings: Settings,
    hook: Hook,
    project: Project,
    *,
    build: BuildEnvironment,
    build_paths: tuple[str, ...],
    consumer: Consumer | None,
) -> Hardware | None:
    """Return processors and memory, and toolkits, compilers and GPUs where CUDA code is compiled.

    None for a hook that makes no wheel.
    """
    if hook not in COMPILES | _ASKS:
        return None
    torch = consumer.torch if consumer and consumer.torch else build.torch
    need = cuda_need(settings.config, project, torch)
    if hook in _ASKS and not need:
        return None  # jobs are a matter of the build
    return take_hardware(
        settings.variables,
        search_paths=(*build_paths, *(consumer.search_path if consumer else ())),
        prefixes=tuple(filter(None, (consumer.prefix if consumer else "", build.prefix))),
        cuda=bool(need),
        architectures=hook in COMPILES,
        build_paths=build_paths,
    )


def with_architectures(config: Config, project: Project, torch: Torch | None) -> Torch | None:
    """Return a torch with what it was built for, where that is asked: it costs a search in large libraries."""
    if torch is None or torch.architectures or not cuda_need(config, project, torch):
        return torch
    return replace(torch, architectures=read_architectures(Path(torch.folder)))
