from __future__ import annotations

import jsonschema
import pytest
from settings_page import GROUPS, Group, json_schema

try:
    import tomllib
except ImportError:
    import tomli as tomllib


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_the_example_of_a_group_is_what_pyproject_may_say(group: Group) -> None:
    example = tomllib.loads(group.example)
    assert example
    assert {key.replace("-", "_") for key in example} <= set(group.names)
    jsonschema.validate(example, json_schema())
