"""Which wheels are tried before anything is compiled: those of the maintainer, and those kept by a build before.

May not ask a server: what is planned here is shown before it is downloaded. Nor look at the source tree or the machine
(see `store_key`): a wheel is kept where all that is known to decide one can be told; better compiled twice than wrong.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.utils import canonicalize_name

from ..codec import to_json
from ..compile.plan_compiler_cache import SWITCH
from ..compile.plan_facts import Facts
from ..model.decision import Compiling, Planned, PlannedPrebuilt, PlannedStore, PlannedVariable
from ..model.observation import Hook, Rule, Snapshot, Way
from ..model.torch_values import Knowledge, Origin, Torch
from ..settings.config import Config, Storing, UsePrebuilt
from ..settings.kinds import filled, template_names
from ..settings.vocabulary import JOB_VARIABLES

if TYPE_CHECKING:
    from ..settings.tables import Prebuilt


CLIENT = Planned(text="urllib3>=2.3", reason="prebuilt wheels are downloaded with it")
# The ask for it too: what compiling lacks is no reason to stop there.
_HOOKS = frozenset({Hook.GET_REQUIRES_FOR_BUILD_WHEEL, Hook.BUILD_WHEEL})

# The wheel is compared with both, whether its address names them or not.
_IDENTITY = ("name", "version")
_ROW = re.compile(r"\\?(?P<digest>[0-9a-fA-F]{64}) [ *](?P<file>.+)")
# As BSD writes it, and `sha256sum --tag`.
_BSD_ROW = re.compile(r"\\?SHA256 \((?P<file>.+)\) = (?P<digest>[0-9a-fA-F]{64})")
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


class UnfitError(Exception):
    """Why a wheel cannot be used."""


def parse_hashes(text: str) -> dict[str, str]:
    """Return digests by the name of the file, from what `sha256sum` writes. Other lines say nothing."""
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    rows = (_ROW.fullmatch(line) or _BSD_ROW.fullmatch(line) for line in lines)
    return {row["file"].replace("\\", "/").rpartition("/")[2]: row["digest"].lower() for row in rows if row}


def plan_prebuilt(config: Config, snapshot: Snapshot, facts: Facts, way: Way) -> tuple[PlannedPrebuilt, ...]:
    """Return the wheels in the order in which they are tried; none where the package names none, or they are off.

    An editable wheel is about the source tree, and a torch that is not there cannot be compared with.
    """
    if snapshot.hook not in _HOOKS or config.use_prebuilt is UsePrebuilt.OFF or way is Way.ABSENT:
        return ()
    return tuple(_planned(place, config, snapshot, facts) for place in config.prebuilt)


def asks_identity(prebuilt: tuple[PlannedPrebuilt, ...], facts: Facts) -> bool:
    """Return whether the delegate has to say what the distribution is called, before a wheel of it can be asked for."""
    return any(wheel.awaits for wheel in prebuilt) and not set(_IDENTITY) <= set(facts.values)


def _planned(place: Prebuilt, config: Config, snapshot: Snapshot, facts: Facts) -> PlannedPrebuilt:
    hashes_elsewhere = "://" in place.hashes
    address = place.url or f"{place.index.rstrip('/')}/"
    texts = (address, place.local, place.hashes if hashes_elsewhere else "")
    names = (*(name for text in texts for name in template_names(text)), *_IDENTITY)
    # What is asked of the delegate comes last: it helps only where nothing else is missing.
    missing = next((name for name in sorted(names, key=_IDENTITY.__contains__) if name not in facts.values), None)
    insists = config.require_hashes and not place.sha256 and not place.hashes and not place.index
    reason = f"require-hashes ({config.origin('require-hashes')}), and the package names no digest" if insists else ""
    if missing is not None:
        awaits = "" if reason else _awaits(missing, config, snapshot, facts)
        return PlannedPrebuilt(url=address, awaits=awaits, refused="" if awaits else reason or facts.missing(missing))
    values = {name: quote(value, safe="") for name, value in facts.values.items()}
    page = f"{canonicalize_name(facts.values['name'])}/" if place.index else ""
    planned = PlannedPrebuilt(
        url=filled(address, values) + page,
        listed=bool(place.index),
        local=filled(place.local, facts.values),
        name=facts.values["name"],
        version=facts.values["version"],
        sha256=place.sha256,
        hashes=filled(place.hashes, values) if hashes_elsewhere else "",
    )
    if place.hashes and not hashes_elsewhere:
        return _with_hash(planned, place.hashes, snapshot)
    return replace(planned, refused=reason)


def _awaits(missing: str, config: Config, snapshot: Snapshot, facts: Facts) -> str:
    """Return why a fact that has no value now may have one when the wheel is built, "" where it will have none."""
    if missing in _IDENTITY:
        asked = "setup.py" if snapshot.project.setup_script is not None else config.backend
        return f"no file states {{{missing}}}, so {asked} is asked"
    return facts.missing(missing) if facts.why else ""


def _with_hash(planned: PlannedPrebuilt, file: str, snapshot: Snapshot) -> PlannedPrebuilt:
    found = next((hashes for hashes in snapshot.hash_files if hashes.file == file), None)
    if found is None or found.fault:
        return replace(planned, refused=f"{file}: {found.fault if found else 'it was not read'}")
    digest = dict(found.digests).get(planned.file)
    if digest is None:
        return replace(planned, refused=f"{file} does not name {planned.file}")
    return replace(planned, sha256=(digest,))


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
