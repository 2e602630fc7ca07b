"""The source tree that is built, as its files say it.

May not do anything: see `model`.
"""

from __future__ import annotations

from ..values import dataclass

# Folders of it in which no part of the build lies.
NOT_SOURCES = frozenset({"build", "dist", "node_modules", "__pycache__", "docs"})


@dataclass(frozen=True, kw_only=True)
class SetupScript:
    """What the syntax tree of setup.py says, without running it.

    `setup_requires` and `install_requires` are the literal lists; None where an expression computes them.
    `may_set_requires` is False only where it is certain that setup() gets no setup_requires.
    `imports` are the top-level names that it imports; `needs_torch` is true where it imports torch and does not
    put up with an ImportError, `tries_torch` where it does so, and nothing at its top imports torch anyway;
    `asks_version` where it asks importlib.metadata for torch's version, `needs_version`
    where it does not put up with there being none; `names_cuda` where it names CUDAExtension, `names_sycl` where
    SyclExtension. `name` is the distribution's, if it is literal.
    `version` is literal, "" where setup() gets none, None where an expression computes it.
    `nvcc_threads` is what it tells nvcc itself, 0 for as many as there are processors, None if nothing that is not
    NVCC_THREADS; `names_gencode` says whether it has flags of its own for architectures.
    `starts_cmake` says that it may start cmake; `run_paths` what in it may give run paths to libraries, "" if nothing.
    `only_compiles` says that setup() gets nothing that metadata are made of beside `[project]`.
    `torch_sources` is how many sources torch's BuildExtension compiles, of the extension that has the most of them, 0
    where it is not used; `refuses_ninja` says that it is told not to use ninja, None that an expression decides.
    """

    may_set_requires: bool = False
    setup_requires: tuple[str, ...] | None = ()
    install_requires: tuple[str, ...] | None = ()
    imports: tuple[str, ...] = ()
    needs_torch: bool = False
    tries_torch: bool = False
    asks_version: bool = False
    needs_version: bool = False
    names_cuda: bool = False
    names_sycl: bool = False
    name: str | None = None
    version: str | None = ""
    nvcc_threads: int | None = None
    names_gencode: bool = False
    starts_cmake: bool = False
    run_paths: str = ""
    only_compiles: bool = False
    torch_sources: int = 0
    refuses_ninja: bool | None = False


@dataclass(frozen=True, kw_only=True)
class Project:
    """The source tree that is built: what its files say, nothing executed.

    `version` is known where a file states it. `requires` is `build-system.requires`; `dependencies` the static ones,
    None where they are dynamic. `in_metadata` says that they stand in metadata, with those of all extras.
    `static_metadata` says whether all metadata can be had from pyproject.toml and the files that it names;
    `idle_script` that they are the same whether setup.py is run or not.
    `cuda_sources` says what shows that it needs a CUDA toolkit; "" if nothing does.
    `run_paths` says what shows that it may link with run paths; "" if nothing does.
    `meson` says whether it has a meson.build whose project() can be cut out.
    `built_for` says for which torch it was built last, in the words of `last_build`; "" if it was not.
    `header_users` is how many C++ files begin with torch/extension.h, counted where precompiled headers are asked for.
    `passing` says that it is a copy for this build: where it is, and that it is kept, says nothing.
    """

    folder: str
    name: str | None = None
    version: str | None = None
    requires: tuple[str, ...] = ()
    dependencies: tuple[str, ...] | None = None
    in_metadata: bool = False
    setup_cfg_requires: tuple[str, ...] = ()
    setup_script: SetupScript | None = None
    static_metadata: bool = False
    idle_script: bool = False
    cuda_sources: str = ""
    meson: bool = False
    run_paths: str = ""
    built_for: str = ""
    header_users: int = 0
    passing: bool = False
    writable: bool = True


@dataclass(frozen=True, kw_only=True)
class HashFile:
    """A file of the source tree with SHA-256 digests: names and digests, or why it cannot be read."""

    file: str
    digests: tuple[tuple[str, str], ...] = ()
    fault: str = ""
