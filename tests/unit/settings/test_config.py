from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from settings_page import json_schema, reference_text

from torchgraft.errors import ConfigError
from torchgraft.settings.config import Config, Log, Provide, settings, variable_name
from torchgraft.settings.sources import parse_pyproject, resolve_config, split_config_settings


def resolve(toml: dict[str, Any] | None = None, variables: dict[str, str] | None = None, **arguments: str) -> Config:
    spelt = {key.replace("__", ".").replace("_", "-"): (value,) for key, value in arguments.items()}
    return resolve_config({"tool": {"torchgraft": toml or {}}}, variables=variables or {}, arguments=spelt)


def test_defaults() -> None:
    config = resolve()
    assert config == Config()
    assert config.backend == "setuptools.build_meta"
    assert config.match == ("torch",)
    assert config.provide is Provide.AUTO
    assert config.origin("provide") == "default"


def test_an_argument_beats_a_variable_beats_toml() -> None:
    toml, variables = {"log": "quiet"}, {"TORCHGRAFT_LOG": "plan"}
    assert resolve(toml).log is Log.QUIET
    assert resolve(toml, variables).log is Log.PLAN
    config = resolve(toml, variables, log="summary")
    assert config.log is Log.SUMMARY
    assert config.origin("log") == "-C torchgraft.log"


def test_an_empty_variable_is_an_unset_one() -> None:
    assert resolve(variables={"TORCHGRAFT_PROVIDE": ""}).provide is Provide.AUTO


def test_torch_is_a_range_of_the_package_and_a_version_of_the_user() -> None:
    config = resolve({"torch": ">=2.4"}, {"TORCHGRAFT_TORCH": "2.8.0+cu128"})
    assert (config.torch, config.told_torch) == (">=2.4", "2.8.0+cu128")


def test_match_always_holds_torch() -> None:
    assert resolve({"match": ["torchvision"]}).match == ("torch", "torchvision")


def test_lists_from_text() -> None:
    assert resolve(variables={"TORCHGRAFT_BORROW": "numpy, SciPy einops"}).borrow == ("numpy", "scipy", "einops")
    config = resolve(variables={"TORCHGRAFT_REQUIRES": "numpy>=1,<2\nninja; python_version > '3'"})
    assert config.requires == ("numpy>=1,<2", "ninja; python_version > '3'")


def test_env_is_merged_by_name() -> None:
    config = resolve({"env": {"A": "1", "B": "1"}}, env__B="2", env__C="3")
    assert config.env == {"A": "1", "B": "2", "C": "3"}


MISTAKES = [
    ({"max-job": 1}, {}, {}, "unknown-key", r"\[tool\.torchgraft\] has no key 'max-job'"),
    ({"provde": "off"}, {}, {}, "unknown-key", "rename it to 'provide'"),
    ({}, {"TORCHGRAFT_PROVIDER": "off"}, {}, "unknown-key", "rename it to 'TORCHGRAFT_PROVIDE'"),
    ({}, {}, {"provid": "off"}, "unknown-key", "rename it to '-C torchgraft.provide'"),
    ({}, {}, {"zzz": "off"}, "unknown-key", "remove it"),
    ({}, {"TORCHGRAFT_ZZZ": "off"}, {}, "unknown-key", "remove it"),
    ({"match": "torch"}, {}, {}, "bad-value", "a list of strings"),
    ({"match": 3}, {}, {}, "wrong-type", "a list of strings"),
    ({"match": ["a b"]}, {}, {}, "wrong-type", "names of distributions"),
    ({"provide": True}, {}, {}, "wrong-type", "one of: auto, graft, install, off"),
    ({}, {"TORCHGRAFT_PROVIDE": "of"}, {}, "bad-value", "one of: auto, graft, install, off"),
    ({"torch": "2.8"}, {}, {}, "bad-value", "version specifiers"),
    ({}, {"TORCHGRAFT_TORCH": ">=2.8"}, {}, "bad-value", "one version"),
    ({"requires": ["numpy=1"]}, {}, {}, "wrong-type", "requirements"),
    ({"env": {"A": 1}}, {}, {}, "wrong-type", "strings as values; that of A"),
    ({"env": {"A B": "1"}}, {}, {}, "wrong-type", "names of variables"),
    ({"backend": "os.system('x')"}, {}, {}, "bad-value", "an object reference"),
    ({"backend-path": ["../x"]}, {}, {}, "wrong-type", "folders inside the source tree"),
    ({"backend-path": ["/x"]}, {}, {}, "wrong-type", "folders inside the source tree"),
    ({"backend-path": ["a\0b"]}, {}, {}, "wrong-type", "a string without NUL"),
    ({}, {}, {"trust": "/a\0b"}, "bad-value", "a string without NUL"),
    ({"backend": "torchgraft.build_meta"}, {}, {}, "bad-value", "another backend than torchgraft"),
    ({"consumer": "/x"}, {}, {}, "wrong-source", "fix:    -C torchgraft.consumer=VALUE"),
    ({}, {"TORCHGRAFT_ENV": "x"}, {}, "wrong-source", r"fix:    set env in \[tool.torchgraft\] of pyproject.toml"),
    ({}, {}, {"env": "x"}, "bad-value", "a name after it"),
    ({}, {}, {"provide__x": "off"}, "unknown-key", "provide.x"),
    ({}, {}, {"": "off"}, "unknown-key", "has no setting"),
]


@pytest.mark.parametrize(("toml", "variables", "arguments", "code", "message"), MISTAKES)
def test_mistakes(toml: Any, variables: Any, arguments: Any, code: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        resolve(toml, variables, **arguments)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert caught.value.exit_code == 2


def test_every_mistake_in_every_source_at_once() -> None:
    with pytest.raises(ConfigError, match="max-job") as caught:
        resolve({"max-job": 1, "log": 2}, {"TORCHGRAFT_PROVIDE": "x"}, nonsense="1")
    assert [p.code for p in caught.value.problems] == ["unknown-key", "wrong-type", "bad-value", "unknown-key"]


def test_the_keys_that_there_are_stand_once_where_none_is_alike() -> None:
    with pytest.raises(ConfigError, match="xyz") as caught:
        resolve({"max-job": 1, "xyz": 2, "qqq": 3, "torchh": "2"})
    text = str(caught.value)
    assert text.count("error[unknown-key]") == 4
    assert text.count("known:") == 1
    assert "rename it to 'max-jobs'" in text


@pytest.mark.parametrize("tool", [{"torchgraft": []}, {"torchgraft": "x"}])
def test_a_table_that_is_none(tool: Any) -> None:
    with pytest.raises(ConfigError, match="a table"):
        resolve_config({"tool": tool}, variables={}, arguments={})


@pytest.mark.parametrize("text", ["[tool\n", f"x = {'1' * 5000}", "x = " + "[" * 10_000], ids=["cut", "long", "deep"])
def test_toml_that_does_not_parse(text: str) -> None:
    with pytest.raises(ConfigError, match=r"pyproject\.toml is not TOML") as caught:
        parse_pyproject(text)
    assert caught.value.problems[0].code == "bad-toml"


def test_config_settings_are_split_and_never_changed() -> None:
    mapping = {"torchgraft.log": "plan", "--build-option": ["--x", "--y"], "torchgraft.requires": ["a", "b"]}
    before = dict(mapping)
    ours, theirs = split_config_settings(mapping)
    assert ours == {"log": ("plan",), "requires": ("a", "b")}
    assert theirs == {"--build-option": ["--x", "--y"]}
    assert mapping == before
    assert split_config_settings(None) == ({}, None)
    assert split_config_settings({}) == ({}, {})


@pytest.mark.parametrize("odd", [5, "x", [1], {1: "2"}, {None: None}, {"x": object()}, {"x": {3, 4}}])
def test_config_settings_that_no_front_end_can_mean(odd: Any) -> None:
    with pytest.raises(ConfigError, match=r"error\[wrong-type\]: the front end gives settings"):
        split_config_settings(odd)


@pytest.mark.parametrize(
    "table", [{"provide": "off"}, {"match": ["torch"]}, {"env": {"A": "1"}}, {"torch": ">=2"}, {"requires": ["x>1"]}]
)
def test_the_schema_agrees_with_the_parser(table: dict[str, Any]) -> None:
    jsonschema.validate(table, json_schema())
    assert resolve(table)


@pytest.mark.parametrize("table", [{"provide": "of"}, {"match": "torch"}, {"env": {"A": 1}}, {"max-job": 1}])
def test_the_schema_refuses_what_the_parser_refuses(table: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError, match=r"\w"):
        jsonschema.validate(table, json_schema())
    with pytest.raises(ConfigError, match="error"):
        resolve(table)


def test_the_reference_names_every_setting_and_variable() -> None:
    text = reference_text()
    for setting in settings().values():
        assert f"## `{setting.key}`" in text
    assert variable_name("cache-dir") in text
