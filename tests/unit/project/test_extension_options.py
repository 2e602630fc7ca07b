"""What nvcc is told by flags (what setup.py says by them: test_setup_script.py)."""

from __future__ import annotations

import pytest

from torchgraft.project.extension_options import appended_threads


@pytest.mark.parametrize(
    ("flags", "threads"),
    [
        ("--threads 4", 4),
        ("-lineinfo -t=2", 2),
        ("-t8 -O3", 8),
        ("--threads 4 -t 1", 1),
        ("--threads 0", 0),
        ("-O3 --threads", None),
        ("", None),
    ],
)
def test_the_last_of_the_users_flags_counts(flags: str, threads: int | None) -> None:
    assert appended_threads({"NVCC_APPEND_FLAGS": flags}) == threads


def test_no_flags() -> None:
    assert appended_threads({}) is None
