"""Which compiler cache a build goes through, and with which variables."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from support import snapshots
from support.compiling import CU130, NVCC_13_0, hardware, plan, values
from torchgraft.model.observation import Hook
from torchgraft.settings.config import CompilerCaching

CCACHE, SCCACHE = "/usr/bin/ccache", "/opt/bin/sccache"
OLD = dataclasses.replace(snapshots.CPU_TORCH, version="2.8.0+cpu")
ROCM = dataclasses.replace(snapshots.CPU_TORCH, version="2.8.0+rocm6.4", hip="6.4")
SWITCH = "TORCH_NO_COMPILER_WRAPPER"


def planned(torch: Any, *caches: str, want: CompilerCaching = CompilerCaching.AUTO, **changes: Any) -> Any:
    changes.setdefault("hook", Hook.BUILD_WHEEL)
    changes.setdefault("project", snapshots.project())
    return plan(torch, hardware(caches=caches), config={"compiler_cache": want}, **changes)


def test_what_is_on_path_is_taken_and_hits_elsewhere() -> None:
    made = planned(OLD, CCACHE, SCCACHE)
    assert made.compiler_cache is not None
    assert made.compiler_cache.text == CCACHE
    found = values(made)
    assert (found["CCACHE_BASEDIR"], found["CCACHE_NOHASHDIR"]) == ("/src/ext", "1")
    assert [found[f"CMAKE_{name}_COMPILER_LAUNCHER"] for name in ("C", "CXX", "CUDA")] == [CCACHE] * 3
    assert made.workshop == ""


def test_without_one_nothing_changes() -> None:
    made = planned(OLD)
    assert made.compiler_cache is None
    assert not {name for name in values(made) if "CACHE" in name or "WRAPPER" in name}


@pytest.mark.parametrize(
    ("torch", "want", "by_torch"),
    [
        (snapshots.CPU_TORCH, CompilerCaching.AUTO, True),
        (snapshots.CPU_TORCH, CompilerCaching.CCACHE, True),
        (snapshots.CPU_TORCH, CompilerCaching.SCCACHE, False),  # torch would take ccache
        (OLD, CompilerCaching.AUTO, False),
    ],
)
def test_no_compiler_is_called_through_a_cache_twice(torch: Any, want: CompilerCaching, by_torch: bool) -> None:  # noqa: FBT001
    """torch 2.13 calls the first of both by itself."""
    assert (SWITCH not in values(planned(torch, CCACHE, SCCACHE, want=want))) == by_torch


def test_off_is_off_for_torch_too() -> None:
    made = planned(snapshots.CPU_TORCH, CCACHE, want=CompilerCaching.OFF)
    assert made.compiler_cache is None
    assert values(made)[SWITCH] == "1"


def test_who_has_told_torch_not_to_is_obeyed_unless_a_setting_says_which() -> None:
    assert planned(OLD, CCACHE, variables_set=(SWITCH,)).compiler_cache is None
    assert planned(OLD, CCACHE, want=CompilerCaching.CCACHE, variables_set=(SWITCH,)).compiler_cache is not None


@pytest.mark.parametrize(
    ("torch", "caches", "said"), [(OLD, (SCCACHE,), "it is not on PATH"), (ROCM, (CCACHE,), "hipcc cannot be called")]
)
def test_one_that_is_asked_for_and_cannot_be_had_is_said(torch: Any, caches: tuple[str, ...], said: str) -> None:
    made = planned(torch, *caches, want=CompilerCaching.CCACHE)
    assert made.compiler_cache is None
    assert any(said in note for note in made.notes)
    assert not made.problems
    assert not any(said in note for note in planned(torch).notes)


def test_what_the_user_has_set_stays() -> None:
    assert values(planned(OLD, CCACHE, variables_set=("CCACHE_BASEDIR",)))["CCACHE_BASEDIR"] is None


def test_debuggers_of_an_editable_installation_find_its_sources() -> None:
    made = planned(OLD, CCACHE, hook=Hook.BUILD_EDITABLE)
    assert made.compiler_cache is not None
    assert "CCACHE_BASEDIR" not in values(made)


def test_what_is_built_again_without_us_names_no_script_of_ours() -> None:
    """What the build folder of an editable wheel names is called as it is imported; the cache folder may be pruned."""
    backends = ("setuptools.build_meta", "mesonpy", "scikit_build_core.build")
    made = [
        plan(OLD, hardware(caches=(CCACHE,)), config={"backend": one}, hook=Hook.BUILD_EDITABLE) for one in backends
    ]
    assert [values(one).get(SWITCH) for one in made] == ["1", None, None]
    assert {values(one)["CMAKE_CXX_COMPILER_LAUNCHER"] for one in made} == {CCACHE}


@pytest.mark.parametrize(("passing", "said"), [(True, "1"), (False, None)])
def test_nvcc_writes_no_dependencies_in_a_tree_that_is_thrown_away(passing: bool, said: str | None) -> None:  # noqa: FBT001
    project = snapshots.project(cuda_sources="csrc/a.cu", passing=passing)
    made = plan(CU130, hardware(NVCC_13_0, caches=(CCACHE,)), hook=Hook.BUILD_WHEEL, project=project)
    assert values(made).get("TORCH_EXTENSION_SKIP_NVCC_GEN_DEPENDENCIES") == said


@pytest.mark.parametrize(
    ("name", "cache", "hook", "workshop"),
    [
        ("Ext.Pkg", SCCACHE, Hook.BUILD_WHEEL, "ext-pkg"),
        ("../x", SCCACHE, Hook.BUILD_WHEEL, "project"),
        (None, SCCACHE, Hook.BUILD_WHEEL, "project"),
        ("ext", CCACHE, Hook.BUILD_WHEEL, "ext"),
        ("ext", SCCACHE, Hook.BUILD_EDITABLE, ""),
    ],
)
def test_a_copy_of_the_sources_gets_a_fixed_place(name: str | None, cache: str, hook: Hook, workshop: str) -> None:
    assert planned(OLD, cache, hook=hook, project=snapshots.project(name=name, passing=True)).workshop == workshop
    assert planned(OLD, cache, hook=hook, project=snapshots.project(name=name)).workshop == ""
