"""Whether the build may use what others can change, going by how it was found.

What everybody can change is not used. What certain users or groups can change is used where it was named, or is the
front end's own, and not where it is a guess: who puts a `.venv` above a project must not have his code run.
"""

from __future__ import annotations

from ..errors import Evidence, Problem, quoted
from ..model.observation import Consumer, Exposure, Rung, Snapshot, Way
from .plan_torch import Choice


def plan_trust(snapshot: Snapshot, choice: Choice, way: Way) -> tuple[Problem, ...]:
    """Return why what others can change is not used; none where it is, or where nobody else can change it."""
    consumer, locked, found = snapshot.consumer, snapshot.locked, list[Problem]()
    if way is Way.GRAFT and consumer is not None:
        guess = "" if _is_given(snapshot, consumer) else f"that {consumer.prefix} is meant is a guess ({consumer.why})"
        cure = f"-C {quoted(f'torchgraft.consumer={consumer.prefix}')}   (if that is meant)" if guess else ""
        found += _exposed(consumer.writable_by_others, "import", consumer.prefix, guess, cure)
    if choice.rung is Rung.LOCKED and locked is not None:
        guess = f"that {locked.file} is meant is a guess: it was found upwards" if locked.guessed else ""
        found += _exposed(snapshot.lock_exposures, "install", locked.file, guess, "")
    return tuple(found)


def _is_given(snapshot: Snapshot, consumer: Consumer) -> bool:
    """Return whether an environment was named, is the front end's, or is where the hook runs anyway."""
    return consumer.certain or consumer.prefix == snapshot.build.prefix


def _exposed(exposures: tuple[Exposure, ...], verb: str, place: str, guess: str, cure: str) -> list[Problem]:
    open_ = [exposure for exposure in exposures if exposure.by == Exposure.EVERYBODY]
    shown = (open_ or list(exposures if guess else ()))[:3]
    if not shown:
        return []
    # Trust in a folder is trust in whoever can replace it. What is imported may also lie elsewhere (.pth, PYTHONPATH).
    trusted = dict.fromkeys(place if _is_around(exposure.path, place) else exposure.path for exposure in exposures)
    problem = Problem(
        code="writable-by-others",
        headline=f"{shown[0].by} of this machine can change what the build would {verb}",
        evidence=tuple(Evidence(label="open", text=f"{exposure.path} ({exposure.by})") for exposure in shown),
        why="; ".join(filter(None, (guess, "the build would run what somebody else may have put there"))),
        fixes=(
            *(f"chmod o-w {quoted(exposure.path)}" for exposure in shown if open_),
            *([cure] if cure and not open_ else []),
            f"export TORCHGRAFT_TRUST={quoted(':'.join(trusted))}   (if they may)",
        ),
    )
    return [problem]


def _is_around(path: str, place: str) -> bool:
    return f"{place}/".startswith(f"{path.rstrip('/')}/") or path.startswith(f"{place}/")
