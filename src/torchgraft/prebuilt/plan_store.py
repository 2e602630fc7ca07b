"""Whether a wheel is kept for the next build of the same, where it is looked for, and what of the plan decides it.

May not look at the source tree or the machine: see `store_key`. A wheel is kept only where all that is known to decide
one can be told: better compiled twice than wrong once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator

from ..codec import to_json
from ..compile.plan_compiler_cache import SWITCH
from ..model.decision import Compiling, PlannedStore, PlannedVariable
from ..model.observation import Rule, Snapshot, Way
from ..model.torch_values import Knowledge, Origin, Torch
from ..settings.choices import Storing
from ..settings.config import Config
from ..settings.vocabulary import JOB_VARIABLES

# What is in a stored wheel, and what its key is made of: another number, another key.
STORE_FORMAT = 1
# Settings that say how fast, how loud or where, and what finishing a wheel does each time anew.
_IDLE_SETTINGS = frozenset(
    {
        *("cache_age_s", "cache_dir", "cache_size_bytes", "compiler_cache", "consumer", "guard", "link_check", "log"),
        *("jobserver", "precompiled_headers", "progress"),
        *("max_jobs", "memory_per_job", "origins", "prebuilt", "require_hashes", "runtime_torch", "sbom", "store"),
        *("store_token", "store_write", "stored", "timeout_s", "told_torch", "trust", "use_prebuilt"),
    }
)
# Variables of the plan that decide how fast, or name places of which other facts say what is there.
IDLE_VARIABLES = frozenset(
    {
        *("CC", "CCACHE_BASEDIR", "CCACHE_NOHASHDIR", "CMAKE_BUILD_PARALLEL_LEVEL", "CUDACXX", "CUDAToolkit_ROOT"),
        *("CMAKE_CUDA_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER", "CMAKE_C_COMPILER_LAUNCHER", "CUDA_HOME"),
        *("CUDA_PATH", "CXX", "DIST_EXTRA_CONFIG", "MAX_JOBS", "NVCC_THREADS", "PYTHONDONTWRITEBYTECODE", "Torch_DIR"),
        *("SCCACHE_IGNORE_SERVER_IO_ERROR", "TORCH_EXTENSION_SKIP_NVCC_GEN_DEPENDENCIES", SWITCH, *JOB_VARIABLES),
    }
)
# What carries the hooks, and changes without changing what is built.
OWN_DISTRIBUTIONS = frozenset({"torchgraft", "pyproject-hooks", "psutil", "urllib3"})


def plan_store(  # noqa: PLR0913 - all that decides a wheel
    config: Config,
    snapshot: Snapshot,
    *,
    torch: Torch | None,
    way: Way,
    guess: str,
    compiling: Compiling,
    variables: tuple[PlannedVariable, ...],
) -> PlannedStore:
    """Return where the wheel of this hook is looked for and kept, or why it is not."""
    refused = next(_obstacles(config, snapshot, torch, way, guess), "")
    if refused or torch is None:
        return PlannedStore(refused=refused)
    own = str(snapshot.python.path(snapshot.cache_folder) / "wheels")
    places = tuple(dict.fromkeys(own if place == "auto" else place for place in config.store))
    facts = dict(_facts(config, snapshot, torch, compiling, variables))
    return PlannedStore(places=places, writes=config.store_write, facts=tuple(sorted(facts.items())))


def _obstacles(config: Config, snapshot: Snapshot, torch: Torch | None, way: Way, guess: str) -> Iterator[str]:
    project, consumer = snapshot.project, snapshot.consumer
    if config.stored is Storing.OFF or config.store == ("off",):
        yield f"store ({config.origin('store')}) is off"
    if guess:
        yield "the torch is a guess"
    is_consumer = consumer is not None and consumer.rule is Rule.IMPORTABLE and snapshot.passing is None
    if way not in {Way.GRAFT, Way.INSTALL, Way.PRESENT} or is_consumer:
        yield "the build is not isolated, and may see anything"
    if torch is None or torch.known is not Knowledge.SEEN:
        yield "no torch is there"
    elif torch.origin is not Origin.WHEEL:
        yield f"torch is of {torch.origin.value}, and its version does not say what it is"
    elif torch.accelerator not in {"cpu", "cuda"}:
        yield f"torch is built for {torch.accelerator}, whose toolkits are not told apart"
    if not project.passing:
        yield "the source tree stays, and keeps what is compiled; what is beside it may decide as well"
    local = [d.name for d in (consumer.distributions if consumer and way is Way.GRAFT else ()) if d.is_local]
    if local:
        yield f"{local[0]} is installed from a folder"
    if any("file:" in requirement for requirement in (*project.requires, *config.requires)):
        yield "a build requirement comes from a folder"


def _facts(
    config: Config, snapshot: Snapshot, torch: Torch, compiling: Compiling, variables: tuple[PlannedVariable, ...]
) -> Iterator[tuple[str, str]]:
    python, hardware, consumer = snapshot.python, snapshot.hardware, snapshot.consumer
    built_for = (torch.version, torch.git_version, torch.cuda, torch.cxx11_abi, torch.debug, torch.extension_suffix)
    yield "format", str(STORE_FORMAT)
    yield "torch", _text(built_for)
    interpreter = (python.version, python.implementation, python.abi, python.platform, python.extension_suffix)
    yield "python", _text((*interpreter, python.system, python.machine))
    yield "project", _text((snapshot.project.name, snapshot.project.version))
    yield "toolkit", compiling.toolkit.version if compiling.toolkit else ""
    yield "gpus", _text(hardware.gpus if hardware else ())
    here = [pair for pair in snapshot.build.distributions if pair[0] not in OWN_DISTRIBUTIONS]
    linked = [(d.name, d.version) for d in (consumer.distributions if consumer else ())]
    yield "distributions", _digest((sorted(here), sorted(linked)))
    said = {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name not in _IDLE_SETTINGS}
    yield "settings", _digest({name: to_json(value) for name, value in said.items()})
    yield "variables", _digest([(v.name, v.value) for v in variables if v.name not in IDLE_VARIABLES])


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _digest(value: object) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()
