from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchgraft.project.read_project import meson_project_alone


def arguments(text: str) -> list[str]:
    alone = meson_project_alone(text)
    assert alone is not None
    assert alone.startswith("project(\n")
    assert alone.endswith("\n)\n")
    return [argument.strip() for argument in alone[len("project(\n") : -len("\n)\n")].split("\n,\n")]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("project('a', 'c', 'cpp', version: '1.0')\ndependency('Torch')\n", ["'a'", "version: '1.0'"]),
        ("# of us\n\nproject ('a', ['c', 'cuda'], license: ['MIT', 'ISC'],)", ["'a'", "license: ['MIT', 'ISC']"]),
        ("project('a')", ["'a'"]),
        (r"project('a\'(', version: '1,0')", [r"'a\'('", "version: '1,0'"]),
        ("project('''a) # no\n''', version: '1')", ["'''a) # no\n'''", "version: '1'"]),
        ("project('a', # ), version: '0'\n  version: '1', # the last\n)", ["'a'", "# ), version: '0'\n  version: '1'"]),
        (
            "project('a', 'c', default_options: {'b_lto': 'true'}, version: run_command(['v.py', 'x'], check: true)"
            ".stdout().strip())",
            ["'a'", "version: run_command(['v.py', 'x'], check: true).stdout().strip()"],
        ),
    ],
    ids=["call", "comments", "name_alone", "escape", "long_string", "trailing_comment", "run_command"],
)
def test_name_version_and_licence_stay_and_what_would_be_compiled_goes(text: str, kept: list[str]) -> None:
    assert arguments(text) == kept


@pytest.mark.parametrize(
    "text",
    ["", "x = 1\nproject('a')", "project('a'", "project()", "projects('a')", "project('a)", "# project('a')"],
    ids=["empty", "not_first", "no_end", "no_name", "another_function", "open_string", "a_comment"],
)
def test_a_text_without_such_a_call(text: str) -> None:
    assert meson_project_alone(text) is None


@given(st.text(alphabet="project('),[]{}:#\\\n av", max_size=60))
def test_any_text_is_cut_or_left_and_what_was_cut_is_cut_no_further(rest: str) -> None:
    alone = meson_project_alone(f"project('a'{rest}")
    assert alone is None or meson_project_alone(alone) == alone
