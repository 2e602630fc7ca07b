"""What compiling can use, looked at only by the hooks that have to know.

May not look for a toolkit where no CUDA code is compiled.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..installed.torch import read_architectures
from ..model.hardware_values import Hardware
from ..model.observation import BuildEnvironment, Consumer, Hook, Locked, Torch
from ..model.source_tree import Project
from ..settings.config import Config, Cuda
from ..settings.sources import Settings
from .hardware import take_hardware
from .plan_needs import asks_for_compilers, asks_for_gpus, cuda_need, rocm_need, sycl_need


def take_hardware_for(  # noqa: PLR0913 - all that the need depends on
    settings: Settings,
    hook: Hook,
    project: Project,
    *,
    build: BuildEnvironment,
    build_paths: tuple[str, ...],
    consumer: Consumer | None,
    locked: Locked | None = None,
) -> Hardware | None:
    """Return processors and memory, and toolkits, compilers and GPUs where CUDA code is compiled or a rule asks.

    None for a hook that makes no wheel. For metadata and sdists, what the rules are about is not looked at.
    """
    if hook is Hook.GET_REQUIRES_FOR_BUILD_SDIST:
        return None
    config = settings.config
    torches = tuple(torch for torch in (build.torch, consumer.torch if consumer else None) if torch)
    cuda = any(cuda_need(config, project, torch) for torch in torches)
    if hook.asks and (not torches or locked is not None) and config.cuda is not Cuda.OFF:
        cuda = cuda or bool(project.cuda_sources)  # of a torch that is not here yet
    rocm = any(rocm_need(config, project, torch) for torch in torches)
    sycl = any(sycl_need(config, project, torch) for torch in torches)
    need = cuda or rocm or sycl
    # The setup.py of metadata and sdists runs too, and CUDAExtension raises where torch finds no CUDA_HOME.
    if not (hook.asks or hook.builds or need):
        return None
    asked = asks_for_gpus(settings.config) or asks_for_compilers(settings.config)
    if hook.asks and not need and not asked:
        return None  # jobs are a matter of the build
    hardware = take_hardware(
        settings.variables,
        search_paths=(*build_paths, *(consumer.search_path if consumer else ())),
        prefixes=tuple(filter(None, (consumer.prefix if consumer else "", build.prefix))),
        cuda=cuda,
        rocm=rocm,
        sycl=sycl,
        cudas=() if hook.asks or locked else tuple(torch.cuda for torch in torches if torch.cuda),
        build_paths=build_paths,
    )
    return hardware if cuda else _as_rules_ask(hardware, settings)


def _as_rules_ask(hardware: Hardware, settings: Settings) -> Hardware:
    """Return the hardware with what the rules of the package are about, where no CUDA code is compiled."""
    variables = settings.variables
    if asks_for_gpus(settings.config):
        from .gpus import find_gpus

        gpus = find_gpus(variables)
        hardware = replace(hardware, gpus=gpus.capabilities, gpus_source=gpus.source)
    if asks_for_compilers(settings.config):
        from .compilers import find_compilers

        hardware = replace(hardware, compilers=find_compilers(variables, variables.get("PATH", "")))
    return hardware


def with_architectures(config: Config, project: Project, torch: Torch | None) -> Torch | None:
    """Return a torch with what it was built for, where that is asked: it costs a search in large libraries."""
    if torch is None or torch.architectures:
        return torch
    if not cuda_need(config, project, torch) and not rocm_need(config, project, torch):
        return torch
    return replace(torch, architectures=read_architectures(Path(torch.folder)))
