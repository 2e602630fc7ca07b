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
    """
    limit_s = 0.0 if everything else older_than_s
    at_work = any(entry.held for entry in listing.entries)
    total = 0
    fates = {}
    for entry in sorted(listing.entries, key=lambda entry: -entry.last_used_s):
        age_s = now_s - entry.last_used_s
        removed, reason = _judge(entry, age_s, limit_s, at_work=at_work)
        total += 0 if removed else entry.size_bytes
        if largest_bytes is not None and total > largest_bytes and not removed:
            removed, reason = _judge(entry, age_s, 0.0, at_work=at_work)
        fates[entry] = Pruned(entry=entry, removed=removed, reason=reason)
    return tuple(fates[entry] for entry in listing.entries)


def age_text(age_s: float) -> str:
    """Return how long ago something was, in one unit; a clock may have been set back since."""
    for unit, length_s in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        count = int(age_s // length_s)
        if count > 0:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _judge(entry: CacheEntry, age_s: float, limit_s: float | None, *, at_work: bool) -> tuple[bool, str]:
    """Return whether something goes, and why."""
    used = f"used {age_text(age_s)}"
    if entry.kind is CacheKind.LOCK:
        removed = not entry.held and (bool(entry.stale) or (age_s > _LOCK_S and limit_s is not None))
        return removed, "a build holds it" if entry.held else entry.stale or used
    if entry.kind is CacheKind.DRAFT:
        return age_s > _DRAFT_S, f"left by a build that ended early, {used}"
    if entry.stale or limit_s is None or age_s < limit_s:
        return bool(entry.stale), entry.stale or used
    if at_work:
        return False, "a build is running, and may use it"
    return age_s >= _GRACE_S, used if age_s >= _GRACE_S else "used just now: a build may be about to start"
