"""In what two machines, or two environments, differ for a build: two snapshots with their plans, side by side.

May not look at either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..codec import to_json
from ..model.decision import Plan
from ..model.observation import Snapshot

# By which an item of a list is the same one on both sides; the others of its fields are compared.
_KEYS = ("name", "rung", "rule", "code", "number", "home", "file", "text", "url", "label")
# The rules that were tried say how the same thing was found; the rest follows from what else is shown.
_LEFT_OUT = frozenset(
    {
        "seen.format",
        "seen.rules",
        "seen.consumer.search_path",
        "planned.consumer",
        "planned.torch",
        "planned.rule",
        "planned.graft",
        "planned.front_end",
    }
)
_NO_LISTS = frozenset({"links"})
_CONSUMER, _CACHE, _SOURCE = "<consumer>", "<cache>", "<source>"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing in which they differ: `path` is as in the JSON of snapshot (seen) and plan (planned); "" is nothing."""

    path: str
    one: str
    other: str


def compare(one: tuple[Snapshot, Plan], other: tuple[Snapshot, Plan]) -> tuple[Difference, ...]:
    """Return what differs, what was seen first, then what follows from it.

    Folders of the consumer, the cache and the sources are written as such: that they are elsewhere is no difference.
    """
    left, right = _flat(*one), _flat(*other)
    paths = dict.fromkeys((*left, *right))
    seen_first = sorted(paths, key=lambda path: not path.startswith("seen."))
    return tuple(
        Difference(path=path, one=left.get(path, ""), other=right.get(path, ""))
        for path in seen_first
        if left.get(path, "") != right.get(path, "")
    )


def _flat(snapshot: Snapshot, plan: Plan) -> dict[str, str]:
    consumer = snapshot.consumer
    places = [(snapshot.cache_folder, _CACHE), (snapshot.project.folder, _SOURCE)]
    if consumer is not None:
        places.insert(0, (consumer.prefix, _CONSUMER))
    # The longer ones first: an environment is often inside the sources.
    places.sort(key=lambda place: -len(place[0]))
    found: dict[str, str] = {}
    for name, value in (("seen", snapshot), ("planned", plan)):
        found.update(_walk(to_json(value), name))
    paths = {"seen.consumer.prefix", "seen.cache_folder", "seen.project.folder"}
    return {path: text if path in paths else _placed(text, places) for path, text in found.items()}


def _placed(text: str, places: list[tuple[str, str]]) -> str:
    for folder, name in places:
        if folder.strip("/"):
            text = text.replace(folder, name)
    return text


def _walk(data: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield every leaf of JSON with its path; lists of texts are one leaf, and items of others go by their names."""
    if path in _LEFT_OUT:
        return
    if isinstance(data, Mapping):
        for key, value in data.items():
            if key not in _NO_LISTS:
                yield from _walk(value, f"{path}.{key}")
    elif isinstance(data, list) and all(isinstance(item, str) for item in data):
        if data:
            yield path, " ".join(data)
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _walk_item(item, path, index)
    elif data not in (None, "", False):
        yield path, "yes" if data is True else str(data)


def _walk_item(item: Any, path: str, index: int) -> Iterator[tuple[str, str]]:
    if isinstance(item, list) and item and all(isinstance(part, str) for part in item):
        yield f"{path}[{item[0]}]", " ".join(item[1:]) or "yes"  # a distribution and its version
        return
    key = next((key for key in _KEYS if isinstance(item, Mapping) and item.get(key) not in (None, "")), "")
    if not key:
        yield from _walk(item, f"{path}[{index}]")
        return
    here = f"{path}[{item[key]}]"
    rest = {name: value for name, value in item.items() if name != key and name not in _NO_LISTS}
    found = [(here, rest["version"])] if list(rest) == ["version"] else list(_walk(rest, here))
    yield from found or [(here, "yes")]
