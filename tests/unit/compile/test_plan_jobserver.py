"""Who gets how much of one budget, as decisions: who waits, who gives, how a build asks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from support import snapshots
from support.compiling import CU130, NVCC_13_0, hardware, plan
from torchgraft.compile.plan_jobserver import (
    Share,
    first_jobs,
    next_jobs,
    waiting_text,
    whole_memory,
)
from torchgraft.hook.plan_text import plan_text
from torchgraft.model.decision import Budget
from torchgraft.model.observation import Hook
from torchgraft.model.source_tree import SetupScript
from torchgraft.settings.config import Budgeting

BUDGET = Budget(cores=8, memory_bytes=20, limit="the memory", job_bytes=4, asked=True)
OWN = Share(name="own", memory_bytes=20, job_bytes=4, since_s=5)


def share(jobs: int = 0, *, since_s: float = 1, wants: bool = False, job_bytes: int = 4) -> Share:
    return Share(name="other", process=7, memory_bytes=20, jobs=jobs, since_s=since_s, wants=wants, job_bytes=job_bytes)


@pytest.mark.parametrize(
    ("others", "budget", "jobs"),
    [
        ((), {}, 5),
        ((), {"cores": 3}, 3),
        ((), {"most": 2}, 2),
        ((), {"memory_bytes": 1}, 5),  # what there is stands in the share
        ((share(2),), {}, 3),
        ((share(3, job_bytes=2),), {}, 3),
        ((share(5),), {}, 0),
        ((share(2), share(since_s=9)), {}, 2),  # one is left to who came later
        ((share(4), share(since_s=9)), {}, 1),
        ((share(4), share(since_s=2)), {}, 0),  # who came before is first
        ((share(1, job_bytes=40),), {}, 0),
        ((), {"most": 7, "exactly": True}, 7),
        ((share(1),), {"most": 7, "exactly": True}, 0),
        ((share(1),), {"most": 4, "exactly": True}, 4),
    ],
)
def test_with_how_many_jobs_a_build_begins(others: tuple[Share, ...], budget: dict[str, Any], jobs: int) -> None:
    assert first_jobs(dataclasses.replace(BUDGET, **budget), OWN, others) == jobs


def test_one_job_fits_where_nobody_has_any() -> None:
    assert first_jobs(BUDGET, dataclasses.replace(OWN, job_bytes=99), [share(since_s=9)]) == 1
    assert first_jobs(BUDGET, dataclasses.replace(OWN, job_bytes=99), [share(1)]) == 0


@pytest.mark.parametrize(
    ("jobs", "others", "changes", "then"),
    [
        (1, (), {}, 5),
        (2, (share(2),), {}, 3),
        (2, (share(3),), {}, 2),
        (1, (share(2, wants=True),), {}, 2),  # one after the other, where somebody else wants, too
        (2, (share(1, wants=True),), {}, 2),  # who has fewer is first
        (2, (), {"most": 3}, 3),
        (4, (share(0, wants=True),), {"unread": 2}, 3),
        (3, (share(2, wants=True),), {"unread": 2}, 3),
        (3, (share(2, wants=True),), {"unread": 2, "is_idle": True}, 2),
        (3, (share(2),), {"unread": 2, "is_idle": True}, 3),  # nobody has use for them
        (3, (), {"unread": 1}, 3),
    ],
)
def test_what_a_build_gets_and_gives_meanwhile(
    jobs: int, others: tuple[Share, ...], changes: dict[str, Any], then: int
) -> None:
    budget = dataclasses.replace(BUDGET, most=changes.pop("most", 0))
    own = dataclasses.replace(OWN, jobs=jobs)
    assert next_jobs(budget, own, others, **{"unread": 0, "is_idle": False, **changes}) == then


def test_what_there_is_for_all() -> None:
    assert whole_memory(20, []) == 20
    # What the others use was there before; what somebody else has taken since then is not.
    assert whole_memory(9, [share(2)]) == 17
    assert whole_memory(15, [share(2)]) == 20
    assert whole_memory(3, [share(0)]) == 3


def test_who_waits_says_for_whom() -> None:
    assert waiting_text([share(1), share(2)]).endswith(
        "waiting for other (process 7, 1 compiler), other (process 7, 2 compilers)"
    )
    assert waiting_text([share()]).endswith("waiting for one that came before")


BY_NINJA = SetupScript(imports=("setuptools", "torch"), torch_sources=3)


@pytest.mark.parametrize(
    ("script", "changes", "asked", "most"),
    [
        (BY_NINJA, {"ninja": "/bin/ninja"}, True, 0),
        (BY_NINJA, {"ninja": "/bin/ninja", "variables_set": ("MAKEFLAGS",)}, False, 0),
        (BY_NINJA, {"ninja": "/bin/ninja", "config": {"max_jobs": 3}}, True, 3),
        (dataclasses.replace(BY_NINJA, starts_cmake=True), {"ninja": "/bin/ninja"}, False, 0),
        (dataclasses.replace(BY_NINJA, refuses_ninja=True), {}, False, 1),
        (SetupScript(imports=("setuptools", "torch", "packaging", "os")), {}, False, 1),
        (SetupScript(imports=("setuptools", "subprocess")), {}, False, 0),
        (SetupScript(), {}, False, 0),  # it cannot be read
        (None, {"config": {"backend": "mesonpy"}}, True, 0),
        (None, {"config": {"backend": "mesonpy"}, "hook": Hook.BUILD_EDITABLE}, False, 0),
        (BY_NINJA, {"ninja": "/bin/ninja", "hook": Hook.BUILD_EDITABLE}, True, 0),
        (None, {"config": {"backend": "scikit_build_core.build"}}, False, 0),
        (None, {}, False, 1),
    ],
)
def test_how_a_build_gets_its_share(
    script: SetupScript | None, changes: dict[str, Any], *, asked: bool, most: int
) -> None:
    project = snapshots.project(cuda_sources="a.cu", setup_script=script)
    budget = plan(CU130, hardware(NVCC_13_0, cores=16), project=project, **changes).budget
    assert budget
    assert (budget.asked, budget.most, budget.exactly) == (asked, most, False)
    assert (budget.cores, budget.memory_bytes, budget.job_bytes) == (16, 199_000_000_000, 4_000_000_000)


def test_what_the_user_says_is_had_at_once() -> None:
    project = snapshots.project(cuda_sources="a.cu", setup_script=BY_NINJA)
    budget = plan(CU130, hardware(NVCC_13_0, users_jobs=3), project=project, ninja="/bin/ninja").budget
    assert budget
    assert (budget.asked, budget.most, budget.exactly) == (False, 3, True)


def test_nothing_is_shared_where_nothing_is_compiled_or_it_is_off() -> None:
    seen = hardware(NVCC_13_0)
    assert plan(CU130, seen, config={"jobserver": Budgeting.OFF}).budget is None
    assert plan(CU130, seen, hook=Hook.GET_REQUIRES_FOR_BUILD_WHEEL).budget is None
    windows = dataclasses.replace(snapshots.PYTHON, platform="win_amd64", system="win32")
    assert plan(CU130, seen, python=windows).budget is None


def test_the_plan_says_that_jobs_are_shared() -> None:
    project = snapshots.project(cuda_sources="a.cu", setup_script=BY_NINJA)
    text = plan_text(plan(CU130, hardware(NVCC_13_0), project=project, ninja="/bin/ninja"))
    assert "jobs       of one budget with your other builds; ninja asks for each" in text
    serial = plan_text(plan(CU130, hardware(NVCC_13_0)))
    assert "jobs       of one budget with your other builds; they are taken when the build begins" in serial
