from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from packaging.requirements import Requirement

from support import snapshots
from torchgraft.errors import ConfigError
from torchgraft.hook.plan import plan_build
from torchgraft.hook.plan_text import plan_text
from torchgraft.model.decision import RuntimeRequirement
from torchgraft.model.observation import FrontEnd, FrontEndName, Hook
from torchgraft.settings.config import Config, RuntimeTorch
from torchgraft.settings.sources import resolve_config
from torchgraft.wheel.plan_finishing import plan_runtime_torch

ORIGIN = {"runtime-torch": "pyproject.toml"}


def planned(word: RuntimeTorch, version: str = "2.8.1+cu128", **changes: Any) -> RuntimeRequirement | None:
    consumer = snapshots.consumer(torch=dataclasses.replace(snapshots.CPU_TORCH, version=version))
    snapshot = snapshots.snapshot(**{"consumer": consumer, "hook": Hook.BUILD_WHEEL, **changes})
    return plan_build(Config(runtime_torch=word, origins=ORIGIN), snapshot).runtime_torch


@pytest.mark.parametrize(
    ("word", "version", "text"),
    [
        (RuntimeTorch.EXACT, "2.8.1+cu128", "torch==2.8.1"),
        (RuntimeTorch.MINOR, "2.8.1+cu128", "torch==2.8.*"),
        (RuntimeTorch.AT_LEAST, "2.8.1+cu128", "torch>=2.8"),
        # A nightly and a vendor's build.
        (RuntimeTorch.EXACT, "2.9.0.dev20250801+cu128", "torch==2.9.0.dev20250801"),
        (RuntimeTorch.MINOR, "2.8.0a0+5228986c39.nv25.6", "torch==2.8.*,>=2.8.0a0"),
        (RuntimeTorch.AT_LEAST, "2.8.0a0+5228986c39.nv25.6", "torch>=2.8.0a0"),
    ],
)
def test_what_each_word_gives(word: RuntimeTorch, version: str, text: str) -> None:
    made = planned(word, version)
    assert made == RuntimeRequirement(
        text=text, reason=f"pyproject.toml: runtime-torch is {word.value}, torch is {version}"
    )
    # Whatever a resolver thinks of pre-releases, the torch of the build meets it.
    assert Requirement(text).specifier.contains(version)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (RuntimeTorch.EXACT, "torch==2.8.0"),
        (RuntimeTorch.MINOR, "torch==2.8.*"),
        (RuntimeTorch.AT_LEAST, "torch>=2.8"),
    ],
)
def test_a_resolver_sees_the_metadata_of_torch_and_not_its_version_file(word: RuntimeTorch, text: str) -> None:
    torch = dataclasses.replace(snapshots.CPU_TORCH, version="2.8.0a0+git1234", metadata_version="2.8.0")
    config = Config(runtime_torch=word, origins=ORIGIN)
    made = plan_runtime_torch(config, snapshots.snapshot(hook=Hook.BUILD_WHEEL), torch)
    reason = f"pyproject.toml: runtime-torch is {word.value}, torch is 2.8.0 in its metadata"
    assert made == RuntimeRequirement(text=text, reason=reason)


def test_nothing_by_default() -> None:
    assert planned(RuntimeTorch.OFF) is None
    assert Config().runtime_torch is RuntimeTorch.OFF


def test_only_hooks_that_make_metadata_have_it() -> None:
    made = {hook: planned(RuntimeTorch.MINOR, hook=hook) is not None for hook in Hook}
    assert {hook for hook, is_made in made.items() if is_made} == {
        Hook.PREPARE_METADATA_FOR_BUILD_WHEEL,
        Hook.PREPARE_METADATA_FOR_BUILD_EDITABLE,
        Hook.BUILD_WHEEL,
        Hook.BUILD_EDITABLE,
    }


def test_metadata_without_torch_has_none_and_says_so() -> None:
    hook = Hook.PREPARE_METADATA_FOR_BUILD_WHEEL
    snapshot = snapshots.snapshot(hook=hook, consumer=snapshots.consumer(torch=None))
    plan = plan_build(Config(runtime_torch=RuntimeTorch.MINOR), snapshot)
    assert plan.runtime_torch == RuntimeRequirement(reason="no torch is there yet")
    assert "run time   no requirement: no torch is there yet" in plan_text(plan)


@pytest.mark.parametrize(
    ("command", "is_pinned"),
    [
        ("uv pip install", True),
        ("uv build", True),
        ("uv tool install", True),
        ("uv sync", False),
        ("uv run", False),
        ("uv add", False),
    ],
)
def test_what_works_from_a_lock_gets_none(command: str, is_pinned: bool) -> None:  # noqa: FBT001
    made = planned(RuntimeTorch.MINOR, front_end=FrontEnd(name=FrontEndName.UV, command=command))
    assert made
    assert (made.text is not None) == is_pinned


def test_what_only_resolves_gets_none() -> None:
    front_end = FrontEnd(name=FrontEndName.PIP, command="pip lock", resolves=True)
    made = planned(RuntimeTorch.MINOR, front_end=front_end)
    assert made == RuntimeRequirement(reason="pip lock works from a lock, which names torch itself")


def test_a_version_that_is_none() -> None:
    torch = dataclasses.replace(snapshots.CPU_TORCH, version="my-own-torch")
    made = plan_runtime_torch(Config(runtime_torch=RuntimeTorch.EXACT), snapshots.snapshot(), torch)
    assert made == RuntimeRequirement(reason="my-own-torch is no version (PEP 440)")


def resolve(project: dict[str, Any] | None, word: str = "minor") -> Config:
    tables: dict[str, Any] = {"tool": {"torchgraft": {"runtime-torch": word}}}
    if project is not None:
        tables["project"] = project
    return resolve_config(tables, variables={}, arguments={})


@pytest.mark.parametrize(
    "project",
    [
        None,
        {"name": "ext", "dynamic": ["version", "dependencies"]},
        # PEP 808
        {"name": "ext", "dependencies": ["numpy"], "dynamic": ["dependencies"]},
    ],
)
def test_dynamic_dependencies_may_grow(project: dict[str, Any] | None) -> None:
    assert resolve(project).runtime_torch is RuntimeTorch.MINOR


@pytest.mark.parametrize("project", [{"name": "ext"}, {"name": "ext", "dependencies": ["torch"], "dynamic": []}])
def test_static_dependencies_are_an_error_of_the_settings(project: dict[str, Any]) -> None:
    assert resolve(project, "off").runtime_torch is RuntimeTorch.OFF
    with pytest.raises(ConfigError, match="adds a dependency") as caught:
        resolve(project)
    assert [problem.code for problem in caught.value.problems] == ["static-dependencies"]
