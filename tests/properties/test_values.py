"""Whatever is thrown at the value floor and at the planner."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from setuptools._reqs import parse_strings

from support import snapshots
from torchgraft.codec import json_text
from torchgraft.errors import ConfigError, Evidence, Problem, problem_text
from torchgraft.hook.plan import plan_build
from torchgraft.hook.plan_text import plan_text
from torchgraft.ladder.plan_torch import applying
from torchgraft.model.decision import Plan
from torchgraft.model.observation import BuildEnvironment, Hook, Rule, Snapshot
from torchgraft.model.torch_values import AskedFor, Locked, TorchRequirement, torch_among
from torchgraft.project.setup_script import parse_setup_script
from torchgraft.settings.config import Config, Provide, settings, variable_name
from torchgraft.settings.sources import parse_pyproject, resolve_config
from torchgraft.tools.from_json import from_json_text
from torchgraft.untrusted import requirement_lines

ANY_TEXT = st.text(max_size=60)
KEYS = st.sampled_from([setting.key for setting in settings().values()]) | ANY_TEXT
TOML = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.text(st.sampled_from("ab \\\n\r\t#;>=1'") | st.characters(), max_size=20)))
def test_requirements_are_taken_out_of_strings_as_setuptools_does_it(strings: list[str]) -> None:
    assert list(requirement_lines(strings)) == [line.strip() for line in parse_strings(strings)]


@given(st.text())
def test_any_pyproject(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse_pyproject(text)


@given(st.dictionaries(KEYS, TOML, max_size=3), st.dictionaries(KEYS, ANY_TEXT, max_size=3), st.booleans())
def test_any_settings(table: dict[str, Any], texts: dict[str, str], as_variables: bool) -> None:  # noqa: FBT001
    variables = {variable_name(key): value for key, value in texts.items()} if as_variables else {}
    arguments = {} if as_variables else {key: (value,) for key, value in texts.items()}
    try:
        config = resolve_config({"tool": {"torchgraft": table}}, variables=variables, arguments=arguments)
    except ConfigError as error:
        said = str(error)
    else:
        said = ",".join(config.match)
        assert "torch" in said
    assert said.replace("\n", "").isprintable()


@given(st.text())
def test_any_setup_script(text: str) -> None:
    script = parse_setup_script(text)
    assert script.may_set_requires or script.setup_requires == ()


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT, st.lists(ANY_TEXT, max_size=3))
def test_any_problem_renders(headline: str, label: str, evidence: str, why: str, fixes: list[str]) -> None:
    text = problem_text(
        Problem(
            code="x",
            headline=headline,
            evidence=(Evidence(label=label, text=evidence),),
            why=why,
            fixes=tuple(fixes),
        )
    )
    assert text.startswith("error[x]: ")
    assert text.replace("\n", "").isprintable()


REQUIREMENTS = st.sampled_from(
    ["torch", "torch==2.13.0", "torch<2.9", "torch @ https://x.example/torch-2.8.0-py3-none-any.whl"]
).map(TorchRequirement.parse)
CONSUMERS = st.none() | st.builds(
    snapshots.consumer,
    st.sampled_from([None, snapshots.CPU_TORCH, snapshots.CUDA_TORCH]),
    rule=st.sampled_from(Rule),
    certain=st.booleans(),
    exists=st.booleans(),
    python_versions=st.sampled_from([(), ("3.11",), ("3.9", "3.12")]),
    torch_fault=st.sampled_from([None, "torch/version.py is missing"]),
    writable_by_others=st.sampled_from([(), (snapshots.OPEN,), (snapshots.SHARED,)]),
)
SNAPSHOTS = st.builds(
    snapshots.snapshot,
    hook=st.sampled_from(Hook),
    consumer=CONSUMERS,
    rivals=st.lists(CONSUMERS.filter(bool), max_size=1).map(tuple),
    build=st.builds(
        BuildEnvironment,
        prefix=st.just("/b"),
        torch=st.sampled_from([None, snapshots.CPU_TORCH]),
        distributions=st.sampled_from([(), (("setuptools", "60.0"),), (("numpy", "1"),)]),
    ),
    locked=st.none() | st.builds(Locked, file=st.just("uv.lock"), requirement=st.none() | REQUIREMENTS, said=ANY_TEXT),
    asked_for=st.lists(st.builds(AskedFor, requirement=REQUIREMENTS, source=ANY_TEXT), max_size=2).map(tuple),
    variables_set=st.sampled_from([(), ("FORCE_CUDA",)]),
    project=st.builds(
        snapshots.project,
        dependencies=st.sampled_from([None, (), ("torch>=2",), ("torch<2",), ("bad !",)]),
        writable=st.booleans(),
    ),
)
CONFIGS = st.builds(
    Config,
    provide=st.sampled_from([Provide.AUTO, Provide.GRAFT, Provide.INSTALL]),
    torch=st.sampled_from(["", ">=2.4", "<2"]),
    told_torch=st.sampled_from(["", "2.8.0+cu128"]),
    env=st.sampled_from([{}, {"A": "1"}]),
)


@given(CONFIGS, SNAPSHOTS)
def test_planning_never_fails_is_deterministic_and_round_trips(config: Config, snapshot: Snapshot) -> None:
    plan = plan_build(config, snapshot)
    assert plan == plan_build(config, dataclasses.replace(snapshot))
    assert from_json_text(Plan, json_text(plan), source="plan") == plan
    assert from_json_text(Snapshot, json_text(snapshot), source="snapshot") == snapshot
    assert plan_text(plan)
    builds = plan.hook in {Hook.BUILD_WHEEL, Hook.BUILD_EDITABLE}
    assert not (builds and plan.stand_in), "a stand-in must never be compiled against"
    assert not (builds and plan.torch is None and not plan.problems), "a wheel is never built without a torch"


@given(ANY_TEXT, ANY_TEXT)
def test_any_version_and_requirement(version: str, requirement: str) -> None:
    found = torch_among(applying((requirement, f"torch{requirement}"), snapshots.PYTHON))
    assert found is None or found.accepts(version) in {True, False}
