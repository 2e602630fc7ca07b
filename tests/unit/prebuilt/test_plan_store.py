"""Where a wheel is looked for that was built before, and when none is."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from support import snapshots
from support.compiling import hardware
from torchgraft.hook.plan import plan_build
from torchgraft.hook.plan_text import plan_text
from torchgraft.model.decision import Plan
from torchgraft.model.observation import Distribution, Hook, Rule
from torchgraft.model.torch_values import Origin
from torchgraft.settings.config import Config, Storing

TORCH = snapshots.CPU_TORCH


def planned(consumer: Any = None, config: Any = None, hook: Hook = Hook.BUILD_WHEEL, **project: Any) -> Plan:
    snapshot = snapshots.snapshot(
        consumer=consumer or snapshots.consumer(TORCH),
        hardware=hardware(),
        hook=hook,
        project=snapshots.project(**{"passing": True, **project}),
    )
    return plan_build(Config(**(config or {})), snapshot)


def test_it_is_looked_for_in_the_cache_folder() -> None:
    made = planned()
    assert made.store is not None
    assert made.store.places == ("/cache/torchgraft/wheels",)
    assert made.store.refused == ""
    assert "store      a wheel of the same is looked for, and kept, in /cache/torchgraft/wheels" in plan_text(made)


def test_places_are_asked_in_the_order_that_the_user_says() -> None:
    made = planned(config={"store": ("auto", "https://user:secret@store.example/w")})
    assert made.store is not None
    assert made.store.places == ("/cache/torchgraft/wheels", "https://user:secret@store.example/w")
    assert not made.store.writes
    assert "secret" not in plan_text(made)


@pytest.mark.parametrize("hook", [hook for hook in Hook if hook is not Hook.BUILD_WHEEL])
def test_other_hooks_have_none(hook: Hook) -> None:
    assert planned(hook=hook).store is None


LOCAL = Distribution(name="numpy", version="1", source=("-e", "/src/numpy"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": {"store": ("off",)}}, "is off"),
        ({"config": {"stored": Storing.OFF}}, "is off"),
        ({"consumer": snapshots.consumer(TORCH, certain=False, rule=Rule.ACTIVATED)}, "guess"),
        ({"consumer": snapshots.consumer(TORCH, rule=Rule.IMPORTABLE)}, "not isolated"),
        ({"consumer": snapshots.consumer(dataclasses.replace(TORCH, origin=Origin.EDITABLE))}, "torch is of editable"),
        ({"consumer": snapshots.consumer(dataclasses.replace(TORCH, hip="6.4"))}, "torch is built for rocm"),
        ({"passing": False}, "the source tree stays"),
        ({"consumer": snapshots.consumer(TORCH, distributions=(LOCAL,))}, "numpy is installed from a folder"),
        ({"requires": ("torchgraft", "tool @ file:///src/tool")}, "a build requirement comes from a folder"),
    ],
)
def test_what_cannot_be_told_is_not_kept(changes: Any, said: str) -> None:
    made = planned(**changes)
    assert made.store is not None
    assert said in made.store.refused
    assert made.store.places == ()
    assert "the wheel is not kept" in plan_text(made)
