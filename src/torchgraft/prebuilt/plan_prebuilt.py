"""Which prebuilt wheels are tried before anything is compiled.

May not ask a server: what is planned here is shown before it is downloaded.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.utils import canonicalize_name

from ..compile.plan_facts import Facts
from ..model.decision import Planned, PlannedPrebuilt
from ..model.observation import Hook, Snapshot, Way
from ..settings.choices import UsePrebuilt
from ..settings.config import Config
from ..settings.template import filled, template_names

if TYPE_CHECKING:
    from ..settings.tables import Prebuilt

CLIENT = "urllib3>=2.3"
# The ask for it too: what compiling lacks is no reason to stop there.
_HOOKS = frozenset({Hook.GET_REQUIRES_FOR_BUILD_WHEEL, Hook.BUILD_WHEEL})

# The wheel is compared with both, whether its address names them or not.
_IDENTITY = ("name", "version")
_ROW = re.compile(r"\\?(?P<digest>[0-9a-fA-F]{64}) [ *](?P<file>.+)")
# As BSD writes it, and `sha256sum --tag`.
_BSD_ROW = re.compile(r"\\?SHA256 \((?P<file>.+)\) = (?P<digest>[0-9a-fA-F]{64})")


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


def plan_client(prebuilt: tuple[PlannedPrebuilt, ...]) -> tuple[Planned, ...]:
    """Return the requirement that downloading needs."""
    return (Planned(text=CLIENT, reason="prebuilt wheels are downloaded with it"),) if prebuilt else ()


def asks_identity(prebuilt: tuple[PlannedPrebuilt, ...], facts: Facts) -> bool:
    """Return whether the delegate has to say what the distribution is called, before a wheel of it can be asked for."""
    return any(wheel.awaits for wheel in prebuilt) and not set(_IDENTITY) <= set(facts.values)


def _planned(place: Prebuilt, config: Config, snapshot: Snapshot, facts: Facts) -> PlannedPrebuilt:
    hashes_elsewhere = "://" in place.hashes
    address = place.url or f"{place.index.rstrip('/')}/"
    texts = (address, place.local, place.hashes if hashes_elsewhere else "")
    names = (*(name for text in texts for name in template_names(text)), *_IDENTITY)
    # What is asked of the delegate comes last: it helps only where nothing else is missing.
    missing = next((name for name in sorted(names, key=_is_asked) if name not in facts.values), None)
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


def _is_asked(name: str) -> bool:
    return name in _IDENTITY


def _awaits(missing: str, config: Config, snapshot: Snapshot, facts: Facts) -> str:
    """Return why a fact that has no value now may have one when the wheel is built, "" where it will have none."""
    if _is_asked(missing):
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
