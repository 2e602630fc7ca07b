"""What compiling can use: processors, memory, and for CUDA code GPUs, toolkits and host compilers.

May not decide what is used, nor look for what nobody asks for: without CUDA it takes a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ..model.hardware_values import Hardware
from .machine import read_machine


def take_hardware(  # noqa: PLR0913 - each is another thing to look for
    variables: Mapping[str, str],
    *,
    search_paths: tuple[str, ...],
    prefixes: tuple[str, ...],
    cuda: bool,
    rocm: bool = False,
    sycl: bool = False,
    cudas: tuple[str, ...] = (),
    build_paths: Collection[str] = (),
) -> Hardware:
    """Return what the machine offers to the build.

    :param variables: the user's
    :param search_paths: where distributions are looked for, the build environment's and the consumer's
    :param prefixes: of both
    :param cuda: whether CUDA code is compiled, `rocm` the same by ROCm, `sycl` SYCL code: without any of them only
        processors and memory are looked at
    :param cudas: versions of CUDA that may be compiled for, empty where that is not known
    :param build_paths: those of `search_paths` that are the build environment's
    """
    machine = read_machine()
    hardware = Hardware(
        cores=machine.cores,
        cores_limit=machine.cores_limit,
        memory_bytes=machine.memory_bytes,
        memory_limit=machine.memory_limit,
    )
    if cuda or rocm:
        from .gpus import find_gpus

        gpus = find_gpus(variables)
        hardware = replace(hardware, gpus=gpus.capabilities, gpus_source=gpus.source)
    if rocm:
        from .rocm import find_rocm

        hardware = replace(hardware, rocm=find_rocm(variables, search_paths=search_paths))
    if sycl:
        from .sycl import find_sycl

        hardware = replace(hardware, sycl=find_sycl(variables))
    if not cuda:
        return hardware
    from ..project.setup_script import appended_threads
    from .compilers import find_compilers
    from .libc import machine_libc, with_libc
    from .nvidia_wheels import find_wheel_names, find_wheel_trees
    from .toolkits import find_toolkits

    search = find_toolkits(
        variables,
        search_paths=search_paths,
        prefixes=prefixes,
        cudas=cudas,
        build_paths=build_paths,
    )
    return replace(
        hardware,
        toolkits=search.toolkits,
        toolkit_faults=search.faults,
        wheel_trees=tuple(tree.folder for tree in find_wheel_trees(search_paths, build_paths=build_paths)),
        wheels=find_wheel_names(search_paths),
        compilers=with_libc(find_compilers(variables, variables.get("PATH", "")), variables, machine=machine_libc()),
        appended_threads=appended_threads(variables),
    )
