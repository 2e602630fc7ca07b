"""What compiling can use: processors and memory, and where anything needs them GPUs, toolkits and host compilers.

May not decide what is used, nor look for what nobody asks for: most of it is imported only where it is needed.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from ..consumer.ownership import who_may
from ..files import is_folder, read_text, real
from ..installed.torch import read_architectures
from ..model.hardware_values import Hardware
from ..model.observation import BuildEnvironment, Consumer, Hook
from ..model.source_tree import Project
from ..model.torch_values import Locked, Torch
from ..settings.config import Config, Cuda
from ..settings.sources import Settings
from .plan_needs import Looking, asks_for_compilers, asks_for_gpus, cuda_need, rocm_need, sycl_need

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d{1,18}) kB$", re.MULTILINE)
_ALLOWED = re.compile(r"^Cpus_allowed_list:[ \t]*([\d,-]+)$", re.MULTILINE)
_NUMBER = re.compile(r"\d{1,20}")
# v1 writes the largest number of pages where there is no limit.
_NO_LIMIT = 1 << 62


class _Version(NamedTuple):
    """What the files of a control group are called, in one of the two versions of the kernel's interface."""

    limits: tuple[str, ...]
    usage: str
    reclaimable: str


_V1 = _Version(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file")
_V2 = _Version(("memory.max", "memory.high"), "memory.current", "inactive_file")


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
    gpus, compilers = asks_for_gpus(config), asks_for_compilers(config) or (hook.builds and config.precompiled_headers)
    if hook.asks and not (need or gpus or compilers):
        return None  # jobs are a matter of the build
    looking = Looking(
        search_paths=(*build_paths, *(consumer.search_path if consumer else ())),
        prefixes=tuple(filter(None, (consumer.prefix if consumer else "", build.prefix))),
        cuda=cuda,
        rocm=rocm,
        sycl=sycl,
        gpus=gpus,
        compilers=compilers,
        cudas=() if hook.asks or locked else tuple(torch.cuda for torch in torches if torch.cuda),
        build_paths=build_paths,
        guess=consumer is not None and not consumer.is_named and consumer.prefix != build.prefix,
        trusting=who_may(config.trust, settings.source),
    )
    hardware = take_hardware(settings.variables, looking)
    if not hook.builds:
        return hardware
    from ..programs import find_programs

    # In the order in which torch looks for them.
    caches = (find_programs(name, settings.variables)[:1] for name in ("ccache", "sccache"))
    return replace(hardware, caches=tuple(itertools.chain.from_iterable(caches)))


def take_hardware(variables: Mapping[str, str], looking: Looking) -> Hardware:
    """Return what the machine offers to the build; where nothing is looked for, processors and memory alone."""
    users_jobs = variables.get("MAX_JOBS", "")  # torch asks isdigit(), too
    hardware = replace(read_machine(), users_jobs=int(users_jobs) if re.fullmatch(r"[0-9]{1,9}", users_jobs) else 0)
    if looking.cuda or looking.rocm or looking.gpus:
        from .gpus import find_gpus

        found = find_gpus(variables)
        hardware = replace(hardware, gpus=found.capabilities, gpus_source=found.source)
    if looking.rocm or looking.sycl:
        from .compilers import find_rocm, find_sycl

        hardware = replace(
            hardware,
            rocm=find_rocm(variables, search_paths=looking.search_paths) if looking.rocm else (),
            sycl=find_sycl(variables) if looking.sycl else (),
        )
    if looking.cuda or looking.compilers:
        from .compilers import find_compilers, machine_libc, with_libc

        pairs = find_compilers(variables, variables.get("PATH", ""))
        pairs = with_libc(pairs, variables, machine=machine_libc()) if looking.cuda else pairs
        hardware = replace(hardware, compilers=pairs)
    if not looking.cuda:
        return hardware
    from ..project.extension_options import appended_threads
    from .toolkits import find_toolkits, find_wheel_names

    search = find_toolkits(variables, looking)
    return replace(
        hardware,
        toolkits=search.toolkits,
        toolkit_faults=search.faults,
        wheel_trees=search.trees,
        wheels=find_wheel_names(looking.search_paths),
        appended_threads=appended_threads(variables),
    )


def with_architectures(config: Config, project: Project, torch: Torch | None) -> Torch | None:
    """Return a torch with what it was built for, where that is asked: it costs a search in large libraries."""
    if torch is None or torch.architectures:
        return torch
    if not cuda_need(config, project, torch) and not rocm_need(config, project, torch):
        return torch
    return replace(torch, architectures=read_architectures(Path(torch.folder)))


def read_machine(*, proc: Path = _PROC, cgroup: Path = _CGROUP) -> Hardware:
    """Return the smallest over MemAvailable, affinity, and every ancestor of our own control group.

    Docker, Kubernetes, Slurm and systemd set limits at different heights, so the own group's alone says little. A
    quota of 1.5 processors counts as two, as in the runtimes of Java and Go.
    """
    cores = [_processors(proc)]
    memory = [_available(proc)]
    for folder, version in _groups(proc, cgroup):
        memory += _memory(folder, version)
        cores += _quota(folder)
    fewest, least = min(cores, key=itemgetter(0)), min(memory, key=itemgetter(0))
    return Hardware(
        cores=max(1, fewest[0]), cores_limit=fewest[1], memory_bytes=max(0, least[0]), memory_limit=least[1]
    )


def parse_cpu_list(text: str) -> int:
    """Return how many processors a list such as 0-3,8 has; 0 where it is none."""
    count = 0
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not _NUMBER.fullmatch(first) or not _NUMBER.fullmatch(last or first):
            return 0
        count += max(0, int(last or first) - int(first) + 1)
    return count


def parse_groups(text: str) -> Mapping[str, str]:
    """Return the paths of a /proc/self/cgroup by controller; that of v2 has none, and stands under "" (cgroups(7))."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        if number.isdigit() and separator and path.startswith("/") and "\0" not in path:
            for controller in controllers.split(","):
                groups.setdefault(controller, path)
    return groups


def _processors(proc: Path) -> tuple[int, str]:
    allowed = _ALLOWED.search(read_text(proc / "self" / "status"))
    count = parse_cpu_list(allowed[1]) if allowed else 0
    if count:
        return count, f"the {count} processors that this process may use"
    if sys.platform == "win32":
        import psutil

        count = len(psutil.Process().cpu_affinity() or [])
    else:
        count = os.cpu_count() or 1
    return count, f"the {count} processors of this machine"


def _available(proc: Path) -> tuple[int, str]:
    match = _AVAILABLE.search(read_text(proc / "meminfo"))
    if match:
        count = int(match[1]) * 1024
    elif sys.platform == "linux":  # a sandbox without /proc
        count = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    else:
        import psutil

        count = int(psutil.virtual_memory().available)
    return count, "the memory of this machine"


def _groups(proc: Path, root: Path) -> Iterator[tuple[Path, _Version]]:
    """Yield the folders of our own group and of its ancestors, in each hierarchy that there is."""
    paths = parse_groups(read_text(proc / "self" / "cgroup"))
    if not paths and not is_folder(root):
        return
    mounts = read_text(proc / "self" / "mountinfo")
    for controller in ("memory", "cpu"):
        if controller in paths:
            # Controllers may be mounted together: cpu,cpuacct. There are links for each then, but not everywhere.
            places = (root / controller, root / f"{controller},cpuacct", root / f"cpuacct,{controller}")
            for mount in [place for place in places if is_folder(place)][:1]:
                yield from ((folder, _V1) for folder in _chain(mount, paths[controller], mounts))
    # Beside v1, v2 is at unified/ and has no controllers: then it has none of the files either.
    mount = root / "unified" if is_folder(root / "unified") else root
    yield from ((folder, _V2) for folder in _chain(mount, paths.get("", "/"), mounts))


def _chain(mount: Path, path: str, mounts: str) -> Iterator[Path]:
    """Yield the folders from our group up to where its hierarchy is mounted.

    In a container, the path may be that on the host, and the mount the group itself: mountinfo says so (proc(5)).
    What is outside of our namespace (/../other) cannot be seen: there is only the mount.
    """
    parts = [part for part in path.split("/") if part]
    top = _mounted_root(mount, mounts)
    if parts[: len(top)] == top:
        parts = parts[len(top) :]
    if ".." in parts or not is_folder(mount.joinpath(*parts)):
        parts = []
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _mounted_root(mount: Path, mounts: str) -> list[str]:
    """Return the parts of the group that is mounted at a folder."""
    place = real(mount)  # /sys/fs/cgroup/cpu is a link to cpu,cpuacct on many machines
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) > 4 and fields[4] == place:
            return [part for part in fields[3].split("/") if part]
    return []


def _memory(folder: Path, version: _Version) -> Iterator[tuple[int, str]]:
    """Yield what each limit of a group leaves. Files that were read and can be dropped do not count as used."""
    limits = [(name, limit) for name in version.limits if (limit := _number(folder / name)) is not None]
    if not limits:
        return
    statistics = dict(line.partition(" ")[::2] for line in read_text(folder / "memory.stat").splitlines())
    reclaimable = _as_number(statistics.get(version.reclaimable, "")) or 0
    used = max(0, (_number(folder / version.usage) or 0) - reclaimable)
    # Of ancestors that cannot be seen, v1 still gives the lowest limit.
    inherited = _as_number(statistics.get("hierarchical_memory_limit", ""))
    limits += [("hierarchical_memory_limit", inherited)] if inherited is not None else []
    for name, limit in limits:
        if limit < _NO_LIMIT:
            yield limit - used, f"{name} of {folder}"


def _quota(folder: Path) -> Iterator[tuple[int, str]]:
    """Yield how many processors the quota of a group amounts to."""
    words = read_text(folder / "cpu.max").split()
    quota, period = (_as_number(words[0]), _as_number(words[1])) if len(words) == 2 else (None, None)
    name = "cpu.max"
    if quota is None:
        name = "cpu.cfs_quota_us"
        quota, period = _number(folder / name), _number(folder / "cpu.cfs_period_us")
    if quota and period:
        yield max(1, math.ceil(quota / period)), f"{name} of {folder}: {quota / period:.1f} processors"


def _number(path: Path) -> int | None:
    return _as_number(read_text(path).strip())


def _as_number(text: str) -> int | None:
    """Return a number of bytes or microseconds; None for "max", -1 and whatever else is no limit."""
    return int(text) if text.isascii() and _NUMBER.fullmatch(text) else None
