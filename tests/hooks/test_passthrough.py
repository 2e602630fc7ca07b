"""Some of the projects of tests/passthrough, with their own backend and with torchgraft around it."""

from __future__ import annotations

from pathlib import Path

import pytest
from passthrough.comparing import differences, facts_of
from passthrough.trees import TREES

SOME = (
    ("c extension", "wheel"),
    ("compiled bytecode", "wheel"),
    ("in-tree backend", "wheel"),
    ("no hook but the mandatory", "wheel"),
    ("modes", "sdist"),
    ("symbolic links", "sdist"),
    ("editable, strict", "editable"),
)


@pytest.mark.parametrize(("name", "group"), SOME, ids=[name for name, _ in SOME])
def test_all_is_the_same_but_the_record(name: str, group: str, tmp_path: Path, consumer: Path) -> None:
    place = tmp_path / "place"
    theirs = facts_of(TREES[name], "", group, place, consumer=consumer)
    assert theirs[f"build_{group}"]
    for variant in ("off", "auto"):
        ours = facts_of(TREES[name], variant, group, place, consumer=consumer)
        assert differences(theirs, ours) == []
        assert bool([fact for fact in ours if fact.endswith("/torchgraft.json")]) == (
            variant == "auto" != group != "sdist"
        )
