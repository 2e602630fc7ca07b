from __future__ import annotations

import dataclasses
from typing import Any

from support import snapshots
from torchgraft.hook.plan import plan_build
from torchgraft.model.decision import Plan
from torchgraft.model.observation import Consumer, Snapshot
from torchgraft.settings.config import Config
from torchgraft.tools.show_plan import Difference, compare


def planned(**changes: Any) -> tuple[Snapshot, Plan]:
    snapshot = snapshots.snapshot(**changes)
    return snapshot, plan_build(Config(), snapshot)


def moved(consumer: Consumer, prefix: str) -> Consumer:
    """Return the same environment in another place."""
    assert consumer.torch
    site = f"{prefix}/lib/python3.11/site-packages"
    torch = dataclasses.replace(consumer.torch, folder=f"{site}/torch")
    return dataclasses.replace(consumer, prefix=prefix, search_path=(site,), torch=torch)


def differences(one: tuple[Snapshot, Plan], other: tuple[Snapshot, Plan]) -> dict[str, tuple[str, str]]:
    return {d.path: (d.one, d.other) for d in compare(one, other)}


def test_nothing_differs_from_itself() -> None:
    assert compare(planned(), planned()) == ()


def test_the_same_environment_in_another_place_differs_in_its_place_alone() -> None:
    build = dataclasses.replace(snapshots.snapshot().build, prefix="/home/you/.venv")
    other = planned(consumer=moved(snapshots.consumer(), "/home/you/.venv"), build=build)
    assert compare(planned(), other) == (Difference(path="seen.consumer.prefix", one="/env", other="/home/you/.venv"),)


def test_another_torch_and_what_follows_from_it() -> None:
    found = differences(planned(), planned(consumer=snapshots.consumer(snapshots.CUDA_TORCH)))
    assert found["seen.consumer.torch.version"] == ("2.13.0+cpu", "2.8.0+cu128")
    assert found["seen.consumer.torch.cuda"] == ("", "12.8")
    assert found["seen.consumer.distributions[torch]"] == ("2.13.0+cpu", "2.8.0+cu128")
    assert "planned.rungs[installed].torch" in found
    assert not any("links" in path or path.startswith("planned.graft") for path in found)


def test_what_was_seen_comes_before_what_follows() -> None:
    paths = [d.path for d in compare(planned(), planned(consumer=None))]
    assert paths == sorted(paths, key=lambda path: not path.startswith("seen."))
    assert {path.partition(".")[0] for path in paths} == {"seen", "planned"}


def test_one_distribution_more_is_one_line() -> None:
    more = snapshots.consumer()
    more = dataclasses.replace(more, distributions=(snapshots.distribution("einops", "0.8"), *more.distributions))
    assert differences(planned(), planned(consumer=more)) == {"seen.consumer.distributions[einops]": ("", "0.8")}


def test_a_problem_that_one_side_has() -> None:
    other = planned(consumer=snapshots.consumer(writable_by_others=(snapshots.OPEN,)))
    assert any(path.startswith("planned.problems[writable-by-others]") for path in differences(planned(), other))


def test_another_cache_folder_is_said_once() -> None:
    assert differences(planned(), planned(cache_folder="/mnt/cache")) == {
        "seen.cache_folder": ("/cache/torchgraft", "/mnt/cache")
    }
