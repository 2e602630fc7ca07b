"""What is removed from the cache folder.

May not remove it.
"""

from __future__ import annotations

from .cache_folder import CacheEntry, CacheKind, CacheListing, Pruned

# A build uses a graft, then takes the lock of its source tree. What was used just now may be on its way there.
_GRACE_S = 120
# A draft is made and moved to its place within seconds.
_DRAFT_S = 3600
# An empty file, that the next build of the same tree makes again.
_LOCK_S = 86_400


def plan_pruning(
    listing: CacheListing,
    *,
    now_s: float,
    older_than_s: float | None = None,
    largest_bytes: int | None = None,
    everything: bool = False,
) -> tuple[Pruned, ...]:
    """Return what becomes of each thing in the cache, with the reason; without a limit only what is of no use goes.

    A lock does not say which graft its build uses, so that none of them goes while any build is at work.

    :param older_than_s: also what has not been used for that long
    :param largest_bytes: also what was used longest ago, until the rest is no larger
    :param everything: also what is in use no more
    """
    limit_s = 0.0 if everything else older_than_s
    at_work = any(entry.held for entry in listing.entries)
    total = 0
    fates = {}
    for entry in sorted(listing.entries, key=lambda entry: -entry.last_used_s):
        age_s = now_s - entry.last_used_s
        fate = _judge(entry, age_s, limit_s, at_work=at_work)
        total += 0 if fate.removed else entry.size_bytes
        if largest_bytes is not None and total > largest_bytes and not fate.removed:
            fate = _judge(entry, age_s, 0.0, at_work=at_work)
        fates[entry] = fate
    return tuple(fates[entry] for entry in listing.entries)


def age_text(age_s: float) -> str:
    """Return how long ago something was, in one unit."""
    for unit, length_s in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        count = int(age_s // length_s)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _judge(entry: CacheEntry, age_s: float, limit_s: float | None, *, at_work: bool) -> Pruned:
    used = f"used {age_text(age_s)}"
    if entry.kind is CacheKind.LOCK:
        return _judge_lock(entry, age_s, is_limited=limit_s is not None)
    if entry.kind is CacheKind.DRAFT:
        return Pruned(entry=entry, removed=age_s > _DRAFT_S, reason=f"left by a build that ended early, {used}")
    if entry.stale:
        return Pruned(entry=entry, removed=True, reason=entry.stale)
    if limit_s is None or age_s < limit_s:
        return Pruned(entry=entry, removed=False, reason=used)
    if at_work:
        return Pruned(entry=entry, removed=False, reason="a build is at work, and may use it")
    if age_s < _GRACE_S:
        return Pruned(entry=entry, removed=False, reason="used just now: a build may be about to start")
    return Pruned(entry=entry, removed=True, reason=used)


def _judge_lock(entry: CacheEntry, age_s: float, *, is_limited: bool) -> Pruned:
    if entry.held:
        return Pruned(entry=entry, removed=False, reason="a build holds it")
    removed = bool(entry.stale) or (age_s > _LOCK_S and is_limited)
    return Pruned(entry=entry, removed=removed, reason=entry.stale or f"used {age_text(age_s)}")
