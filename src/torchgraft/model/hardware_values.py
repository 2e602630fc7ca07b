"""What compiling can use, as values: toolkits, compilers, processors, memory, GPUs.

May not do anything: every type here is frozen, keyword-only, and round-trips through JSON (see `codec`).
"""

from __future__ import annotations

from ..values import dataclass


@dataclass(frozen=True, kw_only=True)
class Toolkit:
    """A CUDA toolkit that has nvcc.

    `home` is what CUDA_HOME has to be. `version` is like 13.0. `architectures` are those nvcc compiles for, as 75 or
    90a. `highest_gcc` is a major version, from its own host_config.h. `missing_headers` are those
    among `compile.nvcc.HEADERS` that it lacks: distributions split toolkits into many packages. `highest_libc` is the
    newest glibc that its headers agree with, as 2.41; "" where there is none known that they do not.
    """

    home: str
    version: str
    source: str
    nvcc: str
    architectures: tuple[str, ...] = ()
    highest_gcc: int | None = None
    missing_headers: tuple[str, ...] = ()
    highest_libc: str = ""


@dataclass(frozen=True, kw_only=True)
class RocmToolkit:
    """A ROCm that has hipcc. `home` is what ROCM_HOME has to be; `version` is like 6.4.1, "" where no file says it."""

    home: str
    version: str
    source: str


@dataclass(frozen=True, kw_only=True)
class SyclCompiler:
    """Intel's compiler for SYCL. `setvars` is oneAPI's script that puts it on PATH, "" where there is none."""

    icpx: str
    source: str
    on_path: bool
    setvars: str = ""


@dataclass(frozen=True, kw_only=True)
class HostCompiler:
    """A C and C++ compiler of one version: `name` is gcc or clang, `version` like 12.2, or 12 where a name says it.

    `name` is "" for what the user's CC or CXX says and nvcc cannot be given: several words (`ccache gcc`), another
    compiler, no program at all. `cc` and `cxx` are then as the user wrote them, "" for one that is not known. `libc` is
    the glibc whose headers it takes; "" where it matters to no toolkit.
    """

    cc: str
    cxx: str
    name: str
    version: str
    source: str
    libc: str = ""


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What compiling can use. `gpus` are compute capabilities (9.0) or gfx names, of those that are visible.

    `cores` and `memory_bytes` are what this process may still use, by affinity, container and host; the `limit`s say
    which of them that was. `toolkit_faults` say why a toolkit that is there cannot be used. `wheel_trees` are folders
    such as nvidia/cu13 that NVIDIA's wheels made, the build environment's first; `wheels` are names and versions of all
    of NVIDIA's wheels in both environments. The first of `compilers` is what compiles where nothing is set.
    `appended_threads` is what the user's NVCC_APPEND_FLAGS tells every nvcc, 0 for as many as there are processors;
    `users_jobs` is the user's MAX_JOBS, 0 where it is no number; `caches` are the compiler caches on PATH.
    """

    cores: int
    cores_limit: str
    memory_bytes: int
    memory_limit: str
    gpus: tuple[str, ...] = ()
    gpus_source: str = ""
    toolkits: tuple[Toolkit, ...] = ()
    toolkit_faults: tuple[str, ...] = ()
    wheel_trees: tuple[str, ...] = ()
    wheels: tuple[str, ...] = ()
    compilers: tuple[HostCompiler, ...] = ()
    rocm: tuple[RocmToolkit, ...] = ()
    sycl: tuple[SyclCompiler, ...] = ()
    appended_threads: int | None = None
    users_jobs: int = 0
    caches: tuple[str, ...] = ()
