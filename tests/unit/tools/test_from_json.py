from __future__ import annotations

import dataclasses
import json

import pytest

from support import snapshots
from torchgraft.codec import json_text, to_json
from torchgraft.hook.plan import plan_build
from torchgraft.model.decision import Plan
from torchgraft.model.observation import Rule, Snapshot
from torchgraft.settings.config import Config
from torchgraft.tools.from_json import SnapshotError, from_json_text


def test_a_snapshot_round_trips() -> None:
    value = snapshots.snapshot(variables_set=("CC",), rivals=(snapshots.consumer(rule=Rule.TOX),))
    assert from_json_text(Snapshot, json_text(value), source="s.json") == value


def test_a_plan_round_trips() -> None:
    value = plan_build(Config(), snapshots.snapshot())
    assert from_json_text(Plan, json_text(value), source="p.json") == value


def test_the_text_is_the_same_for_the_same_value() -> None:
    assert json_text(snapshots.snapshot()) == json_text(dataclasses.replace(snapshots.snapshot()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hook": "build_cake"}, 'hook is "build_cake", not one of: get_requires_for_build_sdist'),
        ({"cake": 1}, "cake is not known"),
        ({"python": None}, "python is null, not a table"),
        ({"variables_set": "CC"}, 'variables_set is "CC", not a list'),
        ({"variables_set": [1]}, r"variables_set\[0\] is 1, not of type str"),
        ({"build": {"prefix": "/x", "distributions": [["a"]]}}, r"build.distributions\[0\] has 1 items, not 2"),
        ({"consumer": {}}, "consumer.prefix is missing"),
    ],
)
def test_another_shape_is_refused_with_its_path(change: dict[str, object], message: str) -> None:
    data = {**to_json(snapshots.snapshot()), **change}
    with pytest.raises(SnapshotError, match=message) as caught:
        from_json_text(Snapshot, json.dumps(data), source="s.json")
    assert caught.value.problems[0].code == "bad-snapshot"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_text_that_is_no_snapshot_is_refused(text: str) -> None:
    with pytest.raises(SnapshotError, match=r"s\.json"):
        from_json_text(Snapshot, text, source="s.json")
