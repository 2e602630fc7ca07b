"""What compiling can use: processors, memory, and for CUDA code GPUs, toolkits and host compilers.

May not decide what is used, nor look for what nobody asks for: without CUDA it takes a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..machine import Hardware
from .machine import read_machine


def take_hardware(
    variables: Mapping[str, str],
    *,
    search_paths: tuple[str, ...],
    prefixes: tuple[str, ...],
    cuda: bool,
    architectures: bool = False,
    build_paths: Collection[str] = (),
) -> Hardware:
    """Return what the machine offers to the build.

    :param variables: the user's
    :param search_paths: where distributions are looked for, the build environment's and the consumer's
    :param prefixes: of both
    :param cuda: whether CUDA or HIP code is compiled: else only processors and memory are looked at
    :param architectures: whether to ask each nvcc for its own
    :param build_paths: those of `search_paths` that are the build environment's
    """
    machine = read_machine()
    if not cuda:
        return Hardware(
            cores=machine.cores,
            cores_limit=machine.cores_limit,
            memory_bytes=machine.memory_bytes,
            memory_limit=machine.memory_limit,
        )
    from .compilers import find_compilers
    from .gpus import find_gpus
    from .nvidia_wheels import find_wheel_trees
    from .rocm import find_rocm
    from .toolkits import find_toolkits

    search = find_toolkits(
        variables,
        search_paths=search_paths,
        prefixes=prefixes,
        architectures=architectures,
        build_paths=build_paths,
    )
    gpus = find_gpus(variables)
    return Hardware(
        cores=machine.cores,
        cores_limit=machine.cores_limit,
        memory_bytes=machine.memory_bytes,
        memory_limit=machine.memory_limit,
        gpus=gpus.capabilities,
        gpus_source=gpus.source,
        toolkits=search.toolkits,
        toolkit_faults=search.faults,
        wheel_trees=tuple(tree.folder for tree in find_wheel_trees(search_paths, build_paths=build_paths)),
        compilers=find_compilers(variables, variables.get("PATH", "")),
        rocm=find_rocm(variables),
    )
