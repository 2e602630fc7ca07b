"""Whether the torch of a build is certain, and whose a torch is that the hook imports in an environment made for it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from support import snapshots
from torchgraft.ladder.plan_torch import plan_guess, plan_torch, with_meant_consumer
from torchgraft.model.observation import FrontEnd, FrontEndName, Installer, Passing, Rule, Rung, Snapshot
from torchgraft.model.torch_values import AskedFor, Locked, TorchRequirement
from torchgraft.settings.config import Config

NONE = snapshots.consumer(None)
BUILD_TORCH = dataclasses.replace(snapshots.CPU_TORCH, folder="/builds-v0/x/lib/python3.11/site-packages/torch")
IMPORTED = snapshots.consumer(BUILD_TORCH, rule=Rule.IMPORTABLE, prefix="/builds-v0/x")
HERE = snapshots.consumer(rule=Rule.IMPORTABLE)
PIP_CALLED = FrontEnd(name=FrontEndName.PIP, command="pip")
PIP_WHEEL = FrontEnd(name=FrontEndName.PIP, command="pip wheel", installs=False)
UPGRADE = FrontEnd(name=FrontEndName.UV, command="uv pip install", ignores_installed=True)
PIP_SYNC = FrontEnd(name=FrontEndName.UV, command="uv pip sync", removes_others=True)
SYNC = FrontEnd(name=FrontEndName.UV, command="uv sync", removes_others=True)
EXACT = FrontEnd(name=FrontEndName.UV, command="uv pip install", removes_others=True)
UV_BUILD = FrontEnd(name=FrontEndName.UV, command="uv build", installs=False)
UV = Installer(program="/bin/uv", folder="/project")


def asked(text: str) -> dict[str, Any]:
    return {"asked_for": (AskedFor(requirement=TorchRequirement.parse(text), source="the arguments of pip"),)}


def locked(version: str, **more: Any) -> dict[str, Any]:
    requirement = TorchRequirement.parse(f"torch=={version}")
    return {"locked": Locked(file="uv.lock", version=version, requirement=requirement, said=version, **more)}


def depends(*texts: str, **changes: Any) -> dict[str, Any]:
    return {"project": snapshots.project(dependencies=texts, **changes)}


def guess(snapshot: Snapshot, **config: Any) -> str:
    settings = Config(**config)
    meant = with_meant_consumer(settings, snapshot)
    said = plan_guess(meant, plan_torch(settings, meant))
    assert "/" not in said
    return said


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        ({"told_torch": "2.8.0"}, {"consumer": NONE, "front_end": UV_BUILD}),
        ({"told_torch": "2.13.0"}, {}),
        ({"told_torch": "2.8.0"}, {"consumer": NONE, **asked("torch==2.8.0")}),
        ({"told_torch": "2.8.0"}, {"consumer": NONE, **depends("torch==2.8.0")}),
        ({}, {}),
        ({}, {"unmet": ("vllm",), **asked("torch==2.13.0")}),
        ({}, {"consumer": snapshots.consumer(rule=Rule.TOLD, certain=True), "front_end": PIP_WHEEL}),
        ({}, {"consumer": HERE, "front_end": PIP_WHEEL}),
        ({}, {"consumer": HERE, "front_end": FrontEnd(name=FrontEndName.UNKNOWN)}),
        ({}, {"consumer": snapshots.consumer(rule=Rule.TOLD), "front_end": FrontEnd(name=FrontEndName.UNKNOWN)}),
        ({}, {"consumer": NONE, **locked("2.8.0")}),
        ({}, {"consumer": NONE, **asked("torch==2.8.0"), "front_end": PIP_WHEEL}),
        ({}, {"consumer": NONE, **asked("torch @ https://x.example/torch-2.8.0-cp311-cp311-linux_x86_64.whl")}),
        ({}, {"consumer": NONE, **depends("torch==2.8.0"), "front_end": UV_BUILD}),
        ({"torch": "==2.8.0"}, {"consumer": NONE, **depends("torch==2.8.0")}),
        ({}, {"consumer": NONE, **depends()}),
        ({}, {"front_end": PIP_SYNC, **asked("torch==2.13.0")}),
        ({}, {"front_end": SYNC, **locked("2.13.0")}),
        ({}, {"front_end": EXACT, **depends("torch")}),
    ],
    ids=[
        *("told", "told-and-there", "told-and-asked-for", "told-and-required"),
        *(
            "installed",
            "others-and-a-pin",
            "told-consumer",
            "not-isolated",
            "no-front-end",
            "told-program",
            "locked",
            "pinned-by-arguments",
            "address",
        ),
        *("own-pin", "own-pin-and-range", "no-torch", "listed", "synced", "required-and-exact"),
    ],
)
def test_what_is_certain(config: dict[str, Any], changes: dict[str, Any]) -> None:
    assert guess(snapshots.snapshot(**changes), **config) == ""


@pytest.mark.parametrize(
    ("config", "changes", "words"),
    [
        ({}, {"consumer": snapshots.consumer(rule=Rule.TOLD, certain=False)}, "another environment than the one"),
        ({}, {"consumer": NONE, **depends("torch>=2.4")}, "more than one torch would do"),
        ({}, {"consumer": NONE, **asked("torch>=2.4")}, "more than one torch would do"),
        ({}, {"consumer": NONE, **depends("torch==2.*")}, "more than one torch would do"),
        # Nothing of these is in the metadata that a resolver sees.
        ({"torch": "==2.8.0"}, {"consumer": NONE, **depends("torch")}, "requires no such torch at run time"),
        ({}, {"consumer": NONE, **depends(requires=("torch==2.8.0",))}, "requires no such torch at run time"),
        ({}, {"consumer": snapshots.consumer(rule=Rule.UV_GUESS, certain=False)}, "was guessed (pip's isolation"),
        ({}, {"front_end": PIP_WHEEL}, "pip wheel installs nothing"),
        ({"told_torch": "2.8.0"}, {"consumer": NONE}, "nothing tells pip install to install"),
        ({"told_torch": "2.8.0"}, {}, "nothing tells pip install"),
        ({"told_torch": "2.8.0"}, {**asked("torch==2.9.0"), "consumer": NONE}, "nothing tells pip install"),
        ({}, {"unmet": ("einops", "vllm")}, "einops, vllm will be installed too"),
        ({}, {"unmet": ("vllm",), **asked("torch>=2.8")}, "vllm will be installed too"),
        ({}, {"front_end": UPGRADE, **depends()}, "installs dependencies anew"),
        ({}, {"asked_faults": ("-r -: cannot be read",)}, "cannot be read"),
        ({}, {"consumer": NONE, **locked("2.8.0", varies=True)}, "other extras or groups of the lock"),
        ({}, locked("2.13.0", varies=True), "other extras or groups of the lock"),
        ({}, {"consumer": snapshots.consumer(customized="/env/sitecustomize.py")}, "code that runs when Python starts"),
        ({}, {"front_end": FrontEnd(name=FrontEndName.UNKNOWN)}, "a program started this build"),
        ({}, {"front_end": PIP_CALLED, "consumer": HERE}, "a program started this build"),
        # What is there without isolation may be replaced afterwards, as may that of a consumer that was told.
        ({}, {"front_end": UPGRADE, "consumer": HERE}, "installs dependencies anew"),
        ({}, {"unmet": ("vllm",), "consumer": HERE}, "vllm will be installed too"),
        ({}, {**locked("2.8.0"), "consumer": HERE}, "installs another torch"),
        ({}, {**asked("torch==2.8.0"), "consumer": snapshots.consumer(rule=Rule.TOLD)}, "installs another torch"),
        ({}, {"front_end": PIP_SYNC, **depends("torch")}, "uv pip sync takes away"),
        ({}, {"front_end": SYNC, **depends("torch")}, "uv sync takes away"),
        ({}, {"front_end": EXACT, **depends()}, "uv pip install takes away"),
    ],
    ids=[
        "told-consumer-elsewhere",
        "range",
        "range-asked-for",
        "minor",
        "supported",
        "build-requirement",
        "R2g",
        "pip-wheel",
        "told-only",
        "told-beside",
        "told-against",
        "others",
        "others-and-a-range",
        "upgrade",
        "unread",
        "lock-of-several",
        "one-of-a-lock-is-there",
        "torch-and-sitecustomize",
        "unknown-program",
        "pip-called",
        "upgrade-here",
        "others-here",
        "lock-here",
        "told-consumer-changes",
        "not-listed",
        "not-synced",
        "exact",
    ],
)
def test_what_is_a_guess(config: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    assert words in guess(snapshots.snapshot(**changes), **config)


@pytest.mark.parametrize(
    ("passing", "changes", "rung", "rule", "is_guess"),
    [
        (Passing(), {}, Rung.DECLARED, None, True),
        (Passing(consumer=NONE), {}, Rung.DECLARED, Rule.PIP_ISOLATION, True),
        (Passing(), depends("torch==2.13.0"), Rung.DECLARED, None, False),
        (Passing(), asked("torch==2.13.0"), Rung.ASKED_FOR, None, False),
        (Passing(), locked("2.13.0"), Rung.LOCKED, None, False),
        # Of before the lock was written; without uv, nobody could replace it.
        (Passing(), {**locked("2.8.0"), "installer": UV}, Rung.LOCKED, None, False),
        (Passing(), locked("2.8.0"), Rung.INSTALLED, Rule.IMPORTABLE, True),
        # It was brought in from elsewhere: by the user's settings, which know, or nobody knows how.
        (Passing(chosen=True), {}, Rung.INSTALLED, Rule.IMPORTABLE, False),
        (Passing(chosen=True, consumer=NONE), locked("2.13.0"), Rung.INSTALLED, Rule.IMPORTABLE, False),
        (Passing(), depends(), Rung.INSTALLED, Rule.IMPORTABLE, True),
        (Passing(), depends("torch<2.9"), Rung.INSTALLED, Rule.IMPORTABLE, True),
        # The consumer has the same one, or another.
        (Passing(consumer=snapshots.consumer()), {}, Rung.INSTALLED, Rule.PIP_ISOLATION, False),
        (Passing(consumer=snapshots.consumer(snapshots.CUDA_TORCH)), {}, Rung.INSTALLED, Rule.IMPORTABLE, True),
    ],
)
def test_a_torch_that_was_put_there_for_the_build(
    passing: Passing, changes: dict[str, Any], rung: Rung, rule: Rule | None, *, is_guess: bool
) -> None:
    build = dataclasses.replace(snapshots.snapshot().build, torch=BUILD_TORCH)
    snapshot = snapshots.snapshot(consumer=IMPORTED, passing=passing, build=build, **changes)
    meant = with_meant_consumer(Config(), snapshot)
    assert plan_torch(Config(), meant).rung is rung
    assert (meant.consumer and meant.consumer.rule) is rule
    assert bool(guess(snapshot)) is is_guess


def test_the_hooks_own_torch_is_the_consumers_without_isolation() -> None:
    snapshot = snapshots.snapshot(consumer=snapshots.consumer(rule=Rule.IMPORTABLE), **locked("2.8.0"))
    assert with_meant_consumer(Config(), snapshot) is snapshot
