from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest

from support import snapshots
from torchgraft.hook.plan_variables import UNKNOWN, build_identity, plan_rebuild
from torchgraft.hook.source_lock import note_path, noted_build, read_note, with_last_build
from torchgraft.model.decision import Rebuild
from torchgraft.model.observation import Hook
from torchgraft.model.source_tree import Project
from torchgraft.settings.config import Config

TORCH = snapshots.CPU_TORCH
OTHER = dataclasses.replace(TORCH, git_version="another")


def reason(built_for: str, *, config: Config | None = None, **changes: object) -> str:
    project = dataclasses.replace(snapshots.snapshot().project, built_for=built_for)
    values: dict[str, object] = {"hook": Hook.BUILD_WHEEL, "project": project, **changes}
    planned = plan_rebuild(config or Config(), snapshots.snapshot(**values), TORCH)
    return planned.reason if planned else ""


@pytest.mark.parametrize(
    ("built_for", "expected"),
    [
        ("", ""),
        (build_identity(TORCH), ""),
        (build_identity(OTHER), "the source tree was built for torch 2.13.0+cpu before: compiled anew"),
        (UNKNOWN, "the source tree was built for another torch, or nobody knows which, before: compiled anew"),
    ],
)
def test_what_was_compiled_for_another_torch_is_compiled_anew(built_for: str, expected: str) -> None:
    assert reason(built_for) == expected


def test_where_there_is_nothing_to_force() -> None:
    assert not reason(UNKNOWN, hook=Hook.BUILD_SDIST)
    assert not reason(UNKNOWN, variables_set=("DIST_EXTRA_CONFIG",))
    assert not reason(UNKNOWN, config=Config(backend="scikit_build_core.build"))
    assert reason(UNKNOWN, config=Config(backend="setuptools.build_meta:__legacy__"))


def test_the_note_is_read_from_the_cache(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "build").mkdir(parents=True)
    project = Project(folder=str(source))
    assert with_last_build(project, tmp_path / "cache").built_for == UNKNOWN
    note = note_path(tmp_path / "cache", source)
    note.parent.mkdir(parents=True)
    note.write_text(build_identity(TORCH))
    assert with_last_build(project, tmp_path / "cache").built_for == build_identity(TORCH)


def test_a_tree_that_was_never_built_has_no_note(tmp_path: Path) -> None:
    assert not with_last_build(Project(folder=str(tmp_path)), tmp_path / "cache").built_for


REBUILD = Rebuild(config="rebuild.cfg", unless=build_identity(TORCH))


def noted(tmp_path: Path, rebuild: Rebuild | None, *, fails: bool = False, in_place: bool = False) -> tuple[bool, str]:
    """Return whether a build compiles anew, and what is noted after it."""
    rebuild = rebuild and dataclasses.replace(rebuild, config=str(tmp_path / "cache" / rebuild.config))
    seen = []
    with (
        contextlib.suppress(KeyboardInterrupt),
        noted_build(tmp_path, rebuild, cache_folder=tmp_path / "cache", in_place=in_place) as anew,
    ):
        seen.append(anew)
        if fails:
            raise KeyboardInterrupt
    return seen[0], read_note(tmp_path / "cache", tmp_path)


def test_a_build_that_fails_leaves_objects_for_its_torch(tmp_path: Path) -> None:
    assert noted(tmp_path, REBUILD, fails=True) == (False, build_identity(TORCH))
    assert noted(tmp_path, REBUILD) == (False, build_identity(TORCH))
    assert not (tmp_path / "cache" / "rebuild.cfg").exists()


def test_one_that_fails_for_another_torch_leaves_those_for_both(tmp_path: Path) -> None:
    other = dataclasses.replace(REBUILD, unless=build_identity(OTHER))
    noted(tmp_path, REBUILD)
    assert noted(tmp_path, other, fails=True) == (True, UNKNOWN)
    assert noted(tmp_path, other, fails=True) == (True, UNKNOWN)
    assert noted(tmp_path, other) == (True, build_identity(OTHER))
    assert noted(tmp_path, other) == (False, build_identity(OTHER))
    assert "force = 1" in (tmp_path / "cache" / "rebuild.cfg").read_text()


def test_where_nothing_can_be_forced_nobody_knows(tmp_path: Path) -> None:
    assert noted(tmp_path, None) == (False, UNKNOWN)
    assert noted(tmp_path, REBUILD) == (True, build_identity(TORCH))


def test_what_is_in_place_says_nothing_of_what_is_in_build(tmp_path: Path) -> None:
    other = dataclasses.replace(REBUILD, unless=build_identity(OTHER))
    assert noted(tmp_path, REBUILD) == (False, build_identity(TORCH))
    (tmp_path / "build").mkdir()
    assert noted(tmp_path, REBUILD, in_place=True) == (False, build_identity(TORCH))
    assert noted(tmp_path, other, in_place=True) == (True, UNKNOWN)
    assert noted(tmp_path, other) == (True, build_identity(OTHER))
    assert noted(tmp_path, other) == (False, build_identity(OTHER))


def test_a_note_of_what_is_in_place_does_not_vouch_for_build(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    assert noted(tmp_path, REBUILD, in_place=True) == (True, UNKNOWN)
    assert noted(tmp_path, REBUILD) == (True, build_identity(TORCH))


def test_an_editable_build_may_make_a_build_folder(tmp_path: Path) -> None:
    assert noted(tmp_path, REBUILD, in_place=True) == (False, build_identity(TORCH))
    (tmp_path / "build").mkdir()
    assert noted(tmp_path, REBUILD, in_place=True) == (False, build_identity(TORCH))
