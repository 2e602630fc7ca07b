"""Builds that share a budget, in any order."""

from __future__ import annotations

import dataclasses
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from torchgraft.compile.plan_jobserver import Share, first_jobs, next_jobs, whole_memory
from torchgraft.model.decision import Budget


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_nobody_has_too_much_and_somebody_always_builds(chance: Random) -> None:
    """Builds come, grow, give and go in any order; an invariant of each step, not of the end."""
    cores, memory = chance.randint(1, 9), chance.randint(4, 60)
    shares: dict[int, Share] = {}
    budget = Budget(cores=cores, memory_bytes=memory, limit="", job_bytes=4)
    for number in range(300):
        at = chance.choice([*shares, number])
        others = [one for key, one in shares.items() if key != at]
        if at not in shares:
            own = Share(since_s=number, memory_bytes=memory, job_bytes=chance.randint(1, 9))
            shares[at] = dataclasses.replace(own, memory_bytes=whole_memory(memory, others))
        elif chance.random() < 0.1:
            del shares[at]
        elif not shares[at].jobs:
            jobs = first_jobs(budget, shares[at], others)
            shares[at] = dataclasses.replace(shares[at], jobs=jobs, wants=not jobs)
        else:
            own, unread = shares[at], chance.randint(0, shares[at].jobs - 1)
            jobs = next_jobs(budget, own, others, unread=unread, is_idle=chance.random() < 0.5)
            assert jobs >= 1
            shares[at] = dataclasses.replace(own, jobs=jobs, wants=not unread)
        having = [one for one in shares.values() if one.jobs]
        if len(having) > 1 or any(one.jobs > 1 for one in having):
            assert sum(one.jobs for one in having) <= cores
            assert sum(one.jobs * one.job_bytes for one in having) <= memory
        if shares and not having:
            first = min(shares, key=lambda key: shares[key].since_s)
            assert first_jobs(budget, shares[first], [one for key, one in shares.items() if key != first])
