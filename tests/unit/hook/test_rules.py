"""Rules of the package, from settings and snapshots."""

from __future__ import annotations

import dataclasses
from typing import Any

import jsonschema
import pytest
from settings_page import json_schema, rules_text

from support import snapshots
from torchgraft.codec import json_text
from torchgraft.errors import ConfigError
from torchgraft.hook.plan import plan_build
from torchgraft.hook.plan_text import plan_text
from torchgraft.hook.snapshot import _env_conditions_met
from torchgraft.model.decision import Outcome, Plan
from torchgraft.model.hardware_values import Hardware, HostCompiler
from torchgraft.model.observation import BuildEnvironment, FrontEnd, FrontEndName, Hook, Snapshot
from torchgraft.model.torch_values import AskedFor, Locked, TorchRequirement
from torchgraft.settings.config import Config
from torchgraft.settings.sources import Settings, resolve_config
from torchgraft.settings.tables import When, env_condition_holds
from torchgraft.tools.from_json import from_json_text

ASK = Hook.GET_REQUIRES_FOR_BUILD_WHEEL
METADATA = Hook.PREPARE_METADATA_FOR_BUILD_WHEEL
GCC = HostCompiler(cc="/usr/bin/gcc", cxx="/usr/bin/g++", name="gcc", version="12.2.0", source="PATH")
CLANG = dataclasses.replace(GCC, cc="/usr/bin/clang", name="clang", version="17")
HARDWARE = Hardware(
    cores=4, cores_limit="4 processors", memory_bytes=64_000_000_000, memory_limit="memory", compilers=(GCC,)
)
PYTHON = dataclasses.replace(snapshots.PYTHON, system="linux", machine="x86_64")
NOT_INSTALLED = snapshots.consumer(None)


def config(*rules: dict[str, Any], arguments: dict[str, str] | None = None, **toml: Any) -> Config:
    spelt = {key: (value,) for key, value in (arguments or {}).items()}
    return resolve_config({"tool": {"torchgraft": {"when": list(rules), **toml}}}, variables={}, arguments=spelt)


def plan(*rules: dict[str, Any], settings: Config | None = None, **changes: Any) -> Plan:
    values = {"python": PYTHON, "hardware": HARDWARE, **changes}
    return plan_build(settings or config(*rules), snapshots.snapshot(**values))


def outcome(conditions: dict[str, Any], **changes: Any) -> tuple[Outcome, str]:
    (found,) = plan({"env": {"X": "1"}, **conditions}, **changes).when
    return found.outcome, found.said


def cuda(**changes: Any) -> Any:
    return snapshots.consumer(dataclasses.replace(snapshots.CUDA_TORCH, **changes))


@pytest.mark.parametrize(
    ("conditions", "changes", "applies"),
    [
        ({"torch": ">=2.4,<2.14"}, {}, True),
        ({"torch": ">=2.14"}, {}, False),
        ({"torch": "==2.13.0"}, {}, True),
        ({"torch": ">=2.8"}, {"consumer": cuda(version="2.8.0a0+5228986c39.nv25.6")}, True),
        (
            {"torch": ">=2.8"},
            {"consumer": cuda(version="unknown"), "project": snapshots.project(dependencies=())},
            False,
        ),
        ({"cuda": ">=12.4"}, {}, False),
        ({"cuda": ">=12.4"}, {"consumer": cuda()}, True),
        ({"cuda": ">=12.10"}, {"consumer": cuda()}, False),
        ({"python": "<3.12"}, {}, True),
        ({"python": ">=3.12"}, {}, False),
        ({"gcc": ">=11"}, {}, True),
        ({"gcc": ">=13"}, {}, False),
        ({"gcc": ">=11"}, {"hardware": dataclasses.replace(HARDWARE, compilers=(CLANG, GCC))}, False),
        ({"gcc": ">=11"}, {"hardware": dataclasses.replace(HARDWARE, compilers=())}, False),
        ({"gpu": ">=9.0"}, {}, False),
        ({"gpu": ">=9.0"}, {"hardware": dataclasses.replace(HARDWARE, gpus=("8.0", "9.0"))}, True),
        ({"gpu": ">=10.0"}, {"hardware": dataclasses.replace(HARDWARE, gpus=("8.0", "9.0"))}, False),
        ({"gpu": ">=9.0"}, {"hardware": dataclasses.replace(HARDWARE, gpus=("gfx942",))}, False),
        ({"accelerator": "cpu"}, {}, True),
        ({"accelerator": ["cuda", "rocm"]}, {}, False),
        ({"accelerator": ["cuda", "rocm"]}, {"consumer": cuda()}, True),
        ({"platform": "linux|darwin"}, {}, True),
        ({"platform": "win"}, {"python": dataclasses.replace(PYTHON, system="darwin")}, False),
        ({"machine": "x86_64|AMD64"}, {}, True),
        ({"machine": "aarch64"}, {}, False),
        ({"if-env": {"CI": True}}, {"env_conditions_met": ("CI is on",)}, True),
        ({"if-env": {"CI": True}}, {}, False),
        ({"if-env": {"CI": "git.*"}}, {"env_conditions_met": ("CI matches git.*",)}, True),
        ({"torch": ">=2", "platform": "linux", "accelerator": "cpu"}, {}, True),
        ({"torch": ">=2", "platform": "win32", "accelerator": "cpu"}, {}, False),
    ],
)
def test_conditions(conditions: Any, changes: Any, applies: bool) -> None:  # noqa: FBT001 - a row of the table
    assert outcome(conditions, **changes)[0] is (Outcome.APPLIES if applies else Outcome.DOES_NOT)


def test_the_outcome_says_why() -> None:
    assert outcome({"torch": ">=2.4", "platform": "linux"}) == (
        Outcome.APPLIES,
        "torch 2.13.0+cpu is >=2.4, platform linux is linux",
    )
    assert outcome({"torch": ">=2.4", "cuda": ">=12"}) == (Outcome.DOES_NOT, "torch's CUDA >=12: it has none")
    assert outcome({"if-env": {"CI": True}}) == (Outcome.DOES_NOT, "it is not so that CI is on")


def test_architectures_of_the_package_stand_for_gpus_that_are_not_there() -> None:
    rule = {"gpu": ">=9.0", "env": {"X": "1"}}
    made = plan(settings=config(rule, **{"cuda-architectures": ["8.0", "9.0a+PTX"]}))
    assert made.when[0].outcome is Outcome.APPLIES
    assert made.when[0].said == "cuda-architectures 8.0, 9.0 is >=9.0"


# What is not known yet.


@pytest.mark.parametrize(
    ("conditions", "requirement", "expected"),
    [
        ({"torch": ">=2.8"}, "torch==2.8.0", Outcome.APPLIES),
        ({"torch": ">=2.9"}, "torch==2.8.0", Outcome.DOES_NOT),
        ({"torch": ">=2.8"}, "torch>=2.4", Outcome.NOT_KNOWN),
        ({"cuda": ">=12"}, "torch==2.8.0", Outcome.NOT_KNOWN),
        ({"cuda": ">=12.8"}, "torch==2.8.0+cu128", Outcome.APPLIES),
        ({"cuda": ">=12.8"}, "torch==2.6.0+cu118", Outcome.DOES_NOT),
        ({"accelerator": "cuda"}, "torch==2.8.0", Outcome.NOT_KNOWN),
        ({"accelerator": "cuda"}, "torch==2.8.0+cpu", Outcome.DOES_NOT),
        ({"accelerator": "rocm"}, "torch==2.8.0+rocm6.3", Outcome.APPLIES),
        ({"cuda": ">=12"}, "torch==2.8.0+rocm6.3", Outcome.DOES_NOT),
    ],
)
def test_before_torch_is_installed_its_version_says_what_it_can(
    conditions: Any, requirement: str, expected: Outcome
) -> None:
    asked = (AskedFor(requirement=TorchRequirement.parse(requirement), source="the command line"),)
    assert outcome(conditions, hook=ASK, consumer=NOT_INSTALLED, asked_for=asked)[0] is expected


def test_a_lock_with_an_address_knows_the_version() -> None:
    url = "torch @ https://example.org/torch-2.8.0%2Bcu128-cp311-cp311-linux_x86_64.whl"
    locked = Locked(file="uv.lock", version="2.8.0+cu128", requirement=TorchRequirement.parse(url), said="2.8.0+cu128")
    assert outcome({"cuda": ">=12.8"}, hook=ASK, consumer=NOT_INSTALLED, locked=locked)[0] is Outcome.APPLIES


def test_without_any_torch_it_says_so() -> None:
    found = outcome({"torch": ">=2"}, hook=METADATA, consumer=NOT_INSTALLED, project=snapshots.project(dependencies=()))
    assert found == (Outcome.NOT_KNOWN, "torch >=2: nothing says which torch")


def test_a_condition_that_does_not_hold_counts_more_than_one_that_is_not_known() -> None:
    found = outcome({"cuda": ">=12", "platform": "win32"}, hook=ASK, consumer=NOT_INSTALLED)
    assert found[0] is Outcome.DOES_NOT


@pytest.mark.parametrize("conditions", [{"gcc": ">=9"}, {"gpu": ">=9.0"}])
def test_the_machine_is_not_looked_at_for_metadata(conditions: Any) -> None:
    found = outcome(conditions, hook=METADATA, hardware=None)
    assert found[0] is Outcome.NOT_KNOWN
    assert "compiles nothing" in found[1]


def test_the_compiler_may_hang_on_a_toolkit_that_is_not_there_yet() -> None:
    torch = dataclasses.replace(snapshots.CUDA_TORCH, version="2.14.1+cu130", cuda="13.0")
    changes = {"consumer": snapshots.consumer(torch), "project": snapshots.project(cuda_sources="a.cu"), "hook": ASK}
    assert outcome({"gcc": ">=9"}, **changes)[0] is Outcome.NOT_KNOWN


# What follows.


def values(made: Plan) -> dict[str, str | None]:
    return {variable.name: variable.value for variable in made.variables}


def test_requirements_are_those_of_all_rules_that_apply() -> None:
    made = plan(
        {"torch": ">=2.8", "requires": ["triton==3.*"]},
        {"platform": "win32", "requires": ["pywin32"]},
        {"accelerator": "cpu", "requires": ["onednn"]},
        hook=ASK,
    )
    assert [line.text for line in made.requirements] == ["triton==3.*", "onednn"]
    assert made.requirements[0].reason == "rule 1: torch 2.13.0+cpu is >=2.8"
    assert not plan({"torch": ">=2.8", "requires": ["triton"]}, hook=Hook.GET_REQUIRES_FOR_BUILD_SDIST).requirements


def test_what_a_rule_requires_and_is_not_there_is_said() -> None:
    rule = {"torch": ">=2", "requires": ["triton==3.*", "setuptools>=80", "pywin32; sys_platform == 'win32'"]}
    (note,) = plan(rule).notes
    assert note.startswith("rule 1 requires triton==3.*, and the build environment has none")
    there = BuildEnvironment(prefix="/env", distributions=(("setuptools", "84"), ("triton", "3.1")))
    assert not plan(rule, build=there).notes


def test_variables_a_later_rule_beats_an_earlier_one_and_the_settings() -> None:
    rules = (
        {"torch": ">=2", "env": {"A": "rule 1", "B": "rule 1"}},
        {"platform": "linux", "env": {"B": "rule 2"}},
        {"platform": "win32", "env": {"B": "rule 3"}},
    )
    found = values(plan(settings=config(*rules, env={"A": "toml", "C": "toml"})))
    assert (found["A"], found["B"], found["C"]) == ("rule 1", "rule 2", "toml")


def test_the_command_line_and_the_users_own_variables_beat_the_rules() -> None:
    settings = config({"torch": ">=2", "env": {"A": "rule", "B": "rule"}}, arguments={"env.A": "told"})
    made = plan(settings=settings, variables_set=("B",))
    assert values(made)["A"] == "told"
    assert values(made)["B"] is None


def test_variables_have_facts_in_them() -> None:
    env = {
        "TAG": "cu{cuda_major}torch{torch_minor}{{x}}",
        "DIGITS": "pt{torch_digits}cu{cuda_digits}",
        "ALL": "{torch} {torch_local} {accelerator} {cuda} {cxx11abi}",
        "HERE": "{python} {python_minor} {abi} {platform} {machine}",
        "JOBS": "{jobs}",
    }
    found = values(plan(settings=config(env=env), consumer=cuda()))
    assert found["TAG"] == "cu12torch2.8{x}"
    assert found["DIGITS"] == "pt28cu128"
    assert found["ALL"] == "2.8.0 cu128 cuda 12.8 TRUE"
    assert found["HERE"] == "cp311 3.11 cp311 linux_x86_64 x86_64"
    assert found["JOBS"] == "4"


def test_a_variable_whose_fact_has_no_value_is_not_set_and_the_plan_says_why() -> None:
    made = plan(settings=config(env={"A": "cu{cuda_major}"}))
    (variable,) = [variable for variable in made.variables if variable.name == "A"]
    assert variable.value is None
    assert variable.reason.startswith("not set: {cuda_major} has no value: torch 2.13.0+cpu has none")


def test_a_rule_without_its_fact_leaves_what_was_there() -> None:
    settings = config({"torch": ">=2", "env": {"A": "cu{cuda_major}"}}, env={"A": "none"})
    assert values(plan(settings=settings))["A"] == "none"


def test_variables_about_the_machine_are_marked_as_such() -> None:
    rules = (
        {"gcc": ">=9", "env": {"OF_GCC": "1"}},
        {"torch": ">=2", "env": {"OF_TORCH": "1", "OF_JOBS": "{jobs}"}},
    )
    made = plan(*rules)
    marked = {variable.name: variable.of_machine for variable in made.variables if variable.name.startswith("OF_")}
    assert marked == {"OF_GCC": True, "OF_TORCH": False, "OF_JOBS": True}
    before = plan(*rules, hook=METADATA, hardware=None)
    marked = {variable.name: variable.of_machine for variable in before.variables if variable.name.startswith("OF_")}
    assert marked == {"OF_TORCH": False, "OF_JOBS": True}


# Errors.

ERROR = {"torch": ">=2.13", "error": "no torch after 2.12"}


@pytest.mark.parametrize("hook", [ASK, Hook.BUILD_WHEEL, Hook.BUILD_EDITABLE, Hook.GET_REQUIRES_FOR_BUILD_EDITABLE])
def test_an_error_stops_the_build_of_a_wheel(hook: Hook) -> None:
    (problem,) = plan(ERROR, hook=hook).problems
    assert problem.code == "rule-error"
    assert problem.headline == "ext: no torch after 2.12"
    assert problem.evidence[0].text == "1: torch 2.13.0+cpu is >=2.13"


@pytest.mark.parametrize("hook", [METADATA, Hook.BUILD_SDIST, Hook.GET_REQUIRES_FOR_BUILD_SDIST])
def test_metadata_and_sdists_are_made_all_the_same(hook: Hook) -> None:
    made = plan(ERROR, hook=hook)
    assert made.when[0].outcome is Outcome.APPLIES
    assert not made.problems


def test_an_error_does_not_stop_a_front_end_that_only_resolves() -> None:
    front_end = FrontEnd(name=FrontEndName.UV, command="uv lock", resolves=True)
    assert not plan(ERROR, hook=ASK, front_end=front_end).problems


def test_all_errors_at_once() -> None:
    codes = [problem.code for problem in plan(ERROR, {"gcc": "<13", "error": "gcc 13 or later"}).problems]
    assert codes == ["rule-error"]
    rules = (ERROR, {"platform": "linux", "error": "not here"})
    assert len(plan(*rules, consumer=snapshots.consumer()).problems) == 2


# Settings.


@pytest.mark.parametrize(
    ("rule", "code", "message"),
    [
        ({"torhc": ">=2", "env": {"A": "1"}}, "unknown-key", "rename it to 'torch'"),
        ({"torch": "2.8", "env": {"A": "1"}}, "bad-value", "version specifiers"),
        ({"torch": ">=2", "env": {"A": 1}}, "wrong-type", "strings as values"),
        ({"torch": ">=2", "env": {"A": "{nope}"}}, "wrong-type", r"\{nope\} is none of"),
        ({"torch": ">=2", "requires": "x"}, "bad-value", "a list of strings"),
        ({"torch": ">=2", "error": " "}, "bad-value", "a string that is not empty"),
        ({"torch": ">=2"}, "wrong-type", "at least one of: requires, env, error"),
        ({"error": "x"}, "wrong-type", "at least one condition"),
        ({"accelerator": "gpu", "error": "x"}, "bad-value", "one or more of: cuda, rocm, xpu, cpu"),
        ({"accelerator": [], "error": "x"}, "wrong-type", "one or more of"),
        ({"platform": "(", "error": "x"}, "bad-value", "a regular expression"),
        ({"platform": "(a+)+b", "error": "x"}, "bad-value", "none of them in"),
        ({"machine": "((x|y)z{2,})*", "error": "x"}, "bad-value", "none of them in"),
        ({"if-env": {"A": "(a|aa)+"}, "error": "x"}, "wrong-type", "none of them in"),
        ({"if-env": {"A": ".*a.*b.*c.*"}, "error": "x"}, "wrong-type", "three repeats at most"),
        ({"if-env": {"A B": True}, "error": "x"}, "wrong-type", "the name of a variable"),
        ({"if-env": {"A": 1}, "error": "x"}, "wrong-type", "a string that is not empty"),
        ({"if-env": True, "error": "x"}, "wrong-type", "a table of names"),
        ("x", "bad-value", "a table"),
    ],
)
def test_mistakes(rule: Any, code: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config(rule)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_all_mistakes_at_once() -> None:
    with pytest.raises(ConfigError, match="when") as caught:
        config({"torhc": ">=2", "env": {"A": 1}}, {}, env={"A": "{x}"})
    assert [p.code for p in caught.value.problems] == ["unknown-key", "wrong-type", "wrong-type", "wrong-type"]
    with pytest.raises(ConfigError, match="an array of tables"):
        resolve_config({"tool": {"torchgraft": {"when": {"torch": ">=2"}}}}, variables={}, arguments={})


def test_rules_cannot_come_from_a_user() -> None:
    with pytest.raises(ConfigError, match="cannot be set there"):
        resolve_config({}, variables={"TORCHGRAFT_WHEN": "x"}, arguments={})


def test_the_schema_agrees() -> None:
    rule = {"torch": ">=2", "if-env": {"A": True, "B": "x"}, "accelerator": ["cuda"], "env": {"A": "1"}, "error": "x"}
    assert config(rule).when == (
        When(torch=">=2", if_env={"A": True, "B": "x"}, accelerator=("cuda",), env={"A": "1"}, error="x"),
    )
    jsonschema.validate({"when": [rule]}, json_schema())
    for wrong in ({"torhc": ">=2"}, {"env": {"A": 1}}, {"accelerator": "gpu"}, {"if-env": {"A": 1}}):
        with pytest.raises(jsonschema.ValidationError, match=r"\w"):
            jsonschema.validate({"when": [wrong]}, json_schema())


def test_the_reference_names_every_condition_and_fact() -> None:
    text = rules_text()
    for name in ("if-env", "accelerator", "requires", "cuda_major", "jobs"):
        assert f"| `{name}` |" in text


# Looking.


@pytest.mark.parametrize(
    ("value", "is_on"),
    [
        *((text, False) for text in (None, "", "0", "00", "off", "No", "FALSE")),
        *((text, True) for text in ("1", "2", "true", "yes", "anything")),
    ],
)
def test_words_for_false(value: str | None, is_on: bool) -> None:  # noqa: FBT001 - a row of the table
    assert env_condition_holds(value, wanted=True) is is_on
    assert env_condition_holds(value, wanted=False) is not is_on


def test_a_pattern_matches_the_whole_value() -> None:
    assert env_condition_holds("github", wanted="git.*")
    assert not env_condition_holds("my github", wanted="git.*")
    assert not env_condition_holds(None, wanted=".*")


def test_a_snapshot_has_no_value_of_a_variable(tmp_path: Any) -> None:
    settings = Settings(
        config=config({"if-env": {"TOKEN": "s.*", "CI": True}, "env": {"A": "1"}}),
        source=tmp_path,
        pyproject={},
        config_settings=None,
        variables={"TOKEN": "secret", "CI": "0"},
        cache_folder=tmp_path,
    )
    assert _env_conditions_met(settings) == ("TOKEN matches s.*",)


def test_the_plan_shows_what_became_of_each_rule_and_survives_json() -> None:
    made = plan(
        ERROR,
        {"platform": "win32", "env": {"A": "1"}},
        {"gpu": ">=9.0", "env": {"A": "1"}},
        hook=METADATA,
        hardware=None,
    )
    text = plan_text(made)
    assert "rules      1 applies: torch 2.13.0+cpu is >=2.13" in text
    assert "           2 does not apply: platform linux is not win32" in text
    assert "           3 not known yet: gpu >=9.0: this hook compiles nothing" in text
    assert from_json_text(Plan, json_text(made), source="x") == made


def test_a_snapshot_with_the_new_fields_survives_json() -> None:
    seen = snapshots.snapshot(env_conditions_met=("CI is on",), python=PYTHON)
    assert from_json_text(Snapshot, json_text(seen), source="x") == seen
