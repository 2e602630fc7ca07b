"""`torchgraft cache`: what is kept for later builds, and how it is removed."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ...codec import json_text
from ...errors import PlanError, shown
from ...settings.kinds import DURATION, SIZE, Kind, ValueProblem
from ...settings.sources import take_shell_settings
from ..terminal import line_width, wrapped
from .cache_folder import CacheEntry, CacheKind, CacheListing, Pruned, prune_cache, read_cache
from .plan_prune import age_text, plan_pruning

DESCRIPTION = """torchgraft keeps links to each torch that it has built against, so that compilers see the
same paths again, the wheels that it has built, CUDA toolkits that it has put together, headers that it has
precompiled, bytecode for uv's build environments, and notes about which torch each source tree was built for.
Everything is made again when needed. Without its note, the build/ of a source tree is compiled again. There
are no copies of torch: links take hardly any space. Builds remove what belongs to something that is gone,
what has not been used for cache-age, and, beyond cache-size, what has not been used for longest. The folder
is TORCHGRAFT_CACHE_DIR, by default in the user's cache folder."""
EPILOG = """examples:
  torchgraft cache list
  torchgraft cache prune                      remove what belongs to a torch, toolkit or source tree that is gone
  torchgraft cache prune --older-than 30d     ... and what has not been used for 30 days
  torchgraft cache prune --all --dry-run      show what would go, remove nothing

Nothing is removed that a running build may use, and you can start a build at any time.
"""
_KINDS = {CacheKind.DRAFT: "left over", CacheKind.LOCK: "tree", CacheKind.NOTE: "tree"}
_PLACES = {
    CacheKind.BYTECODE: "for uv's builds",
    CacheKind.COMPILER: "a script in front of a compiler",
    CacheKind.LOCK: "the lock of a source tree",
    CacheKind.NOTE: "for which torch a source tree was built",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parts = parser.add_subparsers(metavar="list|prune", required=True)
    listing = parts.add_parser("list", help="show what is cached: size, last use, and where links lead")
    listing.add_argument("--json", action="store_true", help="print the same as JSON")
    listing.set_defaults(run=run_list)
    prune = parts.add_parser("prune", help="remove what is no longer needed")
    prune.add_argument(
        "--older-than",
        type=_parsed_as(DURATION),
        metavar="AGE",
        help="also what has not been used for this long: 30d, 12h, 2w",
    )
    prune.add_argument(
        "--max-size", type=_parsed_as(SIZE), metavar="SIZE", help="also the oldest, down to this size: 100MB, 1GB"
    )
    prune.add_argument("--all", action="store_true", help="everything that no running build uses")
    prune.add_argument("--dry-run", action="store_true", help="show what would be removed, and remove nothing")
    prune.add_argument("--json", action="store_true", help="print the same as JSON")
    prune.set_defaults(run=run_prune)


def run_list(arguments: argparse.Namespace) -> int:
    """Print what is in the cache folder."""
    listing = read_cache(_folder())
    print(json_text(listing) if arguments.json else listing_text(listing, now_s=time.time()), end="")
    return 0


def run_prune(arguments: argparse.Namespace) -> int:
    """Remove what is of no use; return 1 where something could not be removed."""
    listing = read_cache(_folder())
    planned = plan_pruning(
        listing,
        now_s=time.time(),
        older_than_s=arguments.older_than,
        largest_bytes=arguments.max_size,
        everything=arguments.all,
    )
    done = planned if arguments.dry_run else prune_cache(Path(listing.folder), planned)
    print(json_text(done) if arguments.json else pruning_text(done, dry_run=arguments.dry_run), end="")
    failed = any(item.reason.startswith("cannot") for item in done)
    return PlanError.exit_code if failed else 0


def listing_text(listing: CacheListing, *, now_s: float) -> str:
    """Return the listing as a person reads it."""
    head = shown(f"{listing.folder}: {_size_text(listing.size_bytes)} in {len(listing.entries)} entries")
    entries = sorted(_as_shown(listing.entries), key=_key)
    lines = [_line(entry, age_text(now_s - entry.last_used_s), entry.stale) for entry in entries]
    return "\n".join([head, *lines]) + "\n"


def pruning_text(items: tuple[Pruned, ...], *, dry_run: bool) -> str:
    """Return what was removed, or would be, and what else stays: one by one only where it is not for its age."""
    gone = sum(item.entry.size_bytes for item in items if item.removed)
    count = sum(item.removed for item in items)
    word = "would be removed" if dry_run else "removed"
    stays = f"{len(items) - count} stay{'s' if len(items) - count == 1 else ''}"
    told = [item for item in items if item.removed or not item.reason.startswith("used ")]
    lines = [
        _line(item.entry, word if item.removed else "stays", item.reason)
        for item in sorted(told, key=lambda item: (not item.removed, _key(item.entry)))
    ]
    rest = [item.entry for item in items if item not in told]
    for kind in CacheKind:
        some = [entry for entry in rest if entry.kind is kind]
        size = _size_text(sum(entry.size_bytes for entry in some))
        lines += [f"  {kind.value:<9}  {f'all other {len(some)}':<21}  {size:>8}  stays"] if some else []
    return "\n".join([*lines, f"{word}: {count}, {_size_text(gone)}; {stays}"]) + "\n"


def _line(entry: CacheEntry, state: str, said: str) -> str:
    kind = _KINDS.get(entry.kind, entry.kind.value)
    about = said or ("a build holds it" if entry.held else "")
    places = ", ".join(entry.targets) or _PLACES.get(entry.kind, "")
    head = f"  {kind:<9}  {entry.name:<21}  {_size_text(entry.size_bytes):>8}  {state:<16}"
    said = f"{places}{f'  ({about})' if about else ''}".strip()
    if len(head) + 2 + len(said) <= line_width():
        return shown(f"{head}  {said}".rstrip())
    return "\n".join([shown(head.rstrip()), *wrapped(f"{' ' * 13}{said}", line_width())])


def _as_shown(entries: tuple[CacheEntry, ...]) -> Iterator[CacheEntry]:
    """Yield the entries, those of one source tree as one, and all bytecode as one."""
    groups: dict[str, list[CacheEntry]] = {}
    for entry in entries:
        if entry.kind in {CacheKind.LOCK, CacheKind.NOTE}:
            groups.setdefault(entry.name.partition(".")[0], []).append(entry)
        elif entry.kind is CacheKind.BYTECODE:
            groups.setdefault("", []).append(entry)
        else:
            yield entry
    for name, parts in groups.items():
        yield replace(
            parts[0],
            name=name or f"{len(parts)} package{'' if len(parts) == 1 else 's'}",
            size_bytes=sum(part.size_bytes for part in parts),
            last_used_s=max(part.last_used_s for part in parts),
            held=any(part.held for part in parts),
        )


def _key(entry: CacheEntry) -> tuple[str, float]:
    return (entry.kind.value, -entry.last_used_s)


def _size_text(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _folder() -> Path:
    return take_shell_settings({}, os.environ).cache_folder


def _parsed_as(kind: Kind) -> Callable[[str], int]:
    """Return what takes an argument as a setting of that kind is taken, but for "off", which is no limit."""

    def parse(text: str) -> int:
        try:
            return int(kind.parse("" if text == "off" else text))
        except ValueProblem as wanted:
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}".removesuffix("; or off")) from None

    return parse
