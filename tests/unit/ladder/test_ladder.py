from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support import snapshots
from torchgraft.ladder.plan_torch import applying, plan_guess, plan_torch
from torchgraft.model.observation import FrontEnd, FrontEndName, Rule, Rung
from torchgraft.model.torch_values import AskedFor, Locked, TorchRequirement, torch_among
from torchgraft.settings.config import Config

NONE = snapshots.consumer(None)
LOCKED = Locked(
    file="uv.lock",
    version="2.8.0",
    requirement=TorchRequirement.parse("torch==2.8.0"),
    said="2.8.0 from the default index",
)
ASKED = (AskedFor(requirement=TorchRequirement.parse("torch==2.6.0"), source="the arguments of pip"),)
SAME = (AskedFor(requirement=TorchRequirement.parse("torch>=2.4"), source="the arguments of pip"),)
LOCKING = FrontEnd(name=FrontEndName.UV, command="uv lock", installs=False)


@pytest.mark.parametrize(
    ("config", "changes", "rung", "requirement"),
    [
        ({}, {}, Rung.INSTALLED, "torch===2.13.0+cpu"),
        ({"told_torch": "2.8.0+cu128"}, {}, Rung.TOLD, "torch==2.8.0+cu128"),
        ({}, {"consumer": NONE, "locked": LOCKED}, Rung.LOCKED, "torch==2.8.0"),
        ({}, {"consumer": NONE, "asked_for": ASKED}, Rung.ASKED_FOR, "torch==2.6.0"),
        ({}, {"consumer": NONE, "locked": LOCKED, "asked_for": ASKED}, Rung.LOCKED, "torch==2.8.0"),
        ({}, {"consumer": NONE}, Rung.DECLARED, "torch"),
        ({"torch": ">=2.4"}, {"consumer": NONE}, Rung.DECLARED, "torch>=2.4"),
        ({}, {"consumer": None}, Rung.DECLARED, "torch"),
        # What is about to replace the installed torch wins over it ...
        ({}, {"locked": LOCKED}, Rung.LOCKED, "torch==2.8.0"),
        ({}, {"asked_for": ASKED}, Rung.ASKED_FOR, "torch==2.6.0"),
        ({}, {"asked_for": (replace(ASKED[0], idle=True),)}, Rung.INSTALLED, "torch===2.13.0+cpu"),
        ({}, {"project": snapshots.project(dependencies=("torch<2.9",))}, Rung.DECLARED, "torch<2.9"),
        # ... and what it meets leaves it where it is.
        ({}, {"asked_for": SAME}, Rung.INSTALLED, "torch===2.13.0+cpu"),
        ({}, {"project": snapshots.project(dependencies=("torch>=2",))}, Rung.INSTALLED, "torch===2.13.0+cpu"),
        # A supported range is checked, not installed.
        ({"torch": "<2.9"}, {}, Rung.INSTALLED, "torch===2.13.0+cpu"),
        # A front end that only resolves replaces nothing.
        (
            {},
            {"project": snapshots.project(dependencies=("torch<2.9",)), "front_end": LOCKING},
            Rung.INSTALLED,
            "torch===2.13.0+cpu",
        ),
        # Importable in the build already: the front end has chosen.
        (
            {},
            {"consumer": snapshots.consumer(rule=Rule.IMPORTABLE), "locked": LOCKED},
            Rung.INSTALLED,
            "torch===2.13.0+cpu",
        ),
        # Without isolation, what the arguments name comes afterwards.
        (
            {},
            {"consumer": snapshots.consumer(rule=Rule.IMPORTABLE), "asked_for": ASKED},
            Rung.ASKED_FOR,
            "torch==2.6.0",
        ),
        ({}, {"consumer": snapshots.consumer(rule=Rule.TOLD), "locked": LOCKED}, Rung.INSTALLED, "torch===2.13.0+cpu"),
    ],
)
def test_the_first_rung_that_answers_wins(
    config: dict[str, Any], changes: dict[str, Any], rung: Rung, requirement: str
) -> None:
    choice = plan_torch(Config(**config), snapshots.snapshot(**changes))
    assert (choice.rung, choice.requirement and choice.requirement.text) == (rung, requirement)
    assert [answer.rung for answer in choice.rungs] == list(Rung)
    assert all(answer.said for answer in choice.rungs)


TARGET = FrontEnd(name=FrontEndName.PIP, command="pip install", ignores_installed=True)


@pytest.mark.parametrize(
    ("changes", "rung", "requirement"),
    [
        ({}, Rung.DECLARED, "torch"),
        ({"asked_for": SAME}, Rung.ASKED_FOR, "torch>=2.4"),
        # torch lies in the folder that is installed into, and is left there.
        ({"consumer": snapshots.consumer(targets=(snapshots.SITE,))}, Rung.INSTALLED, "torch===2.13.0+cpu"),
        # Nobody will install a torch.
        ({"project": snapshots.project(dependencies=())}, Rung.INSTALLED, "torch===2.13.0+cpu"),
        ({"consumer": snapshots.consumer(rule=Rule.TOLD)}, Rung.INSTALLED, "torch===2.13.0+cpu"),
    ],
)
def test_a_front_end_that_installs_anew(changes: dict[str, Any], rung: Rung, requirement: str) -> None:
    choice = plan_torch(Config(), snapshots.snapshot(front_end=TARGET, **changes))
    assert (choice.rung, choice.requirement and choice.requirement.text) == (rung, requirement)


def test_without_dependencies_the_installed_torch_stays() -> None:
    front_end = FrontEnd(name=FrontEndName.PIP, command="pip install", leaves_dependencies=True)
    project = snapshots.project(dependencies=("torch==2.8.0",))
    assert plan_torch(Config(), snapshots.snapshot(front_end=front_end, project=project)).rung is Rung.INSTALLED


@pytest.mark.parametrize(("unasked", "rung"), [(False, Rung.LOCKED), (True, Rung.INSTALLED)])
def test_torch_of_a_group_that_is_not_installed_replaces_none(*, unasked: bool, rung: Rung) -> None:
    locked = replace(LOCKED, unasked=unasked)
    assert plan_torch(Config(), snapshots.snapshot(locked=locked)).rung is rung
    without = snapshots.snapshot(locked=locked, consumer=NONE)
    choice = plan_torch(Config(), without)
    assert choice.rung is Rung.LOCKED
    assert ("does not install" in plan_guess(without, choice)) is unasked


def test_a_dependency_replaces_torch_beside_a_lock_that_does_not() -> None:
    project = snapshots.project(dependencies=("torch==2.9.0",))
    snapshot = snapshots.snapshot(project=project, locked=replace(LOCKED, unasked=True))
    assert plan_torch(Config(), snapshot).rung is Rung.DECLARED


def test_no_rung_answers() -> None:
    nothing = snapshots.project(dependencies=())
    choice = plan_torch(Config(), snapshots.snapshot(consumer=NONE, project=nothing))
    assert choice.rung is None
    assert choice.requirement is None


def test_a_build_requirement_on_torch_is_a_declaration() -> None:
    project = snapshots.project(dependencies=(), requires=("torch>=1.7",))
    choice = plan_torch(Config(), snapshots.snapshot(consumer=NONE, project=project))
    assert choice.requirement == TorchRequirement.parse("torch>=1.7")


@pytest.mark.parametrize(
    ("version", "requirement", "expected"),
    [
        ("2.13.0+cpu", "torch==2.13.0", True),
        ("2.13.0+cpu", "torch==2.13.0+cpu", True),
        ("2.13.0+cpu", "torch==2.13.0+cu130", False),
        ("2.13.0+cpu", "torch>=2.14", False),
        ("2.8.0a0+5228986c39.nv25.6", "torch>=2.8", True),
        ("2.10.0.dev20260101+cu130", "torch>=2.10", True),
        ("2.8.0a0+git", "torch>=2.9", False),
        ("not a version", "torch", False),
        ("2.8.0+cu128", "torch @ https://x.example/torch-2.8.0%2Bcu128-cp311-cp311-linux_x86_64.whl#sha256=0", True),
        ("2.8.0+cpu", "torch @ https://x.example/torch-2.8.0%2Bcu128-cp311-cp311-linux_x86_64.whl", False),
        # PyPI and its mirrors have no local version in names, whatever torch says of itself.
        ("2.8.0+cu128", "torch @ https://x.example/torch-2.8.0-cp311-cp311-manylinux_2_28_x86_64.whl", True),
        ("2.9.0+cu128", "torch @ https://x.example/torch-2.8.0-cp311-cp311-manylinux_2_28_x86_64.whl", False),
        ("2.8.0", "torch @ https://x.example/nightly.whl", False),
    ],
)
def test_which_versions_meet_a_requirement(version: str, requirement: str, *, expected: bool) -> None:
    assert TorchRequirement.parse(requirement).accepts(version) is expected


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ((), None),
        (("numpy", "not a requirement !"), None),
        (("Torch>=2",), "torch>=2"),
        (("torch>=2", "torch<3"), "torch<3,>=2"),
        (("torch>=2; python_version < '3'",), None),
        (("torch>=2; extra == 'gpu'",), None),
        (("torch @ https://x.example/t.whl", "torch"), "torch @ https://x.example/t.whl"),
    ],
)
def test_torch_requirement(requirements: tuple[str, ...], expected: str | None) -> None:
    found = torch_among(applying(requirements, snapshots.PYTHON))
    assert (found and found.text) == expected
