"""Which variables the delegate gets besides those it inherits, and whether it compiles everything anew.

May not override what the user has set, nor look at what was compiled before, or delete it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..compile.plan_needs import has_vocabulary
from ..ladder.plan_way import Reach, plan_graft
from ..model.decision import Compiling, PlannedVariable, Rebuild, Wishes
from ..model.observation import Snapshot, Way
from ..model.source_tree import Project
from ..model.torch_values import Knowledge, Torch
from ..settings.config import Config
from ..untrusted import parse_version

# What a tree was built for, where nobody knows it, or parts of it are for another torch.
UNKNOWN = "unknown"
_EPOCH = "SOURCE_DATE_EPOCH"
# What a plan sets by itself, unless the user has set it.
_DECIDED = (
    *("CC", "CFLAGS", "CCACHE_BASEDIR", "CCACHE_NOHASHDIR", "CMAKE_BUILD_PARALLEL_LEVEL"),
    *("CMAKE_CUDA_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER", "CMAKE_C_COMPILER_LAUNCHER", "CUDACXX"),
    *("CUDAToolkit_ROOT", "CUDA_HOME", "CUDA_PATH", "CXX", "CXXFLAGS", "DIST_EXTRA_CONFIG", "FORCE_CUDA", "MAX_JOBS"),
    *("NVCC_APPEND_FLAGS", "NVCC_THREADS", "PYTHONDONTWRITEBYTECODE", "PYTORCH_ROCM_ARCH", "ROCM_HOME", "ROCM_PATH"),
    *("SCCACHE_IGNORE_SERVER_IO_ERROR", "TORCH_CUDA_ARCH_LIST", "TORCH_EXTENSION_SKIP_NVCC_GEN_DEPENDENCIES"),
    *("TORCH_NO_COMPILER_WRAPPER", "Torch_DIR"),
)


def plan_variables(
    config: Config, snapshot: Snapshot, *, torch: Torch, reach: Reach, compiling: Compiling, wishes: Wishes
) -> tuple[PlannedVariable, ...]:
    """Return the variables by name; a value of None says that the user's own stays, or that there is none to set."""
    user = set(snapshot.variables_set) - set(compiling.forced)
    chosen: dict[str, PlannedVariable] = {}
    vocabulary: Iterable[PlannedVariable] = ()
    if has_vocabulary(config, snapshot.project):
        from ..compile.plan_facts import plan_vocabulary

        version = None if torch.known is Knowledge.GUESSED else parse_version(torch.version)
        vocabulary = plan_vocabulary(config, snapshot, compiling, torch=version.public if version else None)
    by_itself = (*_decided(reach.torch, reach.way), *_reproducing(config, snapshot, reach, compiling))
    for variable in (*by_itself, *vocabulary, *compiling.variables, *wishes.variables):
        before = chosen.get(variable.name, variable)
        # What is set without looking at the machine, too, is so in metadata: the record has to be the same.
        of_machine = variable.of_machine and before.of_machine
        if variable.name in user:
            chosen[variable.name] = replace(variable, value=None, reason="the user has set it", of_machine=of_machine)
        elif variable.value is not None or variable.name not in chosen:
            chosen[variable.name] = replace(variable, of_machine=of_machine)
    return tuple(chosen[name] for name in sorted(chosen))


def _decided(torch: Torch | None, way: Way) -> Iterator[PlannedVariable]:
    if way in {Way.GRAFT, Way.PRESENT} and torch is not None:
        # find_package(Torch) looks here last of all. scikit-build-core searches site-packages, not the links; meson
        # searches neither.
        reason = "CMake finds torch here where the project does not say where"
        yield PlannedVariable(name="Torch_DIR", value=f"{torch.folder}/share/cmake/Torch", reason=reason)
    if way is Way.GRAFT:
        # Importing through a link would write __pycache__ into the consumer.
        reason = "nothing may be written into the consumer"
        yield PlannedVariable(name="PYTHONDONTWRITEBYTECODE", value="1", reason=reason)


def _reproducing(config: Config, snapshot: Snapshot, reach: Reach, compiling: Compiling) -> Iterator[PlannedVariable]:
    """Yield what keeps folders out of debug information and assertions, where wheels are to be the same in any."""
    if not snapshot.hook.builds or _EPOCH not in snapshot.variables_set or snapshot.python.platform.startswith("win"):
        return
    graft = plan_graft(config, snapshot) if reach.way is Way.GRAFT else None
    folders = {snapshot.project.folder: "."}
    if reach.torch is not None and reach.torch.folder:
        folders[reach.torch.folder] = "graft/torch"
    if graft is not None:
        folders[graft.folder] = "graft"
    # Compilers are given the variable as words, each backend in its own way: a folder with spaces is left as it is.
    plain = {folder: name for folder, name in folders.items() if not set(folder) & set(" \t'\"\\=")}
    flags = [f"-ffile-prefix-map={folder}={name}" for folder, name in plain.items()]
    reason = f"{_EPOCH} is set: the same bytes in any folder"
    for variable in ("CFLAGS", "CXXFLAGS") if flags else ():
        yield PlannedVariable(name=variable, value=" ".join(flags), reason=reason, of_machine=True)
    if compiling.toolkit is not None:
        # Its own temporary files have the number of a process in their names, which stand in the object. A compiler
        # cache has a folder of its own for them.
        words = ["-objtemp"] if compiling.cache is None else []
        words += [f"-Xcompiler {flag}" for flag in flags if "," not in flag]
        if words:
            yield PlannedVariable(name="NVCC_APPEND_FLAGS", value=" ".join(words), reason=reason, of_machine=True)


def planned_names(config: Config, project: Project) -> set[str]:
    """Return the names of all variables that a plan may set, and of those that it goes by."""
    names = {*_DECIDED, _EPOCH, "MAKEFLAGS", *config.env, *(name for rule in config.when for name in rule.env)}
    if has_vocabulary(config, project):
        from ..settings.vocabulary import VARIABLES

        names.update(VARIABLES)
    return names


def plan_rebuild(config: Config, snapshot: Snapshot, torch: Torch | None) -> Rebuild | None:
    """Return how setuptools is made to compile anew, and unless what; None where it cannot be made to, or is not there.

    setuptools and torch skip an extension whose sources are older than its module. Forced, torch still leaves it to
    ninja what has to be compiled again. A file that the user has named stays. Another build may be at work in the tree
    now, so that whether it is done is only known when this one holds the tree.
    """
    by_setuptools = config.backend.partition(":")[0].partition(".")[0] == "setuptools"
    if not (snapshot.hook.builds and by_setuptools and torch) or "DIST_EXTRA_CONFIG" in snapshot.variables_set:
        return None
    before, identity, reason = snapshot.project.built_for, build_identity(torch), ""
    if before and before != identity:
        what = "another torch, or nobody knows which," if before == UNKNOWN else f"torch {before.partition(' ')[0]}"
        reason = f"the source tree was built for {what} before: compiled anew"
    config_file = snapshot.python.path(snapshot.cache_folder) / "rebuild.cfg"
    return Rebuild(config=str(config_file), unless=identity, reason=reason)


def build_identity(torch: Torch | None) -> str:
    """Return what tells one build of torch from another, in one line; "" for none."""
    if torch is None:
        return ""
    facts = (torch.version, torch.cuda or torch.hip or torch.xpu, torch.cxx11_abi, torch.git_version)
    return " ".join("-" if fact is None else str(fact) for fact in facts)
